package sshd

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// flood opens a session that nobody reads, and has it filled.
func flood(t *testing.T, c *ssh.Client) {
	t.Helper()
	ch, reqs, err := c.OpenChannel("session", nil) // nobody reads ch
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(reqs)
	pty := struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{"xterm", 80, 24, 0, 0, "\x00"}
	if ok, err := ch.SendRequest("pty-req", true, ssh.Marshal(&pty)); !ok {
		t.Fatalf("pty-req: %v", err)
	}
	if ok, err := ch.SendRequest("shell", true, nil); !ok {
		t.Fatalf("shell: %v", err)
	}
	if _, err := ch.Write([]byte("w")); err != nil {
		t.Fatal(err)
	}
}

// A client that leaves one session unread loses that one and no other.
func TestUnreadSession(t *testing.T) {
	h := open(t, func(c *Config) { c.stuckAfter = 300 * time.Millisecond })
	c := h.client("ana")
	other := h.screen(c, "", 80, 24)
	other.out.wait(t, "[ana")
	flood(t, c)
	h.log.wait(t, "does not read")
	io.WriteString(other.in, "x")
	other.out.wait(t, "<k>")
	io.WriteString(other.in, "q")
	if code := other.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// A gate is a connection whose reader can be held up.
type gate struct {
	net.Conn
	open chan struct{} // a Read waits until it is closed

	mu   sync.Mutex // guards what follows
	shut bool
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut {
		<-g.open
	}
	return n, err
}

// A client that reads nothing at all loses its connection.
func TestUnreadConnection(t *testing.T) {
	h := open(t, func(c *Config) { c.stuckAfter = 300 * time.Millisecond })
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Conn: conn, open: make(chan struct{})}
	defer close(g.open)
	sc, chans, reqs, err := ssh.NewClientConn(g, h.addr, &ssh.ClientConfig{
		User: "any",
		Auth: []ssh.AuthMethod{ssh.PublicKeys(h.person("ana"))}, HostKeyCallback: ssh.FixedHostKey(h.host),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := ssh.NewClient(sc, chans, reqs)
	defer c.Close()
	flood(t, c)
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	h.log.wait(t, "does not read")
	h.gone(t)
}

// gone waits until no connection is left.
func (h *house) gone(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); h.conns() > 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d connections are left", h.conns())
		}
	}
}
