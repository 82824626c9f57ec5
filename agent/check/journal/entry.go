package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Entry is one record.
type Entry struct {
	Time    time.Time
	Message string
	// ID is the message ID, of records that have one.
	ID string
	// Source is who wrote it: the syslog identifier, or the program.
	Source string
}

// Parse reads what journalctl -o json prints: one object a line. It returns what came
// before the first line that is none.
func Parse(text []byte) ([]Entry, error) {
	var all []Entry
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e, err := parseLine(line)
		if err != nil {
			return all, fmt.Errorf("read record %d of the journal: %w", len(all)+1, err)
		}
		all = append(all, e)
	}
	return all, nil
}

func parseLine(line []byte) (Entry, error) {
	var f struct {
		Time    string          `json:"__REALTIME_TIMESTAMP"`
		Message json.RawMessage `json:"MESSAGE"`
		ID      json.RawMessage `json:"MESSAGE_ID"`
		Syslog  json.RawMessage `json:"SYSLOG_IDENTIFIER"`
		Comm    json.RawMessage `json:"_COMM"`
	}
	if err := json.Unmarshal(line, &f); err != nil {
		return Entry{}, err
	}
	us, err := strconv.ParseInt(f.Time, 10, 64)
	if err != nil || us < 0 {
		return Entry{}, errors.New("it has no time")
	}
	e := Entry{Time: time.UnixMicro(us), Message: field(f.Message), ID: field(f.ID), Source: field(f.Syslog)}
	if e.Source == "" {
		e.Source = field(f.Comm)
	}
	return e, nil
}

// field returns a field's value: a string, an array of bytes if it is no UTF-8, or an
// array of either if the record has it more than once. Of those it is the first.
func field(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s
	}
	var numbers []uint16 // not []byte, which JSON has in base64
	if json.Unmarshal(raw, &numbers) == nil {
		b := make([]byte, len(numbers))
		for i, n := range numbers {
			b[i] = byte(n)
		}
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) == nil && len(many) > 0 && len(many[0]) > 0 && many[0][0] == '"' {
		return field(many[0])
	}
	return ""
}
