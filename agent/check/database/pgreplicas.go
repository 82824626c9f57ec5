package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A pgReplica is a row of the table replicas.
type pgReplica struct {
	side                    string
	peer, name, state, sync *string
	lag                     *float64
	behind                  *int64
}

func (s *pg) replicas(ctx context.Context) error {
	if err := s.each(ctx, pgSends, s.replica); err != nil {
		return err
	}
	return s.each(ctx, pgReceives, s.replica)
}

// pgSends asks a server for those that replicate from it: how long what they replayed
// last took them, and how much they have to replay. A backup that streams is one too.
const pgSends = `SELECT 'sends to', coalesce(host(client_addr), 'this machine'), application_name, state, sync_state, extract(epoch FROM replay_lag)::float8,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint END
FROM pg_stat_replication ORDER BY 2, 3`

// pgReceives asks a standby for what it replicates from. What was replayed last is only
// old if there is more to replay, or nothing comes.
const pgReceives = `SELECT 'receives from', (regexp_match(r.conninfo, '\mhost=''?([^ '']+)'))[1], r.slot_name, coalesce(r.status, 'disconnected'), NULL::text,
  CASE WHEN r.status IS NOT NULL AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8,
  pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint
FROM (SELECT 1) one LEFT JOIN pg_stat_wal_receiver r ON true WHERE pg_is_in_recovery()`

func (s *pg) replica(rows pgx.Rows) error {
	var r pgReplica
	if err := rows.Scan(&r.side, &r.peer, &r.name, &r.state, &r.sync, &r.lag, &r.behind); err != nil {
		return err
	}
	row := s.out.Row(r.side, cell(r.peer), cell(r.name), cell(r.state), cell(r.sync), span(r.lag), cell(r.behind))
	if p := text(r.peer); p != "-" && p != "this machine" && row >= 0 {
		s.out.Edge(check.Edge{Kind: shape.ReplicatesBy, To: p, Label: "postgresql " + r.side, Table: "replicas", Row: row})
	}
	f := check.Finding{Severity: check.Warn, Table: "replicas", Rows: []int{row}}
	who := fmt.Sprintf("the replica %s at %s", text(r.name), text(r.peer))
	if r.side == "receives from" {
		who = "this standby"
		if text(r.state) == "disconnected" && s.sees {
			f.Severity, f.Text = check.Crit, "this standby has no connection to its primary"
			s.out.Find(f)
		}
	}
	mib := float64(value(r.behind)) / (1 << 20)
	switch lag := seconds(value(r.lag)); {
	case lag > s.in.Duration("lag"):
		f.Severity, f.Param, f.Value, f.Threshold, f.Unit = check.Warn, "lag", lag.Seconds(), s.in.Duration("lag").Seconds(), "s"
		f.Text = fmt.Sprintf("%s lags by %s", who, shape.Span(lag.Seconds()))
		s.out.Find(f)
	case mib > s.in.Number("behind"):
		f.Severity, f.Param, f.Value, f.Threshold = check.Warn, "behind", mib, s.in.Number("behind")
		f.Text = fmt.Sprintf("%s has %s of WAL to replay", who, shape.Size(float64(*r.behind)))
		s.out.Find(f)
	}
	return nil
}

// pgXIDs is how many transaction numbers there are before the server stops.
const pgXIDs = 1<<31 - 3_000_000

func (s *pg) wraparound(ctx context.Context) error {
	const query = `SELECT datname::text, age(datfrozenxid)::bigint, mxid_age(datminmxid)::bigint FROM pg_database ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC LIMIT 100`
	return s.each(ctx, query, func(rows pgx.Rows) error {
		var (
			name       string
			xid, multi int64
		)
		if err := rows.Scan(&name, &xid, &multi); err != nil {
			return err
		}
		used := min(100, 100*float64(max(xid, multi))/pgXIDs)
		row := s.out.Row(name, xid, multi, used)
		if limit := s.in.Number("wraparound"); used > limit {
			s.out.Find(check.Finding{
				Severity: check.Crit, Param: "wraparound", Value: used, Threshold: limit, Table: "wraparound", Rows: []int{row},
				Text: fmt.Sprintf("database %s has used %.0f %% of its transaction numbers: at 100 %% it takes no more writes", name, used),
			})
		}
		return nil
	})
}
