package relay

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

// A backend is the relay as one technician sees it. Every method asks the
// catalogue anew what that person may do, so a change holds at once.
type backend struct {
	relay *Relay
	self  console.Self

	mu     sync.Mutex
	viewed map[sessionlog.SessionID]bool // guarded by mu; what is recorded as viewed
}

// Console returns the relay as the technician self sees it. Whoever calls it
// has proved that self.Key is the key of the person at the other end.
func (r *Relay) Console(self console.Self) console.Backend {
	return &backend{relay: r, self: self, viewed: map[sessionlog.SessionID]bool{}}
}

// Self implements console.Backend.
func (b *backend) Self() console.Self { return b.self }

// may reports whether the person may do for client what role may do.
func (b *backend) may(role console.Role, client string) bool {
	return b.relay.fleet.RoleFor(b.self.Name, client).Covers(role)
}

// need is may as an error. What may not be seen is not there.
func (b *backend) need(role console.Role, client string, missing *console.Error) error {
	if !b.may(console.RoleViewer, client) {
		return missing
	}
	if !b.may(role, client) {
		return console.Errorf(console.CodeRefused, "ask an admin of "+client,
			"%s is not %s for %s", b.self.Name, role, client)
	}
	return nil
}

// Directory implements console.Backend.
func (b *backend) Directory(context.Context) (console.Roster, error) {
	b.relay.listEndpoints() // so that what was just enrolled is there
	return b.relay.dir.roster(func(e console.Endpoint) bool { return b.may(console.RoleViewer, e.Client) }), nil
}

// Watch implements console.Backend.
func (b *backend) Watch(ctx context.Context, id sessionlog.SessionID, from sessionlog.Seq) (console.Feed, error) {
	r, err := b.Look(ctx, id)
	if err != nil {
		return nil, err
	}
	return console.Follow(r, from), nil
}

// Look implements console.Backend.
func (b *backend) Look(ctx context.Context, id sessionlog.SessionID) (console.Reader, error) {
	if id == console.FleetLog {
		return b.lookAtFleet(ctx)
	}
	rec, live, err := b.look(ctx, id)
	if err != nil {
		return nil, err
	}
	release := rec.release
	if live != nil {
		leave := live.view(b.self.Name)
		release = func() { leave(); rec.release() }
	}
	return b.relay.newReader(rec, func() bool { _, _, err := b.find(id); return err == nil }, release), nil
}

// look opens the record of a session that the person may see, for them to look at,
// and returns the session's live half if it has one. The record is released by
// the caller.
func (b *backend) look(ctx context.Context, id sessionlog.SessionID) (*record, *session, error) {
	sum, live, err := b.find(id)
	if err != nil {
		return nil, nil, err
	}
	if err := b.view(ctx, sum, live); err != nil {
		return nil, nil, err
	}
	rec, err := b.relay.shelf.get(ctx, sum.Client, id)
	if err != nil {
		return nil, nil, b.relay.failure("open the record of session "+string(id), err)
	}
	return rec, live, nil
}

// view records that the person looks at a session, once for each console, unless
// it is the live one that they work in.
func (b *backend) view(ctx context.Context, s console.Session, live *session) error {
	if live != nil && s.Technician == b.self.Name {
		return nil
	}
	b.mu.Lock()
	done := b.viewed[s.ID]
	b.mu.Unlock()
	if done {
		return nil
	}
	v := fleet.Viewed{Session: s.ID, Client: s.Client, Key: b.self.Key}
	if err := b.relay.fleet.View(ctx, b.actor(), v); err != nil {
		return b.relay.failure("record who looks at session "+string(s.ID), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.viewed[s.ID] = true
	return nil
}

// Record implements console.Backend.
func (b *backend) Record(ctx context.Context, id sessionlog.SessionID) (io.ReadCloser, error) {
	rec, _, err := b.look(ctx, id)
	if err != nil {
		return nil, err
	}
	defer rec.release()
	r, err := rec.Copy(ctx)
	return r, b.relay.failure("copy the record of session "+string(id), err)
}

// find returns a session that the person may see, and its live half if it has one.
func (b *backend) find(id sessionlog.SessionID) (console.Session, *session, error) {
	b.relay.mu.Lock()
	live := b.relay.sessions[id]
	sum, ok := b.relay.sealed[id]
	b.relay.mu.Unlock()
	if live != nil {
		sum, ok = live.summary(), true
	}
	if !ok || !b.may(console.RoleViewer, sum.Client) {
		return console.Session{}, nil, noSession(id)
	}
	return sum, live, nil
}

func noSession(id sessionlog.SessionID) *console.Error {
	return console.Errorf(console.CodeNotFound, "see `sessions` for what there is", "there is no session %q", id)
}

// Search implements console.Backend.
func (b *backend) Search(_ context.Context, q console.Query) ([]console.Session, error) {
	all := b.relay.summaries()
	clients := map[string]bool{}
	all = slices.DeleteFunc(all, func(s console.Session) bool {
		visible, known := clients[s.Client]
		if !known {
			visible = b.may(console.RoleViewer, s.Client)
			clients[s.Client] = visible
		}
		return !visible || !matches(q, s)
	})
	slices.SortFunc(all, func(x, y console.Session) int { return strings.Compare(string(y.ID), string(x.ID)) })
	all = slices.CompactFunc(all, func(x, y console.Session) bool { return x.ID == y.ID }) // sealed in between
	if q.Limit == 0 {
		q.Limit = 1000
	}
	return all[:min(q.Limit, len(all))], nil
}

func matches(q console.Query, s console.Session) bool {
	return strings.HasPrefix(string(s.ID), strings.ToUpper(string(q.ID))) &&
		(q.Client == "" || q.Client == s.Client) &&
		(q.By == "" || q.By == s.Technician) &&
		(q.Incident == "" || q.Incident == s.Incident) &&
		!s.Last.Before(q.Since)
}

// Do implements console.Backend.
func (b *backend) Do(ctx context.Context, in console.Intent) (console.Receipt, error) {
	rec, err := b.do(ctx, in)
	return rec, b.relay.failure("record it", err)
}

func (b *backend) do(ctx context.Context, in console.Intent) (console.Receipt, error) {
	switch in := in.(type) {
	case console.Open:
		return b.open(ctx, in)
	case console.Run:
		return b.run(ctx, in)
	case console.Ask:
		return b.ask(ctx, in)
	case console.Cancel:
		return b.inSession(in.Session, console.RoleTechnician, func(s *session) (sessionlog.Seq, error) {
			return s.cancel(ctx, b.actor(), in.Step)
		})
	case console.Note:
		return b.note(ctx, in)
	case console.Close:
		return b.inSession(in.Session, console.RoleTechnician, func(s *session) (sessionlog.Seq, error) {
			return s.close(ctx, b.actor(), "")
		})
	case console.SavePack:
		return b.savePack(ctx, in)
	case console.OpenIncident:
		return b.openIncident(ctx, in)
	case console.JoinIncident:
		return b.joinIncident(ctx, in)
	case console.CloseIncident:
		return b.closeIncident(ctx, in)
	case console.Approve:
		return b.answer(ctx, answer{in.Session, in.Step, in.Digest, sessionlog.ApprovalGranted, ""})
	case console.Deny:
		return b.answer(ctx, answer{in.Session, in.Step, in.Digest, sessionlog.ApprovalDenied, in.Why})
	case console.Override:
		return b.answer(ctx, answer{in.Session, in.Step, in.Digest, sessionlog.ApprovalOverridden, in.Why})
	}
	return b.administer(ctx, in)
}

func (b *backend) actor() sessionlog.Actor { return sessionlog.Technician(b.self.Name) }

func (b *backend) open(ctx context.Context, in console.Open) (console.Receipt, error) {
	ep, ok := b.relay.fleet.Endpoint(in.Endpoint)
	missing := console.Errorf(console.CodeNotFound, "see `ls` for what there is", "there is no endpoint %q", in.Endpoint)
	if !ok {
		return console.Receipt{}, missing
	}
	if err := b.need(console.RoleTechnician, ep.Client, missing); err != nil {
		return console.Receipt{}, err
	}
	s, err := b.relay.openSession(ctx, ep, b.self)
	if err != nil {
		return console.Receipt{}, err
	}
	return console.Receipt{Session: s.info.Session, Seq: 1}, s.follow(ctx)
}

// maxCommand is the most bytes of a command line: what an agent takes.
const maxCommand = 127 << 10

func (b *backend) run(ctx context.Context, in console.Run) (console.Receipt, error) {
	if err := checkRun(in); err != nil {
		return console.Receipt{}, err
	}
	live, err := b.working(in.Session)
	if err != nil {
		return console.Receipt{}, err
	}
	seq, err := live.run(ctx, b.actor(), in.Step, in.Targets, sessionlog.Requested{
		Command: in.Command, Effect: sessionlog.EffectShell, Timeout: in.Timeout.Seconds(), Key: b.self.Key,
		Reason: in.Reason, Undo: in.Undo,
	})
	return console.Receipt{Session: in.Session, Seq: seq}, err
}

// working returns the live session of one's own in which something is to be done.
func (b *backend) working(id sessionlog.SessionID) (*session, error) {
	sum, live, err := b.find(id)
	if err != nil {
		return nil, err
	}
	if err := b.need(console.RoleTechnician, sum.Client, noSession(id)); err != nil {
		return nil, err
	}
	if sum.Technician != b.self.Name {
		return nil, console.Errorf(console.CodeRefused, "open a session of your own on "+sum.Path(),
			"session %s is %s's", id, sum.Technician)
	}
	if live == nil {
		return nil, errOver
	}
	return live, b.relay.room()
}

// errStep reports what is wrong with a step, whatever it does.
func errStep(id sessionlog.StepID, timeout time.Duration) error {
	if err := sessionlog.CheckID(string(id)); err != nil {
		return console.Errorf(console.CodeUsage, "", "step: %v", err)
	}
	if timeout < 0 {
		return console.Errorf(console.CodeUsage, "0 means no limit", "the time limit %v is negative", timeout)
	}
	return nil
}

func checkRun(in console.Run) error {
	if err := errStep(in.Step, in.Timeout); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(in.Command) == "":
		return console.Errorf(console.CodeUsage, "write it after --", "there is no command to run")
	case len(in.Command) > maxCommand:
		return console.Errorf(console.CodeUsage, "put it into a file on the endpoint", "the command is longer than %d bytes", maxCommand)
	case !utf8.ValidString(in.Command) || strings.ContainsRune(in.Command, 0):
		return console.Errorf(console.CodeUsage, "", "the command is not text")
	}
	return nil
}

// maxNote is the most bytes of a note.
const maxNote = 64 << 10

func (b *backend) note(ctx context.Context, in console.Note) (console.Receipt, error) {
	if text := strings.TrimSpace(in.Text); text == "" || len(text) > maxNote || !utf8.ValidString(text) {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "", "a note is 1 to %d bytes of text", maxNote)
	}
	sum, live, err := b.find(in.Session)
	if err == nil {
		err = b.need(console.RoleTechnician, sum.Client, noSession(in.Session))
	}
	if err != nil {
		return console.Receipt{}, err
	}
	if live == nil {
		return console.Receipt{}, errOver
	}
	head, err := sessionlog.Append(ctx, live.rec, sessionlog.New(sessionlog.NoteAdded, b.actor(), "", sessionlog.Note{Text: in.Text}))
	return console.Receipt{Session: in.Session, Seq: head.Seq}, err
}

// inSession does something to a live session of one's own, or of others for
// whoever leads the client.
func (b *backend) inSession(id sessionlog.SessionID, role console.Role, do func(*session) (sessionlog.Seq, error)) (console.Receipt, error) {
	sum, live, err := b.find(id)
	if err != nil {
		return console.Receipt{}, err
	}
	if sum.Technician != b.self.Name {
		role = console.RoleLead
	}
	if err := b.need(role, sum.Client, noSession(id)); err != nil {
		return console.Receipt{}, err
	}
	if live == nil {
		return console.Receipt{}, errOver
	}
	seq, err := do(live)
	return console.Receipt{Session: id, Seq: seq}, err
}

// failure turns what a person could not act on into an Error of CodeFailed, and
// logs it.
func (r *Relay) failure(doing string, err error) error {
	var known *console.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, errStopping) {
		return console.Errorf(console.CodeFailed, "connect again in a moment", "the relay is stopping")
	}
	r.cfg.Log.Error("request failed", "doing", doing, "err", err)
	return console.Errorf(console.CodeFailed, "see the relay's log", "the relay could not %s: %v", doing, err)
}

// openSession returns the technician's open session on ep, made if need be.
func (r *Relay) openSession(ctx context.Context, ep fleet.Endpoint, self console.Self) (*session, error) {
	key := post{self.Name, ep.ID}
	r.mu.Lock()
	o := r.current[key]
	mine := o == nil || o.over()
	if mine {
		o = &opening{done: make(chan struct{})}
		r.current[key] = o
	}
	r.mu.Unlock()
	if mine {
		o.session, o.err = r.createSession(context.WithoutCancel(ctx), ep, self)
		if o.err != nil {
			r.mu.Lock()
			delete(r.current, key)
			r.mu.Unlock()
		}
		close(o.done)
	}
	select {
	case <-o.done:
		return o.session, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *Relay) createSession(ctx context.Context, ep fleet.Endpoint, self console.Self) (*session, error) {
	info := sessionlog.Opened{
		Session: sessionlog.NewSessionID(), Client: ep.Client, Endpoint: ep.ID, Name: ep.Name,
		Technician: self.Name, Key: self.Key, AgentKey: hex.EncodeToString(ep.Key), RelayKey: r.cfg.RecordKey,
	}
	rec, err := r.shelf.create(ctx, ep.Client, info.Session)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	ev := sessionlog.New(sessionlog.SessionOpened, sessionlog.Technician(self.Name), "", info)
	ev.Time = now
	if _, err := sessionlog.Append(ctx, rec, ev); err != nil {
		rec.release()
		return nil, err
	}
	s := newSession(r, rec, info, now)
	r.begin(s)
	return s, nil
}
