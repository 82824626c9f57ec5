//go:build linux || darwin

package foreign

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxFiles is how many files a child may have open: the record, what SQLite has
// beside it, the pipes, and what Go's runtime takes.
const maxFiles = 32

// set limits this process.
func (l limits) set() error {
	signal.Ignore(unix.SIGXFSZ) // then a write that is too long fails
	dieOnTime()
	cpu := uint64(max(l.cpu/time.Second, 1))
	for _, r := range []struct {
		what      string
		which     int
		soft, top uint64
	}{
		{"processor time", unix.RLIMIT_CPU, cpu, cpu + 5}, // the second limit kills
		{"open files", unix.RLIMIT_NOFILE, maxFiles, maxFiles},
		{"core files", unix.RLIMIT_CORE, 0, 0},
		{"file sizes", unix.RLIMIT_FSIZE, uint64(l.file), uint64(l.file)},
	} {
		if err := limit(r.which, r.soft, r.top); err != nil {
			return fmt.Errorf("limit %s: %w", r.what, err)
		}
	}
	if base, ok := addressSpace(); ok {
		total := base + uint64(l.memory)
		if err := limit(unix.RLIMIT_AS, total, total); err != nil {
			return fmt.Errorf("limit memory: %w", err)
		}
	}
	return nil
}

// dieOnTime ends this process, with a word to the parent, when the system says that
// its time is over.
func dieOnTime() {
	over := make(chan os.Signal, 1)
	signal.Notify(over, unix.SIGXCPU)
	go func() { // for as long as the process lives
		<-over
		fmt.Fprintln(os.Stderr, "SIGXCPU")
		os.Exit(1)
	}()
}

// limit sets one limit, unless the one that is set is lower.
func limit(which int, soft, top uint64) error {
	var have unix.Rlimit
	if err := unix.Getrlimit(which, &have); err != nil {
		return err
	}
	top = min(top, have.Max)
	return unix.Setrlimit(which, &unix.Rlimit{Cur: min(soft, top, have.Cur), Max: top})
}

// addressSpace returns how many bytes of it this process has. Only Linux tells,
// and only there the limit holds.
func addressSpace() (uint64, bool) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	first, _, _ := bytes.Cut(b, []byte(" "))
	pages, err := strconv.ParseUint(string(first), 10, 64)
	return pages * uint64(os.Getpagesize()), err == nil
}
