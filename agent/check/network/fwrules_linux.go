package network

import (
	"cmp"
	"fmt"
	"slices"
)

// A ruleset is the rules of a firewall, as far as they are understood.
type ruleset struct {
	chains []*chain
	sets   map[string][]span // ports in named sets, by table and name
}

// A chain is rules in order. One with a hook is where packets come in.
type chain struct {
	table, short string // short is its name in its table
	name         string // family, table and chain
	hook, policy string
	prio         int
	rules        []rule
}

// A rule matches packets and decides on them, or not.
type rule struct {
	chain   string
	text    string
	matches []match
	// verdict is accept, drop, reject, jump, goto, return, or empty.
	verdict string
	target  string // of jump and goto
}

func (r rule) action() any {
	if r.target != "" {
		return r.verdict + " " + r.target
	}
	return text(r.verdict)
}

// A match says whether it holds for a packet.
type match func(packet) answer3

// answer3 is yes, no, or maybe: it depends on what is not known of the packet.
type answer3 int

const (
	no answer3 = iota
	maybe
	yes
)

// A packet is the first of a connection.
type packet struct {
	proto string
	port  int
}

// A span is ports from and to.
type span struct{ from, to int }

// A verdict is what becomes of a packet, and which rule decided.
type verdict struct{ action, chain, rule string }

func (v verdict) said() string {
	if v.rule == "" {
		return "the policy"
	}
	return fmt.Sprintf("the rule %q", v.rule)
}

// hooked returns the chains of a hook in the order in which packets pass them.
func (s *ruleset) hooked(hook string) []*chain {
	var list []*chain
	for _, c := range s.chains {
		if c.hook == hook {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b *chain) int { return cmp.Compare(a.prio, b.prio) })
	return list
}

func (s *ruleset) find(table, short string) *chain {
	for _, c := range s.chains {
		if c.table == table && c.short == short {
			return c
		}
	}
	return nil
}

// reach returns the rules of c and of the chains to which it jumps.
func (s *ruleset) reach(c *chain) []rule {
	seen := map[*chain]bool{}
	var all []rule
	var walk func(*chain)
	walk = func(c *chain) {
		if c == nil || seen[c] {
			return
		}
		seen[c] = true
		all = append(all, c.rules...)
		for _, r := range c.rules {
			walk(s.find(c.table, r.target))
		}
	}
	walk(c)
	return all
}

// follow returns what becomes of a packet: dropped once is dropped for good, and
// accepted it has to be by every chain.
func (s *ruleset) follow(hook string, p packet) verdict {
	end := verdict{action: "accept"}
	for _, c := range s.hooked(hook) {
		v := s.walk(c, p, 0)
		if v.action == "" {
			v = verdict{action: c.policy, chain: c.name}
		}
		switch v.action {
		case "drop", "reject":
			return v
		case "depends":
			end = v
		case "accept":
			if end.action == "accept" && end.chain == "" {
				end = v
			}
		}
	}
	return end
}

// maxJumps is how deep chains may call each other; nftables allows 16.
const maxJumps = 16

// walk returns what a chain decides, or no action if it does not. A rule that perhaps
// holds makes what the rest decides depend on it, unless both say the same.
func (s *ruleset) walk(c *chain, p packet, depth int) verdict {
	if c == nil || depth > maxJumps {
		return verdict{}
	}
	var perhaps verdict
	for _, r := range c.rules {
		holds := r.holds(p)
		if holds == no || r.verdict == "" {
			continue
		}
		v := verdict{r.verdict, c.name, r.text}
		switch r.verdict {
		case "return":
			v = verdict{}
			if holds == yes {
				return perhaps
			}
		case "jump", "goto":
			v = s.walk(s.find(c.table, r.target), p, depth+1)
		}
		switch {
		case v.action == "":
		case holds == yes && (perhaps.action == "" || perhaps.action == v.action):
			return v
		case holds == yes:
			return verdict{"depends", perhaps.chain, perhaps.rule}
		case perhaps.action == "":
			perhaps = v
		}
	}
	return s.rest(c, perhaps)
}

// rest is the end of a chain, where perhaps a rule has decided.
func (s *ruleset) rest(c *chain, perhaps verdict) verdict {
	if perhaps.action == "" || c.policy == perhaps.action {
		return verdict{}
	}
	return verdict{"depends", perhaps.chain, perhaps.rule}
}

func (r rule) holds(p packet) answer3 {
	least := yes
	for _, m := range r.matches {
		least = min(least, m(p))
	}
	return least
}

// inSpans reports whether a port is in one of them.
func inSpans(spans []span, port int) answer3 {
	for _, s := range spans {
		if s.from <= port && port <= s.to {
			return yes
		}
	}
	return no
}

func not(a answer3) answer3 { return yes - a }
