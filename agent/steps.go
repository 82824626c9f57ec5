package agent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/agent/policy"
	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog/statement"
)

// steps is all the steps that an agent holds.
type steps struct {
	// Static.
	cfg     Config
	dir     string
	journal *spool.Journal
	key     ed25519.PrivateKey // signs how steps ended
	policy  *policy.File       // the endpoint's own
	log     *slog.Logger
	start   starter
	ctx     context.Context // of the steps' output; ends late in a stop
	cancel  context.CancelCauseFunc
	work    sync.WaitGroup // a goroutine for each process

	mu       sync.Mutex // guards what follows
	byID     map[string]*step
	running  int
	stopping bool
	empty    chan struct{} // closed when byID is empty; nil if nobody waits
}

func refuse(code wire.Refused_Code, format string, args ...any) *wire.Refused {
	return &wire.Refused{Code: code, Why: fmt.Sprintf(format, args...)}
}

// invalid returns why a Start can not be, whatever else there is.
func invalid(m *wire.Start) *wire.Refused {
	const code = wire.Refused_CODE_INVALID
	switch {
	case !validID(m.GetStep()):
		return refuse(code, "%q is not a step id", m.GetStep())
	case m.GetCommand() == "":
		return refuse(code, "the command is empty")
	case len(m.GetCommand()) > wire.MaxCommand:
		return refuse(code, "the command of %d bytes is over the limit of %d", len(m.GetCommand()), wire.MaxCommand)
	case strings.Contains(m.GetCommand()+m.GetSession()+m.GetTechnician(), "\x00"):
		return refuse(code, "the command has a zero byte in it")
	case len(m.GetSession())+len(m.GetTechnician()) > 4<<10:
		return refuse(code, "the names of session and technician are too long")
	case m.GetTimeout() < 0:
		return refuse(code, "the time limit is negative")
	case m.GetOutputLimit() < 0:
		return refuse(code, "the output limit is negative")
	}
	if digest := order(m).Digest(); !bytes.Equal(m.GetDigest(), digest[:]) {
		return refuse(wire.Refused_CODE_DENIED, "this is not the order that was approved: its digest is %x", digest)
	}
	return nil
}

// order is what m tells to do. Its digest is what people approved.
func order(m *wire.Start) statement.Order {
	return statement.Order{
		Step: m.GetStep(), Session: m.GetSession(), Technician: m.GetTechnician(),
		Effect: m.GetEffect(), Timeout: time.Duration(m.GetTimeout()), Command: m.GetCommand(),
	}
}

// validID says whether id can be a step: it becomes the name of a directory.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	})
}

// begin returns the step of m: a new one that this starts, or the one that is
// there.
func (s *steps) begin(m *wire.Start) (*step, *wire.Refused) {
	if r := invalid(m); r != nil {
		return nil, r
	}
	st, fresh, refused := s.admit(m.GetStep())
	if refused != nil || !fresh {
		return st, refused
	}
	if r := s.run(st, m); r != nil {
		s.drop(st)
		st.refused = r
	}
	close(st.ready)
	return st, st.refused
}

// admit returns the step id, and whether it is new and the caller's to start.
func (s *steps) admit(id string) (st *step, fresh bool, refused *wire.Refused) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.byID[id]; st != nil {
		return st, false, nil
	}
	switch {
	case s.journal.Has(id):
		return nil, false, refuse(wire.Refused_CODE_DENIED, "already ran")
	case s.stopping:
		return nil, false, refuse(wire.Refused_CODE_BUSY, "the agent stops")
	case s.running >= s.cfg.maxSteps():
		return nil, false, refuse(wire.Refused_CODE_BUSY, "%d commands run already", s.running)
	case len(s.byID) >= wire.MaxSteps:
		return nil, false, refuse(wire.Refused_CODE_BUSY, "%d commands wait to be recorded", len(s.byID))
	}
	st = newStep(id)
	s.byID[id] = st
	s.running++
	return st, true, nil
}

// find returns a step that is held, or nil.
func (s *steps) find(id string) *step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

// drop takes out a step that did not start.
func (s *steps) drop(st *step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.removeLocked(st)
}

// forget deletes a step whose end is recorded.
func (s *steps) forget(st *step) {
	s.mu.Lock()
	s.removeLocked(st)
	s.mu.Unlock()
	if err := st.spool.Remove(); err != nil {
		s.log.Error("step is recorded but not forgotten", "step", st.id, "err", err)
	}
}

func (s *steps) removeLocked(st *step) {
	if s.byID[st.id] == st {
		delete(s.byID, st.id)
	}
	if len(s.byID) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// emptied returns a channel that is closed when no step is held.
func (s *steps) emptied() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	if len(s.byID) == 0 {
		close(c)
		return c
	}
	s.empty = c
	return c
}

// ids returns what a Hello lists.
func (s *steps) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.byID))
	for id := range s.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids[:min(len(ids), wire.MaxSteps)]
}

// stop ends all that runs and returns when their ends are in the spools.
func (s *steps) stop() {
	s.mu.Lock()
	s.stopping = true
	held := make([]*step, 0, len(s.byID))
	for _, st := range s.byID {
		held = append(held, st)
	}
	s.mu.Unlock()
	for _, st := range held {
		<-st.ready
		st.stop(whyStopped)
	}
	full := time.AfterFunc(endWait, func() { s.cancel(errStopped) })
	s.work.Wait()
	full.Stop()
	s.cancel(errStopped)
}

// close lets go of the spools.
func (s *steps) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range s.byID {
		errs = append(errs, st.spool.Close())
	}
	return errors.Join(errs...)
}

// openSteps takes over what an earlier agent left in dir.
func openSteps(ctx context.Context, cfg Config, dir string, journal *spool.Journal, key ed25519.PrivateKey) (*steps, error) {
	s := &steps{
		cfg: cfg, dir: dir, journal: journal, key: key, policy: cfg.PolicyFile(), log: cfg.log(), start: cfg.starter(),
		byID: make(map[string]*step),
	}
	// Output is kept while the agent stops, so it does not end with ctx.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read spool directory: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !validID(e.Name()) {
			continue
		}
		st, err := s.recover(e.Name())
		if err != nil {
			s.log.Error("step of an earlier agent can not be read", "step", e.Name(), "err", err)
			continue
		}
		if st != nil {
			s.byID[st.id] = st
		}
	}
	return s, nil
}

func (s *steps) path(id string) string { return filepath.Join(s.dir, id) }
