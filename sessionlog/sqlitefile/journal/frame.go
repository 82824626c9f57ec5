package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/caisey/caisey/sessionlog"
)

const (
	frameHead = 8 // the payload's length, and the checksum of length and payload
	rowHead   = 8 // the lengths of leaf and output
	noOutput  = math.MaxUint32
	maxName   = 255
)

// MaxFrame is the largest payload of a frame in bytes.
const MaxFrame = 4 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Frame is some events of one record, in order, that are kept or lost together.
// It is filled with Reset and Add, and may be used again.
type Frame struct {
	record  string
	first   sessionlog.Seq
	n       uint32 // events
	countAt int
	b       []byte
}

// Reset begins a frame of a record's events from first on.
func (f *Frame) Reset(record string, first sessionlog.Seq) {
	f.record, f.first, f.n = record, first, 0
	f.b = append(f.b[:0], make([]byte, frameHead)...)
	f.b = append(f.b, byte(len(record)))
	f.b = append(f.b, record...)
	f.b = binary.BigEndian.AppendUint64(f.b, uint64(first))
	f.countAt = len(f.b)
	f.b = append(f.b, 0, 0, 0, 0)
}

// Add adds the next event. A nil salt says that it is not output.
func (f *Frame) Add(leaf, salt, data []byte) {
	f.n++
	f.b = binary.BigEndian.AppendUint32(f.b, uint32(len(leaf)))
	if salt == nil {
		f.b = binary.BigEndian.AppendUint32(f.b, noOutput)
		f.b = append(f.b, leaf...)
		return
	}
	f.b = binary.BigEndian.AppendUint32(f.b, uint32(len(data)))
	f.b = append(f.b, leaf...)
	f.b = append(f.b, salt...)
	f.b = append(f.b, data...)
}

// last returns the number of the last event.
func (f *Frame) last() sessionlog.Seq { return f.first + sessionlog.Seq(f.n) - 1 }

// finish fills in what only now is known.
func (f *Frame) finish() error {
	payload := len(f.b) - frameHead
	if len(f.record) == 0 || len(f.record) > maxName || f.n == 0 || payload > MaxFrame {
		return fmt.Errorf("frame of %d events and %d bytes for %.80q is out of bounds", f.n, payload, f.record)
	}
	binary.BigEndian.PutUint32(f.b[f.countAt:], f.n)
	binary.BigEndian.PutUint32(f.b, uint32(payload))
	binary.BigEndian.PutUint32(f.b[4:], checksum(f.b[:4], f.b[frameHead:]))
	return nil
}

// checksum is CRC-32C over length and payload, so that zeros are no frame.
func checksum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, length), castagnoli, payload)
}

// An Entry is a frame that was read back. Its rows share the frame's memory.
type Entry struct {
	Record string
	Rows   []sessionlog.Row
}

var errFrame = errors.New("frame is not in its form")

// parse reads a payload whose checksum is right, and trusts it no further.
func parse(b []byte) (Entry, error) {
	if len(b) < 1 || len(b) < 1+int(b[0])+12 || b[0] == 0 {
		return Entry{}, errFrame
	}
	name := 1 + int(b[0])
	e := Entry{Record: string(b[1:name])}
	b = b[name:]
	first, n := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])
	b = b[12:]
	if n == 0 || int64(n) > int64(len(b)/rowHead) || first == 0 || first > math.MaxInt64-uint64(n) {
		return Entry{}, errFrame
	}
	e.Rows = make([]sessionlog.Row, n)
	for i := range e.Rows {
		row := &e.Rows[i]
		row.Seq = sessionlog.Seq(first + uint64(i))
		var ok bool
		if b, ok = parseRow(b, row); !ok {
			return Entry{}, errFrame
		}
	}
	if len(b) > 0 {
		return Entry{}, errFrame
	}
	return e, nil
}

func parseRow(b []byte, row *sessionlog.Row) (rest []byte, ok bool) {
	if len(b) < rowHead {
		return nil, false
	}
	leaf, data := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	b = b[rowHead:]
	if leaf > int64(len(b)) {
		return nil, false
	}
	row.Leaf, b = b[:leaf:leaf], b[leaf:]
	if data == noOutput {
		return b, true
	}
	if data+sessionlog.SaltSize > int64(len(b)) {
		return nil, false
	}
	row.Salt, b = b[:sessionlog.SaltSize:sessionlog.SaltSize], b[sessionlog.SaltSize:]
	row.Data, b = b[:data:data], b[data:]
	return b, true
}
