package verb

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/tui/vt"
)

// An output is where a verb's targets print, one piece at a time.
type output struct {
	broken context.CancelCauseFunc // called once nobody reads any more

	mu     sync.Mutex // held while a piece is written, so that pieces stay whole
	stdout io.Writer
	stderr io.Writer
}

func newOutput(stdout, stderr io.Writer, broken context.CancelCauseFunc) *output {
	return &output{stdout: stdout, stderr: stderr, broken: broken}
}

// data writes p, which must be safe, to stdout.
func (o *output) data(p []byte) { o.write(&o.stdout, p) }

// aside writes p, which must be safe, to stderr.
func (o *output) aside(p []byte) { o.write(&o.stderr, p) }

func (o *output) write(w *io.Writer, p []byte) {
	if len(p) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := (*w).Write(p); err != nil {
		o.broken(fmt.Errorf("write output: %w", err))
	}
}

// sayf says one line to the person.
func (o *output) sayf(format string, args ...any) {
	o.aside([]byte("caisey: " + vt.Plain(fmt.Sprintf(format, args...)) + "\n"))
}

// json prints v as one line. Its strings are safe as JSON escapes them.
func (o *output) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	o.data(append(asciiJSON(b), '\n'))
	return nil
}

// asciiJSON writes what is not ASCII, and DEL, as \u escapes, so that no byte of
// an endpoint acts on the terminal that a line of JSON is read on.
func asciiJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		switch {
		case r == 0x7f || r >= 0x80 && r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		case r >= 0x10000:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			out = append(out, byte(r))
		}
	}
	return out
}

// A table collects rows and prints them in columns.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = vt.Plain(c)
	}
	t.rows = append(t.rows, cells)
}

// print writes the table; on a terminal with a head, and no line wider than it.
func (e *env) print(t table) {
	var buf strings.Builder
	w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	if e.call.TTY {
		fmt.Fprintln(w, strings.Join(t.head, "\t"))
	}
	for _, row := range t.rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	var out strings.Builder
	for line := range strings.Lines(buf.String()) {
		line = strings.TrimRight(line, " \n")
		if e.call.TTY && e.call.Width > 0 {
			line = ansi.Truncate(line, e.call.Width, "…")
		}
		out.WriteString(line + "\n")
	}
	e.out.data([]byte(out.String()))
}
