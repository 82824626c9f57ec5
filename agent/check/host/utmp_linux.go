package host

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A login is a record of utmp and wtmp.
type login struct {
	kind             int16
	pid              int32
	line, user, host string
	at               time.Time
}

// The kinds of records that are read: see utmp(5).
const (
	runLevel    = 1
	bootTime    = 2
	userProcess = 7
)

// utmpSize is the size of a record: glibc has it so on all 64-bit machines.
const utmpSize = 384

// parseUtmp reads records. What is left of a record at the end, which a writer may be
// in the middle of, is none.
func parseUtmp(data []byte) []login {
	all := make([]login, 0, len(data)/utmpSize)
	for ; len(data) >= utmpSize; data = data[utmpSize:] {
		r := data[:utmpSize]
		secs := int64(binary.NativeEndian.Uint32(r[340:]))
		us := min(int64(binary.NativeEndian.Uint32(r[344:])), 999_999)
		all = append(all, login{
			kind: int16(binary.NativeEndian.Uint16(r)), pid: int32(binary.NativeEndian.Uint32(r[4:])),
			line: upToZero(r[8:40]), user: upToZero(r[44:76]), host: upToZero(r[76:332]),
			at: time.Unix(secs, us*1000),
		})
	}
	return all
}

func upToZero(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(bytes.ToValidUTF8(b, []byte("\ufffd")))
}
