package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

// A made is a thing, or some that belong together, which cells are about.
type made struct {
	values map[string]string // by kind
	// key and state are where the snapshot shows it and how it was when it was made: a
	// cell that changed it used it up.
	key, state string
}

// groups says which kinds of things are made together; others stand alone.
var groups = map[string]string{
	"victimid": "victim", "clonedid": "cloned", "busystep": "busy", "minebusystep": "minebusy", "heldstep": "held", "helddigest": "held",
	"mineheldstep": "mineheld", "minehelddigest": "mineheld", "personkey": "person", "keyof": "person",
}

// placeholder is {KIND} or {KIND:CLIENT}.
var placeholder = regexp.MustCompile(`\{([a-z]+)(?::([a-z0-9]+))?\}`)

// thing returns what a placeholder stands for where p asks. fresh is the cell's.
func (w *matrixWorld) thing(p *matrixPerson, kind, client, fresh string) string {
	w.t.Helper()
	switch kind {
	case "self":
		return p.name
	case "fresh":
		return fresh
	case "newkey":
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newSigner(w.t).PublicKey())))
	case "newstep":
		return string(sessionlog.NewStepID())
	case "policy":
		return gatesPolicy + "// " + fresh + "\n"
	case "client", "name":
		return client
	case "label":
		return client + "-place"
	case "path":
		return client + "/db01"
	case "id":
		return string(w.endpoint(client + "/db01"))
	}
	group := groups[kind]
	if group == "" {
		group = kind
	}
	name := group + ":" + client
	if strings.HasPrefix(group, "mine") {
		name += ":" + p.name
	}
	m, ok := w.made[name]
	if !ok || m.state == "" || w.state()[m.key] != m.state {
		m = w.make(p, group, client)
		m.state = w.state()[m.key]
		w.made[name] = m
	}
	return m.values[kind]
}

// nothing returns what stands for a thing of that kind that is not there.
func nothing(kind string) string {
	switch kind {
	case "path", "victim", "cloned":
		return "nowhere/nothing99"
	case "id", "victimid", "clonedid":
		return string(sessionlog.NewEndpointID())
	case "live", "sealed", "mine", "busy", "held":
		return string(sessionlog.NewSessionID())
	case "incident":
		return string(sessionlog.NewIncidentID())
	case "busystep", "heldstep", "token":
		return string(sessionlog.NewStepID())
	case "client", "name", "label", "person", "off", "self", "leader", "callee", "pack":
		return "nothing99"
	}
	return "" // what is no more there for some than for others
}

func (w *matrixWorld) endpoint(path string) sessionlog.EndpointID {
	w.t.Helper()
	for _, e := range w.s.catalogue.Endpoints() {
		if e.Path() == path {
			return e.ID
		}
	}
	w.t.Fatalf("there is no endpoint %s", path)
	return ""
}

// fresh returns a name that nobody has, nor had.
func (w *matrixWorld) fresh() string {
	w.n++
	return fmt.Sprintf("new-%d", w.n)
}

// make makes a thing.
func (w *matrixWorld) make(p *matrixPerson, group, client string) made {
	w.t.Helper()
	by := p
	if !strings.HasPrefix(group, "mine") {
		by = w.people[map[string]string{"busy": "bob-x", "held": "hal-x"}[group]]
		if by == nil {
			by = w.people["carl-x"]
		}
	}
	name := w.fresh()
	switch group {
	case "victim", "cloned":
		w.enrol(client, name, "storage")
		id := w.endpoint(client + "/" + name)
		if group == "cloned" {
			if err := w.s.catalogue.Quarantine(w.t.Context(), id, "test"); err != nil {
				w.t.Fatal(err)
			}
		}
		return made{key: "endpoint:" + client + ":" + string(id), values: map[string]string{group: client + "/" + name, group + "id": string(id)}}
	case "token":
		id := w.do(w.root, console.NewToken{Client: client}).ID
		return made{key: "token:" + client + ":" + id, values: map[string]string{"token": id}}
	case "person", "off", "leader", "callee":
		return w.makePerson(group, client, name)
	case "incident", "mineincident":
		w.open(by, client+"/db01") // so that it has a session
		id := w.do(by, console.OpenIncident{Title: "fire at " + client, Client: client}).ID
		return made{key: "incident:" + client + ":" + id, values: map[string]string{group: id}}
	case "pack":
		w.do(w.root, console.SavePack{Name: name, Client: client, Text: "tls.store\n"})
		return made{key: "pack:" + client + ":" + name, values: map[string]string{group: name}}
	case "live", "mine":
		id := string(w.open(by, client+"/db01"))
		return made{key: "session:" + client + ":" + id, values: map[string]string{group: id}}
	case "sealed":
		id := w.open(by, client+"/db01")
		w.run(by, id, "echo zebra-"+client)
		w.state() // it has ended
		w.do(by, console.Close{Session: id})
		return made{key: "session:" + client + ":" + string(id), values: map[string]string{group: string(id)}}
	}
	return w.makeStep(by, group, client)
}

// makePerson makes somebody with two keys and a role for client, for both or for
// all.
func (w *matrixWorld) makePerson(group, client, name string) made {
	w.t.Helper()
	name = "somebody-" + name
	grants := map[string][]string{"both": {"acme=viewer", "borealis=viewer"}, "all": {"*=viewer"}}[client]
	if grants == nil {
		grants = []string{client + "=viewer"}
	}
	if group == "leader" || group == "callee" {
		grants = []string{client + "=lead"}
	}
	someone := w.person(name, grants...)
	second := w.do(w.root, console.AddKey{Name: name, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newSigner(w.t).PublicKey())))}).ID
	if group == "callee" {
		w.do(w.root, console.SetOnCall{Name: name, Client: client, For: time.Hour})
	}
	if group == "off" {
		w.do(w.root, console.DisableTechnician{Name: name})
	}
	return made{key: "person:" + name, values: map[string]string{group: name, "personkey": second, "keyof": someone.key()}}
}

// makeStep makes a step that goes on, or waits for approval.
func (w *matrixWorld) makeStep(by *matrixPerson, group, client string) made {
	w.t.Helper()
	if strings.HasSuffix(group, "busy") {
		id := w.open(by, client+"/db01")
		step := w.run(by, id, "sleep 600")
		eventually(w.t, "a step runs", func() bool { return w.stepEvents(id, step)[sessionlog.StepStarted] != nil })
		w.busy[step] = id
		return made{key: "session:" + client + ":" + string(id), values: map[string]string{group: string(id), group + "step": string(step)}}
	}
	id := w.open(by, client+"/gate01")
	step := w.run(by, id, "echo held-"+client)
	for _, a := range w.waiting() {
		if a.Step == step {
			return made{key: "waiting:" + client + ":" + string(step), values: map[string]string{
				group: string(id), group + "step": string(step), group + "digest": a.Digest,
			}}
		}
	}
	w.t.Fatalf("step %s does not wait", step)
	return made{}
}

func (w *matrixWorld) open(by *matrixPerson, path string) sessionlog.SessionID {
	w.t.Helper()
	return w.do(by, console.Open{Endpoint: w.endpoint(path)}).Session
}

func (w *matrixWorld) run(by *matrixPerson, id sessionlog.SessionID, command string) sessionlog.StepID {
	w.t.Helper()
	step := sessionlog.NewStepID()
	w.do(by, console.Run{Session: id, Step: step, Command: command})
	return step
}

// secrets adds to known the words of each client that stand in a snapshot, and what
// people it has alone: nobody reads them who has no role
// for that client.
func (w *matrixWorld) secrets(known map[string]string, snap map[string]string) {
	for key := range snap {
		if kind, rest, ok := strings.Cut(key, ":"); ok && kind != "person" {
			client, id, _ := strings.Cut(rest, ":")
			for _, word := range []string{id, client, "zebra-" + client, client + "-place"} {
				known[word] = client
			}
		}
	}
	for _, t := range w.s.catalogue.Technicians() {
		delete(known, t.Name)
		for client := range t.Grants {
			if len(t.Grants) == 1 && client != fleet.Everywhere {
				known[t.Name] = client
			}
		}
	}
}
