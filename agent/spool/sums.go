package spool

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
)

// sums is how far each stream went and what its bytes hash to.
type sums struct {
	total [Streams]int64
	hash  [Streams]hash.Hash
	gaps  []span // what of it was left out and is not yet acknowledged and deleted
}

func newSums() *sums {
	s := &sums{}
	for i := range s.hash {
		s.hash[i] = sha256.New()
	}
	return s
}

// add takes the next bytes of a stream.
func (s *sums) add(stream int, data []byte) {
	s.total[stream-1] += int64(len(data))
	_, _ = s.hash[stream-1].Write(data) // never fails
}

// marshal returns the data of a head record.
func (s *sums) marshal() ([]byte, error) {
	var b []byte
	for i, h := range s.hash {
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("save hash: %w", err)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(s.total[i]))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(state)))
		b = append(b, state...)
	}
	return b, nil
}

// unmarshalSums reads the data of a head record.
func unmarshalSums(b []byte) (*sums, error) {
	s := newSums()
	for i := range s.hash {
		if len(b) == 0 && i >= 2 {
			break // an agent wrote it that knew two streams
		}
		if len(b) < 10 {
			return nil, errDamaged
		}
		s.total[i] = int64(binary.LittleEndian.Uint64(b))
		n := int(binary.LittleEndian.Uint16(b[8:]))
		if b = b[10:]; len(b) < n || s.total[i] < 0 {
			return nil, errDamaged
		}
		if err := s.hash[i].(encoding.BinaryUnmarshaler).UnmarshalBinary(b[:n]); err != nil {
			return nil, fmt.Errorf("restore hash: %w", err)
		}
		b = b[n:]
	}
	return s, nil
}
