package directory

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/go-ldap/ldap/v3"
)

// A neighbour is another controller from which, or to which, one naming context
// replicates.
type neighbour struct {
	dest, source string // names of controllers
	site         string // of the other one; empty if it is not known
	nc           string
	direction    string // in or out
	transport    string
	success      time.Time // zero: never
	attempt      time.Time
	result       string
	fails        int
}

// nameOf returns the controller in the DN of its NTDS settings, and its site:
// CN=NTDS Settings,CN=DC2,CN=Servers,CN=SITE,CN=Sites,…
func nameOf(dn string) (name, site string) {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "", ""
	}
	const settings, controller, servers, at = 0, 1, 2, 3
	for i, r := range parsed.RDNs {
		v := r.Attributes[0].Value
		switch {
		case i == settings && !strings.HasPrefix(v, "NTDS Settings"), i == servers && v != "Servers":
			return "", ""
		case i == controller:
			name = v
		case i == at:
			return name, v
		}
	}
	return name, ""
}

// never is how Windows writes the time of what has not happened.
const never = 1601

// xmlNeighbour is DS_REPL_NEIGHBOR as msDS-NCReplInboundNeighbors has it.
type xmlNeighbour struct {
	XMLName   xml.Name `xml:"DS_REPL_NEIGHBOR"`
	NC        string   `xml:"pszNamingContext"`
	SourceDN  string   `xml:"pszSourceDsaDN"`
	Address   string   `xml:"pszSourceDsaAddress"`
	Transport string   `xml:"pszAsyncIntersiteTransportDN"`
	Success   string   `xml:"ftimeLastSyncSuccess"`
	Attempt   string   `xml:"ftimeLastSyncAttempt"`
	Result    uint32   `xml:"dwLastSyncResult"`
	Fails     int      `xml:"cNumConsecutiveSyncFailures"`
}

// parseNeighbour reads one value of the attribute.
func parseNeighbour(value, dest string) (neighbour, error) {
	var x xmlNeighbour
	if err := xml.Unmarshal([]byte(strings.TrimRight(value, "\x00 \r\n")), &x); err != nil {
		return neighbour{}, fmt.Errorf("read msDS-NCReplInboundNeighbors: %w", err)
	}
	n := neighbour{dest: dest, nc: x.NC, direction: "in", transport: "RPC", fails: x.Fails, success: when(x.Success), attempt: when(x.Attempt)}
	if n.source, n.site = nameOf(x.SourceDN); n.source == "" {
		n.source = x.Address
	}
	if dn, err := ldap.ParseDN(x.Transport); err == nil && len(dn.RDNs) > 0 {
		n.transport = dn.RDNs[0].Attributes[0].Value
	}
	n.result = resultOf(x.Result)
	return n, nil
}

func when(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() <= never {
		return time.Time{}
	}
	return t
}

// resultOf says the errors of Windows by which replication mostly fails.
func resultOf(code uint32) string {
	meaning := map[uint32]string{
		0: "success", 5: "access is denied", 1256: "the remote system is not available", 1396: "wrong target principal name",
		1722: "the RPC server is not available", 1753: "the endpoint mapper has no more endpoints", 1908: "no domain controller was found",
		8418: "the schemas do not match", 8439: "the naming context is not known there", 8451: "a database error", 8452: "the naming context is being removed",
		8453: "replication access was denied", 8456: "the source refuses replication", 8457: "the destination refuses replication",
		8524: "a DNS lookup failed", 8606: "an object is lingering: attributes are missing", 8614: "it has not replicated for longer than the tombstone lifetime",
	}[code]
	switch {
	case code == 0:
		return meaning
	case meaning == "":
		return fmt.Sprintf("error %d", code)
	}
	return fmt.Sprintf("error %d: %s", code, meaning)
}

// ldapNeighbours reads the neighbours of each naming context of a controller.
func ldapNeighbours(ctx context.Context, in check.Input, out *check.Out) ([]neighbour, error) {
	l, root, err := logon(ctx, in)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	dest, _ := nameOf(root.GetAttributeValue("dsServiceName"))
	if dest == "" {
		return nil, check.Unknown("%s is no domain controller", in.Text("dc"))
	}
	const attribute = "msDS-NCReplInboundNeighbors"
	var all []neighbour
	seen := 0
	for _, nc := range root.GetAttributeValues("namingContexts") {
		r, err := l.Search(ldap.NewSearchRequest(nc, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{attribute}, nil))
		if err != nil {
			return all, fmt.Errorf("read the neighbours of %s: %w", nc, err)
		}
		for _, e := range r.Entries {
			for _, v := range e.GetAttributeValues(attribute) {
				out.Raw([]byte(v + "\n"))
				n, err := parseNeighbour(v, dest)
				if err != nil {
					return all, err
				}
				all = append(all, n)
				seen++
			}
		}
	}
	if seen == 0 {
		return nil, check.Unknown("%s shows no %s: the account may not read it, it is the only controller, or it is not Windows", in.Text("dc"), attribute)
	}
	return all, nil
}

// logon connects to the controller that in names, logs on as it says, and reads the
// root DSE.
func logon(ctx context.Context, in check.Input) (*link, *ldap.Entry, error) {
	s := serverOf(in)
	if in.Text("auth") == "simple" && s.how == "ldap" && !loopback(s.host) {
		return nil, nil, check.Unknown("a password does not go over the network in clear: use how=starttls or how=ldaps")
	}
	login, err := loginOf(ctx, in, s)
	if err != nil {
		return nil, nil, err
	}
	l, err := s.dial(ctx)
	if err != nil {
		return nil, nil, check.Unknown("%s does not answer: %v", hostPort(s.host, s.port), err)
	}
	if err := login(l); err != nil {
		l.Close()
		return nil, nil, check.Unknown("the bind to %s fails: %v", hostPort(s.host, s.port), err)
	}
	root, err := readRoot(l)
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, root, nil
}
