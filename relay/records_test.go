package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// files is Records in memory that are as strict as a directory of files: a record
// that is open cannot be opened, and a log that is closed cannot be used.
type files struct {
	t    *testing.T
	slow func() // called where a disk would take time, if set

	mu    sync.Mutex
	logs  map[sessionlog.SessionID]*logtest.Memory
	open  map[sessionlog.SessionID]bool
	opens int
	fail  error // of the next Open
}

func newFiles(t *testing.T) *files {
	return &files{t: t, slow: func() {}, logs: map[sessionlog.SessionID]*logtest.Memory{}, open: map[sessionlog.SessionID]bool{}}
}

func (d *files) Create(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	d.mu.Lock()
	d.logs[id] = logtest.NewMemory()
	d.mu.Unlock()
	return d.Open(ctx, client, id)
}

func (d *files) Open(_ context.Context, _ string, id sessionlog.SessionID) (sessionlog.Log, error) {
	d.slow()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail; err != nil {
		d.fail = nil
		return nil, err
	}
	if d.open[id] {
		d.t.Errorf("record %s is opened twice", id)
		return nil, sqlitefile.ErrInUse
	}
	d.opens++
	d.open[id] = true
	return &handle{Memory: d.logs[id], dir: d, id: id, closed: make(chan struct{})}, nil
}

func (d *files) List() ([]RecordName, error) { return nil, nil }

// state returns how often a record was opened, and whether it is open.
func (d *files) state(id sessionlog.SessionID) (opens int, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opens, d.open[id]
}

// A handle is an open log of files.
type handle struct {
	*logtest.Memory
	dir    *files
	id     sessionlog.SessionID
	closed chan struct{} // closed when Close begins

	mu   sync.Mutex
	last *sessionlog.Commit // the newest
}

func (h *handle) check(what string) {
	if isDone(h.closed) {
		h.dir.t.Errorf("%s: the log is closed", what)
	}
}

func (h *handle) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	h.check("submit")
	commit := sessionlog.NewCommit()
	h.mu.Lock()
	before := h.last
	h.last = commit
	h.mu.Unlock()
	go func() {
		if before != nil {
			<-before.Done()
		}
		h.dir.slow()
		commit.Resolve(sessionlog.Append(context.WithoutCancel(ctx), h.Memory, evs...))
	}()
	return commit, nil
}

func (h *handle) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	h.check("read")
	h.dir.slow()
	defer h.check("read")
	return h.Memory.Read(ctx, from, limit)
}

func (h *handle) Wait(ctx context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-h.closed:
			cancel(sessionlog.ErrClosed)
		case <-ctx.Done():
		}
	}()
	return h.Memory.Wait(ctx, after)
}

func (h *handle) Close() error {
	h.check("close")
	close(h.closed)
	h.mu.Lock()
	last := h.last
	h.mu.Unlock()
	if last != nil {
		if !isDone(last.Done()) {
			h.dir.t.Error("closed before all was on disk")
		}
		<-last.Done()
	}
	h.dir.slow()
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	h.dir.open[h.id] = false
	return nil
}

func noteOf(text string) sessionlog.Event {
	return sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: text})
}

// held returns a record with one event, on a shelf over files.
func held(t *testing.T) (*files, *shelf, *record) {
	t.Helper()
	d := newFiles(t)
	s := newShelf(d)
	r, err := s.create(t.Context(), "acme", sessionlog.NewSessionID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sessionlog.Append(t.Context(), r, noteOf("first")); err != nil {
		t.Fatal(err)
	}
	return d, s, r
}

func TestParkedRecordIsOneLog(t *testing.T) {
	d, s, r := held(t)
	defer r.release()
	ctx := t.Context()
	expect := func(what string, opens int, open bool) {
		t.Helper()
		if o, is := d.state(r.id); o != opens || is != open {
			t.Errorf("%s: opened %d times, open %v; want %d, %v", what, o, is, opens, open)
		}
	}
	waits := func(after sessionlog.Seq) <-chan sessionlog.Head {
		got := make(chan sessionlog.Head, 1)
		go func() {
			head, err := r.Wait(ctx, after)
			if err != nil {
				t.Error(err)
			}
			got <- head
		}()
		return got
	}
	early := waits(1) // on the open log
	s.park(ctx, time.Now().Add(-time.Hour))
	expect("used not long ago", 1, true)
	s.park(ctx, time.Now())
	expect("parked", 1, false)
	if h := r.Head(); h.Seq != 1 || h.Sealed {
		t.Errorf("head of a parked record is %+v", h)
	}
	late := waits(1)
	for _, read := range []func(context.Context, sessionlog.Seq, int) ([]sessionlog.Event, error){r.Read, r.Outline} {
		if evs, err := read(ctx, 2, 10); err != nil || len(evs) > 0 {
			t.Errorf("past the head: %v, %v", evs, err)
		}
	}
	expect("looked at", 1, false)
	if _, err := sessionlog.Append(ctx, r, noteOf("second")); err != nil {
		t.Fatal(err)
	}
	expect("written", 2, true)
	if a, b := <-early, <-late; a.Seq != 2 || b.Seq != 2 {
		t.Errorf("those who waited got %+v and %+v", a, b)
	}
	s.park(ctx, time.Now())
	if evs, err := r.Read(ctx, 1, 10); err != nil || len(evs) != 2 {
		t.Errorf("read %v, %v", evs, err)
	}
	expect("read", 3, true)
	last := waits(2)
	if _, err := sessionlog.Append(ctx, r, sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{})); err != nil {
		t.Fatal(err)
	}
	if h := <-last; !h.Sealed {
		t.Errorf("those who waited for the end got %+v", h)
	}
	s.park(ctx, time.Now())
	expect("sealed", 3, false)
	if h, err := r.Wait(ctx, 100); err != nil || !h.Sealed || h.Seq != 3 {
		t.Errorf("wait on a sealed record: %+v, %v", h, err)
	}
	if evs, err := r.Outline(ctx, 1, 10); err != nil || len(evs) != 3 {
		t.Errorf("outline of a sealed record: %v, %v", evs, err)
	}
	expect("sealed and read", 4, true)
}

func TestReopenThatFailsIsTriedAgain(t *testing.T) {
	d, s, r := held(t)
	s.park(t.Context(), time.Now())
	bad := errors.New("disk on fire")
	d.fail = bad
	if _, err := r.Submit(t.Context(), noteOf("x")); !errors.Is(err, bad) {
		t.Errorf("submit: %v", err)
	}
	if h := r.Head(); h.Seq != 1 {
		t.Errorf("head is %+v", h)
	}
	if evs, err := r.Read(t.Context(), 1, 10); err != nil || len(evs) != 1 {
		t.Errorf("read %v, %v", evs, err)
	}
	s.park(t.Context(), time.Now())
	waited := make(chan error)
	go func() {
		_, err := r.Wait(t.Context(), 1)
		waited <- err
	}()
	r.release()
	if err := <-waited; !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("wait on a record that is given up: %v", err)
	}
	if _, err := r.Read(t.Context(), 1, 10); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("read of a record that is given up: %v", err)
	}
	if _, open := d.state(r.id); open {
		t.Error("a record without users is open")
	}
}

// What is on its way to the disk keeps a record open.
func TestNothingIsParkedBeforeItsCommit(t *testing.T) {
	d, s, r := held(t)
	defer r.release()
	disk := make(chan struct{})
	d.slow = func() { <-disk }
	var commits []*sessionlog.Commit
	for range 3 {
		c, err := r.Submit(t.Context(), noteOf("x"))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
	}
	for _, c := range commits {
		s.park(t.Context(), time.Now())
		if _, open := d.state(r.id); !open {
			t.Fatal("parked with events on their way")
		}
		disk <- struct{}{}
		<-c.Done()
	}
	close(disk)
	s.park(t.Context(), time.Now())
	if _, open := d.state(r.id); open || r.Head().Seq != 4 {
		t.Errorf("open %v, head %+v", open, r.Head())
	}
}

// TestParkingInterleaved has readers, writers and waiters use one record at times
// of chance, on a disk that is slow by chance and sometimes cannot open, while a
// janitor parks it. All that was acknowledged is there in the end, and each sees it.
func TestParkingInterleaved(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 50
	}
	opens := 0
	for seed := range n {
		synctest.Test(t, func(t *testing.T) { opens += interleave(t, uint64(seed)) })
	}
	if opens < 2*n {
		t.Errorf("%d records were opened %d times in all", n, opens)
	}
}

// pause waits for some of a bubble's time. It does not wait on a timer's channel:
// with the race detector, runtime 1.26 dies where two threads send to such channels
// of one bubble at once.
func pause(d time.Duration) {
	over := make(chan struct{})
	time.AfterFunc(d, func() { close(over) })
	<-over
}

func interleave(t *testing.T, seed uint64) (opens int) {
	d, s, r := held(t)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	nap := func() { pause(time.Duration(chance(4)) * time.Millisecond) }
	d.slow = nap
	ctx, stop := context.WithCancel(t.Context())
	var janitor, users sync.WaitGroup
	janitor.Go(func() {
		for ctx.Err() == nil {
			pause(time.Millisecond)
			s.park(ctx, time.Now().Add(-time.Millisecond))
			if chance(20) == 0 {
				d.mu.Lock()
				d.fail = errors.New("not now")
				d.mu.Unlock()
			}
		}
	})
	for u := range 4 {
		users.Go(func() {
			for i := range 10 {
				for range 6 { // long enough to be parked
					nap()
				}
				text := fmt.Sprint(u, " ", i)
				head, err := sessionlog.Append(ctx, r, noteOf(text))
				if err != nil {
					continue // could not be opened
				}
				if got := r.Head(); got.Seq < head.Seq {
					t.Errorf("seed %d: acknowledged at %d, head at %d", seed, head.Seq, got.Seq)
				}
				if got, err := r.Wait(ctx, head.Seq-1); err != nil || got.Seq < head.Seq {
					t.Errorf("seed %d: acknowledged at %d, waited and got %d, %v", seed, head.Seq, got.Seq, err)
				}
				evs, err := r.Read(ctx, head.Seq, 1)
				var note sessionlog.Note
				if err == nil && (len(evs) != 1 || evs[0].Decode(&note) != nil || note.Text != text) {
					t.Errorf("seed %d: event %d is %v, not %q", seed, head.Seq, evs, text)
				}
			}
		})
	}
	follower := make(chan sessionlog.Seq)
	go func() {
		var at sessionlog.Seq
		for {
			head, err := r.Wait(ctx, at)
			if err != nil {
				follower <- at
				return
			}
			at = head.Seq
		}
	}()
	users.Wait()
	end := r.Head().Seq
	synctest.Wait()
	stop()
	janitor.Wait()
	if at := <-follower; at != end {
		t.Errorf("seed %d: who followed came to %d, the head is %d", seed, at, end)
	}
	r.release()
	opens, open := d.state(r.id)
	if open {
		t.Errorf("seed %d: left open", seed)
	}
	return opens
}

// The same record as a file, used and parked by many at once.
func TestParkingFiles(t *testing.T) {
	dir, err := sqlitefile.OpenDir(t.TempDir(), sqlitefile.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s := newShelf(onDisk{dir})
	r, err := s.create(t.Context(), "acme", sessionlog.NewSessionID())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var janitor, users sync.WaitGroup
	janitor.Go(func() {
		for ctx.Err() == nil {
			s.park(ctx, time.Now())
		}
	})
	for u := range 8 {
		users.Go(func() {
			for i := range 20 {
				text := fmt.Sprint(u, " ", i)
				head, err := sessionlog.Append(ctx, r, noteOf(text))
				if err != nil {
					t.Error(err)
					return
				}
				evs, err := r.Read(ctx, head.Seq, 1)
				var note sessionlog.Note
				if err != nil || len(evs) != 1 || evs[0].Decode(&note) != nil || note.Text != text {
					t.Errorf("event %d is %v, %v, not %q", head.Seq, evs, err, text)
				}
			}
		})
	}
	for at := sessionlog.Seq(0); at < 8*20; {
		head, err := r.Wait(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		at = head.Seq
	}
	users.Wait()
	stop()
	janitor.Wait()
	s.park(t.Context(), time.Now())
	file, err := r.Copy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	r.release()
}

// onDisk is the Records of a relay in a directory.
type onDisk struct{ dir *sqlitefile.Dir }

func (d onDisk) Create(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	return d.dir.Create(ctx, client, id)
}

func (d onDisk) Open(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	return d.dir.Open(ctx, client, id)
}

func (d onDisk) List() (names []RecordName, err error) {
	list, err := d.dir.List()
	for _, e := range list {
		names = append(names, RecordName{Client: e.Client, ID: e.ID})
	}
	return names, err
}
