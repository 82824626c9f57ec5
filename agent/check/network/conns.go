package network

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// connections declares net.conns.
func connections() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "net.conns",
			Summary: "TCP connections, counted by state, peer and process",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "state", Summary: "only those in this state", Type: shape.AnEnum, Values: tcpStates()},
				{Name: "peer", Summary: "only those with this address", Type: shape.AHost, Complete: "net.conns:peer"},
				{Name: "close_wait", Summary: "connections in CLOSE_WAIT that are too many", Type: shape.AnInt, Default: "200", Threshold: true},
				{Name: "time_wait", Summary: "share of the ephemeral ports in TIME_WAIT that is too much", Type: shape.ANumber, Default: "80", Max: 100, Unit: "%", Threshold: true},
				{Name: "syn_sent", Summary: "connections to one peer without an answer that are too many", Type: shape.AnInt, Default: "5", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "state", Type: shape.Text},
				{Name: "direction", Type: shape.Text}, // in or out
				{Name: "peer", Type: shape.Text},
				{Name: "port", Type: shape.Int}, // the service's: the peer's, or of incoming ones ours
				{Name: "count", Type: shape.Int},
				{Name: "pid", Type: shape.Int},
				{Name: "name", Type: shape.Text},
			}}},
			Timeout: 20,
			MaxRows: 2000,
			Source:  socketSource,
		},
		Run: runConnections,
	}
}

func tcpStates() []string {
	return []string{"ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "CLOSING"}
}

// A group is connections that count as one row.
type group struct {
	state, direction, peer string
	port                   int
	pid                    int32
}

func runConnections(ctx context.Context, in check.Input, out *check.Out) error {
	all, err := sockets(ctx, out)
	if err != nil {
		return err
	}
	counts := group{}.count(all, in)
	groups := make([]group, 0, len(counts))
	for g := range counts {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a.state, b.state), cmp.Compare(a.peer, b.peer), cmp.Compare(a.port, b.port), cmp.Compare(a.pid, b.pid))
	})
	t := tally{rows: map[string][]int{}, count: map[string]int{}, syn: map[string]int{}, synRows: map[string][]int{}}
	who := names{}
	for _, g := range groups {
		name := who.of(ctx, g.pid)
		row := out.Row(g.state, g.direction, g.peer, g.port, counts[g], number(g.pid), name)
		t.add(g, counts[g], row)
		if g.direction == "out" && g.state == "ESTABLISHED" {
			label, _ := name.(string)
			out.Edge(check.Edge{Kind: shape.ConnectsTo, To: hostPort(g.peer, g.port), Label: label, Row: row})
		}
	}
	t.find(in, out)
	return nil
}

// count counts the connections that were asked for.
func (group) count(all []socket, in check.Input) map[group]int {
	ours := map[int]bool{}
	for _, s := range all {
		if s.state == "LISTEN" {
			ours[s.port] = true
		}
	}
	counts := map[group]int{}
	for _, s := range all {
		if s.proto != "tcp" || s.state == "LISTEN" || s.to == 0 {
			continue
		}
		g := group{s.state, "out", s.peer, s.to, s.pid}
		if ours[s.port] {
			g.direction, g.port = "in", s.port
		}
		if (!in.Has("state") || in.Text("state") == g.state) && (!in.Has("peer") || in.Text("peer") == g.peer) {
			counts[g]++
		}
	}
	return counts
}

// A tally is what the thresholds are held against.
type tally struct {
	count   map[string]int // by state
	rows    map[string][]int
	syn     map[string]int // in SYN_SENT, by peer
	synRows map[string][]int
}

func (t tally) add(g group, n, row int) {
	t.count[g.state] += n
	t.rows[g.state] = append(t.rows[g.state], row)
	if g.state == "SYN_SENT" {
		t.syn[g.peer] += n
		t.synRows[g.peer] = append(t.synRows[g.peer], row)
	}
}

func (t tally) find(in check.Input, out *check.Out) {
	if n := t.count["CLOSE_WAIT"]; n > in.Int("close_wait") {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "close_wait", Value: n, Threshold: in.Int("close_wait"), Rows: t.rows["CLOSE_WAIT"],
			Text: fmt.Sprintf("%d connections are in CLOSE_WAIT, over %d: a process does not close what its peers have ended", n, in.Int("close_wait")),
		})
	}
	if room := ephemeral(); room > 0 {
		share := 100 * float64(t.count["TIME_WAIT"]) / float64(room)
		if share > in.Number("time_wait") {
			out.Find(check.Finding{
				Severity: check.Warn, Param: "time_wait", Value: share, Threshold: in.Number("time_wait"), Rows: t.rows["TIME_WAIT"],
				Text: fmt.Sprintf("%d connections in TIME_WAIT hold %.1f %% of the %d ephemeral ports, over %g %%", t.count["TIME_WAIT"], share, room, in.Number("time_wait")),
			})
		}
	}
	for peer, n := range t.syn {
		if n > in.Int("syn_sent") {
			out.Find(check.Finding{
				Severity: check.Warn, Param: "syn_sent", Value: n, Threshold: in.Int("syn_sent"), Rows: t.synRows[peer],
				Text: fmt.Sprintf("%d connections to %s wait for an answer, over %d", n, peer, in.Int("syn_sent")),
			})
		}
	}
}
