package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// Errors of Append. After any of them nothing of the frame is kept.
var (
	// ErrBehind says that too many segments wait for records to be settled.
	ErrBehind = errors.New("too much of the journal is not in the records yet")
	// ErrClosed says that the Journal was closed.
	ErrClosed = errors.New("journal is closed")
)

// Config says how a Journal behaves. The zero value is good.
type Config struct {
	// SegmentBytes is how large a segment gets. If zero, 64 MiB.
	SegmentBytes int64
	// SegmentAge is how old a segment gets. If zero, 30 seconds.
	SegmentAge time.Duration
	// Segments is the most segments there are. If zero, 8.
	Segments int
	// Unsynced leaves out all flushes. For tests that show what they are for.
	Unsynced bool
}

func (cfg Config) withDefaults() Config {
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = 64 << 20
	}
	if cfg.SegmentAge == 0 {
		cfg.SegmentAge = 30 * time.Second
	}
	if cfg.Segments == 0 {
		cfg.Segments = 8
	}
	return cfg
}

// A Journal takes frames of many records. Its methods may be called concurrently.
type Journal struct {
	// Static after Open.
	cfg  Config
	root *os.Root

	// turn holds a token of whoever writes, who owns what follows.
	turn   chan struct{}
	disk   disk
	off    int64 // up to where the segment is good
	room   int64 // up to where it has zeros
	made   time.Time
	number int   // of the newest segment
	failed error // why nothing can be appended any more

	mu       sync.Mutex // guards what follows; never held across I/O
	gather   *group     // the group that is not written yet; nil if nobody waits
	spare    *group
	segments []*segment // with something outstanding, or active; the oldest first
	active   *segment   // nil: the next group makes one
}

// disk is what a Journal does to the file of its active segment.
type disk interface {
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A group is written and flushed together. Who began it writes it.
type group struct {
	buf   []byte
	marks []settled
	done  chan struct{}
	err   error // set before done is closed
}

type settled struct {
	record string
	last   sessionlog.Seq
}

// Open returns a Journal whose segments are in root. Those that are there already
// belong to Read and are left alone.
func Open(root *os.Root, cfg Config) (*Journal, error) {
	newest, err := highest(root)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return &Journal{cfg: cfg.withDefaults(), root: root, turn: make(chan struct{}, 1), number: newest}, nil
}

// Append returns once f is on the disk, together with all that others append at
// the moment. A full disk is an error that wraps ENOSPC or EDQUOT, and may pass.
func (j *Journal) Append(f *Frame) error {
	if err := f.finish(); err != nil {
		return err
	}
	j.mu.Lock()
	g := j.gather
	leads := g == nil
	if leads {
		g = j.newGroup()
		j.gather = g
	}
	g.buf = append(g.buf, f.b...)
	g.marks = append(g.marks, settled{f.record, f.last()})
	j.mu.Unlock()
	if !leads {
		<-g.done
		return g.err
	}
	j.turn <- struct{}{}
	j.mu.Lock()
	j.gather = nil
	j.mu.Unlock()
	g.err = j.write(g)
	<-j.turn
	err := g.err
	close(g.done)
	return err
}

// newGroup returns an empty group with the buffers of one that was written. j.mu
// is held.
func (j *Journal) newGroup() *group {
	g := &group{done: make(chan struct{})}
	if s := j.spare; s != nil {
		g.buf, g.marks, j.spare = s.buf[:0], s.marks[:0], nil
	}
	return g
}

// maxSpare is the largest buffer that is kept for the next group.
const maxSpare = 4 << 20

// write makes a group durable. The caller has the turn.
func (j *Journal) write(g *group) error {
	err := j.failed
	if err == nil {
		err = j.prepare(int64(len(g.buf)))
	}
	if err == nil {
		err = j.append(g)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		for _, m := range g.marks {
			j.active.last[m.record] = max(j.active.last[m.record], m.last)
		}
	}
	if cap(g.buf) <= maxSpare {
		j.spare = &group{buf: g.buf, marks: g.marks}
	}
	return err
}

// ahead is how far zeros are written ahead of the frames: where a file has its
// length and its blocks already, a flush takes half the time.
const ahead = 1 << 20

// append writes a group behind what is good, or cuts off again what of it was
// written.
func (j *Journal) append(g *group) error {
	n := len(g.buf)
	end := j.off + int64(n)
	if end > j.room {
		g.buf = append(g.buf, make([]byte, ahead)...)
	}
	err := j.put(g.buf)
	if len(g.buf) > n && isFull(err) && j.disk.Truncate(j.off) == nil {
		g.buf = g.buf[:n]
		err = j.put(g.buf)
	}
	if err == nil {
		j.room = max(j.room, j.off+int64(len(g.buf)))
		j.off = end
		return nil
	}
	err = fmt.Errorf("append to journal: %w", err)
	cut := j.disk.Truncate(j.off)
	if cut == nil && isFull(err) {
		cut = j.disk.Sync()
	}
	j.room = j.off
	if cut != nil || !isFull(err) {
		j.failed = fmt.Errorf("journal takes no more: %w", errors.Join(err, cut))
	}
	return err
}

// put makes b durable behind what is good.
func (j *Journal) put(b []byte) error {
	_, err := j.disk.WriteAt(b, j.off)
	if err == nil && !j.cfg.Unsynced {
		err = j.disk.Sync()
	}
	return err
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// prepare sees to it that there is a segment with room for n bytes. The caller
// has the turn.
func (j *Journal) prepare(n int64) error {
	if j.disk != nil && j.off > int64(len(header)) && (j.off+n > j.cfg.SegmentBytes || time.Since(j.made) > j.cfg.SegmentAge) {
		if err := j.end(); err != nil {
			return err
		}
	}
	if j.disk != nil {
		return nil
	}
	j.mu.Lock()
	behind := len(j.segments) >= j.cfg.Segments
	j.mu.Unlock()
	if behind {
		return ErrBehind
	}
	return j.begin()
}

// begin makes a new segment. The caller has the turn.
func (j *Journal) begin() error {
	name := segmentName(j.number + 1)
	file, err := j.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make journal: %w", err)
	}
	j.number++
	_, err = file.WriteAt([]byte(header), 0)
	if err == nil && !j.cfg.Unsynced {
		err = errors.Join(file.Sync(), j.syncDir())
	}
	if err != nil {
		return fmt.Errorf("make journal: %w", errors.Join(err, file.Close(), j.root.Remove(name)))
	}
	j.disk, j.off, j.room, j.made = dataFile{file}, int64(len(header)), 0, time.Now()
	s := &segment{name: name, last: map[string]sessionlog.Seq{}}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.active = s
	j.segments = append(j.segments, s)
	return nil
}

func (j *Journal) syncDir() error {
	d, err := j.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}
