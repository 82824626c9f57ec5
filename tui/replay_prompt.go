package tui

import (
	"strings"
	"unicode"
)

// ask begins a prompt.
func (p *playback) ask(lead string) {
	p.prompt = &prompt{lead: lead}
	if lead == ":" {
		p.prompt.edit.set("at ")
	}
}

// answer carries out what was typed: a text to look for, or "at" and a time.
func (p *playback) answer(m *Model) {
	lead, text := p.prompt.lead, p.prompt.edit.String()
	p.prompt = nil
	if strings.TrimSpace(text) == "" {
		return
	}
	if lead == "/" {
		p.search(text, 1)
		return
	}
	hour, minute, second, err := parseTime(text)
	if err != nil {
		m.fail("go there", err)
		return
	}
	p.at(hour, minute, second)
}

// again searches again for what was last searched for.
func (p *playback) again(m *Model, by int) {
	if p.text == "" {
		m.say("/ looks for text")
		return
	}
	p.search(p.text, by)
}

// escape gives up a seek under way, or else forgets what was searched for, or else
// follows the position again.
func (p *playback) escape() {
	switch {
	case p.reel.cancel():
	case p.text != "":
		p.text = ""
	default:
		p.scroll.held = false
	}
}

// scrollBy scrolls by rows. Where the rows read so far end and more were recorded,
// it pauses and has them read.
func (p *playback) scrollBy(m *Model, rows int) {
	s := p.sheet(m)
	s.move(&p.scroll, rows, p.size.h)
	if rows < 0 && s.before > 0 && p.depth != deep && s.atTop(p.scroll.top) {
		p.deepen()
	}
}

// plainLine makes one line of pasted text.
func plainLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, unicode.IsControl), " ")
}
