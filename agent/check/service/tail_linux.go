package service

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// A syslogLine takes apart what syslog daemons write: the time in the old form, which
// has no year and no zone, or in RFC 3339; the host; the program and its process.
var syslogLine = regexp.MustCompile(`^(?:<(\d{1,3})>)?(?:([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(\d{4}-\d\d-\d\dT\S+)) (\S+) ([^\s:\[]{1,48})(?:\[(\d+)\])?: ?(.*)$`)

// badWord finds lines that speak of something wrong. A file has no levels, so this is
// a guess, and the finding says so.
var badWord = regexp.MustCompile(`(?i)\b(error|fail(ed|ure)?|fatal|panic|critical|segfault|exception)\b`)

// tailFile tells the last n lines of a log file, the newest first.
func tailFile(name string, n int, out *check.Out) error {
	lines, err := lastLines(name, n)
	if err != nil {
		return err
	}
	out.Raw(append(bytes.Join(lines, []byte("\n")), '\n'))
	slices.Reverse(lines)
	var bad []int
	now := time.Now()
	for _, l := range lines {
		row := out.Row(parseLine(string(l), now).record().row()...)
		if badWord.Match(l) {
			bad = append(bad, row)
		}
	}
	if len(bad) > 0 {
		out.Find(check.Finding{
			Severity: check.Info, Value: len(bad), Rows: bad,
			Text: fmt.Sprintf("%d of the %d newest lines of %s have a word such as error or failed in them", len(bad), len(lines), name),
		})
	}
	return nil
}

// lastLines returns the last n lines of a file, as far as they are within maxRaw.
func lastLines(name string, n int) ([][]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read log: %w", err)
	case !info.Mode().IsRegular():
		return nil, check.Unknown("%s is not a file", name)
	}
	from := max(0, info.Size()-maxRaw)
	text, err := io.ReadAll(io.NewSectionReader(f, from, maxRaw))
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	if from > 0 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) == 0 {
		return nil, nil
	}
	lines := bytes.Split(text, []byte("\n"))
	return lines[max(0, len(lines)-n):], nil
}

// parseLine reads a line of a log file. What is no syslog line is all message.
func parseLine(line string, now time.Time) entry {
	e := entry{level: -1, message: line}
	m := syslogLine.FindStringSubmatch(line)
	if m == nil {
		return e
	}
	if n, err := strconv.Atoi(m[1]); err == nil {
		e.level = n & 7
	}
	e.source, e.pid, e.message = m[5], m[6], m[7]
	if t, err := time.Parse(time.RFC3339Nano, m[3]); err == nil {
		e.time = t
	}
	if t, err := time.ParseInLocation(time.Stamp, m[2], now.Location()); err == nil {
		e.time = t.AddDate(now.Year(), 0, 0)
		if e.time.After(now.Add(24 * time.Hour)) {
			e.time = t.AddDate(now.Year()-1, 0, 0)
		}
	}
	return e
}
