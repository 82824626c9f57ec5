package agent

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
)

// batchSize is how many bytes of frames are gathered for one write, if there are
// as many.
const batchSize = 128 << 10

// A batch gathers frames. Small records of one stream that follow one another
// become one Output.
type batch struct {
	frames []byte
	out    wire.Output // not yet in frames if it has data
}

// send sends a step from where reader is to its end. It writes whatever is ready
// at once, and waits for nothing that is not.
func (st *step) send(ctx context.Context, c *stepStream, reader *spool.Reader) error {
	defer reader.Close()
	b := &batch{}
	if st.pid != 0 {
		started := &wire.Started{Pid: int64(st.pid), AgentTime: st.startedAt}
		if err := b.add(&wire.FromStep{Message: &wire.FromStep_Started{Started: started}}); err != nil {
			return err
		}
	}
	for {
		ended, err := b.fill(reader)
		if err != nil {
			return err
		}
		if len(b.frames) > 0 {
			if err := c.write(b.frames); err != nil {
				return err
			}
			b.frames = b.frames[:0]
			if !ended {
				continue
			}
		}
		if ended {
			return nil
		}
		if err := reader.Wait(ctx); err != nil {
			return err
		}
	}
}

// fill takes what is ready, up to batchSize, and says whether the end was in it.
func (b *batch) fill(reader *spool.Reader) (ended bool, err error) {
	for len(b.frames)+len(b.out.Data) < batchSize && !ended {
		r, ok, err := reader.Poll()
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		switch ended = r.End; {
		case ended:
			err = b.exit(r.Data)
		case r.Gap > 0:
			err = b.gap(r)
		default:
			err = b.output(r)
		}
		if err != nil {
			return false, err
		}
	}
	return ended, b.flush()
}

// output adds a record to the Output that is gathered, or begins a new one.
func (b *batch) output(r spool.Record) error {
	out := &b.out
	follows := out.Stream == wire.Stream(r.Stream) && out.Offset+int64(len(out.Data)) == r.Offset &&
		len(out.Data)+len(r.Data) <= wire.MaxOutput
	if len(out.Data) > 0 && !follows {
		if err := b.flush(); err != nil {
			return err
		}
	}
	if len(out.Data) == 0 && len(r.Data) > wire.MaxOutput/2 { // too long to be joined: not copied
		return b.add(&wire.FromStep{Message: &wire.FromStep_Output{Output: &wire.Output{
			Stream: wire.Stream(r.Stream), Offset: r.Offset, Data: r.Data, AgentTime: r.Time,
		}}})
	}
	if len(out.Data) == 0 {
		out.Stream, out.Offset, out.AgentTime = wire.Stream(r.Stream), r.Offset, r.Time
	}
	out.Data = append(out.Data, r.Data...)
	return nil
}

// flush makes a frame of the Output that is gathered.
func (b *batch) flush() error {
	if len(b.out.Data) == 0 {
		return nil
	}
	err := b.add(&wire.FromStep{Message: &wire.FromStep_Output{Output: &b.out}})
	b.out.Data = b.out.Data[:0]
	return err
}

// gap adds how much was left out.
func (b *batch) gap(r spool.Record) error {
	if err := b.flush(); err != nil {
		return err
	}
	return b.add(&wire.FromStep{Message: &wire.FromStep_Gap{Gap: &wire.Gap{
		Stream: wire.Stream(r.Stream), Offset: r.Offset, Bytes: r.Gap, AgentTime: r.Time,
	}}})
}

// exit adds the end of the step.
func (b *batch) exit(data []byte) error {
	if err := b.flush(); err != nil {
		return err
	}
	exit := &wire.Exit{}
	if err := proto.Unmarshal(data, exit); err != nil {
		return fmt.Errorf("read end of step: %w", err)
	}
	return b.add(&wire.FromStep{Message: &wire.FromStep_Exit{Exit: exit}})
}

func (b *batch) add(m proto.Message) (err error) {
	b.frames, err = wire.Append(b.frames, m)
	return err
}
