package service

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// A lock is what pam_faillock counts of one account.
type lock struct {
	user, source string
	count        int
	last         time.Time
}

// The form of a tally, of which a file has many: what it came from, in 52 bytes; two
// bytes not used; its status; its time in seconds. Numbers are in the machine's order.
const (
	tallySize   = 64
	tallyStatus = 54
	tallyTime   = 56
	tallyValid  = 1
	maxTallies  = 1 << 20 // bytes of a file
)

// locked returns the accounts with failures that pam_faillock counts. Where it counts
// nothing there are none.
func (m machine) locked(user string) ([]lock, error) {
	dir := m.tallies
	if dir == "" {
		dir = "/var/run/faillock"
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tallies of pam_faillock: %w", err)
	}
	var all []lock
	for _, f := range files {
		if user != "" && f.Name() != user {
			continue
		}
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxTallies {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return all, fmt.Errorf("read the tallies of pam_faillock: %w", err)
		}
		if l := tallies(f.Name(), text); l.count > 0 {
			all = append(all, l)
		}
	}
	return all, nil
}

// tallies reads a file of pam_faillock.
func tallies(user string, text []byte) lock {
	l := lock{user: user}
	for ; len(text) >= tallySize; text = text[tallySize:] {
		if binary.NativeEndian.Uint16(text[tallyStatus:])&tallyValid == 0 {
			continue
		}
		l.count++
		at := time.Unix(int64(binary.NativeEndian.Uint64(text[tallyTime:])), 0)
		if at.After(l.last) {
			l.last = at
			source, _, _ := bytes.Cut(text[:52], []byte{0})
			l.source = string(source)
		}
	}
	return l
}

func (l lock) tell(out *check.Out, deny int) {
	row := out.Row(l.last, l.user, text(l.source), "pam_faillock", "counted", l.count)
	if l.count >= deny {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "deny", Value: l.count, Threshold: deny, Rows: []int{row},
			Text: fmt.Sprintf("%s has failed %d times: pam_faillock locks an account at %d", l.user, l.count, deny),
		})
	}
}
