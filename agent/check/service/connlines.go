package service

import (
	"strconv"
	"strings"
)

// iniSettings reads lines KEY=VALUE or KEY: VALUE, under [SECTION]: ini, env and
// properties.
func iniSettings(text string) (all []setting) {
	section := ""
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.ContainsRune("#;!", rune(line[0])):
			continue
		case line[0] == '[':
			section, _, _ = strings.Cut(line[1:], "]")
			continue
		}
		line = strings.TrimPrefix(line, "export ")
		i := strings.IndexAny(line, "=:")
		if i <= 0 {
			continue
		}
		key, value := strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:])
		all = append(all, setting{under(section, key), unquote(value)})
	}
	return all
}

// unquote takes the quotes away that stand around a value.
func unquote(v string) string {
	if len(v) < 2 || v[0] != v[len(v)-1] {
		return v
	}
	switch v[0] {
	case '\'':
		return strings.ReplaceAll(v[1:len(v)-1], "''", "'")
	case '"':
		if u, err := strconv.Unquote(v); err == nil {
			return u
		}
		return v[1 : len(v)-1]
	}
	return v
}

// yamlSettings reads what configurations have of YAML: maps by indentation, lists, and
// plain or quoted texts of one line. Anchors, flow maps and folded texts are not read.
func yamlSettings(text string) (all []setting) {
	type level struct {
		indent int
		key    string
		items  int
	}
	var stack []level
	for _, line := range strings.Split(text, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		body = strings.TrimRight(body, " \r\t")
		if body == "" || body[0] == '#' || body == "---" {
			continue
		}
		for len(stack) > 0 && stack[len(stack)-1].indent >= indent && !(strings.HasPrefix(body, "- ") && stack[len(stack)-1].indent == indent && stack[len(stack)-1].items >= 0) {
			stack = stack[:len(stack)-1]
		}
		key := ""
		if len(stack) > 0 {
			key = stack[len(stack)-1].key
		}
		if item, ok := strings.CutPrefix(body, "- "); ok && len(stack) > 0 {
			top := &stack[len(stack)-1]
			key = under(top.key, strconv.Itoa(top.items))
			top.items++
			indent += 2
			stack = append(stack, level{indent - 1, key, -1})
			body = strings.TrimSpace(item)
		}
		name, value, ok := yamlPair(body)
		switch {
		case !ok:
			all = append(all, setting{key, yamlScalar(body)})
		case value == "":
			stack = append(stack, level{indent, under(key, name), 0})
		default:
			all = append(all, setting{under(key, name), yamlScalar(value)})
		}
	}
	return all
}

// yamlPair cuts KEY: VALUE.
func yamlPair(s string) (key, value string, ok bool) {
	if s[0] == '"' || s[0] == '\'' {
		end := strings.IndexByte(s[1:], s[0])
		if end < 0 || !strings.HasPrefix(s[end+2:], ":") {
			return "", "", false
		}
		return s[1 : end+1], strings.TrimSpace(s[end+3:]), true
	}
	if k, ok := strings.CutSuffix(s, ":"); ok {
		return k, "", true
	}
	key, value, ok = strings.Cut(s, ": ")
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "#") {
		value = ""
	}
	return key, value, ok
}

func yamlScalar(v string) string {
	if v != "" && (v[0] == '"' || v[0] == '\'') {
		if end := strings.LastIndexByte(v, v[0]); end > 0 {
			return unquote(v[:end+1])
		}
	}
	v, _, _ = strings.Cut(v, " #")
	return strings.TrimSpace(v)
}

// connOfParts reads a connection of which host, port, user and database are settings
// of their own: DB_HOST, DB_PORT …. The one at i is the host.
func connOfParts(settings []setting, i int) (conn, bool) {
	s := settings[i]
	low := strings.ToLower(s.key)
	prefix, ok := strings.CutSuffix(low, "host")
	if !ok {
		prefix, ok = strings.CutSuffix(low, "hostname")
	}
	if !ok || s.value == "" || strings.ContainsAny(s.value, " ;=@") {
		return conn{}, false
	}
	part := func(names ...string) string {
		for _, o := range settings {
			for _, n := range names {
				if strings.ToLower(o.key) == prefix+n {
					return o.value
				}
			}
		}
		return ""
	}
	c := conn{
		kind: "tcp", db: part("name", "database", "db", "dbname"), user: part("user", "username"),
		password: part("password", "pass", "pwd", "passwd") != "",
	}
	port, _ := strconv.Atoi(part("port"))
	for kind, p := range map[string]int{"postgresql": 5432, "mysql": 3306, "sqlserver": 1433, "redis": 6379} {
		dialect := strings.ToLower(part("connection", "driver", "type", "engine", "dialect", "client"))
		if port == p || port == 0 && dialect != "" && (strings.Contains(dialect, kind) || kind == "postgresql" && strings.HasPrefix(dialect, "pg")) {
			c.kind, port = kind, p
		}
	}
	if port == 0 && strings.HasPrefix(low, "pghost") {
		c.kind, port = "postgresql", 5432
	}
	if port == 0 {
		return conn{}, false
	}
	c.servers = []server{{host: s.value, port: port}}
	return c.checked()
}
