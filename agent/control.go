package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"google.golang.org/protobuf/proto"

	"github.com/caisey/caisey/relay/wire"
)

// A frameWriter lets several goroutines write frames to one stream.
type frameWriter struct {
	w    io.Writer
	turn chan struct{} // a token in it is the right to write
}

func newFrameWriter(w io.Writer) *frameWriter {
	return &frameWriter{w: w, turn: make(chan struct{}, 1)}
}

// write writes whole frames.
func (f *frameWriter) write(frames []byte) error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	_, err := f.w.Write(frames)
	return err
}

func (f *frameWriter) send(m proto.Message) error {
	b, err := wire.Append(nil, m)
	if err != nil {
		return err
	}
	return f.write(b)
}

// A control is the control stream of a connection.
type control struct {
	*frameWriter
	conn   *quic.Conn
	stream *quic.Stream
	frames *wire.Reader
}

// greet opens the control stream, sends the first message and waits for the
// answer to it. Only this proves that the relay lets us in.
func greet(ctx context.Context, conn *quic.Conn, first *wire.FromAgent) (*control, *wire.ToAgent, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wire.HelloTimeout, errNoAnswer)
	defer cancel()
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, nil, closeCause(conn, err)
	}
	c := &control{newFrameWriter(stream), conn, stream, wire.NewReader(stream)}
	deadline, _ := ctx.Deadline()
	_ = stream.SetDeadline(deadline) // fails only on a closed stream, as the next line does
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.send(first); err != nil {
		return nil, nil, closeCause(conn, err)
	}
	answer := &wire.ToAgent{}
	if err := c.frames.Read(answer); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errNoAnswer
		}
		return nil, nil, closeCause(conn, err)
	}
	if r := answer.GetRefused(); r != nil {
		return nil, nil, &refusal{r.GetCode(), r.GetWhy()}
	}
	return c, answer, stream.SetDeadline(time.Time{})
}

// closeCause returns why the connection was closed, if it was; what a stream says
// of it is less.
func closeCause(conn *quic.Conn, err error) error {
	if cause := context.Cause(conn.Context()); cause != nil {
		return cause
	}
	return fmt.Errorf("talk to relay: %w", err)
}
