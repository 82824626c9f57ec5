package service

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// TestErrorsOfSyslog reads a syslog daemon's file where there is no journal.
func TestErrorsOfSyslog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "syslog")
	var text strings.Builder
	for i := range 20_000 { // more than is read
		text.WriteString("2026-10-07T06:31:04.5+02:00 db-01 filler[1]: " + strconv.Itoa(i) + "\n")
	}
	text.WriteString("Oct  7 06:31:05 db-01 kernel: I/O error on sda\n<11>2026-10-07T06:31:06+02:00 db-01 app[77]: down\nno syslog at all\n")
	must(t, os.WriteFile(file, []byte(text.String()), 0o600))
	m := machine{journal: t.TempDir(), syslogs: []string{file + ".none", file}}
	a := checktest.Ask(t, logErrors(m.logErrors), "n", "4")
	if got := a.Column(t, "", "message"); !slices.Equal(got, []string{"no syslog at all", "down", "I/O error on sda", "19999"}) {
		t.Errorf("messages %q", got)
	}
	if got := a.Column(t, "", "source"); !slices.Equal(got, []string{"-", "app", "kernel", "filler"}) {
		t.Errorf("sources %q", got)
	}
	if got := a.Column(t, "", "level"); !slices.Equal(got, []string{"-", "error", "-", "-"}) {
		t.Errorf("levels %q: only a line that has its priority has a level", got)
	}
	if got := a.Column(t, "", "time"); got[3] != "2026-10-07 04:31:04" {
		t.Errorf("times %q", got)
	}
	if f := a.Finding(t, "info"); !strings.HasPrefix(f.Text, "1 of the 4 newest lines") || !slices.Equal(f.Rows, []int{2}) {
		t.Errorf("finding %+v", f)
	}
	must(t, os.WriteFile(file, []byte("all is well\n"), 0o600))
	checktest.Ask(t, logErrors(m.logErrors), "path", file).Fine(t)
	must(t, os.WriteFile(file, nil, 0o600))
	checktest.Ask(t, logErrors(m.logErrors), "path", file).Fine(t)
	checktest.Ask(t, logErrors(m.logErrors), "path", filepath.Dir(file)).CannotTell(t)
	checktest.Ask(t, logErrors(m.logErrors), "path", file+".none").CannotTell(t)
	if why := checktest.Ask(t, logErrors(m.logErrors), "unit", "x").CannotTell(t); why != "this machine keeps no journal" {
		t.Error(why)
	}
}

// TestSyslogYear: a time without a year is of this one, or of the last if it would be
// in the future.
func TestSyslogYear(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for line, want := range map[string]string{
		"Jan  2 02:00:00 h p: x": "2026-01-02T02:00:00Z",
		"Dec 31 23:00:00 h p: x": "2025-12-31T23:00:00Z",
	} {
		if got := parseLine(line, now).time.Format(time.RFC3339); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestWatchFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.log")
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	r := watching(t, machine{}.logWatch(), map[string]string{"path": file, "match": "^fire"}, func(n int) {
		_, err := f.WriteString("fire " + strconv.Itoa(n) + "\n")
		must(t, err)
	})
	if r.Bad > 0 || r.End == nil || len(r.Tables[0].Rows) == 0 {
		t.Errorf("%+v", r)
	}
	if why := checktest.Ask(t, machine{}.logWatch(), "path", file, "match", "(").CannotTell(t); !strings.Contains(why, "regular expression") {
		t.Error(why)
	}
}

func TestParseEntry(t *testing.T) {
	const head = `{"__REALTIME_TIMESTAMP":"1795539151295644","__CURSOR":"s=1",`
	for text, want := range map[string]string{
		`"MESSAGE":"plain"}`:                         "plain",
		`"MESSAGE":[104,105,255]}`:                   "hi\ufffd",
		`"MESSAGE":["first","second"]}`:              "first",
		`"MESSAGE":null}`:                            "",
		`"MESSAGE":[[104,105],[1]],"PRIORITY":"99"}`: "hi",
	} {
		e, err := parseEntry([]byte(head + text))
		if err != nil || e.message != want || e.level != -1 || e.cursor != "s=1" {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	for _, bad := range []string{"", "{}", "[]", `{"__REALTIME_TIMESTAMP":"x"}`} {
		if _, err := parseEntry([]byte(bad)); err == nil {
			t.Errorf("%q is an entry", bad)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1795539151295644","MESSAGE":[[1],"x"],"PRIORITY":"3"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, err := parseEntry(line); err == nil && (e.level < -1 || e.level > 7) {
			t.Errorf("level %d", e.level)
		}
		attemptOf(entry{source: "sshd", message: string(line)})
		attemptOf(entry{source: "krb5kdc", message: string(line)})
		parseLine(string(line), time.Now())
	})
}
