package tui

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/replay"
)

// How much a reel reads ahead of what is seen.
const (
	aheadEvents = 4096
	aheadBytes  = 4 << 20
	aheadPage   = 512
)

// A shot is a replay at a place of its record.
type shot struct {
	spot replay.Spot
	pos  time.Duration // since the first event
	hit  replay.Hit    // what was looked for, if its Seq is not 0
	text string        // the text that was looked for, in lower case

	play  bool // play from here
	live  bool // go on as events come
	pause bool // do not play on
	keep  bool // what is in sight stays in sight
	depth depth

	transcript *transcript // made by the reel
	torn       bool        // the index did not know yet what ran before the window
	note       string      // what to tell
}

// A seek finds a shot's successor. It is called in the reel's goroutine.
type seek func(ctx context.Context, x *replay.Index, from shot) (shot, error)

// A reel reads a session's record for whoever replays it, in goroutines of its
// own: it answers seeks, and reads ahead of what is seen. Whoever replays looks
// at what it has; it never waits for the disk.
type reel struct {
	// Static.
	backend console.Backend
	session sessionlog.SessionID
	wake    func()
	kick    chan struct{} // room for one: there is something to do

	mu     sync.Mutex // guards what follows
	start  time.Time
	last   replay.Spot // the newest event; Seq 0 until there is one
	length time.Duration
	sealed bool
	index  *replay.Index // nil until the record is open

	seeks  []seek
	from   shot               // where the first of seeks begins
	busy   bool               // a seek was asked for and its shot not yet taken
	giveUp context.CancelFunc // ends the seek or the reading under way
	far    sessionlog.Seq     // how far a search has come
	shot   *shot              // the answer, until it is taken

	ahead     []sessionlog.Event // read and not yet taken
	next      sessionlog.Seq     // to be read ahead; 0 while a seek is under way
	out, size int                // events and bytes read ahead and not yet spent
	err       error              // until it is taken
}

func newReel(b console.Backend, id sessionlog.SessionID, wake func()) *reel {
	return &reel{backend: b, session: id, wake: wake, kick: make(chan struct{}, 1)}
}

// run serves until ctx ends or the record cannot be opened.
func (l *reel) run(ctx context.Context) {
	r, err := l.backend.Look(ctx, l.session)
	if err != nil {
		l.fail(ctx, err)
		return
	}
	defer r.Close()
	x, err := l.open(ctx, r)
	if err != nil {
		l.fail(ctx, err)
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { l.fail(ctx, l.follow(ctx, x)) })
	for {
		if s, from, seekCtx := l.job(ctx); s != nil {
			l.answer(seekCtx, x, s, from)
			continue
		}
		if more, err := l.read(ctx, r); more {
			continue
		} else if err != nil {
			l.fail(ctx, err)
		}
		select {
		case <-l.kick:
		case <-ctx.Done():
			return
		}
	}
}

// open waits for the first event, and tells how far the record goes.
func (l *reel) open(ctx context.Context, r sessionlog.Reader) (*replay.Index, error) {
	tape, err := replay.NewTape(ctx, r)
	if err != nil {
		return nil, err
	}
	x := replay.NewIndex(tape)
	last, err := tape.Spot(ctx, r.Head().Seq)
	if err == nil {
		l.extend(x, last, false)
	}
	return x, err
}

// follow tells how far the record goes, and fills the index, until no event will
// follow and all are in.
func (l *reel) follow(ctx context.Context, x *replay.Index) error {
	r := x.Tape().Reader()
	for last := (replay.Spot{}); ; {
		head := r.Head()
		if head.Seq > last.Seq {
			var err error
			if last, err = x.Tape().Spot(ctx, head.Seq); err != nil {
				return err
			}
			l.extend(x, last, head.Sealed)
		}
		more, err := x.Fill(ctx, indexedAtOnce)
		if err != nil {
			return err
		}
		l.extend(x, last, head.Sealed)
		if more {
			continue
		}
		if head.Sealed {
			return nil
		}
		switch _, err := r.Wait(ctx, head.Seq); {
		case errors.Is(err, sessionlog.ErrClosed): // nobody will add to it
			l.extend(x, last, true)
			return nil
		case err != nil:
			return err
		case !sleep(ctx, focusFrame):
			return context.Cause(ctx)
		}
	}
}

func (l *reel) extend(x *replay.Index, last replay.Spot, sealed bool) {
	l.mu.Lock()
	l.index, l.start, l.sealed = x, x.Tape().Start(), sealed
	l.last = last
	l.length = max(l.length, l.last.At, x.Latest())
	l.mu.Unlock()
	l.stir()
	l.wake()
}

// stir has run look for something to do.
func (l *reel) stir() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

func (l *reel) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
	l.wake()
}

// ask asks for a seek from a shot, or from where the seeks end that were asked for
// before. Searching and reading ahead are given up for it.
func (l *reel) ask(from shot, s seek) {
	l.mu.Lock()
	if !l.busy {
		l.from = from
	}
	l.busy = true
	if reading := l.next > 0; (reading || l.far > 0) && l.giveUp != nil {
		l.giveUp()
	}
	l.seeks = append(l.seeks, s)
	l.mu.Unlock()
	l.stir()
}

// cancel gives up all seeks, and reports whether there were any.
func (l *reel) cancel() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy || l.shot != nil {
		return false
	}
	l.seeks = []seek{keep}
	if l.giveUp != nil {
		l.giveUp()
	}
	l.stir()
	return true
}

// keep is the seek that leads nowhere: what is shown is read anew.
func keep(_ context.Context, _ *replay.Index, from shot) (shot, error) {
	from.keep = true
	return from, nil
}

// job takes a seek, with a context that ends when it is given up.
func (l *reel) job(ctx context.Context) (seek, shot, context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seeks) == 0 {
		return nil, shot{}, nil
	}
	s := l.seeks[0]
	l.seeks, l.next, l.shot = l.seeks[1:], 0, nil
	ctx, l.giveUp = context.WithCancel(ctx)
	return s, l.from, ctx
}

// answer carries out a seek. Where others wait, no transcript is made yet.
func (l *reel) answer(ctx context.Context, x *replay.Index, s seek, from shot) {
	to, err := s(ctx, x, from)
	if err != nil {
		to, to.note, to.keep = from, "", true
		if ctx.Err() == nil {
			l.fail(ctx, err)
		}
	}
	l.mu.Lock()
	l.giveUp()
	l.giveUp, l.far, l.from = nil, 0, to
	l.from.note, l.from.keep = "", false
	wait := len(l.seeks) > 0
	l.mu.Unlock()
	if wait {
		return
	}
	to.depth.events, to.depth.bytes = max(to.depth.events, shallow.events), max(to.depth.bytes, shallow.bytes)
	if to.transcript, err = rebuild(context.WithoutCancel(ctx), x, to.spot.Seq, to.depth); err != nil {
		l.fail(context.WithoutCancel(ctx), err)
		to.transcript = &transcript{}
	}
	to.torn = x.Upto()+1 < to.transcript.before
	l.mu.Lock()
	l.shot, l.ahead, l.next, l.out, l.size = &to, nil, to.spot.Seq+1, 0, 0
	l.mu.Unlock()
	l.wake()
}

// searching tells how far a search has come.
func (l *reel) searching(at sessionlog.Seq) {
	l.mu.Lock()
	l.far = max(at, 1)
	l.mu.Unlock()
	l.wake()
}

// read reads some events ahead, and reports whether there may be more to read.
func (l *reel) read(ctx context.Context, r sessionlog.Reader) (more bool, err error) {
	l.mu.Lock()
	next, room := l.next, min(aheadEvents-l.out, aheadPage)
	if l.size >= aheadBytes {
		room = 0
	}
	asked := len(l.seeks) > 0
	readCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.giveUp = cancel
	l.mu.Unlock()
	var evs []sessionlog.Event
	if !asked && next > 0 && room > 0 && next <= r.Head().Seq {
		evs, err = r.Read(readCtx, next, room)
	}
	l.mu.Lock()
	l.giveUp, asked = nil, len(l.seeks) > 0
	l.mu.Unlock()
	if err != nil || len(evs) == 0 {
		if asked {
			err = nil // it was given up
		}
		return asked, err
	}
	l.mu.Lock()
	l.ahead = append(l.ahead, evs...)
	l.next = evs[len(evs)-1].Seq + 1
	l.out += len(evs)
	for _, ev := range evs {
		l.size += weight(ev)
	}
	l.mu.Unlock()
	l.wake()
	return true, nil
}

// weight is how many bytes an event counts that is read ahead.
func weight(ev sessionlog.Event) int {
	if ev.Chunk != nil {
		return len(ev.Body) + len(ev.Chunk.Data)
	}
	return len(ev.Body)
}

// spent says that events that were read ahead are seen.
func (l *reel) spent(events, bytes int) {
	l.mu.Lock()
	l.out, l.size = max(l.out-events, 0), max(l.size-bytes, 0)
	l.mu.Unlock()
	l.stir()
}

// A reelState is what a reel has to tell.
type reelState struct {
	start  time.Time
	last   replay.Spot
	length time.Duration
	sealed bool
	index  *replay.Index
	busy   bool
	far    sessionlog.Seq
	shot   *shot
	ahead  []sessionlog.Event
	err    error
}

// take returns what is new since the last take. What was read ahead belongs to the
// newest shot: while a seek is under way there is none of it.
func (l *reel) take() reelState {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := reelState{start: l.start, last: l.last, length: l.length, sealed: l.sealed, index: l.index, far: l.far, err: l.err}
	l.err = nil
	if l.shot != nil && len(l.seeks) == 0 {
		st.shot, l.shot, l.busy = l.shot, nil, false
	}
	if st.busy = l.busy; !st.busy {
		st.ahead, l.ahead = l.ahead, nil
	}
	return st
}
