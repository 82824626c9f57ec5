package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/replay"
)

// by moves by a time, without the reel if that was read ahead.
func (p *playback) by(d time.Duration) {
	if d > 0 && p.clock.Forward(p.clock.Pos()+d) {
		p.fold()
		p.scroll.held = false
		return
	}
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		return toTime(ctx, x, from, from.spot.Seq, from.pos+d)
	})
}

// toTime is a shot of a time since the first event, looked for from an event on.
func toTime(ctx context.Context, x *replay.Index, from shot, near sessionlog.Seq, to time.Duration) (shot, error) {
	last, err := x.Tape().Spot(ctx, x.Tape().Reader().Head().Seq)
	if err != nil {
		return from, err
	}
	to = min(max(to, 0), max(last.At, x.Latest()))
	spot, err := x.Tape().Seek(ctx, near, to)
	return shot{spot: spot, pos: max(to, spot.At), play: from.play}, err
}

// part moves to so many tenths of the time.
func (p *playback) part(tenths int) {
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		last, err := x.Tape().Spot(ctx, x.Tape().Reader().Head().Seq)
		if err != nil {
			return from, err
		}
		return toTime(ctx, x, from, 1, max(last.At, x.Latest())*time.Duration(tenths)/10)
	})
}

// at moves to a time of day, on the day of the position or the one beside it.
func (p *playback) at(hour, minute, second int) {
	now := p.clock.Time().Local()
	to := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, second, 0, time.Local)
	begin, end := p.state.start, p.state.start.Add(p.clock.Duration())
	switch before, after := to.AddDate(0, 0, -1), to.AddDate(0, 0, 1); {
	case to.Before(begin.Truncate(time.Second)) && !after.After(end):
		to = after
	case to.After(end) && !before.Before(begin):
		to = before
	}
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		return toTime(ctx, x, from, 1, to.Sub(x.Tape().Start()))
	})
}

// parseTime reads a time of day: HH:MM or HH:MM:SS, with "at" before it or not.
func parseTime(s string) (hour, minute, second int, err error) {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "at "))
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Hour(), t.Minute(), t.Second(), nil
		}
	}
	return 0, 0, 0, fmt.Errorf("%.20q is not a time such as 14:52 or 14:52:10", s)
}

// toEvent seeks to an event, paused, with its line in sight.
func toEvent(seq sessionlog.Seq, text ...string) seek {
	return func(ctx context.Context, x *replay.Index, _ shot) (shot, error) {
		spot, err := x.Tape().Spot(ctx, seq)
		if err != nil {
			return shot{}, err
		}
		ev, err := x.Tape().Event(ctx, spot.Seq)
		to := shot{spot: spot, pos: spot.At, pause: true}
		to.hit = replay.Hit{Seq: ev.Seq, Step: ev.Step, Head: ev.Kind == sessionlog.StepRequested || ev.Kind == sessionlog.NoteAdded}
		to.text = strings.ToLower(strings.Join(text, " "))
		return to, err
	}
}

// byEvents moves by events, one on without the reel if it was read ahead.
func (p *playback) byEvents(n int) {
	if n == 1 && p.clock.Step() {
		p.fold()
		p.scroll.held = false
		return
	}
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		seq := from.spot.Seq + sessionlog.Seq(max(n, 0))
		seq -= min(sessionlog.Seq(max(-n, 0)), seq)
		spot, err := x.Tape().Spot(ctx, seq)
		return shot{spot: spot, pos: spot.At, play: from.play}, err
	})
}

// byMarks moves to the next mark of some kinds (by > 0) or the one before.
func (p *playback) byMarks(by int, what string, kinds ...replay.MarkKind) {
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		spot, err := x.Next(ctx, from.spot.Seq, by, kinds...)
		if err == nil && spot.Seq == 0 {
			from.note = "there is no " + what + " after this"
			if by < 0 {
				from.note = "there is no " + what + " before this"
			}
			return keep(ctx, x, from)
		}
		to := shot{spot: spot, pos: spot.At, play: from.play}
		return to, err
	})
}

// end moves to the newest event, and on with those that come.
func (p *playback) end() {
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		spot, err := x.Tape().Spot(ctx, x.Tape().Reader().Head().Seq)
		return shot{spot: spot, pos: spot.At, live: true}, err
	})
}

// search looks for the next line with the text (by > 0), or the one before; past
// the end it goes on from the other one.
func (p *playback) search(text string, by int) {
	text = strings.ToLower(text)
	p.seek(func(ctx context.Context, x *replay.Index, from shot) (shot, error) {
		after := from.hit
		if after.Seq == 0 || after.Of == 0 || from.text != text {
			after = replay.Hit{Seq: from.spot.Seq}
		}
		head := x.Tape().Reader().Head().Seq
		hit, err := x.Tape().Find(ctx, text, after, by, p.reel.searching)
		note := ""
		if err == nil && hit.Seq == 0 {
			other := replay.Hit{}
			if note = "past the end; from the start"; by < 0 {
				other, note = replay.Hit{Seq: head}, "past the start; from the end"
			}
			hit, err = x.Tape().Find(ctx, text, other, by, p.reel.searching)
		}
		if err != nil {
			return from, err
		}
		if from.text = text; hit.Seq == 0 {
			from.note = "not in this record: " + text
			return keep(ctx, x, from)
		}
		spot, err := x.Tape().Spot(ctx, hit.Seq)
		return shot{spot: spot, pos: spot.At, hit: hit, text: text, pause: true, note: note}, err
	})
}

// deepen reads more of what was before what is shown.
func (p *playback) deepen() {
	p.seek(func(_ context.Context, _ *replay.Index, from shot) (shot, error) {
		from.depth, from.keep, from.pause = deep, true, true
		return from, nil
	})
}
