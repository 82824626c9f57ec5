package database

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A wait is a session that waits for another.
type wait struct {
	waiter, blocker int64
	waited          time.Duration
	row             int // set once it is told
}

// A position is where in a chain a waiter stands.
type position struct {
	// head is who waits for nobody at the chain's end; ring says that there is none,
	// since they wait for each other.
	head int64
	ring bool
	// depth counts the steps to head.
	depth int
}

// chains returns the position of every waiter, by the longest way to a head.
func chains(waits []wait) map[int64]position {
	blockers := map[int64][]int64{}
	for _, w := range waits {
		blockers[w.waiter] = append(blockers[w.waiter], w.blocker)
	}
	at, open := map[int64]position{}, map[int64]bool{}
	var find func(pid int64) position
	find = func(pid int64) position {
		if p, ok := at[pid]; ok {
			return p
		}
		if len(blockers[pid]) == 0 {
			return position{head: pid}
		}
		if open[pid] {
			return position{ring: true}
		}
		open[pid] = true
		best := position{depth: -1}
		for _, b := range blockers[pid] {
			p := find(b)
			if best.depth < 0 || best.ring && !p.ring || best.ring == p.ring && p.depth > best.depth {
				best = p
			}
		}
		best.depth++
		open[pid], at[pid] = false, best
		return best
	}
	for _, w := range waits {
		find(w.waiter)
	}
	return at
}

// cells returns the cells of head and depth.
func (p position) cells() (head, depth any) {
	if p.ring {
		return nil, nil
	}
	return p.head, p.depth
}

// A blocking tells of sessions that wait for others.
type blocking struct {
	// table is where the waits are rows, prefix what is before a session's number in
	// an edge, and param the threshold.
	table, prefix, param string
	// who describes a session beyond its number.
	who func(pid int64) string
}

// tell tells the edges, and for each head one finding if somebody has waited longer
// than limit for it.
func (b blocking) tell(out *check.Out, waits []wait, limit time.Duration) {
	at := chains(waits)
	groups := map[position][]wait{}
	for _, w := range waits {
		out.Edge(check.Edge{
			Kind: shape.Blocks, From: fmt.Sprintf("%s%d", b.prefix, w.waiter), To: fmt.Sprintf("%s%d", b.prefix, w.blocker),
			Table: b.table, Row: max(w.row, 0),
		})
		p := at[w.waiter]
		p.depth = 0
		groups[p] = append(groups[p], w)
	}
	heads := make([]position, 0, len(groups))
	for p := range groups {
		heads = append(heads, p)
	}
	slices.SortFunc(heads, func(a, c position) int { return cmp.Compare(a.head, c.head) })
	for _, p := range heads {
		b.tellHead(out, p, groups[p], limit)
	}
}

func (b blocking) tellHead(out *check.Out, p position, waits []wait, limit time.Duration) {
	waiters, rows, longest := map[int64]bool{}, make([]int, 0, len(waits)), time.Duration(0)
	for _, w := range waits {
		waiters[w.waiter] = true
		rows = append(rows, w.row)
		longest = max(longest, w.waited)
	}
	if longest <= limit {
		return
	}
	head := "a ring of sessions that wait for each other"
	if !p.ring {
		head = fmt.Sprintf("session %d%s", p.head, b.who(p.head))
	}
	out.Find(check.Finding{
		Severity: check.Crit, Param: b.param, Value: longest.Seconds(), Threshold: limit.Seconds(), Unit: "s", Table: b.table, Rows: rows,
		Text: fmt.Sprintf("%s blocks %s, the longest for %s", head, plural(len(waiters), "session"), shape.Span(longest.Seconds())),
	})
}
