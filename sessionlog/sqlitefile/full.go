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
