package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
)

// A house is a server with its technicians, for a test.
type house struct {
	t    *testing.T
	srv  *Server
	addr string
	host ssh.PublicKey
	log  *syncBuffer

	mu    sync.Mutex
	names map[string]string // by fingerprint
	cut   chan struct{}     // closed to take everybody's access away
	runs  []*backend
}

// open starts a server. When the test ends it is shut down, and every goroutine
// it started must be gone.
func open(t *testing.T, change func(*Config)) *house {
	t.Helper()
	before := goleak.IgnoreCurrent()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, names: map[string]string{}, cut: make(chan struct{}), log: new(syncBuffer)}
	cfg := Config{
		HostKey: key, Technicians: h, Version: "1.2-test",
		Log: slog.New(slog.NewTextHandler(h.log, nil)), model: newShow,
	}
	if change != nil {
		change(&cfg)
	}
	if h.srv, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	signer, _ := ssh.NewSignerFromKey(key)
	h.host = signer.PublicKey()
	served := make(chan error, 1)
	go func() { served <- h.srv.Serve(l) }()
	t.Cleanup(func() {
		h.shutdown()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		goleak.VerifyNone(t, before)
	})
	return h
}

func (h *house) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.srv.Shutdown(ctx); err != nil {
		h.t.Errorf("shutdown: %v", err)
	}
}

func (h *house) Allowed(_ context.Context, c Credential) bool { return h.name(c) != "" }

// name returns whose a credential is: certificates are believed.
func (h *house) name(c Credential) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Name != "" {
		return c.Name
	}
	return h.names[c.Print]
}

func (h *house) Console(c Credential, _ net.Addr) (console.Backend, error) {
	name := h.name(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == "gone" {
		return nil, console.Errorf(console.CodeRefused, "ask an admin", "this key was disabled")
	}
	b := &backend{self: console.Self{Name: name, Key: c.String()}, steps: make(chan string, 16), cancelled: make(chan struct{})}
	h.runs = append(h.runs, b)
	return b, nil
}

func (h *house) Gone(Credential) <-chan struct{} { return h.cut }

// newest returns the Backend of the newest session.
func (h *house) newest() *backend {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runs[len(h.runs)-1]
}

// person makes a key for name and lets it in, unless name is empty.
func (h *house) person(name string) ssh.Signer {
	_, key, _ := ed25519.GenerateKey(nil)
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		h.t.Fatal(err)
	}
	h.letIn(name, signer.PublicKey())
	return signer
}

func (h *house) letIn(name string, key ssh.PublicKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[ssh.FingerprintSHA256(key)] = name
}

func (h *house) dial(auth ...ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", h.addr, &ssh.ClientConfig{
		User: "any", Auth: auth,
		HostKeyCallback: ssh.FixedHostKey(h.host), Timeout: 10 * time.Second,
	})
}

func (h *house) client(name string) *ssh.Client {
	h.t.Helper()
	c, err := h.dial(ssh.PublicKeys(h.person(name)))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// A screen is a session with a terminal, and what it has shown.
type screen struct {
	t *testing.T
	*ssh.Session
	in  io.WriteCloser
	out *syncBuffer
	err *syncBuffer
}

// screen opens a session with a terminal that runs command; the interface if it
// is empty.
func (h *house) screen(c *ssh.Client, command string, columns, rows int) *screen {
	h.t.Helper()
	sess, err := c.NewSession()
	if err != nil {
		h.t.Fatal(err)
	}
	s := &screen{t: h.t, Session: sess, out: new(syncBuffer), err: new(syncBuffer)}
	sess.Stdout, sess.Stderr = s.out, s.err
	s.in, _ = sess.StdinPipe()
	if err := sess.RequestPty("xterm-256color", rows, columns, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
		h.t.Fatal(err)
	}
	if command == "" {
		err = sess.Shell()
	} else {
		err = sess.Start(command)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// code waits for the session's end and returns its exit code; -1 for none.
func (s *screen) code() int {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Wait() }()
	select {
	case err := <-done:
		return exitCode(err)
	case <-time.After(20 * time.Second):
		s.t.Fatalf("session did not end; it showed %q and said %q", s.out, s.err)
	}
	return 0
}

func exitCode(err error) int {
	var ee *ssh.ExitError
	var xe *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ee):
		return ee.ExitStatus()
	case errors.As(err, &xe):
		return xe.ExitCode()
	}
	return -1
}

// A syncBuffer collects what is written, and can be waited on.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// wait waits until text has been written; the other side is a real process or a
// real connection.
func (b *syncBuffer) wait(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if strings.Contains(b.String(), text) {
			return
		}
	}
	t.Fatalf("%q never came; there was %q", text, b)
}

// openSSH returns a command of the real client, with its own empty configuration.
func (h *house) openSSH(dir string, args ...string) *exec.Cmd {
	h.t.Helper()
	path, err := exec.LookPath("ssh")
	if err != nil {
		h.t.Skip("needs the ssh client of the Debian package openssh-client")
	}
	host, port, _ := net.SplitHostPort(h.addr)
	known := filepath.Join(dir, "known_hosts")
	line := fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(h.host))
	if err := os.WriteFile(known, []byte(line), 0o600); err != nil {
		h.t.Fatal(err)
	}
	all := append([]string{
		"-F", "none", "-p", port, "-o", "UserKnownHostsFile=" + known, "-o", "IdentitiesOnly=yes",
		"-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
	}, args...)
	cmd := exec.Command(path, all...)
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TERM=xterm-256color"}
	return cmd
}

// keyFile writes a new key pair named name into dir, lets it in, and returns the
// name of the private file.
func (h *house) keyFile(dir, name string) string {
	h.t.Helper()
	pub, key, _ := ed25519.GenerateKey(nil)
	block, err := ssh.MarshalPrivateKey(key, name)
	if err != nil {
		h.t.Fatal(err)
	}
	sshPub, _ := ssh.NewPublicKey(pub)
	file := filepath.Join(dir, name)
	if err := errors.Join(os.WriteFile(file, pem.EncodeToMemory(block), 0o600),
		os.WriteFile(file+".pub", ssh.MarshalAuthorizedKey(sshPub), 0o600)); err != nil {
		h.t.Fatal(err)
	}
	h.letIn(name, sshPub)
	return file
}

// shortDir returns a directory whose path fits a Unix socket's.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
