package service

import (
	"regexp"
	"strconv"
	"strings"
)

// A conn is what a connection string says, without its password.
type conn struct {
	key     string
	kind    string // postgresql, mysql, sqlserver, oracle …
	servers []server
	db      string
	user    string
	auth    string // password, integrated, none, or what the string calls it
	// password says that there was one.
	password bool
}

// masked returns what is known of the string in one form for all. It is made of what
// was understood, so that nothing secret can be left in it.
func (c conn) masked() string {
	var hosts []string
	for _, s := range c.servers {
		hosts = append(hosts, s.String())
	}
	text := c.kind + " server=" + strings.Join(hosts, ",") + " db=" + c.db + " user=" + c.user + " auth=" + c.auth
	if c.password {
		text += " password=***"
	}
	return text
}

// ports are the kinds that are known, by the scheme of their URL, and their ports.
func kindOf(scheme string) (kind string, port int, ok bool) {
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+")
	switch scheme {
	case "postgres", "postgresql", "pgsql":
		return "postgresql", 5432, true
	case "mysql", "mysql2", "mariadb":
		return "mysql", 3306, true
	case "sqlserver", "mssql":
		return "sqlserver", 1433, true
	case "oracle":
		return "oracle", 1521, true
	case "mongodb":
		return "mongodb", 27017, true
	case "redis", "rediss":
		return "redis", 6379, true
	case "amqp":
		return "amqp", 5672, true
	case "amqps":
		return "amqp", 5671, true
	case "ldap":
		return "ldap", 389, true
	case "ldaps":
		return "ldap", 636, true
	}
	return "", 0, false
}

// parseConn reads a connection string in any of the forms that are known.
func parseConn(s string) (conn, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 8<<10 {
		return conn{}, false
	}
	for _, parse := range []func(string) (conn, bool){parseJDBC, parseURL, parseMySQL, parseLibpq, parseADO} {
		if c, ok := parse(s); ok {
			return c.checked()
		}
	}
	return conn{}, false
}

// hostName is what may be a host. What is none may be a piece of a password.
var hostName = regexp.MustCompile(`^[\pL\pN._:%-]{1,255}$`)

// checked refuses a conn whose hosts are none, and completes it.
func (c conn) checked() (conn, bool) {
	for i, s := range c.servers {
		if s.socket != "" {
			continue
		}
		switch strings.ToLower(s.host) {
		case "", ".", "(local)":
			c.servers[i].host = "localhost"
			continue
		}
		if !hostName.MatchString(s.host) {
			return conn{}, false
		}
	}
	switch {
	case c.auth != "":
	case c.password:
		c.auth = "password"
	case c.user != "":
		c.auth = "user without password"
	default:
		c.auth = "none"
	}
	return c, len(c.servers) > 0
}

// splitHost reads HOST, HOST:PORT, [HOST]:PORT.
func splitHost(s string, port int) server {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, after, _ := strings.Cut(rest, "]")
		if n, err := strconv.Atoi(strings.TrimPrefix(after, ":")); err == nil {
			port = n
		}
		return server{host: host, port: port}
	}
	host, after, ok := strings.Cut(s, ":")
	if ok && !strings.Contains(after, ":") {
		n, err := strconv.Atoi(after)
		if err != nil || n < 1 || n > 65535 {
			return server{host: s + "/"} // no host: checked refuses it
		}
		return server{host: host, port: n}
	}
	return server{host: s, port: port}
}

// mysqlDSN is the form of Go's driver: USER:PASSWORD@NETWORK(ADDRESS)/DB.
var mysqlDSN = regexp.MustCompile(`^(?:([^:@/]*)(:.*)?@)?(tcp|tcp6|unix)\(([^)]*)\)/([^?]*)(?:\?.*)?$`)

func parseMySQL(s string) (conn, bool) {
	m := mysqlDSN.FindStringSubmatch(s)
	if m == nil {
		return conn{}, false
	}
	c := conn{kind: "mysql", user: m[1], password: len(m[2]) > 1, db: m[5]}
	if m[3] == "unix" {
		c.servers = []server{{socket: m[4]}}
	} else {
		c.servers = []server{splitHost(m[4], 3306)}
	}
	return c, true
}

// libpqKeys are the settings of libpq that say where, what and who; more may stand
// beside them.
var libpqPair = regexp.MustCompile(`\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)`)

// parseLibpq reads host=… port=… dbname=…, separated by spaces.
func parseLibpq(s string) (conn, bool) {
	pairs := map[string]string{}
	at := 0
	for _, m := range libpqPair.FindAllStringSubmatchIndex(s, -1) {
		if m[0] != at {
			return conn{}, false
		}
		at = m[1]
		v := s[m[4]:m[5]]
		if strings.HasPrefix(v, "'") {
			v = v[1 : len(v)-1]
		}
		pairs[s[m[2]:m[3]]] = strings.ReplaceAll(v, `\`, "")
	}
	_, host := pairs["host"]
	_, db := pairs["dbname"]
	if strings.TrimSpace(s[at:]) != "" || strings.Contains(pairs["host"]+pairs["dbname"], ";") || !db && (!host || len(pairs) < 2) {
		return conn{}, false
	}
	c := conn{kind: "postgresql", db: pairs["dbname"], user: pairs["user"], password: pairs["password"] != ""}
	c.servers = libpqServers(pairs["host"], pairs["port"])
	return c, true
}

// libpqServers reads lists of hosts and ports as libpq does.
func libpqServers(hosts, ports string) []server {
	if hosts == "" {
		hosts = "/var/run/postgresql"
	}
	ps := strings.Split(ports, ",")
	var all []server
	for i, h := range strings.Split(hosts, ",") {
		port := 5432
		if n, err := strconv.Atoi(ps[min(i, len(ps)-1)]); err == nil {
			port = n
		}
		if strings.HasPrefix(h, "/") {
			all = append(all, server{socket: h + "/.s.PGSQL." + strconv.Itoa(port), port: port})
			continue
		}
		all = append(all, server{host: h, port: port})
	}
	return all
}
