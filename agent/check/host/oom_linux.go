package host

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/journal"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// oomKills declares oom.kills.
func oomKills(s system) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "oom.kills",
			Summary: "processes that the kernel ended because memory ran out",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "since", Summary: "how far back", Type: shape.ADuration, Default: "24h"},
				{Name: "kills", Summary: "kills that are too many", Type: shape.AnInt, Default: "1", Min: 1, Max: 1e6, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "time", Type: shape.Time},
				{Name: "pid", Type: shape.Int},
				{Name: "process", Type: shape.Text},
				{Name: "rss", Type: shape.Bytes},
				{Name: "cgroup", Type: shape.Text},
				{Name: "limit", Type: shape.Text}, // the machine's, or the cgroup whose it was
			}}},
			Timeout: 20,
			MaxRows: 500,
			Source:  "the kernel's records in the journal; where there is none, in its ring, of this boot",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			records, err := s.journal.Kernel(ctx, out, time.Now().Add(-in.Duration("since")))
			kills := parseKills(records)
			var rows []int
			for _, k := range kills {
				rows = append(rows, out.Row(k.at, k.pid, k.process, k.rss, text(k.cgroup), k.limit))
			}
			if most := in.Int("kills"); len(kills) >= most {
				last := kills[len(kills)-1]
				out.Find(check.Finding{
					Severity: check.Crit, Param: "kills", Value: len(kills), Threshold: most, Rows: rows,
					Text: fmt.Sprintf("memory ran out and %d processes were ended within %v, the last of them %s", len(kills), in.Duration("since"), last.process),
				})
			}
			return err
		},
	}
}

// A kill is a process that the kernel ended.
type kill struct {
	at            time.Time
	pid           int64
	process       string
	rss           int64
	cgroup, limit string
}

// killed is what the kernel says when it has ended a process.
var killed = regexp.MustCompile(`Killed process (\d+) \((.*?)\),?(?: UID \d+,)? total-vm:\d+kB, anon-rss:(\d+)kB, file-rss:(\d+)kB(?:, shmem-rss:(\d+)kB)?`)

// parseKills finds kills. Before each the kernel says why it looked for a victim:
// "oom-kill:constraint=…,task_memcg=…,pid=…".
func parseKills(records []journal.Entry) []kill {
	var all []kill
	why := map[string]map[string]string{}
	for _, r := range records {
		if _, after, ok := strings.Cut(r.Message, "oom-kill:"); ok {
			f := map[string]string{}
			for part := range strings.SplitSeq(after, ",") {
				if k, v, ok := strings.Cut(part, "="); ok {
					f[k] = v
				}
			}
			why[f["pid"]] = f
			continue
		}
		m := killed.FindStringSubmatch(r.Message)
		if m == nil {
			continue
		}
		k := kill{at: r.Time, process: m[2], limit: "machine"}
		k.pid, _ = strconv.ParseInt(m[1], 10, 32)
		for _, kB := range m[3:] {
			if n, err := strconv.ParseInt(kB, 10, 44); err == nil {
				k.rss += n << 10
			}
		}
		if f := why[m[1]]; f != nil {
			k.cgroup = f["task_memcg"]
			if f["constraint"] == "CONSTRAINT_MEMCG" {
				k.limit = f["oom_memcg"]
			}
			delete(why, m[1])
		}
		all = append(all, k)
	}
	return all
}
