package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// Settled says that a record's own file has, durably, all events up to last. What
// nobody waits for any more is deleted.
func (j *Journal) Settled(record string, last sessionlog.Seq) error {
	j.mu.Lock()
	for _, s := range j.segments {
		if l, ok := s.last[record]; ok && l <= last {
			delete(s.last, record)
		}
	}
	gone := j.takeEmpty()
	j.mu.Unlock()
	return j.remove(gone)
}

// takeEmpty takes out the ended segments in which nothing is outstanding. j.mu is
// held.
func (j *Journal) takeEmpty() (gone []string) {
	j.segments = slices.DeleteFunc(j.segments, func(s *segment) bool {
		empty := s != j.active && len(s.last) == 0
		if empty {
			gone = append(gone, s.name)
		}
		return empty
	})
	return gone
}

func (j *Journal) remove(names []string) error {
	if len(names) == 0 {
		return nil
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, j.root.Remove(name))
	}
	if !j.cfg.Unsynced {
		errs = append(errs, j.syncDir())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("retire journal: %w", err)
	}
	return nil
}

// Behind returns records whose events stand in segments that have ended, at most
// n: they should be settled. A segment that is old enough ends with it.
func (j *Journal) Behind(n int) ([]string, error) {
	var err error
	select {
	case j.turn <- struct{}{}:
		if j.disk != nil && (j.failed != nil || time.Since(j.made) > j.cfg.SegmentAge) {
			err = j.end()
		}
		<-j.turn
	default: // a group is being written, and will see to it
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := map[string]bool{}
	for _, s := range j.segments {
		if s == j.active {
			break
		}
		for record := range s.last {
			if len(seen) == n {
				break
			}
			seen[record] = true
		}
	}
	records := make([]string, 0, len(seen))
	for record := range seen {
		records = append(records, record)
	}
	return records, err
}

// end closes the active segment. The caller has the turn.
func (j *Journal) end() error {
	err := j.disk.Close()
	j.disk = nil
	j.mu.Lock()
	j.active = nil
	gone := j.takeEmpty()
	j.mu.Unlock()
	return errors.Join(err, j.remove(gone))
}

// Close ends the Journal. Segments stay where something is outstanding.
func (j *Journal) Close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.failed = ErrClosed
	if j.disk == nil {
		return nil
	}
	if err := j.end(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}
