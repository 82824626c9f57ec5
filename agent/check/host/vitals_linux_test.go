package host

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

// lax are thresholds that no machine is beyond.
var lax = []string{"sample", "20ms", "cpu", "101", "mem", "0", "commit", "1000", "pressure", "101"}

func TestVitals(t *testing.T) {
	a := checktest.Ask(t, vitals(readPressure), lax...)
	a.Fine(t)
	for _, column := range []string{"cpu", "cores", "run_queue", "mem", "mem_available", "uptime"} {
		if c := a.Column(t, "", column); len(c) != 1 || c[0] == "-" || c[0] == "" {
			t.Errorf("%s %v", column, c)
		}
	}
	a = checktest.Ask(t, vitals(readPressure), "sample", "20ms", "cpu", "-1", "mem", "101", "pressure", "101")
	a.Finding(t, "cpu")
	a.Finding(t, "mem")
}

// TestPressure reads PSI as procfs has it, of which a kernel may have nothing.
func TestPressure(t *testing.T) {
	const psi = "some avg10=31.50 avg60=2.00 avg300=0.10 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
	s := rooted(t, map[string]string{"proc/pressure/io": psi})
	a := checktest.Ask(t, vitals(s.pressure), append(lax[:len(lax)-2:len(lax)-2], "pressure", "20")...)
	if f := a.Finding(t, "pressure"); f.Text != "work waited for disks in 32 % of the last 10 s, over 20 %" || len(a.Findings) != 1 {
		t.Errorf("%+v", a.Findings)
	}
	if c := a.Column(t, "", "psi_cpu"); c[0] != "-" || len(a.Raw) == 0 {
		t.Errorf("psi_cpu %v, %d bytes of evidence", c, len(a.Raw))
	}
}

func TestVitalsEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := vitals(readPressure)
	values, err := c.Values(map[string]string{"sample": "60s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx, check.Input{Values: values}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
