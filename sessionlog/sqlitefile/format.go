package sqlitefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrNotRecord says that a file is not a record of Caisey.
var ErrNotRecord = errors.New("not a Caisey record")

// A FormatError says that a file is a SQLite file of another application, or a
// record of a version that this program does not know.
type FormatError struct {
	AppID, Version uint32
}

// Error names both of our numbers and both of the file's.
func (e *FormatError) Error() string {
	if e.AppID != AppID {
		return fmt.Sprintf("SQLite file of another application: application_id 0x%08x, a Caisey record has 0x%08x", e.AppID, AppID)
	}
	return fmt.Sprintf("record is of version %d, this program knows version %d", e.Version, Version)
}

// Is says that every FormatError is an ErrNotRecord for this program.
func (e *FormatError) Is(target error) bool { return target == ErrNotRecord }

// The SQLite file header; https://sqlite.org/fileformat2.html#the_database_header.
const (
	headerSize = 100
	magic      = "SQLite format 3\x00"
)

// A header is what we read of a file before SQLite may see it.
type header struct {
	wal bool // the file is in WAL mode: live, or never sealed
}

// readHeader reads and checks the header of f.
func readHeader(f *os.File) (header, error) {
	st, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	if !st.Mode().IsRegular() {
		return header{}, fmt.Errorf("%w: not a regular file", ErrNotRecord)
	}
	var b [headerSize]byte
	switch n, err := f.ReadAt(b[:], 0); {
	case n == 0 && errors.Is(err, io.EOF):
		return header{}, fmt.Errorf("%w: file is empty", ErrNotRecord)
	case err != nil && !errors.Is(err, io.EOF):
		return header{}, err
	case n < len(magic) || string(b[:len(magic)]) != magic:
		return header{}, fmt.Errorf("%w: not a SQLite file", ErrNotRecord)
	case n < headerSize:
		return header{}, fmt.Errorf("%w: file ends after %d bytes", ErrNotRecord, n)
	}
	return parseHeader(b[:], st.Size())
}

func parseHeader(b []byte, size int64) (header, error) {
	be := binary.BigEndian
	app, version := be.Uint32(b[68:]), be.Uint32(b[60:])
	if app != AppID || version != Version {
		return header{}, &FormatError{AppID: app, Version: version}
	}
	page := int64(be.Uint16(b[16:]))
	if page != 4096 || b[18] != b[19] || b[18] < 1 || b[18] > 2 {
		return header{}, fmt.Errorf("%w: header is damaged", ErrNotRecord)
	}
	h := header{wal: b[18] == 2}
	// In WAL mode a crash may leave the file shorter than its header says; the
	// WAL has the rest.
	if want := int64(be.Uint32(b[28:])) * page; !h.wal && size != want {
		return header{}, fmt.Errorf("%w: file has %d bytes, its header says %d", ErrNotRecord, size, want)
	}
	return h, nil
}
