package spool

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const (
	// journalMax is how many ids a journal holds before it is cut.
	journalMax = 64 << 10
	// journalKeep is how many of the newest ids stay.
	journalKeep = 32 << 10
	// journalRoom is how much a journal grows at once, in zeros. An id then
	// overwrites what is there, and its sync has no change of size to flush:
	// that takes a third of the time.
	journalRoom = 64 << 10
)

// A Journal remembers which steps were started, so that none is started twice.
// It holds the newest 32,768 of them at least. Its methods may be called
// concurrently.
type Journal struct {
	// Static.
	path string
	keep int // ids that stay when the journal is cut
	max  int // ids at which it is
	turn chan struct{}

	// Owned by whoever has the turn.
	file *os.File
	end  int64 // of the ids
	size int64 // of the file: zeros from end on

	mu    sync.Mutex // guards what follows
	known map[idHash]struct{}
	next  *batch // what is synced next
	err   error  // the first failure of a sync or cut: after it nothing is certain any more
}

// An idHash stands for an id: it takes less room.
type idHash [16]byte

func hashID(id []byte) idHash {
	sum := sha256.Sum256(id)
	return idHash(sum[:16])
}

// A batch is the ids that one sync writes.
type batch struct {
	lines []byte
	done  bool // owned by whoever has the turn
	err   error
}

// OpenJournal opens the journal in a file, or begins one.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{path: path, keep: journalKeep, max: journalMax, turn: make(chan struct{}, 1), file: f}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, errors.Join(err, f.Close()))
	}
	return j, nil
}

// load reads all ids. A last line without its end was never synced: its step did
// not start.
func (j *Journal) load() error {
	data, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	ids := written(data)
	j.end, j.size = int64(len(ids)), int64(len(data))
	if len(bytes.Trim(data[len(ids):], "\x00")) > 0 {
		if err := j.file.Truncate(j.end); err != nil {
			return err
		}
		j.size = j.end
	}
	j.remember(ids)
	if err := j.file.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(j.path))
}

// written returns the whole lines of a journal, without the zeros behind them.
func written(data []byte) []byte {
	if zero := bytes.IndexByte(data, 0); zero >= 0 {
		data = data[:zero]
	}
	return data[:bytes.LastIndexByte(data, '\n')+1]
}

func (j *Journal) remember(lines []byte) {
	j.known = make(map[idHash]struct{})
	for line := range bytes.Lines(lines) {
		j.known[hashID(bytes.TrimSuffix(line, []byte("\n")))] = struct{}{}
	}
}

// Has says whether a step was started.
func (j *Journal) Has(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.known[hashID([]byte(id))]
	return ok
}

// Add notes that a step is about to be started and returns when that is on disk.
// It returns false if the step was noted before: it must not be started. A step
// whose Add failed counts as noted. Callers at the same time share a sync.
func (j *Journal) Add(id string) (fresh bool, err error) {
	j.mu.Lock()
	if _, ok := j.known[hashID([]byte(id))]; ok || j.err != nil {
		defer j.mu.Unlock()
		return false, j.err
	}
	j.known[hashID([]byte(id))] = struct{}{}
	if j.next == nil {
		j.next = &batch{}
	}
	mine := j.next
	mine.lines = append(append(mine.lines, id...), '\n')
	j.mu.Unlock()

	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	if !mine.done { // else somebody who waited with us did it
		j.sync(mine)
	}
	return mine.err == nil, mine.err
}

// sync writes a batch. It is called with the turn.
func (j *Journal) sync(b *batch) {
	j.mu.Lock()
	lines, broken := b.lines, j.err
	j.next = nil
	tooMany := len(j.known) > j.max
	j.mu.Unlock()
	b.done = true
	if b.err = broken; broken != nil {
		return
	}
	if err := j.write(lines); err != nil { // no room: there may be for the next one
		b.err = fmt.Errorf("write journal: %w", err)
		return
	}
	err := syncData(j.file)
	if err == nil && tooMany {
		err = j.cut()
	}
	if err != nil {
		b.err = fmt.Errorf("write journal: %w", err)
		j.mu.Lock()
		j.err = b.err
		j.mu.Unlock()
	}
}

// write writes lines, and makes room for more if they need it. Lines that fail
// are taken back. It is called with the turn.
func (j *Journal) write(lines []byte) error {
	end := j.end + int64(len(lines))
	if end > j.size {
		size := end + journalRoom
		if _, err := j.file.WriteAt(make([]byte, size-j.size), j.size); err != nil {
			return err
		}
		j.size = size
	}
	if _, err := j.file.WriteAt(lines, j.end); err != nil {
		// Zeros go where the lines went; if not, the next lines go over them.
		_, _ = j.file.WriteAt(make([]byte, len(lines)), j.end)
		return err
	}
	j.end = end
	return nil
}

// cut leaves the newest ids in the file. It is called with the turn.
func (j *Journal) cut() error {
	data, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	data = written(data)
	for drop := bytes.Count(data, []byte("\n")) - j.keep; drop > 0; drop-- {
		data = data[bytes.IndexByte(data, '\n')+1:]
	}
	temp := j.path + ".new"
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync()); err != nil {
		return errors.Join(err, f.Close())
	}
	_ = j.file.Close() // Windows does not rename over an open file
	_ = f.Close()
	if err := os.Rename(temp, j.path); err != nil {
		return err
	}
	if j.file, err = os.OpenFile(j.path, os.O_RDWR, 0o600); err != nil {
		return err
	}
	j.end, j.size = int64(len(data)), int64(len(data))
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := j.next
	j.remember(data)
	if waiting != nil {
		for line := range bytes.Lines(waiting.lines) {
			j.known[hashID(bytes.TrimSuffix(line, []byte("\n")))] = struct{}{}
		}
	}
	return syncDir(filepath.Dir(j.path))
}

// Close closes the file.
func (j *Journal) Close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = fmt.Errorf("journal: %w", fs.ErrClosed)
	}
	return j.file.Close()
}
