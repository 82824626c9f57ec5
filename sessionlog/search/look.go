package search

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// look finds the pattern in a block, as its record has it.
func (f *finder) look(ctx context.Context, c candidate) (hit Hit, ok bool, err error) {
	if err := f.enter(ctx, c); err != nil {
		return hit, false, err
	}
	spans, err := f.load(ctx, c)
	if err != nil {
		return hit, false, err
	}
	var found span
	at, folded, ok := f.p.locate(f.text, f.folded, func(at place) bool {
		found = spanAt(spans, at.start+at.begin)
		return f.inTime(found.time)
	})
	f.folded = folded
	if !ok {
		return hit, false, nil
	}
	hit = Hit{
		Session: c.session, Client: c.client, Endpoint: c.endpoint, Technician: c.technician,
		Step: c.step, Seq: found.seq, Time: found.time, Kind: c.kind, Stream: c.stream,
	}
	hit.Line, hit.Begin, hit.End = at.snippet()
	return hit, true, nil
}

// spanAt returns the span that holds byte n, which one does.
func spanAt(spans []span, n int) span {
	i, _ := slices.BinarySearchFunc(spans, n, func(s span, n int) int {
		if s.end <= n {
			return -1
		}
		return 1
	})
	return spans[i]
}

func (f *finder) inTime(t time.Time) bool {
	return (f.q.Since.IsZero() || !t.Before(f.q.Since)) && (f.q.Until.IsZero() || !t.After(f.q.Until))
}

// enter opens the candidate's record, unless it is the one that is open.
func (f *finder) enter(ctx context.Context, c candidate) error {
	if f.release != nil && f.session == c.session {
		return nil
	}
	f.leave()
	r, release, err := f.open(ctx, c.client, c.session)
	if err != nil {
		return err
	}
	f.session, f.reader, f.release = c.session, r, release
	return nil
}

func (f *finder) leave() {
	if f.release != nil {
		f.release()
	}
	f.release, f.reader = nil, nil
}

// A span says which event a block's text up to end is from.
type span struct {
	end  int
	seq  sessionlog.Seq
	time time.Time
}

// load reads the text of a block from its record into f.text.
func (f *finder) load(ctx context.Context, c candidate) ([]span, error) {
	runs, err := parseRuns(c.runs)
	if err != nil {
		return nil, err
	}
	f.text = f.text[:0]
	var spans []span
	for _, r := range runs {
		for from := r.from; from <= r.to; {
			evs, err := f.reader.Read(ctx, from, int(r.to-from)+1)
			if err != nil {
				return nil, err
			}
			if len(evs) == 0 {
				return nil, fmt.Errorf("record has no event %d, and the index has", from)
			}
			for i := range evs {
				if data := c.of(&evs[i]); len(data) > 0 {
					f.text = append(f.text, data...)
					spans = append(spans, span{len(f.text), evs[i].Seq, evs[i].Time})
				}
			}
			from = evs[len(evs)-1].Seq + 1
		}
	}
	return spans, nil
}

// of returns what of an event is of the block.
func (c *candidate) of(ev *sessionlog.Event) []byte {
	if ev.Kind != c.kind || ev.Step != c.step {
		return nil
	}
	if ev.Chunk == nil {
		return []byte(said(ev))
	}
	if ev.Chunk.Stream != c.stream {
		return nil
	}
	data, start := ev.Chunk.Data, c.off-ev.Chunk.Offset
	end := min(start+c.size, int64(len(data)))
	if start = max(start, 0); start >= end {
		return nil
	}
	return data[start:end]
}
