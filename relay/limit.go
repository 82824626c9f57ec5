package relay

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/verify"
)

const (
	// outputLimit is how much output of a step is kept if Config does not say.
	outputLimit = 64 << 20
	// limitSlack is how much more than the limit an agent may send before its
	// step is ended: none of ours sends more than the limit.
	limitSlack = 2 << 20
	// gapCost is what a gap counts as: an agent that sends nothing but gaps comes
	// to an end too.
	gapCost = 1 << 10
)

// outputLimit returns how many bytes of a step's output are kept; 0 is all.
func (c Config) outputLimit() int64 {
	if c.OutputLimit == 0 {
		return outputLimit
	}
	return max(c.OutputLimit, 0)
}

// size writes n bytes the short way where that is exact.
func size(n int64) string {
	for _, unit := range []struct {
		shift uint
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n >= 1<<unit.shift && n%(1<<unit.shift) == 0 {
			return fmt.Sprintf("%d %s", n>>unit.shift, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// An excessError says that an agent does not keep to the output limit.
type excessError struct{ limit int64 }

func (e *excessError) Error() string {
	return fmt.Sprintf("the agent sent more output than the limit of %s", size(e.limit))
}

// grow counts n more bytes of output that are about to be recorded.
func (st *step) grow(n int) error {
	limit := st.session.relay.cfg.outputLimit()
	if limit > 0 && st.kept+int64(n) > limit+limitSlack {
		return &excessError{limit}
	}
	st.kept += int64(n)
	return nil
}

// exceed ends the step of an agent that does not keep to the output limit, and has
// the agent end the command.
func (st *step) exceed(ctx context.Context, link Link, why error) error {
	err := st.end(ctx, sessionlog.Relay, time.Time{}, sessionlog.Ended{State: sessionlog.Lost, Exit: -1, Why: why.Error()})
	if err != nil {
		return err
	}
	r := st.session.relay
	r.cfg.Log.Warn("step ended", "step", st.id, "endpoint", st.session.info.Endpoint, "why", why)
	r.work.Go(func() {
		if err := r.forget(link, st.id); err != nil {
			r.cfg.Log.Debug("settle step", "step", st.id, "err", err)
		}
	})
	return nil
}

// recordGap records that the agent left output out. What is known already is
// trimmed, and a gap before it is refused.
func (st *step) recordGap(ctx context.Context, gap Gap, acks *acker) error {
	t := st.total(gap.Stream)
	if gap.Offset > t.next {
		return &sessionlog.GapError{Step: st.id, Stream: gap.Stream, Want: t.next, Have: gap.Offset}
	}
	left := gap.Offset + gap.Bytes - t.next
	if left <= 0 {
		return nil
	}
	if err := st.grow(gapCost); err != nil {
		return err
	}
	why := "the agent left it out"
	if limit := st.session.relay.cfg.outputLimit(); limit > 0 {
		why = "output limit of " + size(limit)
	}
	ev := sessionlog.New(sessionlog.StepGap, st.agent, st.id, sessionlog.Gap{
		Stream: gap.Stream.String(), Offset: t.next, Bytes: left, Why: why,
	})
	ev.AgentTime = gap.Time
	commit, err := st.session.rec.Submit(ctx, ev)
	if err != nil {
		return err
	}
	t.next, t.gap = t.next+left, true
	return acks.add(ctx, ack{commit, gap.Stream, t.next})
}

// verify reports why the statement in e is not that of the endpoint. Agents that
// are older than statements send none.
func (st *step) verify(e sessionlog.Ended) error {
	if e.Statement == "" {
		return nil
	}
	if err := verify.Statement(st.session.info.AgentKey, st.id, st.req.Command, e); err != nil {
		st.session.relay.cfg.Log.Warn("end of a step refused: its statement is not the endpoint's",
			"step", st.id, "endpoint", st.session.info.Endpoint, "err", err)
		return fmt.Errorf("check statement of agent: %w", err)
	}
	return nil
}
