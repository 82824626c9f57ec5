package vt

import (
	"encoding/binary"
	"unicode"
)

type class uint8

const (
	text    class = iota // stands for itself and takes cells
	mark                 // joins the character before it
	hostile              // hides, reorders or means nothing: U+FFFD instead
)

// classify sorts a character that is not ASCII.
func classify(r rune) class {
	switch {
	case r < 0xa0, r == unicode.ReplacementChar:
		return hostile // C1 and bad UTF-8; U+FFFD stays what it is
	case r < 0x300:
		if r == 0xad { // soft hyphen: seen by some, not by others
			return hostile
		}
		return text
	case r == 0x200c, r == 0x200d: // the joiners of many scripts and emoji
		return mark
	case r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef: // noncharacters
		return hostile
	case r >= 0xe0000 && r <= 0xe0fff: // tags
		return hostile
	case r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0: // Hangul fillers: blank letters
		return hostile
	case unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
		return hostile
	case unicode.Is(unicode.M, r):
		return mark
	}
	return text
}

// asciiRun returns how many bytes of p are printable ASCII, TAB or LF, up to
// the first that is not.
func asciiRun(p []byte) int {
	i := 0
	for i+8 <= len(p) {
		if special(binary.LittleEndian.Uint64(p[i:])) == 0 {
			i += 8
			continue
		}
		for end := i + 8; i < end; i++ {
			if !asciiText(p[i]) {
				return i
			}
		}
	}
	for i < len(p) && asciiText(p[i]) {
		i++
	}
	return i
}

func asciiText(b byte) bool {
	return b >= ' ' && b < del || b == '\n' || b == '\t'
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special is not 0 if one of w's eight bytes is a control other than TAB and
// LF, DEL, or not ASCII. It may also be not 0 where there is a TAB or LF, and
// the caller then looks closer.
func special(w uint64) uint64 {
	below := (w - lows*0x20) &^ w // bytes under 0x20 borrow
	isDel := w ^ lows*del
	isDel = (isDel - lows) &^ isDel
	return (below | isDel | w) & highs
}
