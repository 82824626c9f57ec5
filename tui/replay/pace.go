package replay

import (
	"context"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// Paced says how a paced feed runs. The zero value plays at speed 1 and waits
// through idle times.
type Paced struct {
	// Speed is within MinSpeed and MaxSpeed. If zero, 1.
	Speed float64
	// SkipIdle cuts idle times to IdleCap.
	SkipIdle bool
}

// Pace returns a Feed that hands out the events of f at the times that they
// happened, counted from the first call of Next. Closing it closes f.
func Pace(f console.Feed, cfg Paced) console.Feed {
	p := &paced{Feed: f, player: NewPlayer(nil)}
	p.player.SkipIdle(cfg.SkipIdle)
	if cfg.Speed != 0 {
		p.player.SetSpeed(cfg.Speed)
	}
	return p
}

type paced struct {
	console.Feed
	player *Player
	held   []sessionlog.Event // read from Feed, not handed out
	out    int                // events handed out
}

func (p *paced) Next(ctx context.Context) ([]sessionlog.Event, error) {
	for {
		if len(p.held) == 0 {
			evs, err := p.Feed.Next(ctx)
			if err != nil {
				return nil, err
			}
			p.held = evs
			p.player.Append(evs...)
			p.player.Play()
		}
		if n := p.player.Advance() - p.out; n > 0 {
			evs := p.held[:n:n]
			p.held, p.out = p.held[n:], p.out+n
			return evs, nil
		}
		wait, _ := p.player.Next()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}
