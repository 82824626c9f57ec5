package tui

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// sequence returns which of names come in a screen, and in which order.
func sequence(screen string, names ...string) string {
	var out []string
	for row := range strings.Lines(screen) {
		for _, n := range names {
			if strings.Contains(row, n+" ") && !strings.Contains(row, " has ") {
				out = append(out, n)
			}
		}
	}
	return strings.Join(out, " ")
}

func TestTable(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			s, step := askDisk(term, w, 120)
			s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
			term.see("3 findings")
			term.keys("\r") // the newest step is a check
			screen := term.see("CAISEY answer   disk.space   acme/db01", "CRIT /data/003", "WARN /data/002", "INFO two", "[volumes 120]", "inodes 2", "of 120", "NORMAL")
			shoot("table", screen)
			if row := line(screen, "/data/003 has"); !strings.Contains(row, " > CRIT") {
				t.Errorf("the cursor is not on the worst finding: %q", row)
			}
			term.keys("jjj")
			screen = term.until("the cursor on the first row", func(s string) bool { return strings.Contains(line(s, "/data/000"), " > ") })
			if row := line(screen, "/data/002  "); !strings.Contains(row, "  !/data/002") {
				t.Errorf("nothing tells that the row proves a finding: %q", row)
			}
			term.keys(">>s") // by free
			screen = term.see("FREE^")
			if got := sequence(screen, "/data/003", "/data/002", "/data/000", "/data/001"); !strings.HasPrefix(got, "/data/003 /data/002 /data/000") {
				t.Errorf("in order of %q:\n%s", got, screen)
			}
			term.keys("s")
			screen = term.see("FREEv", "89 %")
			if at, tail := strings.Index(screen, "89 %"), strings.Index(screen, "88 %"); at > tail {
				t.Errorf("the largest is not first:\n%s", screen)
			}
			term.keys("s")
			term.lose("FREEv")
			term.keys("<<s") // by name, then back
			term.see("VOLUME^")
			term.keys("ss")
			term.lose("VOLUME^")
			term.keys("G")
			term.until("the cursor on the last row", func(s string) bool { return strings.Contains(line(s, "/data/119"), " > ") })
			term.keys("\x15")
			term.lose(">  /data/119")
			term.keys("gg")
			term.until("the cursor on the first finding", func(s string) bool { return strings.Contains(line(s, "/data/003 has"), " > ") })
			term.keys("/data/11")
			screen = term.see("FILTER", "10 of 120 rows match", "/data/110")
			if strings.Contains(screen, "/data/020") {
				t.Errorf("the filter lets all through:\n%s", screen)
			}
			term.keys("9")
			term.see(" / data/119", "1 of 120 rows match")
			term.keys("\r")
			term.see("NORMAL", "1 of 120 rows match")
			term.keys("\r") // all of the row
			term.see("CAISEY row", "VOLUME", "/data/119", "SIZE", "120 GiB", "SINCE", "2026-11-24 14:00:00")
			term.keys("\x1b")
			term.see("CAISEY answer")
			term.keys("\x1b") // the filter
			term.see("of 120")
			term.lose("rows match")
			term.keys("\t")
			term.see("[inodes 2]", "345678", "rows 1 to 2 of 2")
			term.keys("\x1b[Z")
			term.see("[volumes 120]")
			term.keys("\x1b")
			term.see("CAISEY workspace")
		})
	}
}

func TestExplain(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			s, step := askDisk(term, w, 8)
			s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
			term.keys("t")
			term.see("CAISEY answer", "CRIT")
			term.keys("?")
			screen := term.see("CAISEY finding", "CRIT /data/003 has 3 % free", "value", "3 %", "threshold", "5 %", "crit=5, by default", "free space that is critical", "its default", "statfs of each mount")
			shoot("explain", screen)
			term.keys("G")
			screen = term.see("proved by 1 row of volumes", "/data/003", "4 GiB")
			if strings.Contains(screen, "/data/004") {
				t.Errorf("a row that proves nothing:\n%s", screen)
			}
			term.keys("q")
			term.see("CAISEY answer")
			term.keys("jj?")
			term.see("INFO two volumes", "no row proves it")
			term.keys("?")
			term.see("CAISEY keys", "explanation")
			term.keys("q\x1b")
			term.see("CAISEY answer")
			term.keys("j?") // on a row: the keys
			term.see("CAISEY keys", "choose the column to the left")
			term.keys("qq")
			term.see("CAISEY workspace")
		})
	}
}

func TestExplainSaysWhoSetTheThreshold(t *testing.T) {
	spec := someChecks(t)[0]
	f := check.Finding{Severity: check.Warn, Param: "warn", Threshold: 20}
	for _, c := range []struct {
		args map[string]string
		used string
		want string
	}{
		{nil, "15", "warn=15, by default"},
		{map[string]string{"warn": "20"}, "20", "warn=20, as it was asked"},
		{nil, "20", "warn=20, set for the client"},
		{nil, "", "warn"},
	} {
		d := &told{}
		d.End = &check.End{Used: map[string]string{"warn": c.used}}
		ts := &tableScreen{told: d, ask: check.Ask{Name: spec.Name, Args: c.args}}
		if got := ts.parameter(f, spec); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for unit, want := range map[string]string{"%": "3 %", "s": "3 s", "ms": "3 ms", "": "3"} {
		d := &told{}
		d.add([]byte(`{"finding":{"severity":"warn","text":"x","value":3,"unit":"` + unit + `"}}` + "\n"))
		if got := measured(d.Findings[0], spec, d.Findings[0].Value); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	lag := check.Spec{Params: []check.Param{{Name: "lag", Type: check.ADuration}}}
	if got := measured(check.Finding{Param: "lag"}, lag, json.Number("7200")); got != "2 h" {
		t.Errorf("%q, want 2 h", got)
	}
}

func TestTableIsLive(t *testing.T) {
	w, term := openChecks(t, 80, 24)
	s := w.open(w.eps[0].ID, "ana")
	table := w.checks[3].Tables[0]
	table.Live = true
	s.asked(t, "L", sessionlog.EffectRead, "log.watch")
	s.tells(t, "L", check.Line{Table: &table}, row("first-record"))
	term.see("first-record", "1 row so far")
	for i := range 15 {
		s.tells(t, "L", row(fmt.Sprintf("record-%02d", i)))
	}
	term.see("record-14", "record-05", "… 6 rows before these", "16 rows so far") // the newest
	term.lose("record-04")
	term.keys("t")
	term.see("CAISEY answer   log.watch", "first-record", "16 rows so far")
	s.tells(t, "L", row("newest"), check.Line{Finding: &check.Finding{Severity: check.Crit, Text: "it burns", Rows: []int{16}}})
	screen := term.see("newest", "CRIT it burns", "1 finding so far")
	if row := line(screen, "newest"); !strings.Contains(row, "!newest") {
		t.Errorf("row %q", row)
	}
	term.keys("gf")
	term.see("CAISEY fleet")
	term.keys("gw")
	term.see("CAISEY workspace", "CRIT it burns")
	term.keys("t")
	term.see("CAISEY answer")
	term.keys("A")
	term.see("CAISEY approvals")
}

func TestKeysWithoutACheck(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	command(term, w, "uptime")
	for _, key := range []string{"t", "R"} {
		term.keys(key)
		term.see("no check is in sight")
		term.keys("L")
		term.lose("no check is in sight")
	}
	term.keys("\r")
	term.see("INSERT")
}

func TestHeldCheckIsChosen(t *testing.T) {
	w, term := openChecks(t, 80, 24)
	s, step := askDisk(term, w, 3)
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	term.see("3 findings")
	command(term, w, "uptime")
	term.keys("t")
	term.see("no check is in sight") // the newest step is a command
	term.keys("gg")
	term.see("held")
	term.keys("\r")
	term.see("CAISEY answer   disk.space")
}

// A replay shows answers too, and stands still while one is looked at.
func TestTableInReplay(t *testing.T) {
	w, term := openChecks(t, 80, 24)
	s, step := askDisk(term, w, 30)
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	s.add(t, sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{}))
	term.see("CLOSED")
	term.keys("gr")
	term.see("SEALED")
	term.keys("pG")
	term.see("REPLAY", "END")
	term.keys("[")
	term.see("> disk.space", "no answer yet")
	term.keys("t")
	term.see("CAISEY answer   disk.space", "there is no table", "no answer yet")
	term.keys("<>s/\t?") // there is nothing to choose, sort or filter
	term.see("CAISEY keys")
	term.keys("q\x1b")
	term.see("REPLAY")
	term.keys("G")
	term.see("3 findings")
	term.keys("R")
	term.see("evidence of disks", "R hides it")
	term.keys("R\r")
	term.see("CAISEY answer", "CRIT /data/003", "[volumes 30]")
	term.keys("\x06") // find stands over it
	term.see("CAISEY find")
	term.keys("\x1b")
	term.see("CAISEY answer")
	term.keys("q")
	term.see("REPLAY", "3 findings")
	term.keys("/345678\r")
	term.see("n/N 345678")
	term.keys("gg")
	term.see("event 1 of 8")
	term.keys("G")
	term.see("event 8 of 8")
	term.keys("t")
	term.see("CAISEY answer")
	term.keys("gf")
	term.see("CAISEY fleet")
}
