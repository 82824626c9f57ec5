package host

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// dpkgLog is a log as dpkg writes it, of one upgrade so long ago.
func dpkgLog(ago time.Duration, name string) string {
	at := time.Now().Add(-ago).Format(time.DateTime)
	return fmt.Sprintf("%[1]s startup archives unpack\n%[1]s upgrade %[2]s:amd64 1.0 1.1\n%[1]s status half-configured %[2]s:amd64 1.1\n%[1]s status installed %[2]s:amd64 1.1\n", at, name)
}

func TestUpdates(t *testing.T) {
	var old bytes.Buffer
	z := gzip.NewWriter(&old)
	_, _ = z.Write([]byte(dpkgLog(72*time.Hour, "older")))
	_ = z.Close()
	const status = "Package: fine\nStatus: install ok installed\n\nPackage: bad\nStatus: install ok half-configured\n"
	s := rooted(t, map[string]string{
		"var/log/dpkg.log": dpkgLog(time.Hour, "libx"), "var/log/dpkg.log.2.gz": old.String(), "var/lib/dpkg/status": status,
	})
	a := checktest.Ask(t, updRecent(s))
	if got := strings.Join(a.Column(t, "", "id"), " "); got != "bad libx:amd64 older:amd64" {
		t.Errorf("packages %q", got)
	}
	if f := a.Finding(t, "fresh"); f.Text != "1 packages changed in the last 48h0m0s, libx:amd64 the last" {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "warn"); !strings.Contains(f.Text, "package bad is half-configured") {
		t.Errorf("%+v", f)
	}
}

func TestUpdatesNone(t *testing.T) {
	s := rooted(t, map[string]string{"var/log/dpkg.log": dpkgLog(100*time.Hour, "libx")})
	checktest.Ask(t, updRecent(s)).Fine(t)
	checktest.Ask(t, updRecent(rooted(t, nil))).CannotTell(t)
}

func TestRPM(t *testing.T) {
	all := parseRPM([]byte("1700000000 bash 5.1-2\nnot a line\n1600000000 old 1\n"), time.Unix(1650000000, 0))
	if len(all) != 1 || all[0].name != "bash" || all[0].to != "5.1-2" {
		t.Errorf("%+v", all)
	}
}

// TestDpkgHere holds the reader against this machine's own log, if there is one.
func TestDpkgHere(t *testing.T) {
	data, err := os.ReadFile("/var/log/dpkg.log")
	if err != nil || !bytes.Contains(data, []byte(" install ")) {
		t.Skip("dpkg keeps no log here: it is of the package dpkg")
	}
	want := bytes.Count(data, []byte(" install ")) + bytes.Count(data, []byte(" upgrade ")) + bytes.Count(data, []byte(" remove ")) + bytes.Count(data, []byte(" purge "))
	if got := parseDpkg(data, time.Local, time.Time{}); len(got) == 0 || len(got) > want {
		t.Errorf("%d updates of at most %d", len(got), want)
	}
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte(dpkgLog(time.Hour, "x")))
	f.Add([]byte("Package: bad\nStatus: install ok half-configured\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, u := range parseDpkg(data, time.UTC, time.Time{}) {
			if u.name == "" {
				t.Errorf("%+v", u)
			}
		}
		parseStatus(data)
		parseRPM(data, time.Time{})
	})
}
