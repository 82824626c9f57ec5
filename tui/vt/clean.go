package vt

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Clean returns b as safe text: printable text, TAB, LF and well-formed SGR
// sequences of at most 64 bytes.
//
// CRLF becomes LF. Other C0 characters become their pictures (U+2400 and on),
// as does an ESC that starts nothing known. Other escape sequences vanish;
// those that carry a string (OSC, DCS, APC, PM, SOS) vanish up to ST, BEL, CAN
// or the end of the line. What could mislead a reader or a terminal (C1,
// bidirectional controls, invisible and private characters, bad UTF-8) becomes
// U+FFFD. A base character keeps at most 8 combining marks.
//
// The result is valid UTF-8 and Clean leaves it as it is.
func Clean(b []byte) string {
	if asciiRun(b) == len(b) {
		return string(b)
	}
	var c Cleaner
	return string(c.Flush(c.Append(make([]byte, 0, len(b)+16), b)))
}

// Plain returns s as one line of safe text without SGR. LF and TAB become their
// pictures too.
func Plain(s string) string {
	if isPlain(s) {
		return s
	}
	clean := Clean([]byte(s))
	var out strings.Builder
	out.Grow(len(clean))
	for len(clean) > 0 {
		switch c := clean[0]; c {
		case esc:
			clean = clean[strings.IndexByte(clean, 'm'):]
		case '\n', '\t':
			out.WriteRune(picture(c))
		default:
			out.WriteByte(c)
		}
		clean = clean[1:]
	}
	return out.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= del {
			return false
		}
	}
	return true
}

const (
	esc = 0x1b
	del = 0x7f
	can = 0x18
	bel = 0x07

	maxSGR   = 64 // bytes of one SGR sequence, all of it
	maxMarks = 8  // combining marks on one base
)

// A Cleaner is Clean for text that comes in pieces: however a text is cut, the
// pieces' results together are what Clean returns for the whole. It holds at
// most one unfinished sequence, of bounded size. The zero value is ready.
type Cleaner struct {
	state state
	marks uint8 // on the newest base
	long  bool  // the sequence in held is too long or no SGR
	n     uint8
	held  [maxSGR]byte // begin of a CSI sequence or of a UTF-8 character

	// controls lets CR and BS through as they are, for Lines.
	controls bool
}

type state uint8

const (
	ground    state = iota
	gotCR           // CR, which an LF may follow
	gotESC          // ESC
	gotInter        // ESC and intermediate bytes: a two-part escape sequence
	inCSI           // ESC [
	inString        // a string sequence
	stringESC       // ESC in a string sequence: ST or the start of another
	inRune          // the first bytes of a UTF-8 character
)

// Append appends the safe text of the next bytes p to dst and returns it. What
// p leaves unfinished is held for the next call. It does not allocate if dst
// has room for three times len(p) + 80.
func (c *Cleaner) Append(dst, p []byte) []byte {
	for len(p) > 0 {
		switch c.state {
		case ground:
			if n := asciiRun(p); n > 0 {
				dst, p, c.marks = append(dst, p[:n]...), p[n:], 0
				continue
			}
			dst, p = c.ground(dst, p)
		case inString:
			p = c.skipString(p)
		case inRune:
			dst, p = c.rune(dst, p)
		default:
			var used bool
			if dst, used = c.step(dst, p[0]); used {
				p = p[1:]
			}
		}
	}
	return dst
}

// Flush appends what stands for an unfinished sequence at the end of the text,
// and readies the Cleaner for another text.
func (c *Cleaner) Flush(dst []byte) []byte {
	switch c.state {
	case gotCR:
		dst = c.cr(dst)
	case gotESC:
		dst = c.picture(dst, esc)
	case inRune:
		for range c.n {
			dst = c.bad(dst)
		}
	}
	*c = Cleaner{controls: c.controls}
	return dst
}

// ground handles a first byte that is not plain ASCII text.
func (c *Cleaner) ground(dst, p []byte) ([]byte, []byte) {
	b := p[0]
	switch {
	case b == '\r':
		c.state = gotCR
	case b == esc:
		c.state = gotESC
	case b == '\b' && c.controls:
		dst, c.marks = append(dst, b), 0
	case b < ' ' || b == del:
		dst = c.picture(dst, b)
	default:
		return c.rune(dst, p)
	}
	return dst, p[1:]
}

// step takes one byte in the middle of a sequence. A byte that is not used has
// ended the sequence and is to be read again.
func (c *Cleaner) step(dst []byte, b byte) (_ []byte, used bool) {
	switch c.state {
	case gotCR:
		c.state = ground
		if b == '\n' {
			c.marks = 0
			return append(dst, '\n'), true
		}
		return c.cr(dst), false
	case gotESC:
		return c.afterESC(dst, b)
	case gotInter:
		if b >= 0x20 && b <= 0x2f {
			return dst, true
		}
		c.state = ground
		return dst, b >= 0x30 && b < del
	case stringESC:
		if b == '\\' {
			c.state = ground
			return dst, true
		}
		c.state = gotESC
		return dst, false
	}
	return c.csi(dst, b)
}

func (c *Cleaner) afterESC(dst []byte, b byte) ([]byte, bool) {
	switch {
	case b == '[':
		c.state, c.n, c.long = inCSI, 0, false
		c.hold(esc)
		c.hold('[')
	case bytes.IndexByte([]byte("]P_^Xk"), b) >= 0:
		c.state = inString
	case b >= 0x20 && b <= 0x2f:
		c.state = gotInter
	case bytes.IndexByte([]byte(`6789=>\cDEFHMNOVWZlmno|}~`), b) >= 0:
		c.state = ground
	default:
		c.state = ground
		return c.picture(dst, esc), false
	}
	return dst, true
}

// csi takes a byte of a CSI sequence.
func (c *Cleaner) csi(dst []byte, b byte) ([]byte, bool) {
	switch {
	case b >= '0' && b <= ';': // digits, colon and semicolon
		c.hold(b)
		return dst, true
	case b >= 0x20 && b <= 0x3f:
		c.long = true
		return dst, true
	}
	c.state = ground
	if b == 'm' {
		c.hold(b)
		if !c.long {
			dst = append(dst, c.held[:c.n]...)
		}
	}
	c.n = 0
	return dst, b >= 0x40 && b < del
}

func (c *Cleaner) hold(b byte) {
	if int(c.n) == len(c.held) {
		c.long = true
		return
	}
	c.held[c.n] = b
	c.n++
}

// skipString passes over the inside of a string sequence and returns what is
// behind it. An LF ends the string and stays.
func (c *Cleaner) skipString(p []byte) []byte {
	for i, b := range p {
		switch b {
		case '\n':
			c.state = ground
			return p[i:]
		case bel, can:
			c.state = ground
			return p[i+1:]
		case esc:
			c.state = stringESC
			return p[i+1:]
		}
	}
	return nil
}

// rune takes one UTF-8 character, part of which may be held.
func (c *Cleaner) rune(dst, p []byte) ([]byte, []byte) {
	if c.state != inRune {
		if !utf8.FullRune(p) {
			c.state, c.n = inRune, uint8(copy(c.held[:], p))
			return dst, nil
		}
		r, n := utf8.DecodeRune(p)
		return c.emit(dst, r), p[n:]
	}
	var whole [utf8.UTFMax]byte
	n := copy(whole[:], c.held[:c.n])
	m := copy(whole[n:], p)
	all := whole[:n+m]
	if !utf8.FullRune(all) {
		c.n = uint8(copy(c.held[:], all))
		return dst, nil
	}
	r, size := utf8.DecodeRune(all)
	if size >= n { // a character that ends in p
		c.state, c.n = ground, 0
		return c.emit(dst, r), p[size-n:]
	}
	dst = c.bad(dst) // the first held byte is bad; the others are read again
	rest := all[size:n]
	c.state, c.n = ground, 0
	return c.Append(dst, rest), p
}

func (c *Cleaner) emit(dst []byte, r rune) []byte {
	switch classify(r) {
	case hostile:
		return c.bad(dst)
	case mark:
		if c.marks == maxMarks {
			return dst
		}
		c.marks++
	default:
		c.marks = 0
	}
	return utf8.AppendRune(dst, r)
}

func (c *Cleaner) bad(dst []byte) []byte {
	c.marks = 0
	return utf8.AppendRune(dst, utf8.RuneError)
}

func (c *Cleaner) picture(dst []byte, b byte) []byte {
	c.marks = 0
	return utf8.AppendRune(dst, picture(b))
}

func (c *Cleaner) cr(dst []byte) []byte {
	if c.controls {
		c.marks = 0
		return append(dst, '\r')
	}
	return c.picture(dst, '\r')
}

// picture returns the visible sign for a control character.
func picture(b byte) rune {
	if b == del {
		return 0x2421
	}
	return 0x2400 + rune(b)
}
