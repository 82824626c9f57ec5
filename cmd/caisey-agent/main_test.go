package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		args        string
		code        int
		out, errOut string
	}{
		{"version", 0, "caisey-agent ", ""},
		{"--help", 0, "enroll", ""},
		{"run --help", 0, "--data=DIR", ""},
		{"install --data " + data, 1, "", "caisey-agent enroll TOKEN --data " + data},
		{"", 2, "", "expected one of"},
		{"dance", 2, "", "unexpected argument dance"},
		{"enroll", 2, "", "<token>"},
		{"run --data", 2, "", "expected"},
		{"enroll hello --data " + data, 1, "", "not an enrolment token"},
		{"run --data " + data, 1, "", "caisey-agent enroll TOKEN"},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), newManager(), strings.Fields(c.args), &out, &errOut)
		if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errOut.String(), c.errOut) {
			t.Errorf("%q: code %d, out %q, err %q", c.args, code, out.String(), errOut.String())
		}
		if code != 0 && (strings.Count(errOut.String(), "\n") != 1 || out.Len() > 0) {
			t.Errorf("%q: an error is one line on stderr: %q, %q", c.args, out.String(), errOut.String())
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[31mé\u009b\n"); got != "a?[31mé??" {
		t.Errorf("%q", got)
	}
}
