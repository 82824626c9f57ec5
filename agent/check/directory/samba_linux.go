package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// sambaTool runs samba-tool with the machine's own account, which needs root.
func sambaTool(ctx context.Context, out *check.Out, args ...string) ([]byte, error) {
	return check.Tool(ctx, out, "samba-tool", args...)
}

// sambaSide is an element of repsFrom and repsTo of samba-tool drs showrepl --json.
type sambaSide struct {
	NC       string `json:"NC dn"`
	DN       string `json:"NTDS DN"`
	Attempt  string `json:"last attempt time"`
	Message  string `json:"last attempt message"`
	Success  string `json:"last success"`
	Failures int    `json:"consecutive failures"`
	Deleted  bool   `json:"is deleted"`
}

// A showrepl is what samba-tool drs showrepl --json prints.
type showrepl struct {
	From        []sambaSide `json:"repsFrom"`
	To          []sambaSide `json:"repsTo"`
	Connections []struct {
		Remote string `json:"remote DN"`
		Name   string `json:"dns name"`
	} `json:"NTDSConnections"`
}

// showRepl asks the controller that in names; this machine if it names none.
func showRepl(ctx context.Context, in check.Input, out *check.Out) (showrepl, error) {
	args := []string{"drs", "showrepl", "--json", "-P"}
	if in.Given("dc") {
		args = []string{"drs", "showrepl", in.Text("dc"), "--json", "-P"}
	}
	var s showrepl
	b, err := sambaTool(ctx, out, args...)
	if err != nil {
		return s, check.Unknown("samba-tool cannot tell, which needs a running Samba domain controller and root: %v", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read showrepl: %w", err)
	}
	return s, nil
}

// sambaNeighbours is the neighbours of Samba.
func sambaNeighbours(ctx context.Context, in check.Input, out *check.Out) ([]neighbour, error) {
	s, err := showRepl(ctx, in, out)
	if err != nil {
		return nil, err
	}
	dest, err := asked(ctx, in)
	return s.neighbours(dest), err
}

// asked is the name of the controller that was asked.
func asked(ctx context.Context, in check.Input) (string, error) {
	if in.Given("dc") {
		name, _, _ := strings.Cut(in.Text("dc"), ".")
		return strings.ToUpper(name), nil
	}
	b, err := check.Tool(ctx, nil, "testparm", "-s", "--parameter-name=netbios name")
	return strings.ToUpper(strings.TrimSpace(string(b))), err
}

func (s showrepl) neighbours(dest string) []neighbour {
	var all []neighbour
	for _, side := range s.From {
		all = append(all, side.neighbour(dest, "in"))
	}
	for _, side := range s.To {
		all = append(all, side.neighbour(dest, "out"))
	}
	return all
}

func (s sambaSide) neighbour(us, direction string) neighbour {
	n := neighbour{
		nc: s.NC, direction: direction, transport: "RPC", fails: s.Failures,
		success: sambaTime(s.Success), attempt: sambaTime(s.Attempt), result: strings.TrimPrefix(s.Message, "was "),
	}
	n.result = strings.TrimSuffix(n.result, "ful") // successful, as everywhere else
	them, site := nameOf(s.DN)
	n.site = site
	n.dest, n.source = us, them
	if direction == "out" {
		n.dest, n.source = them, us
	}
	return n
}

// sambaTime reads samba's times: NTTIME(0) is never.
func sambaTime(s string) time.Time {
	t, err := time.ParseInLocation("Mon Jan _2 15:04:05 2006 MST", s, time.Local)
	if err != nil {
		return time.Time{}
	}
	return t
}
