package foreign

import (
	"os"
	"time"
)

// limits are what a child may use in its life.
type limits struct {
	memory int64 // bytes of address space, beyond what the program has when it starts
	cpu    time.Duration
	file   int64 // bytes that a file may grow to
}

// limitsFor returns what it may take to read the record at path.
func limitsFor(path string) limits {
	l := limits{memory: 1 << 30, cpu: 30 * time.Second}
	if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
		// To read all of a record once takes about a hundredth of this.
		l.cpu = min(l.cpu+time.Duration(st.Size()>>20)*time.Second, time.Hour)
	}
	if st, err := os.Stat(path + "-wal"); err == nil && st.Size() > 0 {
		// SQLite makes an index of a WAL in a file beside it, of 32 KiB for each
		// 4096 pages: less than a five-hundredth.
		l.file = 1<<20 + st.Size()/256
	}
	return l
}
