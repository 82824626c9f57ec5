package journal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/unix"
)

// maxRaw is the most bytes of evidence that a reading leaves.
const maxRaw = 256 << 10

// A Journal is where the records are. Its zero value is this machine's.
type Journal struct {
	// Tool runs a program as check.Tool does; nil is check.Tool.
	Tool func(ctx context.Context, out *check.Out, name string, args ...string) ([]byte, error)
	// Dirs are where journals lie; nil is where systemd keeps them.
	Dirs []string
	// Ring is the kernel's ring; empty is /dev/kmsg.
	Ring string
}

// Kept reports whether this machine keeps a journal.
func (j Journal) Kept() bool {
	dirs := j.Dirs
	if dirs == nil {
		dirs = []string{"/run/log/journal", "/var/log/journal"}
	}
	for _, dir := range dirs {
		for _, pattern := range []string{"*.journal", "*/*.journal"} {
			if files, _ := filepath.Glob(filepath.Join(dir, pattern)); len(files) > 0 {
				return true
			}
		}
	}
	return false
}

// Run runs journalctl and returns what it printed, of which out gets the beginning.
func (j Journal) Run(ctx context.Context, out *check.Out, args ...string) ([]byte, error) {
	if !j.Kept() {
		return nil, check.Unknown("this machine keeps no journal")
	}
	tool := j.Tool
	if tool == nil {
		tool = check.Tool
	}
	text, err := tool(ctx, nil, "journalctl", append([]string{"--no-pager", "-q", "-o", "json"}, args...)...)
	if out != nil {
		out.Raw(text[:min(len(text), maxRaw)])
	}
	return text, err
}

// Read returns the records that args of journalctl choose, since then.
func (j Journal) Read(ctx context.Context, out *check.Out, since time.Time, args ...string) ([]Entry, error) {
	args = append([]string{
		"-a", "--output-fields=MESSAGE,MESSAGE_ID,SYSLOG_IDENTIFIER,_COMM", "--since=@" + strconv.FormatInt(since.Unix(), 10),
	}, args...)
	text, err := j.Run(ctx, out, args...)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// Kernel returns what the kernel said since then, in all boots that the journal has;
// where there is no journal, what the kernel's ring still holds of this boot.
func (j Journal) Kernel(ctx context.Context, out *check.Out, since time.Time) ([]Entry, error) {
	if j.Kept() {
		return j.Read(ctx, out, since, "_TRANSPORT=kernel", "-p", "6")
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return nil, fmt.Errorf("read the time since boot: %w", err)
	}
	return j.ring(ctx, out, since, time.Now().Add(-time.Duration(up.Nano())))
}

func (j Journal) ring(ctx context.Context, out *check.Out, since, booted time.Time) ([]Entry, error) {
	name := j.Ring
	if name == "" {
		name = "/dev/kmsg"
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, check.Unknown("this machine keeps no journal, and %s cannot be read: %v", name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var all []Entry
	buf, raw := make([]byte, 8<<10), 0
	for ctx.Err() == nil {
		n, err := unix.Read(fd, buf) // one record
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue // the record was overwritten: the next is there
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return all, nil
		case err != nil:
			return all, fmt.Errorf("read %s: %w", name, err)
		}
		e, ok := ParseKernel(string(buf[:n]), booted)
		if !ok || e.Time.Before(since) {
			continue
		}
		if raw += n; raw <= maxRaw && out != nil {
			out.Raw(buf[:n])
		}
		all = append(all, e)
	}
	return all, context.Cause(ctx)
}
