package transcript

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// The versions of asciicast that there are.
const (
	Cast2 = 2 // times since the beginning; asciinema 2 and 3, and its web player
	Cast3 = 3 // times since the event before; asciinema 3
)

// The terminal that a cast is for. Lines of output are wrapped to it.
const (
	castCols = 120
	castRows = 36
)

// castIdle is the longest pause, in seconds, that a cast asks its player for.
// The times in it are those of the record.
const castIdle = 2

// maxLabel is how many characters of a command mark its place.
const maxLabel = 80

// A Cast renders a session as asciicast: the text that a Printer makes, with its
// times, and a marker at each command.
type Cast struct {
	w       io.Writer
	version int
	text    *Printer
	shown   bytes.Buffer // what text printed of the newest event
	opened  sessionlog.Opened
	begun   bool
	start   time.Time
	at      time.Duration // of the newest line, since start
	buf     []byte
}

// NewCast returns a Cast of that version, Cast2 or Cast3, that writes to w.
func NewCast(w io.Writer, opts Options, version int) *Cast {
	c := &Cast{w: w, version: version, opened: opts.Opened}
	c.text = NewPrinter(&c.shown, opts)
	c.text.width = castCols
	return c
}

type castHeader struct {
	Version   int       `json:"version"`
	Width     int       `json:"width,omitempty"`
	Height    int       `json:"height,omitempty"`
	Term      *castTerm `json:"term,omitempty"`
	Timestamp int64     `json:"timestamp,omitempty"`
	IdleLimit float64   `json:"idle_time_limit"`
	Title     string    `json:"title,omitempty"`
}

type castTerm struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

// Print renders the next event. Kinds it does not know it passes over.
func (c *Cast) Print(ev sessionlog.Event) error {
	if err := c.begin(ev); err != nil {
		return err
	}
	at := max(c.at, ev.Time.Sub(c.start)) // a clock that was set back does not turn a cast
	if ev.Kind == sessionlog.StepRequested {
		var b sessionlog.Requested
		if ev.Decode(&b) == nil {
			if err := c.line(at, "m", label(ev.Actor, b.Command)); err != nil {
				return err
			}
		}
	}
	if err := c.text.Print(ev); err != nil {
		return err
	}
	return c.show(at)
}

// Flush ends the cast.
func (c *Cast) Flush() error {
	if err := c.begin(sessionlog.Event{}); err != nil {
		return err
	}
	if err := c.text.Flush(); err != nil {
		return err
	}
	return c.show(c.at)
}

// begin writes the header, unless it is written. ev is the first event.
func (c *Cast) begin(ev sessionlog.Event) error {
	if c.begun {
		return nil
	}
	c.begun, c.start = true, ev.Time
	if ev.Kind == sessionlog.SessionOpened {
		_ = ev.Decode(&c.opened) // what cannot be read is left out
	}
	c.text.name = endpoint(c.opened)
	h := castHeader{Version: c.version, IdleLimit: castIdle, Title: c.text.name}
	if c.opened.Technician != "" {
		h.Title += ": session of " + vt.Plain(c.opened.Technician)
	}
	if !c.start.IsZero() {
		h.Timestamp = c.start.Unix()
	}
	if c.version == Cast3 {
		h.Term = &castTerm{castCols, castRows}
	} else {
		h.Width, h.Height = castCols, castRows
	}
	b, err := marshal(h)
	if err != nil {
		return fmt.Errorf("encode header of cast: %w", err)
	}
	_, err = c.w.Write(append(escape(b), '\n'))
	return err
}

// show writes what the Printer printed.
func (c *Cast) show(at time.Duration) error {
	if c.shown.Len() == 0 {
		return nil
	}
	text := bytes.ReplaceAll(c.shown.Bytes(), []byte("\n"), []byte("\r\n"))
	c.shown.Reset()
	return c.line(at, "o", string(text))
}

// line writes one line. Times are whole microseconds in either version, so that
// the intervals of version 3 add up to the times of version 2.
func (c *Cast) line(at time.Duration, code, data string) error {
	at = at.Truncate(time.Microsecond)
	when := at
	if c.version == Cast3 {
		when -= c.at
	}
	c.at = at
	b, err := marshal(data)
	if err != nil {
		return fmt.Errorf("encode line of cast: %w", err)
	}
	c.buf = append(strconv.AppendInt(append(c.buf[:0], '['), int64(when/time.Second), 10), '.')
	c.buf = fmt.Appendf(c.buf, "%06d, %q, ", when%time.Second/time.Microsecond, code)
	c.buf = append(append(c.buf, escape(b)...), "]\n"...)
	_, err = c.w.Write(c.buf)
	return err
}

// label returns what a command's marker says.
func label(by sessionlog.Actor, command string) string {
	text := []rune(vt.Plain(by.Name() + ": " + command))
	if len(text) > maxLabel {
		text = append(text[:maxLabel-1], '…')
	}
	return string(text)
}
