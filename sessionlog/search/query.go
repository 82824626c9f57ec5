package search

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxQuery is the most bytes of a query's text.
const maxQuery = 512

// ErrNoWord says that a query has nothing that an index could look up.
var ErrNoWord = errors.New("search text has no letter or digit")

// A pattern is a query's text made ready.
type pattern struct {
	text  []byte // folded
	match string // what the index is asked for
	word  bool   // text begins with a word, and is not found within one
}

func compile(text string) (pattern, error) {
	if len(text) > maxQuery {
		return pattern{}, fmt.Errorf("search text has %d bytes, over the limit of %d", len(text), maxQuery)
	}
	if !utf8.ValidString(text) {
		return pattern{}, errors.New("search text is not UTF-8")
	}
	p := pattern{text: bytes.Trim(fold(nil, []byte(text), nil), " \n")}
	if bytes.IndexByte(p.text, '\n') >= 0 {
		return pattern{}, errors.New("search text has more than one line")
	}
	parts := bytes.Fields(words(bytes.Clone(p.text)))
	if len(parts) == 0 {
		return pattern{}, ErrNoWord
	}
	// Nothing in a part means anything to the index, and nothing leaves the quotes.
	match := append([]byte{'"'}, bytes.Join(parts, []byte{' '})...)
	if last, _ := utf8.DecodeLastRune(p.text); isWord(last) {
		match = append(match, '*')
	}
	p.match = string(append(match, '"'))
	first, _ := utf8.DecodeRune(p.text)
	p.word = isWord(first)
	return p, nil
}

// find returns where the pattern begins in folded text; -1 if it is not there.
func (p pattern) find(folded []byte) int {
	for from := 0; ; {
		i := bytes.Index(folded[from:], p.text)
		if i < 0 {
			return -1
		}
		i += from
		before, _ := utf8.DecodeLastRune(folded[:i])
		if !p.word || i == 0 || before == utf8.RuneError || !isWord(before) {
			return i
		}
		from = i + 1
	}
}

// A place is where a pattern stands in a text.
type place struct {
	line       []byte // the whole line
	start      int    // where line begins in the text
	begin, end int    // the match within line
}

// stretch is how much of a text is folded before it is looked into: a frequent
// word is found near the beginning.
const stretch = 4 << 10

// locate returns the first place of the pattern in text that accept takes, one a
// line. scratch is memory to reuse, and is returned.
func (p pattern) locate(text, scratch []byte, accept func(place) bool) (at place, folded []byte, ok bool) {
	for from := 0; from < len(text); {
		end := min(from+stretch, len(text))
		if i := bytes.IndexAny(text[end:], "\r\n"); i >= 0 {
			end += i + 1
		} else {
			end = len(text)
		}
		scratch = fold(scratch[:0], text[from:end], nil)
		if at, ok = p.locateIn(text[from:end], scratch, func(at place) bool {
			at.start += from
			return accept(at)
		}); ok {
			at.start += from
			return at, scratch, true
		}
		from = end
	}
	return place{}, scratch, false
}

// locateIn is locate in text that is folded.
func (p pattern) locateIn(text, folded []byte, accept func(place) bool) (at place, ok bool) {
	for from, raw := 0, 0; ; {
		i := p.find(folded[from:])
		if i < 0 {
			return place{}, false
		}
		at.line, at.start = line(text[raw:], bytes.Count(folded[from:from+i], []byte{'\n'}))
		at.start += raw
		if p.within(&at) && accept(at) {
			return at, true
		}
		end := bytes.IndexByte(folded[from+i:], '\n')
		if end < 0 {
			return place{}, false
		}
		from += i + end + 1
		raw = at.start + len(at.line) + 1
	}
}

// within sets where the pattern is in at.line.
func (p pattern) within(at *place) bool {
	var offsets []int
	i := p.find(fold(nil, at.line, &offsets))
	if i < 0 {
		return false
	}
	last := offsets[i+len(p.text)-1]
	_, width := utf8.DecodeRune(at.line[last:])
	at.begin, at.end = offsets[i], last+width
	return true
}

// maxSnippet is the most bytes of a line that a Hit carries.
const maxSnippet = 200

// snippet returns what of the line stands around the match, cut between
// characters, and where the match is in it.
func (at place) snippet() (text string, begin, end int) {
	lo, hi := 0, len(at.line)
	if hi > maxSnippet {
		room := max(0, maxSnippet-(at.end-at.begin))
		lo = max(0, min(at.begin-room/2, len(at.line)-maxSnippet))
		hi = lo + maxSnippet
		for lo < at.begin && !utf8.RuneStart(at.line[lo]) {
			lo++
		}
		for hi > at.begin && hi < len(at.line) && !utf8.RuneStart(at.line[hi]) {
			hi--
		}
	}
	return string(at.line[lo:hi]), at.begin - lo, min(at.end, hi) - lo
}
