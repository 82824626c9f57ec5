package database

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// standby starts a server that replicates from p.
func standby(t *testing.T, p *process) *process {
	t.Helper()
	bin, _ := postgresBin()
	s, err := newProcess("postgres")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run(filepath.Join(bin, "pg_basebackup"), "-h", p.dir, "-p", strconv.Itoa(p.port), "-U", "postgres", "-D", s.path("data"), "-R", "-X", "stream", "-c", "fast"); err != nil {
		t.Fatal(err)
	}
	if err := startPG(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// has says whether a replica of the server has that cell.
func has(t *testing.T, on *process, column, want string) func(context.Context) error {
	return func(context.Context) error {
		if got := checktest.Ask(t, pgHealth(), on.pgArgs()...).Column(t, "replicas", column); !slices.Contains(got, want) {
			return errors.New(column + " of the replica is " + strings.Join(got, ", ") + ", not " + want)
		}
		return nil
	}
}

func TestPGHealthReplica(t *testing.T) {
	p := postgres(t)
	s := standby(t, p)
	eventually(t, has(t, p, "state", "streaming"))
	eventually(t, has(t, s, "state", "streaming"))
	eventually(t, has(t, s, "behind", "0 B"))
	a := checktest.Ask(t, pgHealth(), s.pgArgs()...)
	a.Fine(t)
	if side, peer := a.Column(t, "replicas", "side"), a.Column(t, "replicas", "peer"); side[0] != "receives from" || peer[0] != p.dir {
		t.Errorf("%v %v", side, peer)
	}
	if !slices.ContainsFunc(a.Edges, func(e shape.Edge) bool { return e.Kind == shape.ReplicatesBy && e.To == p.dir }) {
		t.Errorf("edges %+v", a.Edges)
	}

	testPausedReplica(t, p, s)

	// It receives nothing.
	if err := s.sql(t.Context(), `SELECT pg_wal_replay_resume()`, `ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	eventually(t, has(t, s, "state", "disconnected"))
	if f := checktest.Ask(t, pgHealth(), s.pgArgs()...).Finding(t, "crit"); !strings.Contains(f.Text, "no connection to its primary") {
		t.Errorf("%+v", f)
	}
}

// testPausedReplica has the standby s receive, and not replay.
func testPausedReplica(t *testing.T, p, s *process) {
	t.Helper()
	// How old what it replayed last is, it only knows once it has replayed a transaction.
	if err := p.sql(t.Context(), `CREATE TABLE first ()`, `DROP TABLE first`); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		return s.sql(ctx, `SELECT 1 / CASE WHEN pg_last_xact_replay_timestamp() IS NULL THEN 0 ELSE 1 END`)
	})
	if err := s.sql(t.Context(), `SELECT pg_wal_replay_pause()`); err != nil {
		t.Fatal(err)
	}
	if err := p.sql(t.Context(), `CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)`, `DROP TABLE filler`); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		for _, f := range checktest.Ask(t, pgHealth(), p.pgArgs("behind", "1", "lag", "1h")...).Findings {
			if f.Param == "behind" && f.Severity == "warn" {
				return nil
			}
		}
		return errors.New("the primary does not see that the standby is behind")
	})
	eventually(t, func(context.Context) error {
		for _, f := range checktest.Ask(t, pgHealth(), s.pgArgs("lag", "0s")...).Findings {
			if f.Param == "lag" && strings.Contains(f.Text, "this standby lags by") {
				return nil
			}
		}
		return errors.New("the standby does not see that it lags")
	})
}
