package verify

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/caisey/caisey/sessionlog"
)

// Most events of a record are output, and most of that is of the same step as the
// event before. A prover checks such an event against the one before it, without
// parsing it anew: what stands between the times and the offset is the same, byte
// for byte. It says yes only to what ParseLeaf and VerifyChunk say yes to; where it
// says no, they decide.
type prover struct {
	like []byte // of a leaf that was parsed, from the kind to the offset

	// What like stands for.
	actor  sessionlog.Actor
	step   sessionlog.StepID
	stream sessionlog.Stream
}

// learn takes a row whose event is good as the one to hold others against.
func (p *prover) learn(row sessionlog.Row, ev sessionlog.Event) {
	if ev.Chunk == nil {
		return
	}
	at := bytes.Index(row.Leaf, kindField)
	end := bytes.LastIndex(row.Leaf, offsetField)
	if at < 0 || end < at {
		return
	}
	p.like = append(p.like[:0], row.Leaf[at:end+len(offsetField)]...)
	p.actor, p.step, p.stream = ev.Actor, ev.Step, ev.Chunk.Stream
}

var (
	kindField   = []byte(`,"kind":`)
	offsetField = []byte(`,"offset":`)
)

// prove reports whether the row is good output like what was learnt, and puts its
// event into ev and chunk. Of the event, the times and the body are left out.
func (p *prover) prove(row sessionlog.Row, ev *sessionlog.Event, chunk *sessionlog.Chunk) bool {
	if len(p.like) == 0 || row.Data == nil || len(row.Salt) != sessionlog.SaltSize ||
		len(row.Data) > sessionlog.MaxChunk || len(row.Leaf) > sessionlog.MaxLeaf {
		return false
	}
	l := leaf{rest: row.Leaf}
	if !l.lit(`{"seq":`) || !l.is(uint64(row.Seq)) || !l.lit(`,"time":"`) || !l.time() {
		return false
	}
	if l.lit(`,"agent_time":"`) && !l.time() {
		return false
	}
	if !bytes.HasPrefix(l.rest, p.like) {
		return false
	}
	l.rest = l.rest[len(p.like):]
	offset, ok := l.number()
	if !ok || !l.lit(`,"length":`) || !l.is(uint64(len(row.Data))) || !l.lit(`,"lines":`) {
		return false
	}
	*chunk = sessionlog.Chunk{Stream: p.stream, Offset: offset, Salt: row.Salt, Data: row.Data}
	*ev = sessionlog.Event{Seq: row.Seq, Kind: sessionlog.StepOutput, Actor: p.actor, Step: p.step, Chunk: chunk}
	sum, lines := sessionlog.Commitment(chunk)
	var commit [2 * sessionlog.HashSize]byte
	hex.Encode(commit[:], sum[:])
	return l.is(uint64(lines)) && l.lit(`,"commit":"`) && l.lit(string(commit[:])) && string(l.rest) == `"}}`
}

// A leaf is read from left to right. It knows the forms that are common, and is
// stricter than ParseLeaf.
type leaf struct{ rest []byte }

// lit reads s if it comes next.
func (l *leaf) lit(s string) bool {
	if len(l.rest) < len(s) || string(l.rest[:len(s)]) != s {
		return false
	}
	l.rest = l.rest[len(s):]
	return true
}

// is reads a number if it is n.
func (l *leaf) is(n uint64) bool {
	var text [20]byte
	s := strconv.AppendUint(text[:0], n, 10)
	if !bytes.HasPrefix(l.rest, s) || len(l.rest) > len(s) && isDigit(l.rest[len(s)]) {
		return false
	}
	l.rest = l.rest[len(s):]
	return true
}

// number reads a number of up to 18 digits.
func (l *leaf) number() (n int64, ok bool) {
	digits := 0
	for digits < len(l.rest) && isDigit(l.rest[digits]) {
		n = n*10 + int64(l.rest[digits]-'0')
		if digits++; digits > 18 {
			return 0, false
		}
	}
	if digits == 0 || digits > 1 && l.rest[0] == '0' {
		return 0, false
	}
	l.rest = l.rest[digits:]
	return n, true
}

// time reads a time of the years 1000 to 2999 in the form that a leaf has, and the
// quote after it. A leap day is left to ParseLeaf.
func (l *leaf) time() bool {
	const form = "2006-01-02T15:04:05"
	b := l.rest
	if len(b) < len(form)+2 || b[0] != '1' && b[0] != '2' {
		return false
	}
	for i := range len(form) {
		if isDigit(form[i]) != isDigit(b[i]) || !isDigit(form[i]) && form[i] != b[i] {
			return false
		}
	}
	two := func(at int) int { return int(b[at]-'0')*10 + int(b[at+1]-'0') }
	if m, d := two(5), two(8); m < 1 || m > 12 || d < 1 || d > days[m-1] {
		return false
	}
	if two(11) > 23 || two(14) > 59 || two(17) > 59 {
		return false
	}
	b = b[len(form):]
	if b[0] == '.' {
		n := 1
		for n < len(b) && isDigit(b[n]) {
			n++
		}
		if n == 1 || n > 10 || b[n-1] == '0' {
			return false
		}
		b = b[n:]
	}
	l.rest = b
	return l.lit(`Z"`)
}

// days is how many a month has at least.
var days = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
