package sqlitefile

import "sync"

// A syncGroup lets all who want the same directory flushed share a flush: one
// that began after they asked.
type syncGroup struct {
	mu   sync.Mutex
	next map[string]*flush // by name, not yet begun
	busy map[string]*flush // by name, in progress
}

type flush struct {
	done chan struct{}
	err  error // set before done is closed
}

// do returns once a run of f that began after the call to do has ended.
func (g *syncGroup) do(name string, f func() error) error {
	g.mu.Lock()
	if g.next == nil {
		g.next, g.busy = map[string]*flush{}, map[string]*flush{}
	}
	if fl := g.next[name]; fl != nil {
		g.mu.Unlock()
		<-fl.done
		return fl.err
	}
	fl := &flush{done: make(chan struct{})}
	g.next[name] = fl
	busy := g.busy[name]
	g.mu.Unlock()
	if busy != nil {
		<-busy.done
	}
	g.mu.Lock()
	delete(g.next, name)
	g.busy[name] = fl
	g.mu.Unlock()
	fl.err = f()
	g.mu.Lock()
	if g.busy[name] == fl {
		delete(g.busy, name)
	}
	g.mu.Unlock()
	close(fl.done)
	return fl.err
}
