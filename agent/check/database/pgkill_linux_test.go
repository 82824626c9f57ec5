package database

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

func TestPGKill(t *testing.T) {
	p := postgres(t)
	ch := p.chain(t)
	a := checktest.Ask(t, pgKill(), p.pgArgs("pid", ch.pids[0])...)
	a.Fine(t)
	if got := a.Column(t, "before", "pid"); !slices.Equal(got, []string{ch.pids[0], ch.pids[1]}) {
		t.Errorf("before %v, of %v", got, ch.pids)
	}
	if got := a.Column(t, "after", "pid"); !slices.Equal(got, ch.pids[1:2]) {
		t.Errorf("after %v, of %v", got, ch.pids)
	}
	if got := a.Column(t, "after", "waits_for"); slices.Contains(got, ch.pids[0]) {
		t.Errorf("it waits for %v", got)
	}
	if err := <-ch.second; err != nil {
		t.Errorf("the session that waited: %v", err)
	}
	if err := ch.first.Ping(t.Context()); err == nil {
		t.Error("the session is not ended")
	}
}

func TestPGKillRefuses(t *testing.T) {
	p := postgres(t)
	ctx := t.Context()
	c, err := p.dialPG(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var writer, own int
	if err := c.QueryRow(ctx, `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`).Scan(&writer); err != nil {
		t.Fatal(err)
	}
	own = int(c.PgConn().PID())
	for pid, want := range map[int]string{writer: "checkpointer", 1: "no session 1"} {
		why := checktest.Ask(t, pgKill(), p.pgArgs("pid", strconv.Itoa(pid))...).CannotTell(t)
		if !strings.Contains(why, want) || !strings.Contains(why, "nothing was changed") {
			t.Errorf("%d: %s", pid, why)
		}
	}
	// The agent's role may not end a superuser's session.
	a := checktest.Ask(t, pgKill(), p.pgArgs("pid", strconv.Itoa(own), "settle", "0s")...)
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "the change failed") {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "settle"); f.Table != "after" {
		t.Errorf("%+v", f)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("a refused kill ended the session: %v", err)
	}
	testOwnPID(t, p)
}

// testOwnPID asks with the pid of the check's own connection, which nobody can know
// before it is made.
func testOwnPID(t *testing.T, p *process) {
	t.Helper()
	own := pgKill()
	own.Run = func(ctx context.Context, in check.Input, out *check.Out) error {
		s, err := openPG(ctx, in, out)
		if err != nil {
			return err
		}
		defer s.close()
		values, err := own.Values(map[string]string{"pid": strconv.Itoa(int(s.conn.PgConn().PID()))})
		if err != nil {
			return err
		}
		s.in.Values = values
		return (&pgKiller{s: s}).choose(ctx)
	}
	if why := checktest.Ask(t, own, p.pgArgs("pid", "1")...).CannotTell(t); !strings.Contains(why, "the agent's own") {
		t.Error(why)
	}
}
