package network

import (
	"slices"
	"strconv"
	"strings"
)

// parseIPTables reads what iptables-save prints, of the table filter.
func parseIPTables(b []byte) *ruleset {
	s := &ruleset{}
	table := ""
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = strings.TrimPrefix(line, "*")
		case table != "filter" || len(f) < 2:
		case strings.HasPrefix(line, ":"):
			name := strings.TrimPrefix(f[0], ":")
			c := &chain{table: table, short: name, name: "ip filter " + name}
			if f[1] != "-" {
				c.policy, c.hook = strings.ToLower(f[1]), strings.ToLower(name)
			}
			s.chains = append(s.chains, c)
		case f[0] == "-A":
			if c := s.find(table, f[1]); c != nil {
				c.rules = append(c.rules, iptablesRule(c, f[2:]))
			}
		}
	}
	return s
}

// iptablesRule makes a rule of the words after its chain.
func iptablesRule(c *chain, words []string) rule {
	r := rule{chain: c.name, text: strings.Join(words, " ")}
	negated := false
	for i := 0; i < len(words); i++ {
		word, value := words[i], ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		if word == "!" {
			negated = true
			continue
		}
		var m match
		switch word {
		case "-j", "-g":
			r.verdict, r.target = iptablesVerdict(word, value)
			i = len(words) // what follows are the target's own options
			continue
		case "-m", "--comment":
		case "-p":
			m = func(p packet) answer3 { return truth(p.proto == value) }
		case "--dport", "--dports", "--destination-port":
			spans := iptablesPorts(value)
			m = func(p packet) answer3 { return inSpans(spans, p.port) }
		case "--ctstate", "--state":
			fresh := slices.Contains(strings.Split(value, ","), "NEW")
			m = func(packet) answer3 { return truth(fresh) }
		case "-i", "-o":
			m = func(packet) answer3 { return maybe }
			if value == "lo" {
				m = func(packet) answer3 { return no }
			}
		default:
			m = func(packet) answer3 { return maybe }
		}
		i++
		if m != nil {
			if negated {
				plain := m
				m = func(p packet) answer3 { return not(plain(p)) }
			}
			r.matches = append(r.matches, m)
		}
		negated = false
	}
	return r
}

func iptablesVerdict(word, target string) (verdict, to string) {
	switch target {
	case "ACCEPT", "DROP", "REJECT", "RETURN":
		return strings.ToLower(target), ""
	case "LOG", "NFLOG", "MARK", "CONNMARK":
		return "", ""
	}
	if word == "-g" {
		return "goto", target
	}
	return "jump", target
}

// iptablesPorts reads 80, 80:90 and lists of both.
func iptablesPorts(s string) (spans []span) {
	for _, part := range strings.Split(s, ",") {
		a, b, ok := strings.Cut(part, ":")
		if !ok {
			b = a
		}
		from, err1 := strconv.Atoi(a)
		to, err2 := strconv.Atoi(b)
		if err1 == nil && err2 == nil {
			spans = append(spans, span{from, to})
		}
	}
	return spans
}
