package service

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// parseURL reads SCHEME://USER:PASSWORD@HOST:PORT,…/DB?…. It is not package url's
// reading: hosts may be many, and passwords stand in it as people type them.
func parseURL(s string) (conn, bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return conn{}, false
	}
	kind, port, ok := kindOf(scheme)
	if !ok {
		return conn{}, false
	}
	c := conn{kind: kind}
	who, rest := splitUser(rest)
	user, pass, has := strings.Cut(who, ":")
	c.user, c.password = unescape(user), has && pass != ""
	rest, query, _ := strings.Cut(rest, "?")
	hosts, db, _ := strings.Cut(rest, "/")
	c.db = unescape(db)
	q, _ := url.ParseQuery(query)
	c.fromQuery(q)
	if h := q.Get("host"); hosts == "" && h != "" && kind == "postgresql" {
		c.servers = libpqServers(h, q.Get("port"))
		return c, true
	}
	for _, h := range strings.Split(hosts, ",") {
		if kind == "postgresql" && strings.HasPrefix(unescape(h), "/") {
			c.servers = append(c.servers, libpqServers(unescape(h), "")...)
			continue
		}
		if strings.HasSuffix(strings.ToLower(scheme), "+srv") {
			port = 0
		}
		c.servers = append(c.servers, splitHost(h, port))
	}
	return c, true
}

// splitUser cuts the user and the password from the hosts. The password may hold any
// character, so the last @ ends it; only one in a parameter does not.
func splitUser(s string) (user, rest string) {
	at := strings.LastIndex(s, "@")
	if before, query, ok := strings.Cut(s, "?"); ok && at > len(before) && parameter.MatchString(query) {
		at = strings.LastIndex(before, "@")
	}
	if at < 0 {
		return "", s
	}
	return s[:at], s[at+1:]
}

// A parameter is what a query begins with.
var parameter = regexp.MustCompile(`^[A-Za-z][\w.-]*=`)

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// fromQuery takes the user, the password and the database that stand as parameters.
func (c *conn) fromQuery(q url.Values) {
	for k, v := range q {
		switch strings.ToLower(k) {
		case "user", "username", "uid", "user id":
			if c.user == "" {
				c.user = v[0]
			}
		case "password", "pwd", "pass":
			c.password = c.password || v[0] != ""
		case "database", "dbname", "databasename":
			if c.db == "" {
				c.db = v[0]
			}
		}
	}
}

// parseJDBC reads the URLs of Java's drivers.
func parseJDBC(s string) (conn, bool) {
	if len(s) < 5 || !strings.EqualFold(s[:5], "jdbc:") {
		return conn{}, false
	}
	s = s[5:]
	driver, rest, _ := strings.Cut(s, ":")
	switch strings.ToLower(driver) {
	case "sqlserver":
		return parseJDBCSQLServer(strings.TrimPrefix(rest, "//"))
	case "jtds":
		return parseURL(strings.Replace(s, "jtds:", "", 1))
	case "oracle":
		return parseJDBCOracle(rest)
	case "postgresql":
		if !strings.HasPrefix(rest, "//") {
			return conn{kind: "postgresql", db: strings.TrimPrefix(rest, "/"), servers: []server{{host: "localhost", port: 5432}}}, true
		}
	}
	if mode, after, ok := strings.Cut(rest, "://"); ok && !strings.Contains(mode, "/") {
		rest = "//" + after // jdbc:mysql:replication://…
	}
	return parseURL(driver + ":" + rest)
}

// parseJDBCSQLServer reads HOST\INSTANCE:PORT;KEY=VALUE;….
func parseJDBCSQLServer(s string) (conn, bool) {
	where, settings, _ := strings.Cut(s, ";")
	pairs := adoPairs(settings)
	c := conn{kind: "sqlserver"}
	c.fromADO(pairs)
	if where == "" {
		where = first(pairs, "servername", "server")
	}
	host, after, named := strings.Cut(where, `\`)
	if !named {
		c.servers = []server{splitHost(where, 1433)}
		return c, true
	}
	instance, port, _ := strings.Cut(after, ":")
	n, _ := strconv.Atoi(port)
	c.servers = []server{{host: host, instance: instance, port: n}}
	return c, true
}

var (
	oracleHost    = regexp.MustCompile(`(?i)\(\s*HOST\s*=\s*([^)\s]+)\s*\)(?:\s*\(\s*PORT\s*=\s*(\d+)\s*\))?`)
	oracleService = regexp.MustCompile(`(?i)\(\s*(?:SERVICE_NAME|SID)\s*=\s*([^)\s]+)\s*\)`)
)

// parseJDBCOracle reads thin:USER/PASSWORD@HOST:PORT:SID and its kin.
func parseJDBCOracle(s string) (conn, bool) {
	_, s, _ = strings.Cut(s, ":")
	c := conn{kind: "oracle"}
	at := strings.LastIndex(s, "@")
	if at < 0 {
		return c, false
	}
	user, pass, _ := strings.Cut(s[:at], "/")
	c.user, c.password = user, pass != ""
	return c.oracleSource(s[at+1:])
}

// oracleSource reads a data source: a description, //HOST:PORT/SERVICE, or
// HOST:PORT:SID.
func (c conn) oracleSource(s string) (conn, bool) {
	if hosts := oracleHost.FindAllStringSubmatch(s, -1); hosts != nil {
		for _, m := range hosts {
			c.servers = append(c.servers, splitHost(m[1]+":"+orText(m[2], "1521"), 1521))
		}
		if m := oracleService.FindStringSubmatch(s); m != nil {
			c.db = m[1]
		}
		return c, true
	}
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "//"), "?")
	where, service, ok := strings.Cut(s, "/")
	if p := strings.Split(where, ":"); !ok && len(p) == 3 {
		where, service = p[0]+":"+p[1], p[2]
	}
	c.db = service
	c.servers = []server{splitHost(where, 1521)}
	return c, where != ""
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
