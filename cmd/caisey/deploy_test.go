package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/sessionlog/foreign"
)

// The tests in this package run the real binaries as processes, and the real
// ssh, tmux and sqlite3 against them.

// binaries builds caisey and caisey-agent once and returns where they are. With
// CAISEY_LONG set they have the race detector in them, which ends a process that
// races with exit code 66 and says so.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "caisey-test-")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", dir}
	if os.Getenv("CAISEY_LONG") != "" {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".", "../caisey-agent")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	if code, ok := foreign.Serve(os.Args[1:]); ok { // of a relay that a test serves in its own process
		os.Exit(code)
	}
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// binary returns the path of a command of ours.
func binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// needs skips the test if a program of a Debian package is not there.
func needs(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("this test needs %s: install the Debian package %s", program, pkg)
	}
}

// limit is how long a test waits for something outside before it gives up.
const limit = 30 * time.Second

// eventually polls what lies outside this process until ok, or fails.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// A process is one of ours, with what it says on stderr.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended

	mu     sync.Mutex // guards what follows
	stderr bytes.Buffer
	err    error
}

// start runs a command in the background until the test ends.
func start(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := p.cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.said(), "DATA RACE") {
			t.Errorf("%s races", filepath.Base(name))
		}
		if t.Failed() {
			t.Logf("%s %s said:\n%s", filepath.Base(name), strings.Join(args, " "), p.said())
		}
	})
	return p
}

// Write keeps what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// kill ends the process as kill -9 does, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// stop ends the process as Ctrl-C does, and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-time.After(limit):
		return errors.New("it does not stop")
	}
}

// A deployment is a relay process with its agents' processes.
type deployment struct {
	t      testing.TB
	data   string
	dir    string // keys and agents
	relay  *process
	quic   string
	ssh    string
	flags  []string // more for the relay
	admin  *technician
	agents map[string]*process
}

// deploy starts a relay, with more flags if there are any; root is its admin.
func deploy(t testing.TB, flags ...string) *deployment {
	t.Helper()
	needs(t, "ssh", "openssh-client")
	dir := t.TempDir()
	d := &deployment{t: t, data: filepath.Join(dir, "data"), dir: dir, quic: "127.0.0.1:0", ssh: "127.0.0.1:0", flags: flags, agents: map[string]*process{}}
	d.admin = d.newTechnician("root")
	d.startRelay()
	return d
}

var listening = regexp.MustCompile(`agents on udp (\S+), technicians on ssh (\S+)`)

// startRelay starts the relay, or starts it again at the same addresses.
func (d *deployment) startRelay() {
	d.t.Helper()
	d.relay = start(d.t, binary(d.t, "caisey"), append([]string{
		"relay", "--data", d.data, "--quic", d.quic, "--ssh", d.ssh, "--admin-key", d.admin.key + ".pub",
	}, d.flags...)...)
	eventually(d.t, "relay listens", func() bool {
		m := listening.FindStringSubmatch(d.relay.said())
		if m == nil {
			return false
		}
		d.quic, d.ssh = m[1], m[2]
		return true
	})
}

// enroll enrols an endpoint through a token, and starts its agent.
func (d *deployment) enroll(client, name string) {
	d.t.Helper()
	token := strings.TrimSpace(d.admin.must("token", "new", "--client", client))
	out, err := exec.Command(binary(d.t, "caisey-agent"), "enroll", token, "--name", name, "--data", d.agentDir(client, name)).CombinedOutput()
	if err != nil {
		d.t.Fatalf("enroll: %v: %s", err, out)
	}
	d.startAgent(client, name)
}

func (d *deployment) agentDir(client, name string) string {
	return filepath.Join(d.dir, "agents", client, name)
}

// startAgent starts the agent of an enrolled endpoint and waits until it is online.
func (d *deployment) startAgent(client, name string) {
	d.t.Helper()
	d.agents[client+"/"+name] = start(d.t, binary(d.t, "caisey-agent"), "run", "--data", d.agentDir(client, name))
	d.awaitOnline(client + "/" + name)
}

func (d *deployment) awaitOnline(path string) {
	d.t.Helper()
	eventually(d.t, path+" is online", func() bool {
		out, _, code := d.admin.ssh("", "ls", path, "--json")
		return code == 0 && strings.Contains(out, `"online":true`)
	})
}

// A technician has a key and logs in with the real ssh.
type technician struct {
	d           *deployment
	name        string
	key         string // file
	fingerprint string
	also        []string // more options for ssh
}

// newTechnician makes a key; it does not let the person in.
func (d *deployment) newTechnician(name string) *technician {
	d.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, name)
	if err != nil {
		d.t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		d.t.Fatal(err)
	}
	file := filepath.Join(d.dir, name+".key")
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " " + name + "@test\n"
	if err := errors.Join(os.WriteFile(file, pem.EncodeToMemory(block), 0o600), os.WriteFile(file+".pub", []byte(line), 0o644)); err != nil {
		d.t.Fatal(err)
	}
	return &technician{d: d, name: name, key: file, fingerprint: ssh.FingerprintSHA256(pub)}
}

// letIn makes a technician who may log in, with a role for clients; for all if
// there are none.
func (d *deployment) letIn(name, role string, clients ...string) *technician {
	d.t.Helper()
	p := d.newTechnician(name)
	pub, err := os.ReadFile(p.key + ".pub")
	if err != nil {
		d.t.Fatal(err)
	}
	words := []string{"tech", "add", name, "--role", role, "--key", "-"}
	for _, client := range clients {
		words = append(words, "--client", client)
	}
	if _, stderr, code := d.admin.ssh(string(pub), words...); code != 0 {
		d.t.Fatalf("tech add: exit %d: %s", code, stderr)
	}
	return p
}

// args returns the words of an ssh command line that logs in as p.
func (p *technician) args(words ...string) []string {
	host, port, err := net.SplitHostPort(p.d.ssh)
	if err != nil {
		p.d.t.Fatal(err)
	}
	args := []string{
		"-F", "none", "-p", port, "-i", p.key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + filepath.Join(p.d.dir, "known_hosts"), "-o", "LogLevel=ERROR",
	}
	return append(append(append(args, p.also...), p.name+"@"+host), words...)
}

// command returns the real ssh as a command.
func (p *technician) command(words ...string) *exec.Cmd {
	return exec.Command("ssh", p.args(words...)...)
}

// ssh runs a verb over the real ssh.
func (p *technician) ssh(stdin string, words ...string) (stdout, stderr string, code int) {
	p.d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", p.args(words...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.d.t.Fatalf("ssh %s: %v", strings.Join(words, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a verb that has to succeed, and returns its data.
func (p *technician) must(words ...string) string {
	p.d.t.Helper()
	out, stderr, code := p.ssh("", words...)
	if code != 0 {
		p.d.t.Fatalf("ssh %s: exit %d: %s%s", strings.Join(words, " "), code, out, stderr)
	}
	return out
}

// lines splits text into its lines.
func lines(text string) []string {
	var out []string
	for sc := bufio.NewScanner(strings.NewReader(text)); sc.Scan(); {
		out = append(out, sc.Text())
	}
	return out
}

// onlySession returns the id of the one session there is.
func (d *deployment) onlySession() string {
	d.t.Helper()
	list := lines(d.admin.must("sessions", "--json"))
	var s struct{ ID string }
	if len(list) != 1 {
		d.t.Fatalf("there are %d sessions", len(list))
	}
	if err := json.Unmarshal([]byte(list[0]), &s); err != nil {
		d.t.Fatal(err)
	}
	return s.ID
}

// compare reads two streams to their end and returns how many bytes are equal.
func compare(a, b io.Reader) (int64, error) {
	var n int64
	bufA, bufB := make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		readA, errA := io.ReadFull(a, bufA)
		readB, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:readA], bufB[:readB]) {
			return n, fmt.Errorf("the streams differ after %d bytes", n)
		}
		n += int64(readA)
		if errA != nil || errB != nil {
			return n, nil
		}
	}
}

// sessionOn returns the id of the one session on an endpoint.
func (d *deployment) sessionOn(path string) string {
	d.t.Helper()
	for _, line := range lines(d.admin.must("sessions", "--json")) {
		var s struct{ ID, Client, Name string }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			d.t.Fatal(err)
		}
		if s.Client+"/"+s.Name == path {
			return s.ID
		}
	}
	d.t.Fatalf("there is no session on %s", path)
	return ""
}
