package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	charm "charm.land/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/verb"
	"github.com/caisey/caisey/tui/vt"
)

// handle serves a session whose client asked for a shell or a command.
func (s *Server) handle(sess charm.Session) {
	ch := sess.Context().(*sessionContext).channel // set by openSession, the only way here
	defer ch.work.Done()
	defer s.handlers.Done()
	c, err := s.who(sess)
	if err == nil {
		ch.work.Go(func() { ch.guard(s.cfg.Technicians.Gone(c), c.Until) })
	}
	code := s.serve(sess, ch, c, err)
	why := context.Cause(ch.ctx)
	cut := errors.Is(why, errCut) || errors.Is(why, errExpired)
	if cut {
		say(sess, why.Error())
		code = verb.ExitRefused
	}
	_ = sess.Exit(code) // a client that is gone needs no code
	if cut {
		_ = ch.conn.Close()
	}
	ch.cancel(errGone)
}

// who computes the session's person, from the key that was proved and nothing else.
func (s *Server) who(sess charm.Session) (Credential, error) {
	key := sess.PublicKey()
	if key == nil {
		return Credential{}, errors.New("no key was proved; log in with an ed25519 key")
	}
	return s.cas.credential(key, sess.RemoteAddr(), time.Now())
}

// guard ends the session once its person may no longer be here, or their
// certificate has ended.
func (ch *channel) guard(gone <-chan struct{}, until time.Time) {
	expired, stop := at(until)
	defer stop()
	select {
	case <-gone:
		ch.cancel(errCut)
	case <-expired:
		ch.cancel(errExpired)
	case <-ch.ctx.Done():
	}
}

// serve runs what the session asked for and returns its exit code. A panic ends
// this session and no other.
func (s *Server) serve(sess charm.Session, ch *channel, who Credential, err error) (code int) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg.Log.Error("SSH session failed", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			say(sess, "the relay failed to serve this session; log in again")
			code = verb.ExitRelay
		}
	}()
	if err != nil {
		say(sess, err.Error())
		return verb.ExitRefused
	}
	backend, err := s.cfg.Technicians.Console(who, sess.RemoteAddr())
	if err != nil {
		say(sess, err.Error())
		return codeOf(err)
	}
	pty, _, isPty := sess.Pty()
	isTerm := isPty && pty.Term != "dumb" && pty.Term != ""
	in := newInput(sess, isPty, func() { ch.cancel(errInterrupt) })
	defer in.Close()
	switch {
	case strings.TrimSpace(sess.RawCommand()) != "":
		return s.verb(sess, ch, backend, in, isTerm)
	case isTerm:
		return s.interact(sess, ch, backend, in, nil)
	}
	say(sess, "there is no terminal; connect with `ssh -t`, or name a verb such as `ls` or `help`")
	return verb.ExitUsage
}

// verb runs the session's command.
func (s *Server) verb(sess charm.Session, ch *channel, b console.Backend, in *input, isTerm bool) int {
	pty, _, isPty := sess.Pty()
	call := verb.Call{
		Line:    sess.RawCommand(),
		Backend: b,
		Stdin:   in,
		Stdout:  sess,
		Stderr:  sess.Stderr(),
		TTY:     isPty,
		Width:   pty.Window.Width,
		NoColor: look(b, nil, sess.Environ()).NoColor || pty.Term == "dumb",
		Version: s.cfg.Version,

		OpenRecord: s.cfg.OpenRecord,
		RelayKey:   s.cfg.RelayKey,
	}
	if isTerm {
		call.Open = func(_ context.Context, targets []string) int {
			return s.interact(sess, ch, b, in, targets)
		}
	}
	return verb.Run(ch.ctx, call)
}

// say writes one line to the person.
func say(sess charm.Session, text string) {
	_, _ = io.WriteString(sess.Stderr(), "caisey: "+vt.Plain(text)+"\n") // a client that is gone hears nothing
}

// codeOf returns the exit code for an error of Technicians.Console.
func codeOf(err error) int {
	var ce *console.Error
	if errors.As(err, &ce) && ce.Code == console.CodeRefused {
		return verb.ExitRefused
	}
	return verb.ExitRelay
}
