package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
)

// errReplaced is why a stream ends that a newer one took a step from.
var errReplaced = errors.New("a newer stream serves the step")

// refuseWait is how long a refusal waits for a relay that does not read.
const refuseWait = 2 * time.Second

// codeDetached resets a stream that no longer serves its step.
const codeDetached = 1

// A stepStream is the stream on which a relay follows a step.
type stepStream struct {
	*frameWriter
	stream *quic.Stream
	frames *wire.Reader
}

func (c *stepStream) refuse(r *wire.Refused) error {
	return c.send(&wire.FromStep{Message: &wire.FromStep_Refused{Refused: r}})
}

// finish ends a stream on which all is said.
func (c *stepStream) finish() {
	_ = c.stream.Close()
	c.stream.CancelRead(codeDetached)
}

// abort ends a stream wherever it is.
func (c *stepStream) abort() {
	c.stream.CancelWrite(codeDetached)
	c.stream.CancelRead(codeDetached)
}

// serve serves one step stream until it ends. What is wrong on it is refused on
// it, and never ends the connection.
func (s *steps) serve(ctx context.Context, stream *quic.Stream) {
	c := &stepStream{newFrameWriter(stream), stream, wire.NewReader(stream)}
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	st, from, refused := s.first(c)
	if refused != nil {
		_ = c.refuse(refused)
	}
	if st == nil {
		c.finish()
		return
	}
	select {
	case <-st.ready:
	case <-ctx.Done():
		return
	}
	if st.refused != nil { // by whoever was starting it
		_ = c.refuse(st.refused)
		c.finish()
		return
	}
	s.follow(ctx, st, c, from)
}

// first reads the first message and returns the step it is about, and what of its
// output is recorded.
func (s *steps) first(c *stepStream) (st *step, acked []*wire.Ack, refused *wire.Refused) {
	_ = c.stream.SetReadDeadline(time.Now().Add(wire.HelloTimeout))
	m := &wire.ToStep{}
	if err := c.frames.Read(m); err != nil {
		return nil, nil, refuse(wire.Refused_CODE_INVALID, "%v", err)
	}
	_ = c.stream.SetReadDeadline(time.Time{})
	switch m := m.GetMessage().(type) {
	case *wire.ToStep_Start:
		st, refused = s.begin(m.Start)
		if refused != nil {
			return nil, nil, refused
		}
		return st, nil, nil
	case *wire.ToStep_Resume:
		if st := s.find(m.Resume.GetStep()); st != nil {
			return st, m.Resume.GetAcked(), nil
		}
		_ = c.send(&wire.FromStep{Message: &wire.FromStep_Unknown{Unknown: &wire.Unknown{}}})
		return nil, nil, nil
	case nil:
		return nil, nil, refuse(wire.Refused_CODE_UNSUPPORTED, "the message is not known here")
	default:
		return nil, nil, refuse(wire.Refused_CODE_INVALID, "a step begins with Start or Resume")
	}
}

// follow sends a step from where the record ends, and takes what the relay says
// of it, until the stream ends or another one takes over.
func (s *steps) follow(ctx context.Context, st *step, c *stepStream, acked []*wire.Ack) {
	reader, err := st.resume(acked)
	if err != nil {
		_ = c.refuse(refuse(wire.Refused_CODE_INVALID, "%v", err))
		c.finish()
		return
	}
	ctx, detach := context.WithCancelCause(ctx)
	defer detach(nil)
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	st.attach(detach)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := st.send(ctx, c, reader); err != nil && ctx.Err() == nil {
			s.log.Debug("step stream ends", "step", st.id, "err", err)
			detach(err)
		}
	}()
	switch s.obey(st, c) {
	case isGone:
		detach(io.EOF)
		<-sent
	case isBroken:
		stop() // a reset could overtake the refusal
		detach(io.EOF)
		<-sent
		c.finish()
	case isDone:
		stop()
		<-sent
		s.forget(st)
		c.finish()
	}
}

// A fate is what becomes of a stream.
type fate int

const (
	isGone   fate = iota // it ended, or the relay ended it
	isBroken             // where the next frame begins is not known
	isDone               // the step's end is recorded
)

// resume acknowledges what is recorded and returns a reader of the rest. Of a
// stream of which nothing is said to be recorded, the rest is what is kept.
func (st *step) resume(acked []*wire.Ack) (*spool.Reader, error) {
	var recorded [spool.Streams]int64
	for _, a := range acked {
		stream, off := int(a.GetStream()), a.GetOffset()
		if st.spool.Ended() { // a spool that outlived a crash of the system may have less than was sent from it
			off = min(off, st.spool.Total(stream))
		}
		if err := st.spool.Ack(stream, off); err != nil {
			return nil, err
		}
		recorded[stream-1] = off
	}
	from := st.spool.Start()
	for _, a := range acked {
		from[a.GetStream()-1] = recorded[a.GetStream()-1]
	}
	return st.spool.NewReader(from)
}

func (st *step) ack(a *wire.Ack) error { return st.spool.Ack(int(a.GetStream()), a.GetOffset()) }

// obey reads what the relay says until it ends the step or the stream.
func (s *steps) obey(st *step, c *stepStream) fate {
	for {
		m := &wire.ToStep{}
		if err := c.frames.Read(m); err != nil {
			var reset *quic.StreamError
			if errors.Is(err, io.EOF) || errors.As(err, &reset) || errors.Is(err, net.ErrClosed) {
				return isGone
			}
			_ = c.stream.SetWriteDeadline(time.Now().Add(refuseWait))
			_ = c.refuse(refuse(wire.Refused_CODE_INVALID, "%v", err))
			return isBroken
		}
		var err error
		switch m := m.GetMessage().(type) {
		case *wire.ToStep_Ack:
			err = st.ack(m.Ack)
		case *wire.ToStep_Cancel:
			st.stop("")
		case *wire.ToStep_Done:
			if st.spool.Ended() {
				return isDone
			}
			err = errors.New("the command still runs")
		case nil:
			_ = c.refuse(refuse(wire.Refused_CODE_UNSUPPORTED, "the message is not known here"))
		default:
			err = fmt.Errorf("%T can not be here", m)
		}
		if err != nil {
			_ = c.refuse(refuse(wire.Refused_CODE_INVALID, "%v", err))
		}
	}
}
