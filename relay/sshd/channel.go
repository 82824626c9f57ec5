package sshd

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	charm "charm.land/ssh"
	"golang.org/x/crypto/ssh"
)

// The largest terminal that is drawn for; a larger one gets this much. A request
// for 65535x65535 would otherwise cost gigabytes.
const (
	maxColumns = 400
	maxRows    = 150
)

// errGone is why a session ends whose client has closed it or is gone.
var errGone = errors.New("the client is gone")

// errInterrupt is why a session ends that was sent a signal or Ctrl-C.
var errInterrupt = errors.New("interrupted")

// errCut is why a session ends whose person may no longer be here, and errExpired
// why one does that was let in by a certificate. The person reads them.
var (
	errCut     = errors.New("your access was taken away; ask an admin")
	errExpired = errors.New("your certificate has expired; get a new one and log in again")
)

// A channel is one session as its requests make it, before and beside what the
// library keeps of it. All requests pass through it: those that we do not want
// end here, and the others are cut to size.
type channel struct {
	ssh.NewChannel

	ctx    context.Context // ends with the channel, unlike that of the connection
	cancel context.CancelCauseFunc
	conn   ssh.Conn
	resize chan size // holds the newest size that was not yet taken
	begin  func() bool

	// Owned by the goroutine of filter.
	env   environ
	begun bool

	work sync.WaitGroup // the filter and the handler
}

// size is that of a terminal in cells.
type size struct{ columns, rows int }

// A session's context is the library's, but it ends with the session's channel
// and leads to it.
type sessionContext struct {
	charm.Context
	ctx     context.Context
	channel *channel
}

func (c *sessionContext) Done() <-chan struct{} { return c.ctx.Done() }
func (c *sessionContext) Err() error            { return c.ctx.Err() }
func (c *sessionContext) Value(key any) any     { return c.ctx.Value(key) }

// sessionCount is how many sessions a connection has.
type sessionCount struct{ n atomic.Int32 }

type countKey struct{}

// openSession serves a channel of type "session" until its requests end.
func (s *Server) openSession(srv *charm.Server, conn *ssh.ServerConn, nc ssh.NewChannel, ctx charm.Context) {
	ctx.Lock()
	count, ok := ctx.Value(countKey{}).(*sessionCount)
	if !ok {
		count = new(sessionCount)
		ctx.SetValue(countKey{}, count)
	}
	ctx.Unlock()
	defer count.n.Add(-1)
	if int(count.n.Add(1)) > s.cfg.MaxSessionsPerConn {
		_ = nc.Reject(ssh.ResourceShortage, "too many sessions on this connection")
		return
	}
	if !s.enter() {
		_ = nc.Reject(ssh.ResourceShortage, "the relay takes no more sessions")
		return
	}
	defer s.leave()
	ch := &channel{NewChannel: nc, conn: conn, resize: make(chan size, 1), begin: s.begin}
	ch.ctx, ch.cancel = context.WithCancelCause(ctx)
	defer ch.cancel(errGone)
	stop := context.AfterFunc(s.life, func() { ch.cancel(context.Cause(s.life)) })
	defer stop()
	charm.DefaultSessionHandler(srv, conn, ch, &sessionContext{ctx, ch.ctx, ch})
	ch.cancel(errGone)
	ch.work.Wait()
}

// Accept accepts the channel, and filters its requests.
func (ch *channel) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	c, reqs, err := ch.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	out := make(chan *ssh.Request)
	ch.work.Go(func() {
		defer close(out)
		defer ch.cancel(errGone)
		for req := range reqs {
			if ch.filter(req) {
				out <- req // the library takes requests until out is closed
			} else if req.WantReply {
				_ = req.Reply(false, nil)
			}
		}
	})
	return c, out, nil
}

// filter reports whether the library may see req, which it may have changed.
func (ch *channel) filter(req *ssh.Request) bool {
	switch req.Type {
	case "shell", "exec":
		if ch.begun || !ch.begin() {
			return false
		}
		ch.begun = true
		ch.work.Add(1) // given back by handle, which the library now calls
		return true
	case "pty-req":
		return cutPty(req)
	case "env":
		return ch.env.take(req.Payload)
	case "window-change":
		ch.windowChange(req.Payload)
	case "signal":
		ch.signal(req.Payload)
	}
	return false // subsystem, x11-req, auth-agent-req, break and all others
}

// cutPty cuts a pty-req to size.
func cutPty(req *ssh.Request) bool {
	var p struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if ssh.Unmarshal(req.Payload, &p) != nil {
		return false
	}
	if !plainWord(p.Term, 64) {
		p.Term = "dumb"
	}
	at := clamp(p.Columns, p.Rows)
	p.Columns, p.Rows = uint32(at.columns), uint32(at.rows)
	p.Width, p.Height = 0, 0
	p.Modes = "\x00" // TTY_OP_END: there is no terminal of ours that they could set
	req.Payload = ssh.Marshal(&p)
	return true
}

// clamp returns the size to draw for a terminal that says it is so large.
func clamp(columns, rows uint32) size {
	if columns == 0 || rows == 0 {
		return size{80, 24} // what a client sends that has no terminal itself
	}
	return size{int(min(columns, maxColumns)), int(min(rows, maxRows))}
}

// windowChange remembers the newest size. It never waits.
func (ch *channel) windowChange(payload []byte) {
	var w struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &w) != nil {
		return
	}
	select {
	case <-ch.resize: // nobody needs the size before
	default:
	}
	ch.resize <- clamp(w.Columns, w.Rows) // has room: filter is the only sender
}

func (ch *channel) signal(payload []byte) {
	var s struct{ Name string }
	if ssh.Unmarshal(payload, &s) != nil {
		return
	}
	switch charm.Signal(s.Name) {
	case charm.SIGINT, charm.SIGTERM, charm.SIGHUP, charm.SIGQUIT:
		ch.cancel(errInterrupt)
	}
}
