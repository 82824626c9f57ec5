package network

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// nftObject is one object of nft's JSON: libnftables-json(5).
type nftObject struct {
	Chain *struct {
		Family, Table, Name, Hook, Policy string
		Prio                              int
	}
	Rule *struct {
		Family, Table, Chain, Comment string
		Expr                          []map[string]json.RawMessage
	}
	Set *struct {
		Family, Table, Name string
		Elem                json.RawMessage
	}
}

// nftMatch is a match of a rule.
type nftMatch struct {
	Op    string
	Left  json.RawMessage
	Right json.RawMessage
}

func parseNft(b []byte) (*ruleset, error) {
	var doc struct{ Nftables []nftObject }
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("read nft's ruleset: %w", err)
	}
	s := &ruleset{sets: map[string][]span{}}
	for _, o := range doc.Nftables {
		switch {
		case o.Chain != nil:
			c := o.Chain
			table := c.Family + " " + c.Table
			s.chains = append(s.chains, &chain{table: table, short: c.Name, name: table + " " + c.Name, hook: c.Hook, policy: c.Policy, prio: c.Prio})
		case o.Set != nil:
			s.sets[o.Set.Family+" "+o.Set.Table+" @"+o.Set.Name] = spansOf(o.Set.Elem)
		}
	}
	for _, o := range doc.Nftables {
		if o.Rule == nil {
			continue
		}
		if c := s.find(o.Rule.Family+" "+o.Rule.Table, o.Rule.Chain); c != nil {
			c.rules = append(c.rules, s.nftRule(c, o.Rule.Expr))
		}
	}
	return s, nil
}

// nftRule makes a rule of its expressions.
func (s *ruleset) nftRule(c *chain, exprs []map[string]json.RawMessage) rule {
	r := rule{chain: c.name}
	var words []string
	for _, e := range exprs {
		for key, raw := range e {
			switch key {
			case "accept", "drop", "reject", "return", "queue":
				r.verdict = key
				words = append(words, key)
			case "jump", "goto":
				var to struct{ Target string }
				_ = json.Unmarshal(raw, &to)
				r.verdict, r.target = key, to.Target
				words = append(words, key, to.Target)
			case "match":
				var m nftMatch
				_ = json.Unmarshal(raw, &m)
				r.matches = append(r.matches, s.nftMatch(c.table, m))
				words = append(words, m.words())
			case "counter", "log", "limit":
				words = append(words, key)
				if key == "limit" {
					r.matches = append(r.matches, func(packet) answer3 { return maybe })
				}
			case "vmap": // it may decide anything
				r.verdict = "depends"
				words = append(words, key)
				r.matches = append(r.matches, func(packet) answer3 { return maybe })
			default: // xt, set statements: not understood, so perhaps
				words = append(words, key+" "+compact(raw))
				r.matches = append(r.matches, func(packet) answer3 { return maybe })
			}
		}
	}
	r.text = strings.Join(words, " ")
	return r
}

// nftMatch makes a match of what nft says of it.
func (s *ruleset) nftMatch(table string, m nftMatch) match {
	var left struct {
		Payload struct{ Protocol, Field string }
		Meta    struct{ Key string }
		Ct      struct{ Key string }
	}
	_ = json.Unmarshal(m.Left, &left)
	flip := func(a answer3) answer3 {
		if m.Op == "!=" {
			return not(a)
		}
		return a
	}
	switch {
	case left.Payload.Field == "dport":
		spans := spansOf(m.Right)
		var set string
		if json.Unmarshal(m.Right, &set) == nil && strings.HasPrefix(set, "@") {
			spans = s.sets[table+" "+set]
		}
		proto := left.Payload.Protocol
		return func(p packet) answer3 {
			if proto != p.proto && proto != "th" {
				return no
			}
			return flip(inSpans(spans, p.port))
		}
	case left.Meta.Key == "l4proto" || left.Payload.Field == "protocol" || left.Payload.Field == "nexthdr":
		list := textsOf(m.Right)
		return func(p packet) answer3 { return flip(truth(slices.Contains(list, p.proto))) }
	case left.Ct.Key == "state":
		list := textsOf(m.Right)
		return func(packet) answer3 { return flip(truth(slices.Contains(list, "new"))) }
	case strings.HasPrefix(left.Meta.Key, "iif") || strings.HasPrefix(left.Meta.Key, "oif"):
		if slices.Equal(textsOf(m.Right), []string{"lo"}) {
			return func(packet) answer3 { return flip(no) } // connections from and to others
		}
	}
	return func(packet) answer3 { return maybe }
}

func truth(b bool) answer3 {
	if b {
		return yes
	}
	return no
}

// spansOf reads a port, a range, or a set of both.
func spansOf(raw json.RawMessage) []span {
	var n int
	if json.Unmarshal(raw, &n) == nil {
		return []span{{n, n}}
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		var all []span
		for _, e := range list {
			all = append(all, spansOf(e)...)
		}
		return all
	}
	var o struct {
		Set   json.RawMessage
		Range []int
		Elem  struct{ Val json.RawMessage }
	}
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	switch {
	case len(o.Range) == 2:
		return []span{{o.Range[0], o.Range[1]}}
	case o.Set != nil:
		return spansOf(o.Set)
	case o.Elem.Val != nil:
		return spansOf(o.Elem.Val)
	}
	return nil
}

// textsOf reads a text, or a set of them.
func textsOf(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	var o struct{ Set []string }
	_ = json.Unmarshal(raw, &o)
	return o.Set
}

// words says a match in about the words of nft.
func (m nftMatch) words() string {
	var left map[string]map[string]any
	name := compact(m.Left)
	if json.Unmarshal(m.Left, &left) == nil {
		for what, f := range left {
			name = what
			if what == "payload" {
				name = fmt.Sprint(f["protocol"], " ", f["field"])
			} else if f["key"] != nil {
				name = fmt.Sprint(what, " ", f["key"])
			}
		}
	}
	op := map[string]string{"==": "", "in": ""}
	if word, plain := op[m.Op]; plain {
		return name + word + " " + compact(m.Right)
	}
	return name + " " + m.Op + " " + compact(m.Right)
}

func compact(raw json.RawMessage) string {
	return strings.NewReplacer(`"`, "", `{set:`, "", `{range:`, "").Replace(strings.TrimRight(string(raw), "}"))
}
