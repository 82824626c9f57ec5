package sqlitefile

import (
	"sync"
	"time"
)

const (
	// fillAfter is how long what the journal has waits for its way into the file.
	fillAfter = time.Second
	// settleEvery is how often records are looked for that hold up the journal.
	settleEvery = time.Second
	// settleAtOnce is the most records that are then asked to settle, so that they
	// do not all flush at once.
	settleAtOnce = 100

	fillWorkers = 1
)

// The fillers of a Dir move into each record's file what so far only the journal
// has, and sign it. They are a few goroutines for all records.
type fillers struct {
	wake chan struct{} // says that there is something new
	quit chan struct{} // closed when the Dir closes
	once sync.Once
	work sync.WaitGroup

	mu    sync.Mutex // guards what follows, and File.due and File.hurry
	now   []*File
	later []appointment // in the order of their time, as all wait equally long
}

type appointment struct {
	file *File
	at   time.Time
}

func newFillers() *fillers {
	p := &fillers{wake: make(chan struct{}, fillWorkers), quit: make(chan struct{})}
	for range fillWorkers {
		p.work.Go(p.run)
	}
	return p
}

// close stops the fillers; what is not filled then is left to the files' Close.
func (p *fillers) close() {
	p.once.Do(func() { close(p.quit) })
	p.work.Wait()
}

// add has f tended fillAfter from now, if that is not so already.
func (p *fillers) add(f *File) {
	p.mu.Lock()
	if f.due {
		p.mu.Unlock()
		return
	}
	f.due = true
	p.later = append(p.later, appointment{f, time.Now().Add(fillAfter)})
	first := len(p.later) == 1
	p.mu.Unlock()
	if first { // else somebody waits for an earlier one
		p.signal()
	}
}

// hurry has f tended at once.
func (p *fillers) hurry(f *File) {
	p.mu.Lock()
	if f.hurried {
		p.mu.Unlock()
		return
	}
	f.hurried = true
	p.now = append(p.now, f)
	p.mu.Unlock()
	p.signal()
}

func (p *fillers) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run is one of the goroutines.
func (p *fillers) run() {
	timer := time.NewTimer(fillAfter)
	defer timer.Stop()
	for {
		f, hurried, wait := p.next()
		if f != nil {
			if f.tend(!hurried) {
				p.add(f)
			}
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-p.wake:
		case <-due:
		case <-p.quit:
			return
		}
	}
}

// next returns a file whose time has come, or how long that takes; 0 if there is
// none.
func (p *fillers) next() (f *File, hurried bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.quit:
		return nil, false, 0
	default:
	}
	if len(p.later) > 0 { // first, so that those who hurry starve nobody
		first := p.later[0]
		if wait = time.Until(first.at); wait <= 0 {
			p.later[0] = appointment{}
			p.later = p.later[1:]
			first.file.due = false
			if len(p.later) > 0 {
				p.signal() // the other goroutine may wait for nothing
			}
			return first.file, false, 0
		}
	}
	if len(p.now) > 0 {
		f = p.now[0]
		p.now[0] = nil
		p.now = p.now[1:]
		f.hurried = false
		return f, true, 0
	}
	return nil, false, wait
}
