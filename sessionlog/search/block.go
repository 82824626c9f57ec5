package search

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A block is text of one kind and stream: what is looked up as one.
type block struct {
	step   sessionlog.StepID
	kind   sessionlog.Kind
	stream sessionlog.Stream
	off    int64 // of text in its stream
	text   []byte
	pieces []piece // what text is made of, in order
	stored bool    // there is a row for it among the tails
}

// A piece is what one event gave to a block.
type piece struct {
	seq  sessionlog.Seq
	end  int // in the block's text
	time int64
}

func (b *block) add(ev *sessionlog.Event, data []byte) {
	b.text = append(b.text, data...)
	if n := len(b.pieces); n > 0 && b.pieces[n-1].seq == ev.Seq {
		b.pieces[n-1].end = len(b.text)
		return
	}
	b.pieces = append(b.pieces, piece{ev.Seq, len(b.text), ev.Time.UnixMilli()})
}

// cut takes the first n bytes out of b and returns them as a block.
func (b *block) cut(n int) *block {
	head := *b
	head.text, head.pieces = b.text[:n:n], nil
	rest := []piece{}
	for _, p := range b.pieces {
		start := 0
		if k := len(head.pieces); k > 0 {
			start = head.pieces[k-1].end
		}
		if start < n {
			head.pieces = append(head.pieces, piece{p.seq, min(p.end, n), p.time})
		}
		if p.end > n {
			rest = append(rest, piece{p.seq, p.end - n, p.time})
		}
	}
	b.text = append([]byte(nil), b.text[n:]...)
	b.pieces, b.off = rest, b.off+int64(n)
	return &head
}

// runs returns the events of a block as pairs of how far a run begins behind the
// last one's end, and how many events it has.
func (b *block) runs() []byte {
	var out []byte
	var end sessionlog.Seq
	for i := 0; i < len(b.pieces); {
		n := 1
		for i+n < len(b.pieces) && b.pieces[i+n].seq == b.pieces[i].seq+sessionlog.Seq(n) {
			n++
		}
		out = binary.AppendUvarint(out, uint64(b.pieces[i].seq-end))
		out = binary.AppendUvarint(out, uint64(n))
		end = b.pieces[i].seq + sessionlog.Seq(n)
		i += n
	}
	return out
}

// A run is consecutive events that a block lies in, or lies among.
type run struct{ from, to sessionlog.Seq } // to is the last

// nearRun is how many events of others between two runs are read with them.
const nearRun = 16

func parseRuns(b []byte) ([]run, error) {
	var runs []run
	var end uint64
	for len(b) > 0 {
		skip, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errors.New("runs of block do not parse")
		}
		count, m := binary.Uvarint(b[n:])
		if m <= 0 || count == 0 {
			return nil, errors.New("runs of block do not parse")
		}
		b = b[n+m:]
		from := end + skip
		end = from + count
		if k := len(runs); k > 0 && skip <= nearRun {
			runs[k-1].to = sessionlog.Seq(end - 1)
			continue
		}
		runs = append(runs, run{sessionlog.Seq(from), sessionlog.Seq(end - 1)})
	}
	return runs, nil
}

// encodePieces writes the pieces of a tail.
func encodePieces(pieces []piece) []byte {
	var b []byte
	var last piece
	for _, p := range pieces {
		b = binary.AppendUvarint(b, uint64(p.seq-last.seq))
		b = binary.AppendUvarint(b, uint64(p.end-last.end))
		b = binary.AppendVarint(b, p.time-last.time)
		last = p
	}
	return b
}

func decodePieces(b []byte) ([]piece, error) {
	var pieces []piece
	var last piece
	for len(b) > 0 {
		seq, i := binary.Uvarint(b)
		end, j := binary.Uvarint(b[max(i, 0):])
		at, k := binary.Varint(b[max(i, 0)+max(j, 0):])
		if i <= 0 || j <= 0 || k <= 0 {
			return nil, errors.New("pieces of tail do not parse")
		}
		b = b[i+j+k:]
		last = piece{last.seq + sessionlog.Seq(seq), last.end + int(end), last.time + at}
		pieces = append(pieces, last)
	}
	return pieces, nil
}

func milli(t time.Time, none int64) int64 {
	if t.IsZero() {
		return none
	}
	return t.UnixMilli()
}
