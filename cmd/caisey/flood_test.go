package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/wire"
)

// floodLimit is by how much a relay may grow while its doors are flooded.
const floodLimit = 200 << 20

// TestFloodedDoors does to both doors what strangers and a technician's stolen key
// can, all at once. The relay must not grow by much, and an admin who works meanwhile
// must not be kept out.
func TestFloodedDoors(t *testing.T) {
	size, most := 1, int64(floodLimit)
	if os.Getenv("CAISEY_LONG") != "" {
		size, most = 5, 4*floodLimit // with the race detector, which multiplies what a program needs
	}
	d := deploy(t)
	d.enroll("acme", "db01")
	d.admin.must("run", "acme/db01", "--", "echo alive")
	stolen := d.dialAs(d.letIn("mallory", "technician"))
	before := d.relaySize("VmRSS")
	var floods sync.WaitGroup
	stop := make(chan struct{})
	flood := func(what string, do func(stop <-chan struct{}) string) {
		floods.Go(func() { t.Logf("%s: %s", what, do(stop)) })
	}
	flood("silent TCP connections", func(stop <-chan struct{}) string { return d.silentTCP(2000*size, stop) })
	flood("QUIC handshakes", func(<-chan struct{}) string { return d.deafInitials(1000 * size) })
	flood("silent QUIC connections", func(stop <-chan struct{}) string { return d.silentQUIC(40*size, stop) })
	flood("windows", func(<-chan struct{}) string { return hugeWindows(stolen, 200*size) })
	flood("environments", func(<-chan struct{}) string { return environments(stolen, 400*size) })
	flood("channels", func(<-chan struct{}) string { return channels(stolen, 5000*size) })
	done := make(chan struct{})
	go func() { floods.Wait(); close(done) }()
	worked, longest := 0, time.Duration(0)
	for over := false; !over; worked++ {
		select {
		case <-time.After(time.Second / 5):
		case <-done:
			over = true
		}
		begun := time.Now()
		if out := d.admin.must("run", "acme/db01", "--", "echo alive"); out != "alive\n" {
			t.Errorf("in the flood, a command says %q", out)
		}
		longest = max(longest, time.Since(begun))
		if worked == 10*size {
			close(stop)
		}
	}
	after, peak := d.relaySize("VmRSS"), d.relaySize("VmHWM")
	t.Logf("an admin logged in and ran a command %d times, the slowest in %v", worked, longest.Round(time.Millisecond))
	t.Logf("the relay had %d MiB before, %d MiB after, %d MiB at most", before>>20, after>>20, peak>>20)
	if peak-before > most {
		t.Errorf("the relay grew by %d MiB", (peak-before)>>20)
	}
	if !strings.Contains(d.admin.must("ls", "--json"), `"online":true`) {
		t.Error("the endpoint is not online")
	}
}

// relaySize returns a line of the relay's /proc/PID/status, in bytes.
func (d *deployment) relaySize(field string) int64 {
	d.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.relay.cmd.Process.Pid))
	if err != nil {
		d.t.Skipf("this system has no /proc: %v", err)
	}
	m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		d.t.Fatalf("no %s in %s", field, b)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return n << 10
}

// dialAs connects with a technician's key and a client of our own.
func (d *deployment) dialAs(p *technician) *ssh.Client {
	d.t.Helper()
	signer := ring{t: d.t, dir: filepath.Dir(p.key)}.signer(p.key)
	c, err := ssh.Dial("tcp", d.ssh, &ssh.ClientConfig{
		User: p.name, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: limit,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the relay is this test's own
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close() })
	return c
}

// silentTCP opens n connections from 250 addresses, says nothing on them, and holds
// those that are not closed.
func (d *deployment) silentTCP(n int, stop <-chan struct{}) string {
	var held []net.Conn
	greeted, failed := 0, 0
	for i := range n {
		dialer := net.Dialer{Timeout: limit, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 1, byte(1+i%250))}}
		c, err := dialer.Dial("tcp", d.ssh)
		if err != nil {
			failed++
			continue
		}
		held = append(held, c)
		_ = c.SetReadDeadline(time.Now().Add(limit))
		if _, err := io.ReadFull(c, make([]byte, 4)); err == nil {
			greeted++
		}
	}
	<-stop
	for _, c := range held {
		c.Close()
	}
	return fmt.Sprintf("%d opened from 250 addresses, %d taken, %d not even opened", len(held), greeted, failed)
}

// A deafConn keeps the first packet that is sent on it and hears nothing.
type deafConn struct {
	first  chan []byte
	closed chan struct{}
	once   sync.Once
}

func (c *deafConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case c.first <- append([]byte(nil), b...):
	default:
	}
	return len(b), nil
}

func (c *deafConn) ReadFrom([]byte) (int, net.Addr, error) {
	<-c.closed
	return 0, nil, net.ErrClosed
}

func (c *deafConn) Close() error { c.once.Do(func() { close(c.closed) }); return nil }

func (c *deafConn) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *deafConn) SetDeadline(time.Time) error      { return nil }
func (c *deafConn) SetReadDeadline(time.Time) error  { return nil }
func (c *deafConn) SetWriteDeadline(time.Time) error { return nil }

// initial returns the first packet of a handshake.
func (d *deployment) initial(id *wire.Identity) ([]byte, error) {
	addr, err := net.ResolveUDPAddr("udp", d.quic)
	if err != nil {
		return nil, err
	}
	c := &deafConn{first: make(chan []byte, 1), closed: make(chan struct{})}
	tr := &quic.Transport{Conn: c}
	ctx, cancel := context.WithCancel(context.Background())
	dialed := make(chan struct{})
	go func() {
		defer close(dialed)
		_, _ = tr.Dial(ctx, addr, id.DialTLS(wire.ProtoEnroll, id.Public()), wire.Config()) // it ends with ctx
	}()
	b := <-c.first
	cancel()
	<-dialed
	return b, errors.Join(c.Close(), tr.Close())
}

// deafInitials begins n handshakes from 200 sockets and goes on with none, as
// somebody does who makes up where they send from.
func (d *deployment) deafInitials(n int) string {
	id, err := wire.NewIdentity()
	if err != nil {
		return err.Error()
	}
	var sockets []net.Conn
	for i := range 200 {
		addr, _ := net.ResolveUDPAddr("udp", d.quic)
		c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 2, 1, byte(1+i))}, addr)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		sockets = append(sockets, c)
	}
	begun := time.Now()
	for i := range n {
		b, err := d.initial(id)
		if err != nil {
			return err.Error()
		}
		_, _ = sockets[i%len(sockets)].Write(b) // the kernel may say that it is full
	}
	return fmt.Sprintf("%d begun from %d sockets in %v", n, len(sockets), time.Since(begun).Round(time.Millisecond))
}

// silentQUIC completes handshakes, as anybody can who enrols, and says nothing.
func (d *deployment) silentQUIC(n int, stop <-chan struct{}) string {
	id, err := wire.NewIdentity()
	if err != nil {
		return err.Error()
	}
	pem, err := wire.LoadIdentity(filepath.Join(d.data, relayKeyFile))
	if err != nil {
		return err.Error()
	}
	in := 0
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		c, err := quic.DialAddr(ctx, d.quic, id.DialTLS(wire.ProtoEnroll, pem.Public()), wire.Config())
		cancel()
		if err != nil {
			continue
		}
		in++
		defer func() { _ = c.CloseWithError(0, "") }()
	}
	<-stop
	return fmt.Sprintf("%d of %d came in", in, n)
}

// hugeWindows opens the interface and says n times that its terminal is huge.
func hugeWindows(c *ssh.Client, n int) string {
	sess, err := c.NewSession()
	if err != nil {
		return err.Error()
	}
	defer sess.Close()
	if err := sess.RequestPty("xterm-256color", 65535, 65535, nil); err != nil {
		return err.Error()
	}
	sess.Stdout = io.Discard
	if err := sess.Shell(); err != nil {
		return err.Error()
	}
	for i := range n {
		if err := sess.WindowChange(65535-i%2, 65535); err != nil {
			return err.Error()
		}
	}
	return fmt.Sprintf("%d of 65535x65535 said", n)
}

// environments sends n variables of 30 kB each.
func environments(c *ssh.Client, n int) string {
	sess, err := c.NewSession()
	if err != nil {
		return err.Error()
	}
	defer sess.Close()
	taken, big := 0, strings.Repeat("x", 30<<10)
	for i := range n {
		if sess.Setenv(fmt.Sprintf("LC_%d", i), big) == nil {
			taken++
		}
	}
	return fmt.Sprintf("%d variables of 30 kB sent, %d taken", n, taken)
}

// channels opens n channels of every kind and closes none.
func channels(c *ssh.Client, n int) string {
	kinds := []string{"session", "direct-tcpip", "x11", "session", "auth-agent@openssh.com"}
	taken := 0
	for i := range n {
		_, reqs, err := c.OpenChannel(kinds[i%len(kinds)], nil)
		if err == nil {
			taken++
			go ssh.DiscardRequests(reqs)
		}
	}
	return fmt.Sprintf("%d opened, %d taken", n, taken)
}
