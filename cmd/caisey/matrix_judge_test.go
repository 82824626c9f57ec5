package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/verb"
)

// A matrixCell is what came of asking once.
type matrixCell struct {
	row     matrixRow
	p       *matrixPerson
	sign    byte
	got     answer
	changed []string // keys of the snapshot
	resolve func(string) string
	wrong   []string
}

func (c *matrixCell) say(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// codes are the exit codes that a sign allows.
var codes = map[byte][]int{
	'+': {verb.ExitOK}, 'a': {verb.ExitOK}, 'b': {verb.ExitOK}, '*': {verb.ExitOK}, '0': {verb.ExitOK}, 'p': {verb.ExitFailed},
	'r': {verb.ExitRefused}, 'R': {verb.ExitRefused}, '-': {verb.ExitUsage, verb.ExitOffline}, 'u': {verb.ExitUsage}, 'U': {verb.ExitUsage},
}

// clients are those that a sign speaks of.
var clients = map[byte][]string{'a': {"acme"}, 'b': {"borealis"}, '*': {"acme", "borealis"}, 'p': {"acme"}}

// judge holds the exit code, what comes out and what changed against the sign.
func (c *matrixCell) judge() {
	allowed, ok := codes[c.sign]
	if !ok {
		c.say("the sign means nothing")
		return
	}
	if !slices.Contains(allowed, c.got.code) {
		c.say("want exit code %v", allowed)
	}
	if c.sign == '0' && c.got.out != "" {
		c.say("something comes out")
	}
	c.effects()
	if each := strings.Contains(strings.Join(c.row.effects, " "), "{c}"); clients[c.sign] == nil || each {
		return
	}
	for _, client := range []string{"acme", "borealis"} {
		if want := slices.Contains(clients[c.sign], client); strings.Contains(c.got.out, client) != want {
			c.say("%s is there: %v", client, !want)
		}
	}
}

// shown reports whether a terminal shows what it should, where it does not end.
func (c *matrixCell) shown(screen string) bool {
	if c.sign != '+' && clients[c.sign] == nil {
		return false
	}
	for _, effect := range c.row.effects {
		if text, ok := strings.CutPrefix(effect, "shows "); ok && !strings.Contains(screen, c.resolve(text)) {
			return false
		}
	}
	return !slices.ContainsFunc(clients[c.sign], func(client string) bool { return !strings.Contains(screen, client) })
}

// effects holds what came of it against what stands at the end of the row.
func (c *matrixCell) effects() {
	var may, must []string
	if c.sign == '+' || clients[c.sign] != nil {
		for _, effect := range c.row.effects {
			if text, ok := strings.CutPrefix(effect, "shows "); ok {
				if text = c.resolve(text); !strings.Contains(c.got.out, text) {
					c.say("stdout has no %q", text)
				}
				continue
			}
			prefix, optional := strings.CutPrefix(effect, "?")
			for _, client := range append([]string{""}, clients[c.sign]...) {
				if (client == "") != strings.Contains(prefix, "{c}") {
					prefix := c.resolve(strings.ReplaceAll(prefix, "{c}", client))
					may = append(may, prefix)
					if !optional {
						must = append(must, prefix)
					}
				}
			}
		}
	}
	for _, key := range c.changed {
		if !slices.ContainsFunc(may, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			c.say("%s changed", key)
		}
	}
	for _, prefix := range must {
		if !slices.ContainsFunc(c.changed, func(key string) bool { return strings.HasPrefix(key, prefix) }) {
			c.say("%s did not change", prefix)
		}
	}
}

// walls looks for words of clients for which the person has no role.
func (c *matrixCell) walls(secrets map[string]string, asked string) {
	said := c.got.out + c.got.err
	for word, client := range secrets {
		if !c.p.sees(client) && word != c.p.name && strings.Contains(said, word) && !strings.Contains(asked, word) {
			c.say("%q of %s comes out", word, client)
		}
	}
}

// behind is what search says of records that the index has not read yet: of how many,
// changes from one moment to the next.
var behind = regexp.MustCompile(`caisey: [0-9]+ records are not read to their end yet\n`)

// compare asks the same about what is not there, and compares the answers.
func (c *matrixCell) compare(w *matrixWorld, values map[string]string) {
	w.t.Helper()
	if !placeholder.MatchString(c.row.ask) {
		return
	}
	absent := map[string]string{}
	for ph, value := range values {
		part := placeholder.FindStringSubmatch(ph)
		absent[ph] = value
		twin := nothing(part[1])
		switch part[1] {
		case "client", "name", "person", "off", "token", "self", "leader", "callee", "pack": // seen by whom nobody of the client may be
		default:
			if c.p.sees(part[2]) {
				continue
			}
		}
		if twin != "" {
			absent[ph] = twin
		}
	}
	before := w.state()
	twin, _ := c.p.ask(c.row.ask, func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(ph string) string { return absent[ph] })
	}, c.shown)
	if changed := changes(before, w.state()); len(changed) > 0 {
		c.say("asked about what is not there, %v changed", changed)
	}
	real, none := c.masked(c.got, values), c.masked(twin, absent)
	if real != none {
		c.say("of what is not there it says, with exit code %d, %q %q", none.code, none.out, none.err)
	}
}

// masked returns an answer with the words in it that were asked for replaced.
func (c *matrixCell) masked(a answer, values map[string]string) answer {
	words := append(slices.Collect(maps.Values(values)), c.p.name)
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // the longest first
	var pairs []string
	for _, word := range words {
		if word != "" {
			pairs = append(pairs, word, "<>")
		}
	}
	mask := strings.NewReplacer(pairs...)
	a.out, a.err = mask.Replace(a.out), behind.ReplaceAllString(mask.Replace(a.err), "")
	return a
}
