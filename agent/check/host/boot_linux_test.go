package host

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// TestBoots has three boots: the first ended in order, the second did not.
func TestBoots(t *testing.T) {
	now := time.Now()
	at := func(hours int) int64 { return now.Add(-time.Duration(hours) * time.Hour).UnixMicro() }
	first, second := strings.Repeat("a", 32), strings.Repeat("b", 32)
	s := rooted(t, nil).journaled(t, func(args []string) string {
		switch {
		case slices.Contains(args, "--list-boots"):
			return fmt.Sprintf(`[{"index":-2,"boot_id":"%s","first_entry":%d,"last_entry":%d},
				{"index":-1,"boot_id":"%s","first_entry":%d,"last_entry":%d},{"index":0,"boot_id":"%s","first_entry":%d,"last_entry":%d}]`,
				first, at(90), at(70), second, at(69), at(3), strings.Repeat("c", 32), at(2), at(0))
		case slices.Contains(args, first):
			return fmt.Sprintf(`{"__REALTIME_TIMESTAMP":"%d","MESSAGE":"Journal stopped","MESSAGE_ID":"%s"}
{"__REALTIME_TIMESTAMP":"%d","MESSAGE":"System is rebooting.","MESSAGE_ID":"%s","SYSLOG_IDENTIFIER":"systemd-logind"}`, at(70), journalStopped, at(70), shuttingDown)
		}
		return fmt.Sprintf(`{"__REALTIME_TIMESTAMP":"%d","MESSAGE":"a line like any other"}`, at(3))
	})
	a := checktest.Ask(t, bootHistory(s))
	if got := strings.Join(a.Column(t, "", "kind"), " "); got != "- clean unclean" {
		t.Errorf("kinds %q", got)
	}
	if who := a.Column(t, "", "who")[1]; who != "systemd-logind" {
		t.Errorf("who %q", who)
	}
	if f := a.Finding(t, "unclean"); f.Text != "the machine ended without being shut down, and started 2h0m0s ago, under 48h0m0s" || f.Rows[0] != 2 {
		t.Errorf("%+v", f)
	}
	checktest.Ask(t, bootHistory(s), "unclean", "1h").Fine(t)
	dump := s.path("var/lib/systemd/pstore")
	if err := os.MkdirAll(dump+"/1700", 0o700); err != nil {
		t.Fatal(err)
	}
	crashed := now.Add(-3 * time.Hour)
	if err := os.Chtimes(dump+"/1700", crashed, crashed); err != nil {
		t.Fatal(err)
	}
	if f := checktest.Ask(t, bootHistory(s)).Finding(t, "unclean"); !strings.Contains(f.Text, "by a crash of the kernel") {
		t.Errorf("%+v", f)
	}
}

func TestBootsOfWtmp(t *testing.T) {
	hour := func(h int) time.Time { return time.Now().Add(-time.Duration(h) * time.Hour) }
	records := slices.Concat(
		utmp(login{kind: bootTime, user: "reboot", line: "~", at: hour(50)}),
		utmp(login{kind: runLevel, user: "shutdown", line: "~", at: hour(40)}),
		utmp(login{kind: bootTime, user: "reboot", line: "~", at: hour(39)}),
		utmp(login{kind: userProcess, user: "ana", line: "pts/0", at: hour(20)}),
		utmp(login{kind: bootTime, user: "reboot", line: "~", at: hour(1)}),
	)
	a := checktest.Ask(t, bootHistory(rooted(t, map[string]string{"var/log/wtmp": string(records)})))
	if got := strings.Join(a.Column(t, "", "kind"), " "); got != "- clean unclean" {
		t.Errorf("kinds %q", got)
	}
	a.Finding(t, "unclean")
	checktest.Ask(t, bootHistory(rooted(t, nil))).CannotTell(t)
	checktest.Ask(t, bootHistory(rooted(t, map[string]string{"var/log/wtmp": ""}))).CannotTell(t)
}

func FuzzBoots(f *testing.F) {
	f.Add([]byte(`[{"index":0,"boot_id":"00000000000000000000000000000000","first_entry":1,"last_entry":2}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseBoots(text)
		for _, b := range all {
			if err == nil && strings.HasPrefix(b.ID, "-") {
				t.Errorf("an option of journalctl: %q", b.ID)
			}
		}
	})
}
