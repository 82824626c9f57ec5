package network

import (
	"encoding/json"
	"io"
	"net"
	"slices"
	"strconv"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return l, port
}

// closed returns a port on which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, port := listen(t)
	l.Close()
	return port
}

func TestListening(t *testing.T) {
	_, port := listen(t)
	a := checktest.Ask(t, listening(), "port", port)
	a.Fine(t)
	if i := slices.Index(a.Column(t, "", "port"), port); i < 0 || a.Column(t, "", "name")[i] != "network.test" {
		t.Errorf("rows %v", a.Tables[0].Rows)
	}
	if !slices.ContainsFunc(a.Edges, func(e shape.Edge) bool { return e.Kind == shape.Listens && e.To == "127.0.0.1:"+port }) {
		t.Errorf("edges %+v", a.Edges)
	}
	dead := closed(t)
	if f := checktest.Ask(t, listening(), "port", port+","+dead).Finding(t, "port"); f.Text != "nobody listens on TCP port "+dead {
		t.Errorf("finding %s", f.Text)
	}
	checktest.Ask(t, listening(), "port", "http").CannotTell(t)
}

// TestConnections: three peers end their connections, and we do not.
func TestConnections(t *testing.T) {
	l, port := listen(t)
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
	}
	a := checktest.Ask(t, connections(), "close_wait", "100000", "time_wait", "100")
	if a.End.Verdict == shape.CannotTell {
		t.Fatal(a.End.Why)
	}
	a = checktest.Ask(t, connections(), "close_wait", "2", "peer", "127.0.0.1", "state", "CLOSE_WAIT")
	f := a.Finding(t, "close_wait")
	if n, err := strconv.Atoi(f.Value.(json.Number).String()); err != nil || n < 3 {
		t.Errorf("finding %+v", f)
	}
	i := slices.Index(a.Column(t, "", "port"), port)
	if i < 0 || a.Column(t, "", "count")[i] != "3" || a.Column(t, "", "direction")[i] != "out" {
		t.Errorf("rows %v", a.Tables[0].Rows)
	}
}

func TestProbe(t *testing.T) {
	_, port := listen(t)
	a := checktest.Ask(t, probe(), "host", "127.0.0.1", "ports", port)
	a.Fine(t)
	if len(a.Edges) != 1 || a.Edges[0].To != "127.0.0.1:"+port {
		t.Errorf("edges %+v", a.Edges)
	}
	a = checktest.Ask(t, probe(), "host", "127.0.0.1,no..name", "ports", port+","+closed(t), "slow", "1ns")
	if got := a.Column(t, "", "result"); !slices.Equal(got, []string{"unresolved", "open", "refused"}) {
		t.Errorf("results %v", got)
	}
	if r := a.Column(t, "", "reason")[2]; r != "connection refused (ECONNREFUSED, errno 111)" {
		t.Errorf("reason %s", r)
	}
	a.Finding(t, "slow")
	checktest.Ask(t, probe(), "host", "127.0.0.1", "ports", "0").CannotTell(t)
}
