package foreign

import (
	"errors"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// What crosses the pipe. net/rpc takes types that are exported or have no name,
// and nobody else has any use for these.
type (
	// An ask is a question: for things from a number on, at most Limit.
	ask = struct {
		From  sessionlog.Seq
		Limit int
	}
	// An answer is what was asked for, or why not.
	answer = struct {
		Packed packed
		Fault  *fault
	}
)

// A packed is a list of numbers and bytes. As gob makes a whole struct of each
// single byte if told so, a list of structs of 64 MiB could take its reader
// gigabytes; this takes at most eight times what crossed the pipe.
type packed struct {
	Nums  []uint64
	Bytes []byte
}

func (p *packed) num(n uint64) { p.Nums = append(p.Nums, n) }

// blob tells nil from empty: a verifier does.
func (p *packed) blob(b []byte) {
	if b == nil {
		p.num(0)
		return
	}
	p.num(uint64(len(b)) + 1)
	p.Bytes = append(p.Bytes, b...)
}

func (p *packed) text(s string) {
	p.num(uint64(len(s)) + 1)
	p.Bytes = append(p.Bytes, s...)
}

func (p *packed) time(t time.Time) {
	p.num(uint64(t.Unix()))
	p.num(uint64(t.Nanosecond()))
}

func (p *packed) event(ev sessionlog.Event) {
	p.num(uint64(ev.Seq))
	p.time(ev.Time)
	p.time(ev.AgentTime)
	p.text(string(ev.Kind))
	p.text(string(ev.Actor))
	p.text(string(ev.Step))
	p.blob(ev.Body)
	if ev.Chunk == nil {
		p.num(0)
		return
	}
	p.num(1)
	p.num(uint64(ev.Chunk.Stream))
	p.num(uint64(ev.Chunk.Offset))
	p.blob(ev.Chunk.Salt)
	p.blob(ev.Chunk.Data)
}

func (p *packed) row(row sessionlog.Row) {
	p.num(uint64(row.Seq))
	p.blob(row.Leaf)
	p.blob(row.Salt)
	p.blob(row.Data)
}

func (p *packed) mark(m sessionlog.Mark) {
	p.num(uint64(m.Size))
	p.text(m.Note)
	p.blob(m.Edge)
	p.blob(m.Hashes)
}

func (p *packed) unpack() *unpacker { return &unpacker{nums: p.Nums, bytes: p.Bytes} }

// An unpacker reads a packed in the order in which it was written. Past the end it
// reads zeros, and is short from then on.
type unpacker struct {
	nums  []uint64
	bytes []byte
	short bool
}

func (u *unpacker) num() uint64 {
	if len(u.nums) == 0 {
		u.short = true
		return 0
	}
	n := u.nums[0]
	u.nums = u.nums[1:]
	return n
}

func (u *unpacker) blob() []byte {
	n := u.num()
	if n == 0 {
		return nil
	}
	n--
	if n > uint64(len(u.bytes)) {
		u.short = true
		return nil
	}
	b := u.bytes[:n:n]
	u.bytes = u.bytes[n:]
	return b
}

func (u *unpacker) text() string { return string(u.blob()) }

func (u *unpacker) time() time.Time {
	sec, nsec := u.num(), u.num()
	return time.Unix(int64(sec), int64(nsec)).UTC()
}

func (u *unpacker) event() sessionlog.Event {
	ev := sessionlog.Event{
		Seq: sessionlog.Seq(u.num()), Time: u.time(), AgentTime: u.time(),
		Kind: sessionlog.Kind(u.text()), Actor: sessionlog.Actor(u.text()), Step: sessionlog.StepID(u.text()),
		Body: u.blob(),
	}
	if u.num() == 1 {
		ev.Chunk = &sessionlog.Chunk{Stream: sessionlog.Stream(u.num()), Offset: int64(u.num()), Salt: u.blob(), Data: u.blob()}
	}
	return ev
}

func (u *unpacker) row() sessionlog.Row {
	return sessionlog.Row{Seq: sessionlog.Seq(u.num()), Leaf: u.blob(), Salt: u.blob(), Data: u.blob()}
}

func (u *unpacker) mark() sessionlog.Mark {
	return sessionlog.Mark{Size: sessionlog.Seq(u.num()), Note: u.text(), Edge: u.blob(), Hashes: u.blob()}
}

// end reports whether there was exactly as much as was read.
func (u *unpacker) end() error {
	if u.short || len(u.nums) > 0 || len(u.bytes) > 0 {
		return errors.New("an answer of another length")
	}
	return nil
}
