package database

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlWaits declares mssql.waits.
func mssqlWaits(open opener) check.Check {
	tables := []check.Table{{Columns: []check.Column{
		{Name: "wait", Type: shape.Text},
		{Name: "waited", Type: shape.Duration},
		{Name: "tasks", Type: shape.Int},
		{Name: "poison", Type: shape.Bool},
	}}}
	spec := mssqlSpec("mssql.waits", "SQL Server: what its tasks wait for, within a sample", "sys.dm_os_wait_stats",
		tables,
		check.Param{Name: "sample", Summary: "how long it watches", Type: shape.ADuration, Default: "5s", Max: 60},
		check.Param{Name: "n", Summary: "how many waits are shown", Type: shape.AnInt, Default: "20", Min: 1, Max: 500},
		check.Param{Name: "poison", Summary: "time of waits for threads, memory and the like that is too much", Type: shape.ADuration, Default: "1s", Threshold: true},
	)
	spec.Timeout, spec.Samples = 90, 5
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error { return s.mssqlWaits(ctx) })
}

const mssqlWaitStats = `SELECT wait_type, waiting_tasks_count, wait_time_ms FROM sys.dm_os_wait_stats WHERE wait_time_ms > 0`

// poison are waits that stop a server: it has no thread, no memory or no room in its
// log for those who wait.
func poison(wait string) bool {
	switch wait {
	case "THREADPOOL", "RESOURCE_SEMAPHORE", "RESOURCE_SEMAPHORE_QUERY_COMPILE", "CMEMTHREAD", "IO_QUEUE_LIMIT", "IO_RETRY",
		"LOG_RATE_GOVERNOR", "POOL_LOG_RATE_GOVERNOR", "PREEMPTIVE_DEBUG", "RESMGR_THROTTLED", "SE_REPL_CATCHUP_THROTTLE":
		return true
	}
	return false
}

// idleWaits are the beginnings and ends of waits in which tasks of the server wait for
// work: they grow by the second on a server that does nothing.
var idleWaits = struct{ begin, end, whole []string }{
	begin: []string{"BROKER_", "CLR_", "DBMIRROR_", "HADR_CLUSAPI", "HADR_FILESTREAM", "HADR_TIMER", "PREEMPTIVE_XE_", "PVS_", "QDS_", "SLEEP_", "SP_SERVER_DIAGNOSTICS", "SQLTRACE_", "XE_", "PARALLEL_REDO_", "PWAIT_", "FT_IFTS"},
	end:   []string{"_SLEEP", "_IDLE", "_QUEUE"},
	whole: []string{"CHKPT", "DIRTY_PAGE_POLL", "HADR_WORK_QUEUE", "HADR_NOTIFICATION_DEQUEUE", "HADR_LOGCAPTURE_WAIT", "LOGMGR_QUEUE", "ONDEMAND_TASK_QUEUE", "REQUEST_FOR_DEADLOCK_SEARCH", "SERVER_IDLE_CHECK", "SNI_HTTP_ACCEPT", "SOS_WORK_DISPATCHER", "WAITFOR", "WAIT_XTP_HOST_WAIT", "WAIT_XTP_OFFLINE_CKPT_NEW_LOG", "WAIT_XTP_CKPT_CLOSE", "DISPATCHER_QUEUE_SEMAPHORE", "VDI_CLIENT_OTHER"},
}

func idleWait(w string) bool {
	return slices.Contains(idleWaits.whole, w) ||
		slices.ContainsFunc(idleWaits.begin, func(s string) bool { return strings.HasPrefix(w, s) }) ||
		slices.ContainsFunc(idleWaits.end, func(s string) bool { return strings.HasSuffix(w, s) })
}

// A mssqlWait is how long tasks have waited for one thing.
type mssqlWait struct {
	kind      string
	tasks, ms int64
}

func (s *server) mssqlReadWaits(ctx context.Context) ([]mssqlWait, error) {
	var waits []mssqlWait
	err := s.each(ctx, mssqlWaitStats, func(rows *sql.Rows) error {
		var w mssqlWait
		err := rows.Scan(&w.kind, &w.tasks, &w.ms)
		waits = append(waits, w)
		return err
	})
	return waits, err
}

func (s *server) mssqlWaits(ctx context.Context) error {
	first, err := s.mssqlReadWaits(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, s.in.Duration("sample")); err != nil {
		return err
	}
	waits, err := s.mssqlReadWaits(ctx)
	if err != nil {
		return err
	}
	was := map[string]mssqlWait{}
	for _, w := range first {
		was[w.kind] = w
	}
	for i, w := range waits {
		waits[i].tasks, waits[i].ms = w.tasks-was[w.kind].tasks, w.ms-was[w.kind].ms
	}
	waits = slices.DeleteFunc(waits, func(w mssqlWait) bool { return w.ms <= 0 || idleWait(w.kind) && !poison(w.kind) })
	slices.SortFunc(waits, func(a, b mssqlWait) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.ms, a.ms), cmp.Compare(a.kind, b.kind))
	})
	limit := s.in.Duration("poison")
	for _, w := range waits[:min(len(waits), s.in.Int("n"))] {
		waited, bad := seconds(float64(w.ms)/1000), poison(w.kind)
		row := s.out.Row(w.kind, waited, w.tasks, bad)
		if bad && waited > limit {
			s.out.Find(check.Finding{
				Severity: check.Crit, Param: "poison", Value: waited.Seconds(), Threshold: limit.Seconds(), Unit: "s", Rows: []int{row},
				Text: fmt.Sprintf("tasks waited %s for %s within %s", shape.Span(waited.Seconds()), w.kind, s.in.Text("sample")),
			})
		}
	}
	return nil
}

func rank(w mssqlWait) int {
	if poison(w.kind) {
		return 1
	}
	return 0
}
