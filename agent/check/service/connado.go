package service

import (
	"strconv"
	"strings"
)

// adoPairs reads KEY=VALUE;KEY="VALUE"; as ADO.NET, ODBC and OLE DB write it. Keys are
// in lower case.
func adoPairs(s string) map[string]string {
	pairs := map[string]string{}
	for s != "" {
		key, after, ok := strings.Cut(s, "=")
		if !ok {
			return pairs
		}
		if i := strings.LastIndex(key, ";"); i >= 0 {
			key = key[i+1:]
		}
		key = strings.ToLower(strings.Join(strings.Fields(key), " "))
		var v string
		v, s = adoValue(strings.TrimLeft(after, " "))
		if _, twice := pairs[key]; !twice || v != "" {
			pairs[key] = v
		}
	}
	return pairs
}

// adoValue cuts a value from the front of s. In quotes, the quote itself stands twice.
func adoValue(s string) (value, rest string) {
	end := map[byte]byte{'"': '"', '\'': '\'', '{': '}'}
	if s == "" || end[s[0]] == 0 {
		value, rest, _ = strings.Cut(s, ";")
		return strings.TrimSpace(value), rest
	}
	quote := end[s[0]]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == quote {
			if i+1 < len(s) && s[i+1] == quote {
				i++
			} else {
				_, rest, _ = strings.Cut(s[i+1:], ";")
				return b.String(), rest
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// first returns the first of the settings that is there.
func first(pairs map[string]string, keys ...string) string {
	for _, k := range keys {
		if v := pairs[k]; v != "" {
			return v
		}
	}
	return ""
}

// fromADO takes all but the server.
func (c *conn) fromADO(p map[string]string) {
	c.db = first(p, "database", "initial catalog", "databasename", "db", "dbname")
	c.user = first(p, "user id", "uid", "user", "username", "user name", "userid")
	c.password = first(p, "password", "pwd", "passwd") != ""
	switch v := strings.ToLower(first(p, "integrated security", "trusted_connection", "integratedsecurity", "trusted connection")); v {
	case "true", "yes", "sspi":
		c.auth = "integrated"
	}
	if v := first(p, "authentication", "authenticationscheme"); v != "" {
		c.auth = v
	}
}

// parseADO reads a connection string of ADO.NET, ODBC or OLE DB.
func parseADO(s string) (conn, bool) {
	p := adoPairs(s)
	if inner := p["provider connection string"]; inner != "" {
		return parseADO(inner) // Entity Framework's
	}
	where := first(p, "server", "data source", "datasource", "host", "addr", "address", "network address", "servername")
	c := conn{}
	c.fromADO(p)
	if where == "" || len(p) < 2 || c.db == "" && c.user == "" && c.auth == "" {
		return conn{}, false
	}
	port := 0
	c.kind, port = adoKind(p)
	if c.kind == "oracle" || strings.Contains(strings.ToUpper(where), "(HOST") {
		c.kind = "oracle"
		return c.oracleSource(where)
	}
	if n, err := strconv.Atoi(p["port"]); err == nil {
		port = n
	}
	for _, one := range adoServers(c.kind, where) {
		c.servers = append(c.servers, adoServer(c.kind, one, port))
	}
	if partner := p["failover partner"]; partner != "" {
		c.servers = append(c.servers, adoServer(c.kind, partner, port))
	}
	return c, true
}

// adoServers returns the servers of a list. In SQL Server's a comma is before a port.
func adoServers(kind, where string) []string {
	if kind == "sqlserver" {
		return []string{where}
	}
	return strings.Split(where, ",")
}

// adoKind tells what the string is for, by the words that only one driver has.
func adoKind(p map[string]string) (string, int) {
	driver := strings.ToLower(p["driver"] + " " + p["provider"])
	has := func(keys ...string) bool {
		for _, k := range keys {
			if _, ok := p[k]; ok {
				return true
			}
		}
		return false
	}
	switch {
	case strings.Contains(driver, "postgres"), p["port"] == "5432":
		return "postgresql", 5432
	case strings.Contains(driver, "mysql"), strings.Contains(driver, "mariadb"), p["port"] == "3306":
		return "mysql", 3306
	case strings.Contains(driver, "ora"):
		return "oracle", 1521
	case has("initial catalog", "integrated security", "trusted_connection", "trustservercertificate", "multipleactiveresultsets", "failover partner", "driver"):
		return "sqlserver", 1433
	case has("host"):
		return "postgresql", 5432
	case has("sslmode", "ssl mode", "allowuservariables", "allow user variables"):
		return "mysql", 3306
	}
	return "sqlserver", 1433
}

// adoServer reads tcp:HOST\INSTANCE,PORT and its kin.
func adoServer(kind, where string, port int) server {
	if kind != "sqlserver" {
		if strings.HasPrefix(where, "/") && kind == "postgresql" {
			return libpqServers(where, strconv.Itoa(port))[0]
		}
		return splitHost(strings.TrimSpace(where), port)
	}
	for _, protocol := range []string{"tcp:", "np:", "lpc:", "admin:"} {
		if len(where) > len(protocol) && strings.EqualFold(where[:len(protocol)], protocol) {
			where = where[len(protocol):]
		}
	}
	host, number, hasPort := strings.Cut(where, ",")
	host, instance, named := strings.Cut(strings.TrimSpace(host), `\`)
	s := server{host: host, port: port}
	if strings.EqualFold(host, "(localdb)") {
		return server{socket: where}
	}
	if named && !strings.EqualFold(instance, "MSSQLSERVER") {
		s.instance, s.port = instance, 0
	}
	if n, err := strconv.Atoi(strings.TrimSpace(number)); hasPort && err == nil {
		s.port = n
	}
	return s
}
