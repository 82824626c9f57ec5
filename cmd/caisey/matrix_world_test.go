package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/relay/sshd"
	"github.com/caisey/caisey/sessionlog"
)

// gatesPolicy puts gates before endpoints of both clients, and names them.
const gatesPolicy = policy.Default + `
@id("one")
forbid (principal, action in Action::"run", resource in Client::"acme") when { resource.name == "gate01" && context.approvals < 1 };
@id("one-there")
forbid (principal, action in Action::"run", resource in Client::"borealis") when { resource.name == "gate01" && context.approvals < 1 };
@id("two")
forbid (principal, action in Action::"run", resource) when { resource.name == "gate02" && context.approvals < 2 };
`

// freezePolicy is gatesPolicy, but nothing runs.
const freezePolicy = gatesPolicy + `@id("frozen") forbid (principal, action in Action::"run", resource);`

// A matrixWorld is a relay that serves SSH and QUIC from this process, so that the
// Backend that its SSH door hands out can be asked, too. Its agents are processes.
type matrixWorld struct {
	t      testing.TB
	s      *server
	dir    string
	root   *matrixPerson
	people map[string]*matrixPerson
	made   map[string]made                            // things for cells, by what they are
	busy   map[sessionlog.StepID]sessionlog.SessionID // steps that run until they are cancelled
	snap   map[string]string                          // the newest snapshot; nil once something was asked for
	n      int                                        // names given out
}

// A matrixPerson logs in over SSH, by one connection.
type matrixPerson struct {
	w       *matrixWorld
	name    string
	grants  map[string]string // by client; "*" is everywhere
	signer  ssh.Signer
	backend console.Backend
	conn    *ssh.Client // nil if there is none
}

// newMatrixWorld starts a relay on which a step waits ttl for approval, with these
// endpoints.
func newMatrixWorld(t testing.TB, ttl time.Duration, endpoints ...string) *matrixWorld {
	w := &matrixWorld{t: t, dir: t.TempDir(), people: map[string]*matrixPerson{}, made: map[string]made{}, busy: map[sessionlog.StepID]sessionlog.SessionID{}}
	w.root = &matrixPerson{w: w, name: "root", grants: map[string]string{"*": "admin"}, signer: newSigner(t)}
	var err error
	w.s, err = serve(t.Context(), serveConfig{
		Data: filepath.Join(w.dir, "data"), QUIC: "127.0.0.1:0", SSH: "127.0.0.1:0", ApprovalTTL: ttl,
		AdminKeys: []string{w.root.key() + " root@test"}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.root.backend = w.backend(w.root)
	w.do(w.root, console.ApplyPolicy{Text: gatesPolicy})
	for _, path := range endpoints {
		client, name, _ := strings.Cut(path, "/")
		w.enrol(client, name, client+"-place")
		start(t, binary(t, "caisey-agent"), "run", "--data", w.agentDir(client, name))
	}
	if err := awaitOnline(t.Context(), w.root.backend, len(endpoints)); err != nil {
		t.Fatal(err)
	}
	return w
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (w *matrixWorld) agentDir(client, name string) string {
	return filepath.Join(w.dir, "agents", client, name)
}

// roleOf is the label role of endpoints by name.
var roleOf = map[string]string{"db01": "db"}

// enrol enrols an endpoint, whose agent does not run.
func (w *matrixWorld) enrol(client, name, place string) {
	w.t.Helper()
	token := w.do(w.root, console.NewToken{Client: client, Labels: map[string]string{"at": place, "role": roleOf[name]}}).Token
	cfg := agent.Config{Data: w.agentDir(client, name), Name: name, Version: version}
	if _, err := agent.Enroll(w.t.Context(), token, cfg); err != nil {
		w.t.Fatalf("enrol %s/%s: %v", client, name, err)
	}
	w.snap = nil
}

// do asks for something that has to succeed.
func (w *matrixWorld) do(p *matrixPerson, in console.Intent) console.Receipt {
	w.t.Helper()
	w.snap = nil
	rcpt, err := p.backend.Do(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("%s asks for %+v: %v", p.name, in, err)
	}
	return rcpt
}

// person lets somebody in. grants are CLIENT=ROLE; *=disabled is a lead who is
// suspended, and none a role that was taken away.
func (w *matrixWorld) person(name string, grants ...string) *matrixPerson {
	w.t.Helper()
	p := &matrixPerson{w: w, name: name, grants: map[string]string{}, signer: newSigner(w.t)}
	for i, grant := range grants {
		client, role, _ := strings.Cut(grant, "=")
		var clients []string
		if client != "*" {
			clients = []string{client}
		}
		given := console.Role(role)
		switch role {
		case "none":
			given = console.RoleViewer
		case "disabled":
			given = console.RoleLead
		default:
			p.grants[client] = role
		}
		if i == 0 {
			w.do(w.root, console.AddTechnician{Name: name, Role: given, Clients: clients, Key: p.key()})
			p.backend = w.backend(p)
		} else {
			w.do(w.root, console.GrantRole{Name: name, Role: given, Clients: clients})
		}
		switch role {
		case "none":
			w.do(w.root, console.GrantRole{Name: name, Clients: clients})
		case "disabled":
			w.do(w.root, console.DisableTechnician{Name: name})
		}
	}
	w.people[name] = p
	return p
}

// backend returns what the SSH door hands to whoever proved p's key.
func (w *matrixWorld) backend(p *matrixPerson) console.Backend {
	w.t.Helper()
	b, err := doorkeeper{w.s}.Console(sshd.Credential{Print: ssh.FingerprintSHA256(p.signer.PublicKey())}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// key returns the person's public key, as in authorized_keys.
func (p *matrixPerson) key() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.signer.PublicKey())))
}

// sees reports whether the person has a role for a client.
func (p *matrixPerson) sees(client string) bool {
	return p.grants[client] != "" || p.grants["*"] != ""
}

// dial logs in.
func (p *matrixPerson) dial() (*ssh.Client, error) {
	return ssh.Dial("tcp", p.w.s.sshAddr.String(), &ssh.ClientConfig{
		User: p.name, Auth: []ssh.AuthMethod{ssh.PublicKeys(p.signer)}, HostKeyCallback: ssh.FixedHostKey(p.w.s.hostKey), Timeout: limit,
	})
}

// session opens a session on the person's connection, which is made if need be.
func (p *matrixPerson) session() *ssh.Session {
	p.w.t.Helper()
	for {
		fresh := p.conn == nil
		if fresh {
			conn, err := p.dial()
			if err != nil {
				p.w.t.Fatalf("%s logs in: %v", p.name, err)
			}
			p.w.t.Cleanup(func() { conn.Close() })
			p.conn = conn
		}
		sess, err := p.conn.NewSession()
		if err == nil {
			return sess
		}
		if p.conn = nil; fresh {
			p.w.t.Fatalf("%s asks for a session: %v", p.name, err)
		}
	}
}

// waiting returns what waits for approval.
func (w *matrixWorld) waiting() []console.Approval {
	w.t.Helper()
	in, err := w.root.backend.Inbox(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close()
	all, err := in.Next(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// state returns what snapshot did, if nothing was asked for since.
func (w *matrixWorld) state() map[string]string {
	w.t.Helper()
	if w.snap == nil {
		w.snap = w.snapshot()
	}
	return w.snap
}

// snapshot returns all that a cell may change, once what runs has ended.
func (w *matrixWorld) snapshot() map[string]string {
	w.t.Helper()
	out := map[string]string{"policy": w.s.catalogue.Policy().Text}
	for _, e := range w.s.catalogue.Endpoints() {
		out["endpoint:"+e.Client+":"+string(e.ID)] = fmt.Sprint(e.Name, e.Labels, e.Quarantined)
	}
	for _, t := range w.s.catalogue.Technicians() {
		out["person:"+t.Name] = fmt.Sprint(t.Grants, t.Keys, t.Disabled, w.s.catalogue.OnCall(t.Name))
	}
	for _, tok := range w.s.catalogue.Tokens() {
		out["token:"+tok.Client+":"+tok.ID] = fmt.Sprint(tok.Used, tok.Uses, tok.Labels)
	}
	for _, p := range w.s.catalogue.Packs() {
		key := "pack:" + p.Client + ":" + p.Name
		if p.Client == "" {
			key = "everyone's pack " + p.Name
		}
		out[key] = p.Text
	}
	for _, i := range w.s.catalogue.Incidents() {
		out["incident:"+i.Client+":"+string(i.ID)] = fmt.Sprint(i.Title, i.Closed, i.People)
	}
	var sessions []console.Session
	var waits []console.Approval
	eventually(w.t, "what runs ends", func() bool {
		sessions, waits = w.sessions(), w.waiting()
		return !slices.ContainsFunc(sessions, func(s console.Session) bool { return s.Running > w.mayRun(s, waits) })
	})
	for _, a := range waits {
		out["waiting:"+a.Client+":"+string(a.Step)] = fmt.Sprint(a.Granted)
	}
	for _, s := range sessions {
		out["session:"+s.Client+":"+string(s.ID)] = fmt.Sprint(s.Technician, s.Name, s.Closed, s.Events, s.Steps, s.Incident)
	}
	return out
}

// sessions returns all sessions.
func (w *matrixWorld) sessions() []console.Session {
	w.t.Helper()
	all, err := w.root.backend.Search(w.t.Context(), console.Query{Limit: 1 << 30})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// mayRun returns how many steps of a session need not have ended.
func (w *matrixWorld) mayRun(s console.Session, waits []console.Approval) int {
	n := 0
	for _, a := range waits {
		if a.Session == s.ID {
			n++
		}
	}
	for step, id := range w.busy {
		switch {
		case id != s.ID:
		case w.ended(id, step):
			delete(w.busy, step)
		default:
			n++
		}
	}
	return n
}

// ended reports whether a step has ended.
func (w *matrixWorld) ended(id sessionlog.SessionID, step sessionlog.StepID) bool {
	return w.stepEvents(id, step)[sessionlog.StepEnded] != nil
}

// stepEvents returns the newest event of each kind of a step, without its output.
func (w *matrixWorld) stepEvents(id sessionlog.SessionID, step sessionlog.StepID) map[sessionlog.Kind]*sessionlog.Event {
	w.t.Helper()
	rec, err := w.root.backend.Look(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rec.Close()
	out := map[sessionlog.Kind]*sessionlog.Event{}
	for from := sessionlog.Seq(1); ; {
		evs, err := rec.Outline(w.t.Context(), from, 1024)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(evs) == 0 {
			return out
		}
		for _, ev := range evs {
			if ev.Step == step {
				out[ev.Kind] = &ev
			}
		}
		from = evs[len(evs)-1].Seq + 1
	}
}
