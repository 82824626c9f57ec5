package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const suffix = ".seg"

func (s *Spool) path(number int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%08d%s", number, suffix))
}

// rotate begins a new segment. It is called with the turn.
func (s *Spool) rotate() error {
	s.mu.Lock()
	number := 1
	if n := len(s.segs); n > 0 {
		number = s.segs[n-1].number + 1
	}
	s.mu.Unlock()
	state, err := s.sums.marshal()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(number), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make spool segment: %w", err)
	}
	head := appendRecord(nil, Record{kind: kindHead, Time: time.Now().UnixNano(), Data: state})
	if _, err := f.WriteAt(head, 0); err != nil {
		return fmt.Errorf("make spool segment: %w", errors.Join(err, f.Close(), os.Remove(f.Name())))
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file = f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segs = append(s.segs, segment{number: number, start: s.sums.total, size: int64(len(head))})
	wake(&s.grew)
	return nil
}

// Ack says that a stream is recorded up to offset. Segments that nobody needs any
// more are deleted.
func (s *Spool) Ack(stream int, offset int64) error {
	if stream < 1 || stream > Streams {
		return fmt.Errorf("acknowledge: no stream %d", stream)
	}
	s.mu.Lock()
	if total := s.total[stream-1]; offset < 0 || offset > total {
		s.mu.Unlock()
		return fmt.Errorf("acknowledge %d of %d bytes of stream %d: there are not as many", offset, total, stream)
	}
	if offset <= s.acked[stream-1] {
		s.mu.Unlock()
		return nil
	}
	s.acked[stream-1] = offset
	wake(&s.freed)
	var free []segment
	for len(s.segs) > 1 && covers(s.acked, s.segs[1].start) {
		free = append(free, s.segs[0])
		s.segs = s.segs[1:]
	}
	s.mu.Unlock()
	var kept []segment
	for _, seg := range free {
		if err := os.Remove(s.path(seg.number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			kept = append(kept, seg)
		}
	}
	if len(kept) > 0 { // open in a reader, on Windows: the next Ack tries again
		s.mu.Lock()
		s.segs = append(kept, s.segs...)
		s.mu.Unlock()
	}
	return nil
}

// covers says whether all streams are acknowledged up to offs.
func covers(acked, offs [Streams]int64) bool {
	for i := range offs {
		if acked[i] < offs[i] {
			return false
		}
	}
	return true
}

// Open opens the spool in dir that an earlier agent left. What was cut short by
// its death, and all after a damaged record, is dropped.
func Open(dir string, cfg Config) (*Spool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := newSpool(dir, cfg)
	var numbers []int
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.Atoi(name); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	s.turn <- struct{}{}
	defer s.release()
	if err := s.scan(numbers); err != nil {
		return nil, errors.Join(err, s.closeFile())
	}
	s.total = s.sums.total
	if len(s.segs) == 0 {
		return s, s.rotate()
	}
	s.acked = s.segs[0].start // the rest is asked for again, or acknowledged again
	return s, nil
}

// scan reads the segments in order and deletes those after a damaged one.
func (s *Spool) scan(numbers []int) error {
	for i, number := range numbers {
		whole := len(s.segs) == 0 || number == s.segs[len(s.segs)-1].number+1
		if whole {
			var err error
			if whole, err = s.scanSegment(number, len(s.segs) == 0); err != nil {
				return fmt.Errorf("open spool segment %d: %w", number, err)
			}
		}
		if whole {
			continue
		}
		for _, lost := range numbers[i:] {
			if n := len(s.segs); n > 0 && s.segs[n-1].number == lost {
				continue
			}
			if err := os.Remove(s.path(lost)); err != nil {
				return fmt.Errorf("drop damaged spool segment: %w", err)
			}
		}
		return nil
	}
	return nil
}

// scanSegment reads one segment, cuts it where it is damaged and says whether it
// was not.
func (s *Spool) scanSegment(number int, first bool) (whole bool, err error) {
	f, err := os.OpenFile(s.path(number), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	data, err := os.ReadFile(s.path(number))
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	start := s.sums
	size, ended := scanRecords(data, &s.sums, first)
	if size == 0 {
		s.sums = start
		return false, f.Close()
	}
	if int64(len(data)) > size {
		if err := f.Truncate(size); err != nil {
			return false, errors.Join(err, f.Close())
		}
	}
	if err := s.closeFile(); err != nil {
		return false, errors.Join(err, f.Close())
	}
	head, _, _ := parseRecord(data)
	began, err := unmarshalSums(head.Data)
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	s.file, s.ended = f, ended
	s.segs = append(s.segs, segment{number: number, start: began.total, size: size})
	return int64(len(data)) == size && !ended, nil
}

// scanRecords returns how much of a segment is good and whether the end is in it.
// It goes on from *at, which the head of the first segment sets.
func scanRecords(data []byte, at **sums, first bool) (size int64, ended bool) {
	for !ended {
		r, n, err := parseRecord(data[size:])
		if err != nil || (size == 0) != (r.kind == kindHead) {
			return size, false
		}
		switch r.kind {
		case kindHead:
			head, err := unmarshalSums(r.Data)
			if err != nil || !first && head.total != (*at).total {
				return size, false
			}
			head.gaps = (*at).gaps
			*at = head
		case kindOutput:
			if r.Offset != (*at).total[r.Stream-1] {
				return size, false
			}
			(*at).add(r.Stream, r.Data)
		case kindGap:
			h, err := hashOf(r)
			if err != nil || r.Offset != (*at).total[r.Stream-1] {
				return size, false
			}
			(*at).gap(r, h)
		}
		size += int64(n)
		ended = r.End
	}
	return size, ended
}

func (s *Spool) closeFile() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// Close closes the spool and leaves its files.
func (s *Spool) Close() error {
	s.turn <- struct{}{}
	defer s.release()
	s.mu.Lock()
	s.closed = true
	wake(&s.grew)
	wake(&s.freed)
	s.mu.Unlock()
	return s.closeFile()
}

// Remove closes the spool and deletes its directory.
func (s *Spool) Remove() error {
	err := s.Close()
	if err := errors.Join(err, os.RemoveAll(s.dir)); err != nil {
		return fmt.Errorf("delete spool: %w", err)
	}
	return nil
}
