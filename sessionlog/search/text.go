package search

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

const esc = 0x1b

// maxWord is where a longer word is cut, in the index and in a query alike.
const maxWord = 128

// fold appends to dst what a person compares of src: lower case, without escape
// sequences and invisible characters, runs of blanks as one blank, and LF for
// each end of a line. If at is not nil, it gets the offset in src of each byte
// appended.
func fold(dst, src []byte, at *[]int) []byte {
	for i := 0; i < len(src); {
		if at == nil {
			var n int
			if dst, n = foldASCII(dst, src[i:]); n > 0 {
				i += n
				continue
			}
		}
		before, width := len(dst), 1
		switch c := src[i]; {
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case c > ' ' && c < utf8.RuneSelf:
			dst = append(dst, c)
		case c == '\n' || c == '\r':
			dst = append(dst, '\n')
		case c == esc:
			width = escapeLen(src[i:])
		case c < utf8.RuneSelf:
			dst = appendBlank(dst)
		default:
			dst, width = foldRune(dst, src[i:])
		}
		for ; at != nil && before < len(dst); before++ {
			*at = append(*at, i)
		}
		i += width
	}
	return dst
}

// plain holds how each byte is folded, and 0 for those that depend on what follows.
var plain = func() (t [256]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case 'A' <= c && c <= 'Z':
			t[c] = c + 'a' - 'A'
		case c > ' ':
			t[c] = c
		case c == '\n' || c == '\r':
			t[c] = '\n'
		case c != esc:
			t[c] = ' '
		}
	}
	return t
}()

// foldASCII folds the ASCII that src begins with, up to an escape sequence, and
// returns how long it is. It is most of what is folded.
func foldASCII(dst, src []byte) ([]byte, int) {
	if plain[src[0]] == 0 {
		return dst, 0
	}
	dst = slices.Grow(dst, len(src))
	out, n := dst[len(dst):cap(dst)], 0
	blank := len(dst) > 0 && dst[len(dst)-1] == ' '
	for i, b := range src {
		c := plain[b]
		if c == 0 {
			return dst[:len(dst)+n], i
		}
		if c != ' ' || !blank {
			out[n] = c
			n++
		}
		blank = c == ' '
	}
	return dst[:len(dst)+n], len(src)
}

func appendBlank(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] == ' ' {
		return dst
	}
	return append(dst, ' ')
}

// foldRune folds the rune outside ASCII that src begins with. A byte that is no
// UTF-8 stays as it is.
func foldRune(dst, src []byte) ([]byte, int) {
	r, width := utf8.DecodeRune(src)
	switch {
	case r == utf8.RuneError && width == 1:
		dst = append(dst, src[0])
	case unicode.IsSpace(r):
		dst = appendBlank(dst)
	case unicode.Is(unicode.Cf, r):
	default:
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
	}
	return dst, width
}

// escapeLen returns the length of the escape sequence that b begins with. One
// that does not end before its line does is only its first byte.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 1
	}
	switch b[1] {
	case '[':
		return sequenceLen(b, 2, 0x40)
	case ']', 'P', '_', '^', 'X': // strings, up to BEL or ESC \
		for i := 2; i < len(b) && b[i] != '\n' && b[i] != '\r'; i++ {
			if b[i] == '\a' {
				return i + 1
			}
			if b[i] == esc && i+1 < len(b) && b[i+1] == '\\' {
				return i + 2
			}
		}
		return 1
	}
	return sequenceLen(b, 1, 0x30)
}

// sequenceLen returns the length of the sequence whose parameters begin at i and
// whose last byte is at least final.
func sequenceLen(b []byte, i int, final byte) int {
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c < ' ' || c > '~':
			return 1
		case c >= final:
			return i + 1
		}
	}
	return 1
}

// words overwrites what is not part of a word in folded text with blanks, and
// what is longer than maxWord of a word.
func words(b []byte) []byte {
	run := 0
	for i := 0; i < len(b); {
		c, width := b[i], 1
		in := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if c >= utf8.RuneSelf {
			var r rune
			r, width = utf8.DecodeRune(b[i:])
			in = isWord(r) && r != utf8.RuneError
		}
		if in {
			run += width
		} else {
			run = 0
		}
		if run == 0 || run > maxWord {
			for j := range width {
				b[i+j] = ' '
			}
		}
		i += width
	}
	return b
}

// isWord reports whether r is part of a word.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// lineEnd returns how much of b is whole lines.
func lineEnd(b []byte) int { return bytes.LastIndexAny(b, "\r\n") + 1 }

// wordEnd returns how much of b ends where no word does not: behind its last
// ASCII byte that is not part of one. It is 0 if there is none.
func wordEnd(b []byte) int {
	for i := len(b); i > 0; i-- {
		if c := b[i-1]; c < utf8.RuneSelf && !isWord(rune(c)) {
			return i
		}
	}
	return 0
}

// line returns the n-th line of b, from 0, and where it begins.
func line(b []byte, n int) (text []byte, start int) {
	for ; n > 0; n-- {
		i := bytes.IndexAny(b[start:], "\r\n")
		if i < 0 {
			return nil, len(b)
		}
		start += i + 1
	}
	text = b[start:]
	if i := bytes.IndexAny(text, "\r\n"); i >= 0 {
		text = text[:i]
	}
	return text, start
}
