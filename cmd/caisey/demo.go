package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	stdlog "log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/agent/check/catalogue"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
)

// demoCmd is `caisey demo`: a whole deployment on this machine.
type demoCmd struct {
	Endpoints int    `help:"How many agents to run." default:"4"`
	ListenSSH string `name:"listen-ssh" help:"Address for ssh." default:"127.0.0.1:0" placeholder:"ADDR"`
	Data      string `help:"Directory for everything that is kept. Default: caisey-demo in the user's cache directory." placeholder:"DIR"`
}

// maxDemo is the most agents that a demo runs.
const maxDemo = 256

// demoFleet names the endpoints of a demo, with their role.
var demoFleet = []struct{ client, name, role string }{
	{"acme", "app01", "app"}, {"acme", "db01", "db"}, {"borealis", "dc01", "dc"}, {"borealis", "dc02", "dc"},
}

func demoEndpoint(i int) (client, name, role string) {
	if i < len(demoFleet) {
		return demoFleet[i].client, demoFleet[i].name, demoFleet[i].role
	}
	return demoFleet[i%len(demoFleet)].client, fmt.Sprintf("node%02d", i+1), "app"
}

// Run starts everything and, on a terminal, shows the interface.
func (d demoCmd) Run(ctx context.Context) error {
	if d.Endpoints < 1 || d.Endpoints > maxDemo {
		return usageError(fmt.Sprintf("--endpoints %d: a demo runs 1 to %d", d.Endpoints, maxDemo))
	}
	if err := d.place(); err != nil {
		return err
	}
	key, err := demoKey(d.Data)
	if err != nil {
		return err
	}
	log, closeLog, err := d.log()
	if err != nil {
		return err
	}
	defer closeLog()
	s, err := serve(ctx, serveConfig{
		Data: d.Data, QUIC: "127.0.0.1:0", SSH: d.ListenSSH, AdminKeys: []string{key.public}, Log: log,
	})
	if err != nil {
		return err
	}
	self, err := s.person(key.fingerprint)
	if err == nil {
		err = d.show(ctx, s, self, key, log)
	}
	return errors.Join(err, s.Close())
}

// show runs the agents, and with them the interface or the wait for ssh.
func (d demoCmd) show(ctx context.Context, s *server, self console.Self, key demoPerson, log *slog.Logger) error {
	backend := s.relay.Console(self)
	ctx, stop := context.WithCancel(ctx)
	var agents sync.WaitGroup
	defer agents.Wait()
	defer stop()
	for i := range d.Endpoints {
		if err := d.enroll(ctx, s, backend, i); err != nil {
			return err
		}
		client, name, _ := demoEndpoint(i)
		agents.Go(func() {
			err := agent.Run(ctx, agent.Config{Data: d.agentDir(client, name), Relay: s.quicAddr.String(), Version: version, Log: log, Checks: catalogue.All()})
			if err != nil && ctx.Err() == nil {
				log.Error("demo agent ended", "endpoint", client+"/"+name, "err", err)
			}
		})
	}
	if err := awaitOnline(ctx, backend, d.Endpoints); err != nil {
		return err
	}
	if isTerminal(os.Stdin) && isTerminal(os.Stdout) {
		return showTUI(ctx, backend, "")
	}
	line, err := sshLine(d.Data, s, self.Name, key)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "The demo is running. From another terminal:")
	fmt.Println(line)
	fmt.Fprintln(os.Stderr, "Ctrl-C ends it; records stay in "+d.Data)
	<-ctx.Done()
	return nil
}

// place settles where the demo keeps its things.
func (d *demoCmd) place() error {
	if d.Data == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find a place for the demo: %w; name one with --data", err)
		}
		d.Data = filepath.Join(cache, "caisey-demo")
	}
	var err error
	if d.Data, err = filepath.Abs(d.Data); err != nil {
		return fmt.Errorf("find data directory: %w", err)
	}
	return prepare(d.Data)
}

func (d demoCmd) agentDir(client, name string) string {
	return filepath.Join(d.Data, "agents", client+"_"+name)
}

// log writes to a file, since the terminal shows the interface.
func (d demoCmd) log() (*slog.Logger, func(), error) {
	f, err := os.OpenFile(filepath.Join(d.Data, "demo.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	stdlog.SetOutput(f) // where libraries warn
	return slog.New(slog.NewJSONHandler(f, nil)), func() { _ = f.Close() }, nil
}

// enroll enrols an endpoint with a token like any other machine, unless an
// earlier demo on the same data did.
func (d demoCmd) enroll(ctx context.Context, s *server, backend console.Backend, i int) error {
	client, name, role := demoEndpoint(i)
	dir := d.agentDir(client, name)
	if agent.Enrolled(dir) {
		return nil
	}
	got, err := backend.Do(ctx, console.NewToken{Client: client, Labels: map[string]string{"role": role}})
	if err != nil {
		return fmt.Errorf("make token for %s/%s: %w", client, name, err)
	}
	_, err = agent.Enroll(ctx, got.Token, agent.Config{Data: dir, Name: name, Version: version})
	return err
}

// awaitOnline waits until n endpoints are connected.
func awaitOnline(ctx context.Context, backend console.Backend, n int) error {
	roster, err := backend.Directory(ctx)
	if err != nil {
		return err
	}
	defer roster.Close()
	online := map[string]bool{}
	for len(online) < n {
		changes, err := roster.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range changes.Endpoints {
			if delete(online, e.Path()); e.Online {
				online[e.Path()] = true
			}
		}
	}
	return nil
}

// demoPerson is the key of whoever plays the technician.
type demoPerson struct {
	public      string // as in authorized_keys
	fingerprint string
	private     string // file for ssh -i
}

// demoKey returns the user's own key, or one made for the demo.
func demoKey(data string) (demoPerson, error) {
	if home, err := os.UserHomeDir(); err == nil {
		file := filepath.Join(home, ".ssh", "id_ed25519")
		if p, err := readPerson(file); err == nil {
			return p, nil
		}
	}
	file := filepath.Join(data, "technician")
	p, err := readPerson(file)
	if errors.Is(err, fs.ErrNotExist) {
		p, err = makePerson(file)
	}
	return p, err
}

func readPerson(file string) (demoPerson, error) {
	if _, err := os.Stat(file); err != nil {
		return demoPerson{}, err
	}
	b, err := os.ReadFile(file + ".pub")
	if err != nil {
		return demoPerson{}, fmt.Errorf("read key: %w", err)
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return demoPerson{}, fmt.Errorf("read key %s.pub: %w", file, err)
	}
	return demoPerson{strings.TrimSpace(string(b)), ssh.FingerprintSHA256(pub), file}, nil
}

func makePerson(file string) (demoPerson, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return demoPerson{}, fmt.Errorf("make key: %w", err)
	}
	comment := demoName() + "@demo"
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return demoPerson{}, fmt.Errorf("make key: %w", err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		return demoPerson{}, fmt.Errorf("make key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " " + comment + "\n"
	err = errors.Join(os.WriteFile(file, pem.EncodeToMemory(block), 0o600), os.WriteFile(file+".pub", []byte(line), 0o644))
	if err != nil {
		return demoPerson{}, fmt.Errorf("write key: %w", err)
	}
	return readPerson(file)
}

// demoName is the user's own name where it can be a technician's.
func demoName() string {
	name := strings.ToLower(os.Getenv("USER"))
	if fleet.CheckName("a technician", name) != nil {
		return "demo"
	}
	return name
}

// sshLine is the whole command that logs in, with nothing to confirm: the
// relay's host key is written beside it.
func sshLine(data string, s *server, name string, key demoPerson) (string, error) {
	host, port, err := net.SplitHostPort(s.sshAddr.String())
	if err != nil {
		return "", err
	}
	known := filepath.Join(data, "known_hosts")
	line := fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(s.hostKey))
	if err := os.WriteFile(known, []byte(line), 0o600); err != nil {
		return "", fmt.Errorf("write known hosts: %w", err)
	}
	return fmt.Sprintf("ssh -p %s -i %s -o IdentitiesOnly=yes -o UserKnownHostsFile=%s %s@%s",
		port, quote(key.private), quote(known), name, host), nil
}

// quote makes s one word for a shell.
func quote(s string) string {
	if !strings.ContainsAny(s, " \t\n'\"\\$`!*?[](){}<>|&;~#") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
