package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The kinds of records.
const (
	kindHead   = 1 // of a segment
	kindOutput = 2
	kindEnd    = 3
	kindGap    = 4
)

const (
	headerSize = 26
	crcAt      = 22
	// MaxRecord is the most data bytes of one record.
	MaxRecord = 32 << 10
	// Streams is how many streams a step has: 1 is stdout, 2 is stderr, 3 is the rows
	// of a check.
	Streams = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Record is one piece of a step's output, or its end.
type Record struct {
	Stream int
	// Offset is that of the first byte of Data in its stream.
	Offset int64
	// Time is when the record was written, in Unix nanoseconds.
	Time int64
	Data []byte
	// Gap is how many bytes of the stream were left out from Offset on: then there is
	// no output in the record. 0 if none were.
	Gap int64
	// End says that Data is what End was given, and that nothing follows.
	End bool

	kind byte
}

var (
	// errShort says that a record is not whole.
	errShort = errors.New("record is cut short")
	// errDamaged says that there is no record.
	errDamaged = errors.New("record is damaged")
)

// appendRecord appends the bytes of r to b.
func appendRecord(b []byte, r Record) []byte {
	at := len(b)
	b = append(b, r.kind, byte(r.Stream))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Data)))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Time))
	b = append(b, 0, 0, 0, 0)
	b = append(b, r.Data...)
	binary.LittleEndian.PutUint32(b[at+crcAt:], checksum(b[at:]))
	return b
}

// checksum returns the checksum of a record.
func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:crcAt], castagnoli), castagnoli, b[headerSize:])
}

// parseRecord reads the record at the start of b and returns its size. The data
// is that of b. It trusts nothing.
func parseRecord(b []byte) (Record, int, error) {
	if len(b) < headerSize {
		return Record{}, 0, errShort
	}
	r := Record{
		kind:   b[0],
		Stream: int(b[1]),
		Offset: int64(binary.LittleEndian.Uint64(b[6:])),
		Time:   int64(binary.LittleEndian.Uint64(b[14:])),
		End:    b[0] == kindEnd,
	}
	length := binary.LittleEndian.Uint32(b[2:])
	known := r.kind == kindOutput && r.Stream >= 1 && r.Stream <= Streams && length > 0 ||
		r.kind == kindGap && r.Stream >= 1 && r.Stream <= Streams && length > 8 ||
		(r.kind == kindHead || r.kind == kindEnd) && r.Stream == 0
	if !known || length > MaxRecord || r.Offset < 0 {
		return Record{}, 0, errDamaged
	}
	size := headerSize + int(length)
	if len(b) < size {
		return Record{}, 0, errShort
	}
	if checksum(b[:size]) != binary.LittleEndian.Uint32(b[crcAt:]) {
		return Record{}, 0, errDamaged
	}
	r.Data = b[headerSize:size]
	if r.kind == kindGap {
		r.Gap = int64(binary.LittleEndian.Uint64(r.Data))
	}
	return r, size, nil
}
