package vt

import (
	"bytes"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// A Line is one line of safe text, ready to be drawn. Its style begins and ends
// as the terminal's own.
type Line struct {
	// Text is printable text and SGR sequences.
	Text string
	// Width is how many cells Text takes on a terminal that measures characters
	// one by one (wcwidth).
	Width int
	// ASCII says that Text is printable ASCII without SGR, so that bytes are
	// cells.
	ASCII bool
	// Tag is for whoever keeps the line.
	Tag uint8
}

const (
	defaultCells = 4096
	tabWidth     = 8
	bytesPerCell = 4 // a piece of a line is cut after Cells*bytesPerCell bytes
)

// Lines makes display lines of a stream of bytes from outside, as a terminal of
// one unbounded row would: CR starts the row again, BS steps back, TAB goes to
// the next multiple of 8. What follows a CR replaces the row as a whole, so a
// progress bar is its newest state. What follows a BS replaces the cells stepped
// back over and all behind them.
//
// SGR state is carried from line to line. A line longer than Cells is cut into
// pieces, so any stream costs bounded memory. The zero value is ready.
type Lines struct {
	// Cells is how long a piece of a line gets. If zero, 4,096.
	Cells int

	clean Cleaner
	raw   []byte // cleaned text of one call
	want  style  // as the stream has set it
	have  style  // as at the end of buf
	dirty bool   // have is not known: buf was cut back

	buf   []byte
	width int
	sgr   bool   // buf has SGR sequences
	wide  bool   // buf has more than ASCII
	cells []cell // of buf, kept from the first BS on
	back  int    // cells that BS stepped back
	again bool   // CR: the next text starts the line again
}

// A cell is one character with the marks on it and the SGR before it.
type cell struct {
	at    int32 // where it begins in buf
	width int32
}

// Write takes the next bytes of the stream and calls emit with each line that
// they complete.
func (l *Lines) Write(p []byte, emit func(Line)) {
	l.clean.controls = true
	for len(p) > 0 {
		n := min(len(p), 32<<10)
		l.raw = l.clean.Append(l.raw[:0], p[:n])
		l.take(l.raw, emit)
		p = p[n:]
	}
}

// Flush ends the stream: an unfinished line is emitted, if there is any.
func (l *Lines) Flush(emit func(Line)) {
	l.clean.controls = true
	l.take(l.clean.Flush(l.raw[:0]), emit)
	if len(l.buf) > 0 {
		emit(l.cut())
	}
	*l = Lines{Cells: l.Cells}
}

// Partial returns the line that is not yet complete, if there is any.
func (l *Lines) Partial() (Line, bool) {
	if len(l.buf) == 0 {
		return Line{}, false
	}
	return l.line(), true
}

// take reads cleaned text, with CR and BS still in it.
func (l *Lines) take(s []byte, emit func(Line)) {
	for len(s) > 0 {
		switch b := s[0]; b {
		case '\n':
			emit(l.cut())
		case '\r':
			l.again = true
		case '\b':
			l.stepBack()
		case esc:
			end := bytes.IndexByte(s, 'm')
			l.want.apply(string(s[2:end]))
			s = s[end:]
		case '\t':
			l.room(emit)
			for n := tabWidth - l.width%tabWidth; n > 0; n-- {
				l.add([]byte(" "), 1)
			}
		default:
			s = s[l.text(s, emit):]
			continue
		}
		s = s[1:]
	}
}

// text adds what s begins with, a run of ASCII or one other character, and
// returns how long that is.
func (l *Lines) text(s []byte, emit func(Line)) int {
	l.room(emit)
	run := 0
	for most := min(len(s), l.max()-l.width); run < most && s[run] >= ' ' && s[run] < del; run++ {
	}
	if run > 0 {
		if l.cells != nil {
			run = 1
		}
		l.add(s[:run], run)
		return run
	}
	r, n := utf8.DecodeRune(s)
	if classify(r) == mark {
		w := ansi.StringWidthWc(string(s[:n])) // spacing marks take a cell
		l.buf, l.width, l.wide = append(l.buf, s[:n]...), l.width+w, true
		if last := len(l.cells) - 1; last >= 0 {
			l.cells[last].width += int32(w)
		}
		return n
	}
	l.add(s[:n], ansi.StringWidthWc(string(s[:n])))
	l.wide = true
	return n
}

// room makes ready for more text: it carries out a CR or BS that was waiting,
// and cuts a line that has become too long.
func (l *Lines) room(emit func(Line)) {
	if l.again {
		l.clear()
	}
	if l.back > 0 {
		keep := len(l.cells) - l.back
		for _, gone := range l.cells[keep:] {
			l.width -= int(gone.width)
		}
		l.buf, l.cells = l.buf[:l.cells[keep].at], l.cells[:keep]
		l.back, l.dirty = 0, l.sgr
	}
	if l.width >= l.max() || len(l.buf) >= l.max()*bytesPerCell {
		emit(l.cut())
	}
}

// add adds text of width cells in the style that is wanted.
func (l *Lines) add(s []byte, width int) {
	if l.cells != nil {
		l.cells = append(l.cells, cell{int32(len(l.buf)), int32(width)})
	}
	if l.dirty || l.have != l.want {
		if l.dirty || l.have != (style{}) {
			l.buf = append(l.buf, "\x1b[m"...)
		}
		l.buf = l.want.appendTo(l.buf)
		l.have, l.dirty, l.sgr = l.want, false, true
	}
	l.buf = append(l.buf, s...)
	l.width += width
}

// stepBack notes one BS. Where the cells begin is found at the first one.
func (l *Lines) stepBack() {
	if l.again || len(l.buf) == 0 {
		return
	}
	if l.cells == nil {
		l.cells = l.index()
	}
	l.back = min(l.back+1, len(l.cells))
}

// index finds the cells of buf.
func (l *Lines) index() []cell {
	cells := make([]cell, 0, 64)
	start := 0
	for i := 0; i < len(l.buf); {
		if l.buf[i] == esc {
			i += bytes.IndexByte(l.buf[i:], 'm') + 1
			continue
		}
		r, n := utf8.DecodeRune(l.buf[i:])
		w := 1
		if r >= del {
			w = ansi.StringWidthWc(string(l.buf[i : i+n]))
		}
		i += n
		if r < del || classify(r) != mark || len(cells) == 0 {
			cells = append(cells, cell{int32(start), int32(w)})
		} else {
			cells[len(cells)-1].width += int32(w)
		}
		start = i
	}
	return cells
}

// line returns what buf holds as a Line.
func (l *Lines) line() Line {
	text := string(l.buf)
	if l.have != (style{}) || l.dirty {
		text += "\x1b[m"
	}
	return Line{Text: text, Width: l.width, ASCII: !l.sgr && !l.wide}
}

// cut returns the line and starts the next.
func (l *Lines) cut() Line {
	line := l.line()
	l.clear()
	return line
}

func (l *Lines) clear() {
	l.buf, l.width, l.have, l.dirty = l.buf[:0], 0, style{}, false
	l.cells, l.back, l.again, l.sgr, l.wide = nil, 0, false, false, false
	if cap(l.buf) > 64<<10 {
		l.buf = nil
	}
}

func (l *Lines) max() int {
	if l.Cells > 0 {
		return l.Cells
	}
	return defaultCells
}
