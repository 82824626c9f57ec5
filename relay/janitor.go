package relay

import "time"

// tidy looks after what is idle, until the relay stops: it closes the files of
// records that nobody uses and seals sessions that nobody works in. Then it lets go
// of the sessions. It is one goroutine for all of them.
func (r *Relay) tidy() {
	every := r.cfg.IdleSeal / 4
	if r.cfg.Park > 0 {
		every = min(every, r.cfg.Park/4)
	}
	tick := time.NewTicker(max(every, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if r.cfg.Park > 0 {
				r.shelf.park(r.ctx, now.Add(-r.cfg.Park))
			}
			for _, s := range r.live() {
				s.sealIfIdle()
			}
		case <-r.ctx.Done():
			for _, s := range r.live() {
				s.end()
			}
			return
		}
	}
}
