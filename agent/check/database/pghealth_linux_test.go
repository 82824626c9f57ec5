package database

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

func TestPGHealthFine(t *testing.T) {
	p := postgres(t)
	a := checktest.Ask(t, pgHealth(), p.pgArgs()...)
	a.Fine(t)
	if all := a.Column(t, "connections", "max"); all[len(all)-1] != strconv.Itoa(pgMax) {
		t.Errorf("max %v", all)
	}
	if dbs := a.Column(t, "wraparound", "database"); !slices.Contains(dbs, "postgres") {
		t.Errorf("databases %v", dbs)
	}
	if !strings.Contains(string(a.Raw), "pg_blocking_pids") {
		t.Error("the question is no evidence")
	}
}

func TestPGHealthBlocked(t *testing.T) {
	p := postgres(t)
	ch := p.chain(t)
	checktest.Ask(t, pgHealth(), p.pgArgs()...).Fine(t) // nobody has waited for long
	a := checktest.Ask(t, pgHealth(), p.pgArgs("blocked", "0s", "idle", "0s")...)
	for column, want := range map[string][]string{
		"pid": {ch.pids[1], ch.pids[2]}, "blocked_by": {ch.pids[0], ch.pids[1]}, "head": {ch.pids[0], ch.pids[0]}, "depth": {"1", "2"},
		"blocker_state": {"idle in transaction", "active"}, "user": {"erp", "erp"}, "blocker_client": {"erp-app from this machine", "erp-app from this machine"},
		"statement":         {"UPDATE stock SET v = 3 WHERE id = $1", "UPDATE stock SET v = 3 WHERE id = $1"},
		"blocker_statement": {"UPDATE stock SET v = 1 /* PASSWORD '***' */ WHERE id = 1", "UPDATE stock SET v = 3 WHERE id = $1"},
	} {
		if got := a.Column(t, "blocked", column); !slices.Equal(got, want) {
			t.Errorf("%s %q, not %q", column, got, want)
		}
	}
	f := a.Finding(t, "blocked")
	if f.Severity != check.Crit || len(f.Rows) != 2 || !strings.Contains(f.Text, "session "+ch.pids[0]+" (idle in transaction, erp, erp-app from this machine) blocks 2 sessions") {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "idle"); !strings.Contains(f.Text, "session "+ch.pids[0]+" of erp") || f.Table != "transactions" {
		t.Errorf("%+v", f)
	}
	want := shape.Edge{Kind: shape.Blocks, From: "postgresql/" + ch.pids[2], To: "postgresql/" + ch.pids[1], Table: "blocked", Row: 1}
	if !slices.Contains(a.Edges, want) {
		t.Errorf("edges %+v", a.Edges)
	}
}

func TestPGHealthLongTransaction(t *testing.T) {
	p := postgres(t)
	c := p.session(t)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := c.Exec(ctx, `SELECT pg_sleep(600)`); done <- err }()
	defer func() { cancel(); <-done }()
	pid := strconv.Itoa(int(c.PgConn().PID()))
	eventually(t, func(ctx context.Context) error {
		return p.sql(ctx, `SELECT 1 / count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%' AND pid = `+pid)
	})
	f := checktest.Ask(t, pgHealth(), p.pgArgs("transaction", "0s")...).Finding(t, "transaction")
	if !strings.Contains(f.Text, pid) {
		t.Errorf("%+v", f)
	}
}

func TestPGHealthConnections(t *testing.T) {
	p := postgres(t)
	for range 15 {
		p.session(t)
	}
	a := checktest.Ask(t, pgHealth(), p.pgArgs("conns", "75")...)
	if f := a.Finding(t, "conns"); f.Text != "16 of 20 connections are in use, over 75 %" {
		t.Errorf("%+v", f)
	}
	// The last but those that are kept for superusers.
	p.session(t)
	p.session(t)
	a = checktest.Ask(t, pgHealth(), p.pgArgs()...)
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "takes no connection") || f.Value != "53300" || a.End.Why == "" {
		t.Errorf("%+v, %+v", f, a.End)
	}
}

func TestPGHealthWraparound(t *testing.T) {
	p := postgres(t)
	a := checktest.Ask(t, pgHealth(), p.pgArgs("wraparound", "0")...)
	if f := a.Finding(t, "wraparound"); f.Table != "wraparound" {
		t.Errorf("%+v", f)
	}
}

func TestPGHealthCannotTell(t *testing.T) {
	p := postgres(t)
	port := strconv.Itoa(p.port)
	wrong := secret(t, "pg", "user=watcher\npassword=wrong\n")
	elsewhere := secret(t, "pg", "user=watcher\npassword=right\nhost=db9.example\n")
	for name, c := range map[string]struct {
		secrets check.Secrets
		args    []string
		want    string
	}{
		"no socket":       {args: []string{"socket", t.TempDir()}, want: "cannot connect"},
		"hosts as socket": {args: []string{"socket", "/tmp,db9.example"}, want: "not the directory"},
		"no server":       {args: []string{"host", "127.0.0.1", "port", "1"}, want: "cannot connect"},
		"other machine":   {args: []string{"host", "db9.example"}, want: "host=db9.example"},
		"no such secret":  {args: []string{"secret", "pg"}, want: "holds no secret"},
		"other host":      {secrets: elsewhere, args: []string{"host", "127.0.0.1", "secret", "pg"}, want: "for another host"},
		"wrong password":  {secrets: wrong, args: []string{"host", "127.0.0.1", "port", port, "secret", "pg"}, want: "refuses the role"},
		"peer as other":   {args: p.pgArgs("user", "watcher"), want: "refuses the role"},
		"no pg_monitor":   {args: p.pgArgs("user", "plain"), want: "GRANT pg_monitor"},
	} {
		a := checktest.AskWith(t, t.Context(), c.secrets, pgHealth(), c.args...)
		if why := a.CannotTell(t); !strings.Contains(why, c.want) || strings.Contains(why, "wrong") {
			t.Errorf("%s: %s", name, why)
		}
	}
}

func TestPGHealthWithSecret(t *testing.T) {
	p := postgres(t)
	s := secret(t, "pg", "user=watcher\npassword=right\n")
	a := checktest.AskWith(t, t.Context(), s, pgHealth(), "host", "127.0.0.1", "port", strconv.Itoa(p.port), "secret", "pg")
	a.Fine(t)
	if strings.Contains(string(a.Raw)+string(a.Said), "right") {
		t.Error("the password is in the evidence")
	}
	if users := a.Column(t, "clients", "user"); !slices.Contains(users, "watcher") {
		t.Errorf("users %v", users)
	}
	if len(a.Edges) == 0 || a.Edges[0].Kind != shape.ConnectsTo || a.Edges[0].From != "127.0.0.1" {
		t.Errorf("edges %+v", a.Edges)
	}
}
