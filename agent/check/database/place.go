package database

import (
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A place is a server, and who the agent is there.
type place struct {
	host     string // empty: the local socket
	port     int
	database string
	user     string // empty: the agent's own user
	password string
	// bound says that a secret names the host.
	bound bool
}

// placeParams are the parameters that name a server of that kind.
func placeParams(port string) []check.Param {
	return []check.Param{
		{Name: "host", Summary: "the server; this machine if not given, and else only what the secret names", Type: shape.AHost},
		{Name: "port", Summary: "its TCP port", Type: shape.APort, Default: port},
		{Name: "database", Summary: "the database to connect to", Type: shape.AText},
		{Name: "user", Summary: "who to be there without a secret; the agent's own user if not given", Type: shape.AText},
		{Name: "secret", Summary: "the endpoint's secret with user, password, and host of another machine", Type: shape.ASecret},
	}
}

// placeOf returns the server that is asked for. A secret goes to this machine or to
// the host that it names, and without one no other machine is asked.
func placeOf(in check.Input) (place, error) {
	p := place{host: in.Text("host"), port: in.Int("port"), database: in.Text("database"), user: in.Text("user")}
	if in.Has("secret") {
		s, err := in.Secrets.Get(in.Text("secret"))
		if err != nil {
			return place{}, err
		}
		if err := p.take(s, in); err != nil {
			return place{}, err
		}
	}
	if !p.bound && !isHere(p.host) {
		return place{}, check.Unknown("%s is another machine: it is asked only with a secret that has the line host=%s", p.host, p.host)
	}
	return p, nil
}

func (p *place) take(s check.Secret, in check.Input) error {
	if s["user"] != "" {
		if in.Given("user") && in.Text("user") != s["user"] {
			return check.Unknown("secret %q is not of user %s", in.Text("secret"), in.Text("user"))
		}
		p.user = s["user"]
	}
	p.password = s["password"]
	if p.database == "" {
		p.database = s["database"]
	}
	host := s["host"]
	if host == "" {
		return nil
	}
	if p.host != "" && !strings.EqualFold(p.host, host) {
		return check.Unknown("secret %q is for another host than %s", in.Text("secret"), p.host)
	}
	p.host, p.bound = host, true
	port, err := strconv.ParseUint(s["port"], 10, 16)
	switch {
	case err != nil && s["port"] != "":
		return check.Unknown("the port in secret %q is not a number", in.Text("secret"))
	case s["port"] == "":
	case in.Given("port") && in.Int("port") != int(port):
		return check.Unknown("secret %q is for another port than %d", in.Text("secret"), in.Int("port"))
	default:
		p.port = int(port)
	}
	return nil
}

// isHere reports whether the host is this machine by its name or address.
func isHere(host string) bool {
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	name, err := os.Hostname()
	return err == nil && strings.EqualFold(name, host)
}

// name returns HOST:PORT as other machines may know it.
func (p place) name() string {
	host := p.host
	if isHere(host) {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(p.port))
}

// tell tells that this machine speaks to the server, if it is another one.
func (p place) tell(out *check.Out, label string) {
	if !isHere(p.host) {
		out.Edge(check.Edge{Kind: shape.ConnectsTo, To: p.name(), Label: label})
	}
}

// ownUser returns the name of the agent's user.
func ownUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	// On Windows it is DOMAIN\NAME.
	return u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
}

// firstFile returns the first of the files that is there.
func firstFile(paths []string) (string, bool) {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path, true
		}
	}
	return "", false
}
