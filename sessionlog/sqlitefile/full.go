package sqlitefile

import (
	"errors"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
)

// holdEvery is how often a writer tries again while the disk is full.
const holdEvery = 250 * time.Millisecond

// isFull reports whether err says that the disk is full.
func isFull(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrFull || e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// insertHeld inserts units. While the disk is full it holds them, and all that
// is queued behind them, until there is space again or the file is closed: so
// the full disk becomes back-pressure, down to the process at the endpoint.
func (f *File) insertHeld(units []unit) error {
	err := f.w.insert(units)
	if !isFull(err) {
		return err
	}
	f.cfg.Logf("record %s is held: %v", f.path, err)
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for isFull(err) {
		f.w.proof.rollback()
		<-f.commits // others need not wait for this file
		select {
		case <-tick.C:
			f.commits <- struct{}{}
		case <-f.quit:
			f.commits <- struct{}{}
			return err
		}
		f.w.proof.mark()
		err = f.w.insert(units)
	}
	if err == nil {
		f.cfg.Logf("record %s goes on", f.path)
	}
	return err
}
