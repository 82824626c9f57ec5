// Package relay owns the live sessions: it decides on what consoles ask for,
// drives agents, and appends all that happens to the sessions' records before
// anyone sees it.
//
// Transports bring agents with [Relay.Attach]; doors get a console.Backend for a
// proved technician with [Relay.Console]. Down go Intent, event, Start; up come
// output, event, Feed. The only message against that flow is the Ack.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
)

// Config says what a Relay works with. Fleet, Records and Mint must be set.
type Config struct {
	Fleet   *fleet.Catalogue
	Records Records
	// Mint makes the text of a new enrolment token and the hash to keep of it.
	Mint func() (text string, hash [32]byte)
	// MinFree is how many bytes must be free where the records are for new steps
	// to be taken. If zero, 256 MiB; if negative, there is no such limit. It holds
	// where Records has a method Free() (int64, error).
	MinFree int64
	// Index finds words in the records. If nil, nothing can be searched for. Its
	// owner closes it after Close.
	Index *search.Index
	// RecordKey is the verifier key of what signs the records' checkpoints; see
	// sessionlog.Opened. If empty, they are not signed.
	RecordKey string
	// IdleSeal is how long a session without viewers and running steps stays
	// open. If zero, 30 minutes.
	IdleSeal time.Duration
	// Park is how long nobody reads or writes a record before its file is closed;
	// the next who does opens it again. If zero, a minute; if negative, files stay
	// open.
	Park time.Duration
	// Keep says which records are compressed, and which are removed. It takes
	// Records with the methods of an archivist.
	Keep KeepPolicy
	// Listing is a file of the relay's that saves it to open all sealed records when
	// it starts. It may be deleted while no relay runs. If empty, there is none.
	Listing string
	// ApprovalTTL is how long a step waits for approvals. If zero, 30 minutes.
	ApprovalTTL time.Duration
	// Webhook, if set, is an http or https URL that is told by POST that a step waits
	// for approval: one JSON object, without the command.
	Webhook string
	// LostAfter is how long past its time limit a step may be without word from
	// its endpoint before it counts as lost. If zero, 2 minutes.
	LostAfter time.Duration
	// OutputLimit is how many bytes of a step's output are kept, over both streams:
	// its head and its tail. If zero, 64 MiB; if negative, all are kept.
	OutputLimit int64
	// Log is told what operators should know. If nil, slog.Default().
	Log *slog.Logger
}

// A Relay is the root of everything that is live. Its methods may be called
// concurrently.
type Relay struct {
	// Static after New.
	cfg     Config
	fleet   *fleet.Catalogue
	agents  *agents
	checks  *catalogues
	dir     *directory
	shelf   *shelf
	gates   *gates
	hook    *webhook // nil if there is none
	book    rulebook
	grants  *grants
	repeats *repeater
	wall    func() time.Time // the clock on the wall; tests set it before they ask for anything
	ctx     context.Context  // ends at Close
	stop    context.CancelCauseFunc
	work    sync.WaitGroup // goroutines that end once ctx has
	unread  bool           // a record could not be read at the start
	behind  atomic.Int64   // records that the index has not read to their end

	listing sync.Mutex // held while the directory is told of the catalogue

	mu       sync.Mutex // guards what follows
	sessions map[sessionlog.SessionID]*session
	current  map[post]*opening
	sealed   map[sessionlog.SessionID]console.Session
	looks    map[*reader]struct{} // that are open
}

// A post is a technician at an endpoint: it has at most one open session.
type post struct {
	technician string
	endpoint   sessionlog.EndpointID
}

// An opening is a session that is being made, or has been.
type opening struct {
	done    chan struct{} // closed once the rest is set
	session *session
	err     error
}

var errStopping = errors.New("the relay is stopping")

// New loads what is on disk, takes up the sessions that were open, and returns
// the relay. It runs until Close.
func New(ctx context.Context, cfg Config) (*Relay, error) {
	if cfg.IdleSeal == 0 {
		cfg.IdleSeal = 30 * time.Minute
	}
	if cfg.Park == 0 {
		cfg.Park = time.Minute
	}
	if cfg.ApprovalTTL == 0 {
		cfg.ApprovalTTL = approvalTTL
	}
	if cfg.LostAfter == 0 {
		cfg.LostAfter = 2 * time.Minute
	}
	if cfg.MinFree == 0 {
		cfg.MinFree = 256 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	r := &Relay{
		cfg: cfg, fleet: cfg.Fleet, agents: newAgents(), checks: newCatalogues(), dir: newDirectory(), shelf: newShelf(cfg.Records), gates: newGates(),
		grants: newGrants(cfg.ApprovalTTL), repeats: newRepeater(), wall: time.Now,
		sessions: map[sessionlog.SessionID]*session{}, current: map[post]*opening{},
		sealed: map[sessionlog.SessionID]console.Session{}, looks: map[*reader]struct{}{},
	}
	r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	r.listEndpoints()
	if cfg.Webhook != "" {
		r.hook = newWebhook(cfg.Webhook)
		r.work.Go(func() { r.hook.run(r.ctx, func(err error) { cfg.Log.Warn("webhook not told", "err", err) }) })
	}
	r.work.Go(r.repeatAll)
	r.work.Go(r.tidy)
	list := &listing{path: cfg.Listing}
	keep, err := newKeeper(r, list)
	if err == nil {
		err = r.load(ctx, list)
	}
	if err != nil {
		r.stop(err)
		r.work.Wait()
		return nil, err
	}
	r.work.Go(r.followFleet)
	r.work.Go(keep.run)
	if cfg.Index != nil {
		x := &indexer{relay: r, index: cfg.Index, read: map[sessionlog.SessionID]sessionlog.Seq{}, retry: map[sessionlog.SessionID]time.Time{}}
		r.work.Go(x.run)
	}
	return r, nil
}

// Close stops all that is live. Steps that run go on at their endpoints; the
// next relay on the same records takes them up again.
func (r *Relay) Close() {
	r.stop(errStopping)
	r.work.Wait()
}

// followFleet keeps the directory, and all that is live, in step with the catalogue.
func (r *Relay) followFleet() {
	for {
		changed := r.fleet.Changed()
		r.listEndpoints()
		r.uphold()
		select {
		case <-changed:
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Relay) listEndpoints() {
	r.listing.Lock()
	defer r.listing.Unlock()
	for _, e := range r.fleet.Endpoints() {
		if have, ok := r.dir.get(e.ID); ok && have.Client == e.Client && have.Name == e.Name && maps.Equal(have.Labels, e.Labels) && have.Quarantined == e.Quarantined {
			continue
		}
		r.dir.update(e.ID, func(d *console.Endpoint) {
			d.Client, d.Name, d.Labels, d.Quarantined = e.Client, e.Name, e.Labels, e.Quarantined
			if d.Since.IsZero() {
				d.Since = e.Enrolled
				d.Host, d.OS, d.Arch, d.Version = e.Machine.Host, e.Machine.OS, e.Machine.Arch, e.Machine.Version
			}
		})
	}
}

// Attach makes a the agent of its endpoint until its link is gone or detach is
// called, and takes up the steps that wait for it. An older link of the same
// endpoint is sent away.
func (r *Relay) Attach(a Arrival) (detach func()) {
	r.listEndpoints() // it may have been enrolled a moment ago
	r.checks.announce(a.Endpoint, a.Checks)
	old := r.agents.put(a.Endpoint, a.Link)
	if old == a.Link {
		old.Close(errRevoked.Error())
		return func() {}
	}
	if old != nil {
		old.Close("a newer connection of this endpoint took over")
	}
	r.dir.update(a.Endpoint, func(e *console.Endpoint) {
		e.Online, e.Since, e.Transport = true, time.Now().UTC(), a.Transport
		e.Host, e.OS, e.Arch, e.Version, e.Effects = a.Host, a.OS, a.Arch, a.Version, a.Effects
	})
	r.settle(a)
	return sync.OnceFunc(func() {
		if r.agents.drop(a.Endpoint, a.Link) {
			r.dir.update(a.Endpoint, func(e *console.Endpoint) {
				if link, _ := r.agents.get(a.Endpoint); link == nil { // none came in between
					e.Online, e.Since, e.Transport = false, time.Now().UTC(), ""
				}
			})
		}
	})
}

// Clock notes how far the clock of an endpoint is ahead of the relay's.
func (r *Relay) Clock(id sessionlog.EndpointID, ahead time.Duration) {
	r.dir.update(id, func(e *console.Endpoint) { e.ClockOffset = ahead.Seconds() })
}

// Effects notes what an endpoint's own policy allows from now on.
func (r *Relay) Effects(id sessionlog.EndpointID, effects []string) {
	r.dir.update(id, func(e *console.Endpoint) { e.Effects = effects })
}

// settle has an agent end and forget the steps that it holds though their end is
// recorded: the relay died before it could say so, or took them for lost.
func (r *Relay) settle(a Arrival) {
	if r.unread && len(a.Steps) > 0 {
		r.cfg.Log.Warn("steps not settled: a record that was left alone may be theirs", "endpoint", a.Endpoint)
		return
	}
	for _, id := range a.Steps {
		if r.running(a.Endpoint, id) {
			continue // its driver takes it up
		}
		r.work.Go(func() {
			if err := r.forget(a.Link, id); err != nil {
				r.cfg.Log.Debug("settle step", "step", id, "err", err)
			}
		})
	}
}

func (r *Relay) forget(link Link, id sessionlog.StepID) error {
	conv, err := link.Open(r.ctx, Call{Step: id, Resume: true})
	if err != nil {
		return err
	}
	defer conv.Close()
	defer context.AfterFunc(r.ctx, conv.Close)()
	if err := conv.Cancel(); err != nil {
		return err
	}
	for {
		rep, err := conv.Recv()
		if err != nil {
			return err
		}
		switch rep := rep.(type) {
		case Output: // a spool that is full keeps the command from ending
			if err := conv.Ack(rep.Stream, rep.Offset+int64(len(rep.Data))); err != nil {
				return err
			}
		case Gap:
			if err := conv.Ack(rep.Stream, rep.Offset+rep.Bytes); err != nil {
				return err
			}
		case Exit:
			return conv.Done()
		case Refused, Unknown:
			return nil
		}
	}
}

// running reports whether a step of that endpoint has not ended.
func (r *Relay) running(endpoint sessionlog.EndpointID, id sessionlog.StepID) bool {
	for _, s := range r.live() {
		if s.info.Endpoint == endpoint && s.isRunning(id) {
			return true
		}
	}
	return false
}

func (r *Relay) live() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*session, 0, len(r.sessions))
	for _, s := range r.sessions {
		out = append(out, s)
	}
	return out
}

// load reads all records but those in the listing. A broken one is reported and
// left alone.
func (r *Relay) load(ctx context.Context, list *listing) error {
	names, err := r.cfg.Records.List()
	if err != nil {
		return fmt.Errorf("list records: %w", err)
	}
	known, err := list.read()
	if err != nil {
		r.cfg.Log.Warn("all records are read", "err", err)
	}
	for _, name := range names {
		if e, ok := known[name.ID]; ok && e.Stamp == name.Stamp && e.Session.Client == name.Client {
			r.mu.Lock()
			r.sealed[name.ID] = e.Session
			r.mu.Unlock()
			continue
		}
		if err := r.loadOne(ctx, name); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.unread = true
			r.cfg.Log.Error("record left alone", "client", name.Client, "session", name.ID, "err", err)
		}
	}
	r.unlearn()
	return nil
}

func (r *Relay) loadOne(ctx context.Context, name RecordName) error {
	rec, err := r.shelf.get(ctx, name.Client, name.ID)
	if err != nil {
		return err
	}
	if rec.Head().Seq == 0 { // made by a relay that died before it told anybody
		rec.release()
		return nil
	}
	st, err := fold(ctx, rec)
	if err == nil && st.Opened.Session != name.ID {
		err = fmt.Errorf("record is of session %q", st.Opened.Session)
	}
	if err != nil || rec.Head().Sealed {
		if err == nil {
			r.mu.Lock()
			r.sealed[name.ID] = summary(st)
			r.mu.Unlock()
		}
		rec.release()
		return err
	}
	s := newSession(r, rec, st.Opened, st.Since)
	s.learn(st)
	s.takeUp(st)
	o := &opening{done: make(chan struct{}), session: s}
	close(o.done)
	r.mu.Lock()
	r.current[s.post()] = o
	r.mu.Unlock()
	r.begin(s)
	return nil
}

// fold returns the state of a record. It reads output only where a step still
// runs, and the offset at which it goes on is wanted.
func fold(ctx context.Context, rec sessionlog.Reader) (*sessionlog.State, error) {
	st := &sessionlog.State{}
	for head := rec.Head().Seq; st.Head < head; {
		evs, err := rec.Outline(ctx, st.Head+1, readEvents)
		if err != nil {
			return nil, err
		}
		for _, ev := range evs {
			st.Apply(ev)
		}
		if len(evs) == 0 {
			break // the rest is output
		}
	}
	if !st.Running() {
		return st, catchUp(ctx, st, rec)
	}
	st = &sessionlog.State{}
	return st, sessionlog.Replay(ctx, rec, func(ev sessionlog.Event) error { st.Apply(ev); return nil })
}

// catchUp applies the last event, where that is output.
func catchUp(ctx context.Context, st *sessionlog.State, rec sessionlog.Reader) error {
	head := rec.Head().Seq
	if st.Head == head {
		return nil
	}
	evs, err := rec.Read(ctx, head, 1)
	for _, ev := range evs {
		st.Apply(ev)
	}
	return err
}

// room reports why no new step may be recorded: those that run need what space is
// left.
func (r *Relay) room() error {
	disk, ok := r.cfg.Records.(interface{ Free() (int64, error) })
	if !ok || r.cfg.MinFree < 0 {
		return nil
	}
	free, err := disk.Free()
	if err != nil {
		return err
	}
	if free < r.cfg.MinFree {
		return console.Errorf(console.CodeFailed, "free some there; running steps go on",
			"the relay's disk has %d MiB left and takes no new steps below %d MiB", free>>20, r.cfg.MinFree>>20)
	}
	return nil
}

// begin makes s known. After the relay has stopped, nobody else would let go of it.
func (r *Relay) begin(s *session) {
	r.mu.Lock()
	r.sessions[s.info.Session] = s
	stopped := r.ctx.Err() != nil
	r.mu.Unlock()
	if stopped {
		s.end()
	}
}

// remove moves s from the live sessions to the sealed ones.
func (r *Relay) remove(s *session) {
	sum := s.summary()
	sum.Last = sum.Closed
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s.info.Session)
	if o := r.current[s.post()]; o != nil && o.session == s {
		delete(r.current, s.post())
	}
	r.sealed[s.info.Session] = sum
}
