package sqlitefile

import (
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog/sqlitefile/journal"
)

// A host is what the files of a Dir share.
type host struct {
	// Static after OpenDir.
	cfg     Config
	commits chan struct{} // one slot for each commit in progress
	journal *journal.Journal
	fillers *fillers

	quit chan struct{} // closed when the Dir closes
	work sync.WaitGroup

	mu   sync.Mutex          // guards what follows; never held across I/O
	left map[string][]*batch // by record, what only the journal has, of records that nobody has open
	open map[string]*File    // by record, those that are written
}

func newHost(cfg Config, j *journal.Journal) *host {
	h := &host{
		cfg: cfg, commits: make(chan struct{}, cfg.Commits), journal: j, fillers: newFillers(),
		quit: make(chan struct{}), left: map[string][]*batch{}, open: map[string]*File{},
	}
	h.work.Go(h.settle)
	return h
}

// stop ends the goroutines. The files still use the journal when they are closed.
func (h *host) stop() {
	close(h.quit)
	h.work.Wait()
	h.fillers.close()
}

// settle asks records to make their files durable that hold up the journal.
func (h *host) settle() {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-h.quit:
			return
		}
		records, err := h.journal.Behind(settleAtOnce)
		if err != nil {
			h.cfg.Logf("%v", err)
		}
		for _, name := range records {
			if f := h.file(name); f != nil {
				f.behind.Store(true)
				h.fillers.add(f)
			}
		}
	}
}

func (h *host) file(name string) *File {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[name]
}

// enter makes f the one that writes a record, and hands it what is left of it.
func (h *host) enter(f *File) []*batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[f.name] = f
	left := h.left[f.name]
	delete(h.left, f.name)
	return left
}

// leave keeps what a record's file has no space for until it is opened again.
func (h *host) leave(f *File, left []*batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[f.name] == f {
		delete(h.open, f.name)
	}
	if len(left) > 0 {
		h.left[f.name] = left
	}
}
