package host

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
	"github.com/caisey/caisey/agent/check/journal"
)

func TestOOM(t *testing.T) {
	text, err := os.ReadFile("testdata/oom.json")
	if err != nil {
		t.Fatal(err)
	}
	a := checktest.Ask(t, oomKills(rooted(t, nil).journaled(t, func([]string) string { return string(text) })))
	f := a.Finding(t, "kills")
	if !strings.Contains(f.Text, "2 processes") || !strings.HasSuffix(f.Text, "postgres") || len(f.Rows) != 2 {
		t.Errorf("%+v", f)
	}
	for column, want := range map[string]string{
		"process": "java (main) postgres", "cgroup": "/system.slice/app.service /system.slice/pg.service",
		"limit": "/system.slice/app.service machine", "pid": "4242 77",
	} {
		if got := strings.Join(a.Column(t, "", column), " "); got != want {
			t.Errorf("%s %q, not %q", column, got, want)
		}
	}
	if rss := a.Tables[0].Rows[0][3]; fmt.Sprint(rss) != fmt.Sprint((900000+2000+16)<<10) {
		t.Errorf("rss %v", rss)
	}
}

func TestOOMNone(t *testing.T) {
	a := checktest.Ask(t, oomKills(rooted(t, nil).journaled(t, func([]string) string { return "" })))
	a.Fine(t)
	checktest.Ask(t, oomKills(rooted(t, nil))).CannotTell(t)
}

func FuzzKills(f *testing.F) {
	f.Add("oom-kill:constraint=CONSTRAINT_MEMCG,pid=1,task_memcg=/x", "Killed process 1 (a) total-vm:1kB, anon-rss:2kB, file-rss:3kB")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, k := range parseKills([]journal.Entry{{Message: a, Time: time.Unix(1, 0)}, {Message: b}}) {
			if k.rss < 0 || k.pid < 0 {
				t.Errorf("%+v", k)
			}
		}
	})
}
