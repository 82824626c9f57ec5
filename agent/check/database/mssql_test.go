package database

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// The failure to connect is tested for real: nobody listens.
func TestMSSQLCannotTell(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sql"), []byte("user=sa\npassword=hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range append(mssqlChecks(openMSSQL), mssqlKill(openMSSQL)) {
		args := []string{"host", "127.0.0.1", "port", "1", "secret", "sql"}
		if c.Name == "mssql.kill" {
			args = append(args, "spid", "52")
		}
		a := checktest.AskWith(t, t.Context(), check.Secrets{Dir: dir}, c, args...)
		if why := a.CannotTell(t); !strings.Contains(why, "cannot connect to SQL Server at") || strings.Contains(why, "hunter2") {
			t.Errorf("%s: %s", c.Name, why)
		}
		if !strings.Contains(c.Source, "never run against a real SQL Server") {
			t.Errorf("%s does not say that it was never run", c.Name)
		}
	}
	if why := checktest.Ask(t, mssqlUp(openMSSQL), "host", "sql9.example").CannotTell(t); !strings.Contains(why, "host=sql9.example") {
		t.Error(why)
	}
	if runtime.GOOS != "windows" {
		if why := checktest.Ask(t, mssqlUp(openMSSQL)).CannotTell(t); !strings.Contains(why, "secret=NAME") {
			t.Error(why)
		}
	}
}

func TestMSSQLNoRight(t *testing.T) {
	s := newRowServer(map[string][]rowSet{mssqlMayLook: {{{int64(0), "reader"}}}})
	for _, c := range mssqlChecks(s.open) {
		if why := checktest.Ask(t, c).CannotTell(t); !strings.Contains(why, "GRANT VIEW SERVER STATE TO [reader]") {
			t.Errorf("%s: %s", c.Name, why)
		}
	}
}

func TestMSSQLUp(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	good := []rowSet{{{"erp-db1", "16.0.4135.4", "RTM", "Standard Edition (64-bit)", int64(86400)}}}
	a := checktest.Ask(t, mssqlUp(newRowServer(map[string][]rowSet{
		mssqlServer:    good,
		mssqlDatabases: {{{"erp", "ONLINE", "MULTI_USER", false, "FULL", int64(40), "NOTHING"}}},
		mssqlNow:       {{{now}}},
		mssqlErrorlog:  {{{now.Add(-time.Minute), "spid51", "Starting up database 'erp'."}}},
	}).open))
	a.Fine(t)
	if got := a.Column(t, "server", "uptime"); got[0] != "24 h" {
		t.Errorf("uptime %v", got)
	}
	a = checktest.Ask(t, mssqlUp(newRowServer(map[string][]rowSet{
		mssqlServer: good,
		mssqlDatabases: {{
			{"erp", "ONLINE", "MULTI_USER", false, "FULL", int64(97), "ACTIVE_TRANSACTION"},
			{"crm", "SUSPECT", "MULTI_USER", false, "FULL", nil, nil},
		}},
		mssqlNow: {{{now}}},
		mssqlErrorlog: {{
			{now.Add(-time.Minute), "spid51", "Das Transaktionsprotokoll für die erp-Datenbank ist voll."},
			{now.Add(-time.Minute), "spid51", "Fehler: 9002, Schweregrad: 17, Status: 2."},
			{now.Add(-time.Hour), "spid52", "Error: 9002, Severity: 17, State: 2."},
			{now.Add(-time.Hour), "Logon", "Error: 18456, Severity: 14, State: 8."},
		}},
	}).open))
	if f := a.Finding(t, "log"); f.Text != "the transaction log of erp is 97 % full, and waits for ACTIVE_TRANSACTION" {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "severity"); f.Text != "the error log has error 9002 of severity 17 2 times" || !slices.Equal(f.Rows, []int{1, 2}) {
		t.Errorf("%+v", f)
	}
	if len(a.Findings) != 3 || a.Findings[1].Text != "database crm is SUSPECT" {
		t.Errorf("%+v", a.Findings)
	}
}

func TestMSSQLConns(t *testing.T) {
	ask := func(n, idle int64) checktest.Answer {
		return checktest.Ask(t, mssqlConns(newRowServer(map[string][]rowSet{
			mssqlCount:   {{{n, int64(100)}}},
			mssqlClients: {{{"app01", "erp", ".Net SqlClient Data Provider", "sleeping", n}}},
			mssqlIdle:    {{{int64(52), "app01", "erp", ".Net SqlClient Data Provider", int64(1), idle, "ALTER LOGIN a WITH PASSWORD = N'hunter2'"}}},
		}).open))
	}
	a := ask(80, 10)
	a.Fine(t)
	if got := a.Column(t, "idle", "statement"); got[0] != "ALTER LOGIN a WITH PASSWORD = '***'" {
		t.Errorf("%v", got)
	}
	if len(a.Edges) != 1 || a.Edges[0].Kind != shape.ConnectsTo || a.Edges[0].From != "app01" {
		t.Errorf("edges %+v", a.Edges)
	}
	a = ask(81, 600)
	if f := a.Finding(t, "conns"); f.Text != "81 of 100 connections are in use, over 80 %" {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "idle"); f.Text != "session 52 of erp (.Net SqlClient Data Provider from app01) has slept with a transaction open for 10 min" {
		t.Errorf("%+v", f)
	}
}

func TestMSSQLBlock(t *testing.T) {
	row := func(spid, by, ms int64, wait string, status any) []any {
		return []any{spid, by, ms, wait, "keylock hobtid=1", "erp", "erp", "app01", "ERP", "UPDATE stock SET v = 1", status, "erp", "app02", "ERP", int64(1), "UPDATE stock SET v = 2"}
	}
	ask := func(rows ...[]any) checktest.Answer {
		set := rowSet{}
		for _, r := range rows {
			set = append(set, toValues(r))
		}
		return checktest.Ask(t, mssqlBlock(newRowServer(map[string][]rowSet{mssqlBlocked: {set}}).open))
	}
	ask().Fine(t)
	ask(row(53, 52, 30_000, "LCK_M_X", "sleeping")).Fine(t)
	ask(row(53, 52, 90_000, "PAGEIOLATCH_SH", "sleeping")).Fine(t) // no lock
	a := ask(row(53, 52, 90_000, "LCK_M_X", "sleeping"), row(54, 53, 45_000, "LCK_M_S", "suspended"), row(54, 53, 40_000, "LCK_M_S", "suspended"))
	if f := a.Finding(t, "blocked"); f.Text != "session 52 (sleeping, erp, ERP from app02) blocks 2 sessions, the longest for 90 s" || !slices.Equal(f.Rows, []int{0, 1}) {
		t.Errorf("%+v", f)
	}
	if heads, depths := a.Column(t, "blocked", "head"), a.Column(t, "blocked", "depth"); !slices.Equal(heads, []string{"52", "52"}) || !slices.Equal(depths, []string{"1", "2"}) {
		t.Errorf("heads %v, depths %v", heads, depths)
	}
	if want := (shape.Edge{Kind: shape.Blocks, From: "mssql/54", To: "mssql/53", Table: "blocked", Row: 1}); !slices.Contains(a.Edges, want) {
		t.Errorf("edges %+v", a.Edges)
	}
	if f := ask(row(53, -2, 90_000, "LCK_M_X", nil)).Finding(t, "blocked"); !strings.Contains(f.Text, "orphaned distributed transaction") {
		t.Errorf("%+v", f)
	}
}

func TestMSSQLIO(t *testing.T) {
	ask := func(readMS, logMS int64) checktest.Answer {
		return checktest.Ask(t, mssqlIO(newRowServer(map[string][]rowSet{mssqlFiles: {
			{{int64(5), int64(1), "erp", `D:\erp.mdf`, "ROWS", int64(1000), int64(9000), int64(0), int64(0)}, {int64(5), int64(2), "erp", `E:\erp.ldf`, "LOG", int64(0), int64(0), int64(500), int64(500)}},
			{
				{int64(5), int64(1), "erp", `D:\erp.mdf`, "ROWS", int64(1100), 9000 + 100*readMS, int64(0), int64(0)},
				{int64(5), int64(2), "erp", `E:\erp.ldf`, "LOG", int64(0), int64(0), int64(600), 500 + 100*logMS},
				{int64(6), int64(1), "new", `D:\new.mdf`, "ROWS", int64(1), int64(900), int64(0), int64(0)}, // it was not there before
			},
		}}).open), "sample", "0s")
	}
	a := ask(20, 3)
	a.Fine(t)
	if got := a.Column(t, "", "ms_per_read"); !slices.Equal(got, []string{"20 ms", "-"}) {
		t.Errorf("%v", got)
	}
	a = ask(25, 4)
	if f := a.Finding(t, "read"); f.Text != `a read of D:\erp.mdf takes 25.0 ms, over 20 ms` {
		t.Errorf("%+v", f)
	}
	if f := a.Findings[len(a.Findings)-1]; f.Param != "warn" || f.Text != `a write to the log of E:\erp.ldf takes 4.0 ms, over 3 ms` {
		t.Errorf("%+v", f)
	}
	if f := ask(1, 100).Finding(t, "crit"); f.Severity != check.Crit {
		t.Errorf("%+v", f)
	}
}

func TestMSSQLWaits(t *testing.T) {
	ask := func(threads int64) checktest.Answer {
		return checktest.Ask(t, mssqlWaits(newRowServer(map[string][]rowSet{mssqlWaitStats: {
			{{"THREADPOOL", int64(1), int64(100)}, {"SLEEP_TASK", int64(1), int64(100)}, {"WRITELOG", int64(10), int64(1000)}},
			{{"THREADPOOL", int64(9), 100 + threads}, {"SLEEP_TASK", int64(9), int64(99000)}, {"WRITELOG", int64(20), int64(6000)}},
		}}).open), "sample", "0s")
	}
	a := ask(1000)
	a.Fine(t)
	if got := a.Column(t, "", "wait"); !slices.Equal(got, []string{"THREADPOOL", "WRITELOG"}) {
		t.Errorf("%v", got)
	}
	if f := ask(1001).Finding(t, "poison"); !strings.HasPrefix(f.Text, "tasks waited 1 s for THREADPOOL") {
		t.Errorf("%+v", f)
	}
}

func TestMSSQLHA(t *testing.T) {
	replica := func(mode, sync string, redo int64) rowSet {
		return rowSet{{"ag1", "erp-db2", "SECONDARY", "CONNECTED", "erp", mode, sync, false, int64(0), redo, false}}
	}
	ask := func(mode, sync string, redo int64, log any) checktest.Answer {
		return checktest.Ask(t, mssqlHA(newRowServer(map[string][]rowSet{
			mssqlReplicas: {replica(mode, sync, 20000), replica(mode, sync, redo)},
			mssqlBackups:  {{{"crm", "SIMPLE", true, int64(86400), nil}, {"erp", "FULL", true, int64(86400), log}, {"hr", "FULL", false, nil, nil}}},
		}).open), "sample", "0s")
	}
	a := ask("ASYNCHRONOUS_COMMIT", "SYNCHRONIZING", 20000, int64(900))
	a.Fine(t)
	if len(a.Edges) != 1 || a.Edges[0].Kind != shape.ReplicatesBy || a.Edges[0].To != "erp-db2" {
		t.Errorf("edges %+v", a.Edges)
	}
	a = ask("SYNCHRONOUS_COMMIT", "SYNCHRONIZING", 30000, int64(100_000))
	if f := a.Finding(t, "crit"); f.Text != "erp on erp-db2 is SYNCHRONIZING, and commits SYNCHRONOUS_COMMIT" {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "redo"); f.Text != "the redo queue of erp on erp-db2 is 29.3 MiB and rises" {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "log"); f.Text != "the log of erp was backed up last 27.8 h ago" || len(a.Findings) != 3 {
		t.Errorf("%+v", a.Findings)
	}
	if f := ask("ASYNCHRONOUS_COMMIT", "SYNCHRONIZING", 20000, nil).Finding(t, "log"); !strings.Contains(f.Text, "never backed up") {
		t.Errorf("%+v", f)
	}
}

func TestMSSQLKill(t *testing.T) {
	session := func(command, login any, user bool, own int64) rowSet {
		return rowSet{{int64(52), "sleeping", command, nil, login, "erp", "app01", "ERP", int64(1), int64(2), "UPDATE stock SET v = 1", user, own}}
	}
	const login = "2026-11-24T09:00:00"
	kill := func(after rowSet, before ...rowSet) (*rowServer, checktest.Answer) {
		s := newRowServer(map[string][]rowSet{mssqlSession: before})
		s.onExec = func(s *rowServer, _ string) { s.answers[mssqlSession] = []rowSet{after} }
		return s, checktest.Ask(t, mssqlKill(s.open), "spid", "52", "settle", "300ms")
	}
	ended := rowSet{}
	s, a := kill(ended, session(nil, login, true, 60))
	a.Fine(t)
	if !slices.Equal(s.execs, []string{"KILL 52"}) || !strings.Contains(string(a.Raw), "KILL 52") {
		t.Errorf("%q", s.execs)
	}
	if _, a = kill(session(nil, "2026-11-24T10:00:00", true, 60), session(nil, login, true, 60)); a.End.Verdict != shape.Fine {
		t.Errorf("another session with its number: %+v", a.Findings)
	}
	_, a = kill(session("KILLED/ROLLBACK", login, true, 60), session(nil, login, true, 60))
	if f := a.Finding(t, "settle"); !strings.Contains(f.Text, "KILLED/ROLLBACK") || len(a.Column(t, "after", "spid")) != 1 {
		t.Errorf("%+v", f)
	}
	for want, before := range map[string]rowSet{
		"the agent's own": session(nil, login, true, 52), "the server's own": session(nil, login, false, 60), "no session 52": ended,
	} {
		s, a := kill(ended, before)
		if why := a.CannotTell(t); !strings.Contains(why, want) || len(s.execs) != 0 {
			t.Errorf("%s: %s, %q", want, why, s.execs)
		}
	}
	// It ended by itself before the change: nothing else is killed.
	s, a = kill(ended, session(nil, login, true, 60), session(nil, "2026-11-24T10:00:00", true, 60))
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "has ended by itself") || len(s.execs) != 0 {
		t.Errorf("%+v, %q", f, s.execs)
	}
}
