package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// An entry is one line of a log.
type entry struct {
	time time.Time
	// unit is the unit that the line is about.
	unit string
	// source is who wrote it: the syslog identifier, or the program.
	source  string
	id      string // the message ID, of lines that have one
	level   int    // 0 to 7 as in syslog; -1 if not known
	message string
	cursor  string
	pid     string
}

// A query says which entries of the journal.
type query struct {
	since time.Duration
	// level is the lowest priority, as journalctl has it. If empty, all.
	level string
	unit  string
	// most is how many of the newest.
	most int
	// match are FIELD=VALUE.
	match []string
}

// journalFields are what the checks read of an entry.
const journalFields = "MESSAGE,MESSAGE_ID,PRIORITY,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_COMM,_PID,SYSLOG_PID"

// args returns the arguments of journalctl.
func (m machine) args(q query) []string {
	args := []string{"-o", "json", "-a", "--no-pager", "-q", "--output-fields=" + journalFields}
	if m.journal != "" {
		args = append(args, "-D", m.journal)
	}
	if q.since > 0 {
		args = append(args, "--since=@"+strconv.FormatInt(time.Now().Add(-q.since).Unix(), 10))
	}
	if q.level != "" {
		args = append(args, "-p", q.level)
	}
	if q.unit != "" {
		args = append(args, "-u", fullName(q.unit))
	}
	return append(args, q.match...)
}

// noJournal says why the journal cannot be read: nil if it can, errNoJournal if
// there is none, an UnknownError if the right is missing.
func (m machine) noJournal() error {
	dirs := []string{"/run/log/journal", "/var/log/journal"}
	if m.journal != "" {
		dirs = []string{m.journal}
	}
	found := false
	for _, dir := range dirs {
		for _, pattern := range []string{"*.journal", "*/*.journal"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, name := range files {
				found = true
				if f, err := os.Open(name); err == nil {
					_ = f.Close()
					return nil
				}
			}
		}
	}
	if !found && unreadable(dirs) == nil {
		return errNoJournal
	}
	return check.Unknown("the agent may not read the journal: put its user into the group systemd-journal")
}

// unreadable returns why one of the directories cannot be listed though it is there.
func unreadable(dirs []string) error {
	for _, dir := range dirs {
		if _, err := os.ReadDir(dir); os.IsPermission(err) {
			return err
		}
	}
	return nil
}

var errNoJournal = check.Unknown("this machine keeps no journal")

// read returns the entries, the newest first. What journalctl printed goes to out,
// which may be nil.
func (m machine) read(ctx context.Context, out *check.Out, q query) ([]entry, error) {
	if err := m.noJournal(); err != nil {
		return nil, err
	}
	args := append(m.args(q), "-r", "-n", strconv.Itoa(q.most))
	text, err := check.Tool(ctx, nil, "journalctl", args...)
	if err != nil {
		return nil, err
	}
	if out != nil {
		out.Raw(bounded(text))
	}
	var entries []entry
	for line := range bytes.Lines(text) {
		e, err := parseEntry(line)
		if err != nil {
			return entries, fmt.Errorf("read the journal: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// parseEntry reads a line of journalctl -o json.
func parseEntry(line []byte) (entry, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return entry{}, err
	}
	get := func(names ...string) string {
		for _, n := range names {
			if s := field(fields[n]); s != "" {
				return s
			}
		}
		return ""
	}
	e := entry{
		unit: get("UNIT", "_SYSTEMD_UNIT"), source: get("SYSLOG_IDENTIFIER", "_COMM"), id: get("MESSAGE_ID"),
		message: get("MESSAGE"), cursor: get("__CURSOR"), pid: get("SYSLOG_PID", "_PID"), level: -1,
	}
	if n, err := strconv.Atoi(get("PRIORITY")); err == nil && n >= 0 && n <= 7 {
		e.level = n
	}
	us, err := strconv.ParseInt(get("__REALTIME_TIMESTAMP"), 10, 64)
	if err != nil {
		return e, fmt.Errorf("entry without a time: %w", err)
	}
	e.time = time.UnixMicro(us)
	return e, nil
}

// field returns a field's value: journalctl has it as a string, as an array of bytes
// if it is no UTF-8, and as an array of either if the entry has the field more than
// once. Of those it is the first.
func field(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s
	}
	var bin []uint8w
	if json.Unmarshal(raw, &bin) == nil {
		b := make([]byte, len(bin))
		for i, c := range bin {
			b[i] = byte(c)
		}
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) == nil && len(many) > 0 {
		return field(many[0])
	}
	return ""
}

// uint8w is a byte that JSON has as a number, not as base64.
type uint8w uint16
