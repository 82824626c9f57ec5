package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/caisey/caisey/sessionlog"
)

const (
	prefix = "caisey-journal-"
	header = "caisey-journal\x00\x01" // the last byte is the version
)

func segmentName(n int) string { return fmt.Sprintf("%s%06d", prefix, n) }

// segmentNumber is the inverse of segmentName.
func segmentNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && segmentName(n) == name
}

// A segment is one file of a Journal.
type segment struct {
	name string
	last map[string]sessionlog.Seq // of each record, what is not settled; guarded by Journal.mu
}

// numbers returns the numbers of the segments in root, in order.
func numbers(root *os.Root) ([]int, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var ns []int
	for _, e := range entries {
		if n, ok := segmentNumber(e.Name()); ok {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// KeptSuffix ends the name of a segment that could not be put into the records and
// is kept for people. Its number is not used again.
const KeptSuffix = ".kept"

// highest returns the highest number that a segment has or had, as far as can be told.
func highest(root *os.Root) (int, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return 0, err
	}
	most := 0
	for _, e := range entries {
		if n, ok := segmentNumber(strings.TrimSuffix(e.Name(), KeptSuffix)); ok {
			most = max(most, n)
		}
	}
	return most, nil
}

// A Left is a segment that a process left that died.
type Left struct {
	Name    string
	Entries []Entry
	// Damage says why Entries is not all, if something is wrong.
	Damage error
	// Torn says that what is wrong is what a crash in the middle of a write leaves:
	// nobody was told that it was kept.
	Torn bool
}

// Read calls f for each segment that is in root, the oldest first. It ends at f's
// first error and returns it.
func Read(root *os.Root, f func(Left) error) error {
	ns, err := numbers(root)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	for i, n := range ns {
		name := segmentName(n)
		entries, damage, err := readSegment(root, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		newest := i == len(ns)-1
		if err := f(Left{name, entries, damage, newest && damage != nil && !errors.Is(damage, errHeader)}); err != nil {
			return err
		}
	}
	return nil
}

var errHeader = errors.New("file is not a segment of a journal of this version")

func readSegment(root *os.Root, name string) (entries []Entry, damage, err error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	for damage = readHeader(r); damage == nil; {
		var e Entry
		if e, damage = readFrame(r); damage == nil {
			entries = append(entries, e)
		}
	}
	if errors.Is(damage, io.EOF) {
		damage = nil
	}
	var disk *fs.PathError
	if errors.As(damage, &disk) { // it may read well the next time
		return nil, nil, damage
	}
	return entries, damage, nil
}

// readHeader returns io.EOF if the file ends before its first frame.
func readHeader(r io.Reader) error {
	var b [len(header)]byte
	switch n, err := io.ReadFull(r, b[:]); {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case n < len(b) || b == [len(header)]byte{}: // it was just made
		return io.EOF
	case string(b[:]) != header:
		return errHeader
	}
	return nil
}

// readFrame returns io.EOF at the end.
func readFrame(r io.Reader) (Entry, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Entry{}, torn(err, false)
	}
	if head == [frameHead]byte{} {
		return Entry{}, zeros(r)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return Entry{}, fmt.Errorf("frame of %d bytes is over the limit", n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return Entry{}, torn(err, true)
	}
	if checksum(head[:4], payload) != binary.BigEndian.Uint32(head[4:]) {
		return Entry{}, errors.New("frame has another checksum")
	}
	return parse(payload)
}

// zeros returns io.EOF if nothing else follows.
func zeros(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return errors.New("zeros stand where a frame should")
		}
		if err != nil {
			return err
		}
	}
}

// torn tells the end of the file after whole frames from one within a frame.
func torn(err error, within bool) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || within && errors.Is(err, io.EOF) {
		return errors.New("last frame is cut short")
	}
	return err
}
