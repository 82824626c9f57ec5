package sshd

import (
	"context"
	"errors"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	charm "charm.land/ssh"
	"github.com/charmbracelet/colorprofile"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/verb"
)

const (
	// quiet is how long no key may arrive before the program may quit: what was
	// typed ahead must be read, or the library's reader waits for ever.
	quiet = 30 * time.Millisecond
	// maxQuiet bounds that wait.
	maxQuiet = time.Second
	// maxQuit is how long a program has to quit before it is killed.
	maxQuit = 3 * time.Second
	// maxDrain is how long the last output has to reach the client.
	maxDrain = 500 * time.Millisecond
	// stuckGrace is how long a stuck client has to close its session before it
	// loses the connection.
	stuckGrace = 2 * time.Second
)

// errIdle is why a session ends in which nobody pressed a key.
var errIdle = errors.New("no key was pressed for too long")

// A terminal is the interface on its way to one client.
type terminal struct {
	in   *input
	idle *time.Timer // nil: never
	wait time.Duration
	prog *tea.Program
	kill context.CancelFunc

	mu       sync.Mutex // guards what follows
	since    time.Time  // when the end began; zero before
	drain    *time.Timer
	mayQuit  bool
	whyEnded error // nil if the person has quit
}

// interact shows the interface until the person quits or the session ends, and
// returns the exit code.
func (s *Server) interact(sess charm.Session, ch *channel, b console.Backend, in *input, open []string) int {
	in.raw()
	out := newWriter(sess, s.cfg.stuckAfter, func() { s.cutOff(ch) })
	// The program outlives ch.ctx by what it takes to put the terminal back.
	ctx, kill := context.WithCancel(context.WithoutCancel(ch.ctx))
	defer kill()
	t := &terminal{in: in, kill: kill}
	if s.cfg.IdleTimeout > 0 {
		t.wait = s.cfg.IdleTimeout
		t.idle = time.AfterFunc(t.wait, func() { ch.cancel(errIdle) })
		defer t.idle.Stop()
	}
	model := s.cfg.model(look(b, open, sess.Environ()))
	if m, ok := model.(interface{ Close() }); ok {
		defer m.Close()
	}
	t.prog = tea.NewProgram(model, s.options(ctx, sess, t, out)...)

	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { t.follow(ch, done) })
	_, err := t.prog.Run()
	close(done)
	in.Close()
	t.stop()
	wg.Wait()
	out.drain(maxDrain)
	out.close()
	return s.interactCode(sess, t.cause(), err)
}

// options returns how the program runs on sess.
func (s *Server) options(ctx context.Context, sess charm.Session, t *terminal, out *writer) []tea.ProgramOption {
	pty, _, _ := sess.Pty()
	env := append(sess.Environ(), "TERM="+pty.Term)
	return []tea.ProgramOption{
		tea.WithContext(ctx),
		tea.WithInput(t.in),
		tea.WithOutput(out),
		tea.WithEnvironment(env),
		tea.WithColorProfile(colorprofile.Env(env)),
		tea.WithWindowSize(pty.Window.Width, pty.Window.Height),
		tea.WithFilter(t.filter),
		tea.WithoutSignalHandler(),
	}
}

// cutOff ends a session whose client does not read. A client that only left one
// session unread closes it when told to; another one loses the connection.
func (s *Server) cutOff(ch *channel) {
	s.cfg.Log.Warn("SSH client does not read; session ended", "remote", ch.conn.RemoteAddr().String())
	ch.cancel(errStuck)
	closed := make(chan struct{})
	go func() { // ends with the channel, at the latest with its connection
		defer close(closed)
		ch.work.Wait()
	}()
	t := time.NewTimer(stuckGrace)
	defer t.Stop()
	select {
	case <-closed:
	case <-t.C:
		_ = ch.conn.Close() // it reads nothing, so there is nothing to tell
	}
}

// follow tells the program about new sizes, and ends it when the session ends.
func (t *terminal) follow(ch *channel, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-ch.ctx.Done():
			t.end(context.Cause(ch.ctx))
			return
		case at := <-ch.resize:
			t.prog.Send(tea.WindowSizeMsg{Width: at.columns, Height: at.rows})
		}
	}
}

// filter sees every message before the program does.
func (t *terminal) filter(_ tea.Model, msg tea.Msg) tea.Msg {
	switch m := msg.(type) {
	case tea.QuitMsg, tea.InterruptMsg:
		if t.quitting() {
			return tea.QuitMsg{}
		}
		t.end(nil)
		return nil
	case tea.SuspendMsg:
		return tea.ResumeMsg{} // there is no shell here to go back to
	case tea.WindowSizeMsg:
		at := clamp(uint32(max(m.Width, 0)), uint32(max(m.Height, 0)))
		return tea.WindowSizeMsg{Width: at.columns, Height: at.rows}
	case tea.KeyPressMsg, tea.PasteMsg, tea.MouseMsg:
		if t.late() {
			return nil
		}
		if t.idle != nil {
			t.idle.Reset(t.wait)
		}
	}
	return msg
}

// end closes the input and, once what was read of it is used up, lets the
// program quit. why is nil if the person asked for it.
func (t *terminal) end(why error) {
	t.mu.Lock()
	if !t.since.IsZero() {
		t.mu.Unlock()
		return
	}
	t.since, t.whyEnded = time.Now(), why
	t.drain = time.AfterFunc(quiet, t.quit)
	t.mu.Unlock()
	t.in.Close()
}

// quit ends the program, by force if it does not heed.
func (t *terminal) quit() {
	t.mu.Lock()
	t.mayQuit = true
	t.drain = time.AfterFunc(maxQuit, t.kill)
	t.mu.Unlock()
	t.prog.Quit()
}

func (t *terminal) quitting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mayQuit
}

// late reports whether a key comes after the end began, and waits a little
// longer for the next one.
func (t *terminal) late() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		return false
	}
	if !t.mayQuit && time.Since(t.since) < maxQuiet && t.drain.Stop() {
		t.drain.Reset(quiet)
	}
	return true
}

// stop stops the timers of the end.
func (t *terminal) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drain != nil {
		t.drain.Stop()
	}
}

func (t *terminal) cause() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.whyEnded
}

// interactCode says why the interface ended, where the person did not do it, and
// returns the exit code.
func (s *Server) interactCode(sess charm.Session, why, err error) int {
	switch {
	case errors.Is(err, tea.ErrProgramPanic):
		say(sess, "the interface failed; what it started goes on, log in again")
		return verb.ExitRelay
	case errors.Is(why, errShutdown):
		say(sess, why.Error()+"; what runs goes on, log in again later")
		return verb.ExitRelay
	case errors.Is(why, errIdle):
		say(sess, why.Error()+"; what runs goes on, log in again")
		return verb.ExitOK
	case errors.Is(why, errInterrupt), errors.Is(why, errStuck), errors.Is(why, errGone):
		return verb.ExitCancelled
	case err != nil:
		s.cfg.Log.Error("interface failed", "err", err.Error())
		say(sess, "the interface failed: "+err.Error()+"; log in again")
		return verb.ExitRelay
	}
	return verb.ExitOK
}
