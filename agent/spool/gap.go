package spool

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// A span is a part of a stream that is not kept.
type span struct {
	stream     int
	start, end int64
}

// A skip is what a stream left out since its last record, and its hash with that.
type skip struct {
	bytes int64
	hash  hash.Hash // nil if bytes is 0
}

// Skip leaves data out of a stream: it counts, and is hashed, but only its length
// is kept. A record of how much was left out goes before the next output of the
// stream, or before the end; until then the spool is as if it had not come.
func (s *Spool) Skip(ctx context.Context, stream int, data []byte) error {
	if stream < 1 || stream > Streams {
		return fmt.Errorf("leave out output: no stream %d", stream)
	}
	if len(data) == 0 {
		return nil
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	left := &s.left[stream-1]
	if left.hash == nil {
		clone, err := s.sums.hash[stream-1].(hash.Cloner).Clone()
		if err != nil {
			return fmt.Errorf("leave out output: %w", err)
		}
		left.hash = clone
	}
	_, _ = left.hash.Write(data) // never fails
	left.bytes += int64(len(data))
	return nil
}

// writeGap writes the record of what a stream left out, if it did. It is called
// with the turn.
func (s *Spool) writeGap(stream int) error {
	left := s.left[stream-1]
	if left.bytes == 0 {
		return nil
	}
	state, err := left.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("save hash: %w", err)
	}
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(left.bytes)), state...)
	return s.write(Record{
		kind: kindGap, Stream: stream, Offset: s.sums.total[stream-1], Gap: left.bytes, Data: data,
	})
}

// errGap says that a gap's data is not what writeGap writes.
var errGap = errors.New("gap is damaged")

// hashOf returns the hash of all of a stream up to the end of the gap in r.
func hashOf(r Record) (hash.Hash, error) {
	h := sha256.New()
	if r.Gap <= 0 || r.Offset+r.Gap < 0 {
		return nil, errGap
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(r.Data[8:]); err != nil {
		return nil, fmt.Errorf("restore hash: %w", err)
	}
	return h, nil
}

// gap takes a gap record: the stream goes on behind it.
func (s *sums) gap(r Record, h hash.Hash) {
	end := r.Offset + r.Gap
	s.total[r.Stream-1], s.hash[r.Stream-1] = end, h
	s.gaps = append(s.gaps, span{r.Stream, r.Offset, end})
}

// kept returns how many bytes after the offsets in acked are there.
func (s *sums) kept(acked [Streams]int64) (n int64) {
	for i, total := range s.total {
		n += total - acked[i]
	}
	for _, g := range s.gaps {
		n -= max(0, g.end-max(g.start, acked[g.stream-1]))
	}
	return n
}
