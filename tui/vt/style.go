package vt

import (
	"strconv"
	"strings"
)

// A style is what SGR sequences add up to. The zero value is the terminal's own.
type style struct {
	on        uint16 // bits, one for each of attrs
	fg, bg    colour
	underline uint8 // 0 none, 1 to 5 as in SGR 4:n
}

// A colour is 0 for the terminal's own, or made by indexed or rgb.
type colour uint32

const (
	kindIndexed colour = 1 << 24
	kindRGB     colour = 2 << 24
)

// attrs are the attributes that are kept: SGR number to set, bit. Concealment
// (8) is not: hidden output is a trap.
var attrs = [...]struct{ set, clear int }{
	{1, 22}, {2, 22}, {3, 23}, {5, 25}, {6, 25}, {7, 27}, {9, 29}, {53, 55},
}

// apply folds in one SGR sequence, given without ESC [ and m. Parameters that
// it does not know change nothing.
func (s *style) apply(params string) {
	for {
		part, rest, more := strings.Cut(params, ";")
		main, sub, hasSub := strings.Cut(part, ":")
		n, _ := strconv.Atoi(main) // an empty parameter is 0
		switch {
		case n == 38 || n == 48 || n == 58:
			var c colour
			var ok bool
			if hasSub {
				c, ok = subColour(sub)
			} else {
				c, ok, rest = nextColour(rest)
				more = rest != ""
			}
			if ok && n == 38 {
				s.fg = c
			} else if ok && n == 48 {
				s.bg = c
			}
		case n == 4 && hasSub:
			u, _ := strconv.Atoi(sub)
			s.underline = uint8(min(max(u, 0), 5))
		default:
			s.set(n)
		}
		if !more {
			return
		}
		params = rest
	}
}

func (s *style) set(n int) {
	switch {
	case n == 0:
		*s = style{}
	case n == 4:
		s.underline = 1
	case n == 21:
		s.underline = 2
	case n == 24:
		s.underline = 0
	case n >= 30 && n <= 37:
		s.fg = kindIndexed | colour(n-30)
	case n == 39:
		s.fg = 0
	case n >= 40 && n <= 47:
		s.bg = kindIndexed | colour(n-40)
	case n == 49:
		s.bg = 0
	case n >= 90 && n <= 97:
		s.fg = kindIndexed | colour(n-90+8)
	case n >= 100 && n <= 107:
		s.bg = kindIndexed | colour(n-100+8)
	default:
		for i, a := range attrs {
			if n == a.set {
				s.on |= 1 << i
			} else if n == a.clear {
				s.on &^= 1 << i
			}
		}
	}
}

// subColour reads 5:N, 2:R:G:B or 2:SPACE:R:G:B.
func subColour(sub string) (colour, bool) {
	p := strings.Split(sub, ":")
	if len(p) == 5 && p[0] == "2" {
		p = append(p[:1], p[2:]...)
	}
	c, ok, _ := pick(p)
	return c, ok
}

// nextColour reads 5;N or 2;R;G;B and returns what follows.
func nextColour(rest string) (colour, bool, string) {
	c, ok, used := pick(strings.SplitN(rest, ";", 5))
	for range used {
		_, rest, _ = strings.Cut(rest, ";")
	}
	return c, ok, rest
}

func pick(p []string) (c colour, ok bool, used int) {
	switch {
	case len(p) >= 2 && p[0] == "5":
		n, _ := strconv.Atoi(p[1])
		return kindIndexed | colour(n&0xff), true, 2
	case len(p) >= 4 && p[0] == "2":
		c = kindRGB
		for i, v := range p[1:4] {
			n, _ := strconv.Atoi(v)
			c |= colour(n&0xff) << (16 - 8*i)
		}
		return c, true, 4
	}
	return 0, false, len(p)
}

// appendTo appends the sequence that sets s on a terminal in its own style.
func (s style) appendTo(dst []byte) []byte {
	if s == (style{}) {
		return dst
	}
	start := len(dst)
	dst = append(dst, esc, '[')
	for i, a := range attrs {
		if s.on&(1<<i) != 0 {
			dst = append(strconv.AppendInt(dst, int64(a.set), 10), ';')
		}
	}
	switch {
	case s.underline == 1:
		dst = append(dst, "4;"...)
	case s.underline > 1:
		dst = append(dst, '4', ':', '0'+s.underline, ';')
	}
	dst = s.fg.appendTo(dst, 30, 90, "38")
	dst = s.bg.appendTo(dst, 40, 100, "48")
	if len(dst) == start+2 {
		return dst[:start]
	}
	dst[len(dst)-1] = 'm'
	return dst
}

func (c colour) appendTo(dst []byte, low, high int, long string) []byte {
	v := int64(c & 0xffffff)
	switch {
	case c == 0:
		return dst
	case c&kindRGB != 0:
		dst = append(append(dst, long...), ";2;"...)
		dst = append(strconv.AppendInt(dst, v>>16, 10), ';')
		dst = append(strconv.AppendInt(dst, v>>8&0xff, 10), ';')
		dst = strconv.AppendInt(dst, v&0xff, 10)
	case v < 8:
		dst = strconv.AppendInt(dst, int64(low)+v, 10)
	case v < 16:
		dst = strconv.AppendInt(dst, int64(high)+v-8, 10)
	default:
		dst = append(append(dst, long...), ";5;"...)
		dst = strconv.AppendInt(dst, v, 10)
	}
	return append(dst, ';')
}
