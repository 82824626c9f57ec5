//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A guard says whose the executable and the data of a service have to be.
type guard struct {
	// user is whose the data may be, beside root's: the service's.
	user uint32
	// below is a directory that is not looked at, nor what is above it. If empty, all
	// are. Tests have theirs in a directory where everybody writes.
	below string
}

// check returns why what runs as s, or what it reads, could be somebody else's
// tomorrow. Whoever can write a directory can put something else in the place of all
// that is in it, so it looks at every one from the root on. The sticky bit makes no
// difference: it keeps others from what is there, not from making what is not yet.
func (g guard) check(s setup) error {
	if err := g.look(s.exe, "the executable", "the agent would be theirs", 0); err != nil {
		return err
	}
	return g.look(s.data, "the data directory", "they could put another key or policy there", g.user)
}

// look checks path and all that it is in. It follows no links: the caller did.
func (g guard) look(path, what, so string, user uint32) error {
	for at := path; at != g.below; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("look who can change %s: %w", what, err)
		}
		why, mend := fault(at, info, user)
		if why != "" {
			return fmt.Errorf("others can replace %s %s, and %s: %s %s; %s, or put %s elsewhere", what, path, so, at, why, mend, what)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
	return nil
}

// fault returns what is wrong with who can write at, and what would mend it.
func fault(at string, info fs.FileInfo, user uint32) (why, mend string) {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return "became a link", "try again"
	case !ok:
		return "has no owner that is known", "look at it"
	case st.Uid != 0 && st.Uid != user:
		return fmt.Sprintf("belongs to user %d", st.Uid), "chown root " + at
	case info.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("is for everybody to write in (mode %04o with the sticky bit)", info.Mode().Perm()), "make it root's alone"
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("can be written by others (mode %04o)", info.Mode().Perm()), "chmod go-w " + at
	}
	return "", ""
}
