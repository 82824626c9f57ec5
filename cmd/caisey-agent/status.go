package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caisey/caisey/agent"
)

type statusCmd struct {
	Data   string `help:"Directory of the agent's key and spool." default:"${data}" placeholder:"DIR"`
	Policy string `help:"The endpoint's own policy. If not given, the one that the agent uses." placeholder:"FILE"`
}

// errNotWell ends status where something is not as it should be; all is said.
var errNotWell = errors.New("")

// Run prints what there is to know. It fails unless the machine is enrolled, the
// agent runs, its policy can be used, and it has what shows that it is no copy.
func (c *statusCmd) Run(ctx context.Context, services manager, s stream) error {
	well := true
	say := func(name, text string, ok bool) {
		fmt.Fprintf(s.out, "%-11s %s\n", name+":", printable(text))
		well = well && ok
	}
	state, runs, err := services.state(ctx)
	if err != nil {
		state = "not known: " + err.Error()
	}
	now, noted := c.agent()
	say("service", state, runs || noted) // an agent may run without a service
	enrolment, err := agent.ReadEnrolment(c.Data)
	switch {
	case errors.Is(err, agent.ErrNotEnrolled):
		say("enrolment", "none in "+c.Data+"; make one with caisey-agent enroll TOKEN", false)
	case err != nil:
		say("enrolment", err.Error(), false)
	default:
		say("enrolment", enrolment.Client+"/"+enrolment.Name+", in "+c.Data, true)
		say("relay", enrolment.Addr+", key "+hex.EncodeToString(enrolment.RelayKey), true)
		key, err := publicKey(filepath.Join(c.Data, "agent.key"))
		say("key", key, err == nil)
		if fault := agent.ResumeFault(c.Data); fault != "" {
			say("resume", fault, false)
		}
	}
	say("connection", connection(now, noted), true)
	cfg := agent.Config{Data: c.Data, Policy: c.Policy}
	if cfg.Policy == "" && noted {
		cfg.Policy = now.Policy
	}
	_, err = cfg.PolicyFile().Read()
	say("policy", policyInForce(cfg), err == nil)
	if !well {
		return errNotWell
	}
	return nil
}

// agent returns what an agent that runs noted, if one runs.
func (c *statusCmd) agent() (agent.Status, bool) {
	st, err := agent.ReadStatus(c.Data)
	return st, err == nil && st.Alive()
}

// connection says how the agent is connected.
func connection(st agent.Status, noted bool) string {
	switch since := st.Since.Local().Format(time.DateTime); {
	case !noted:
		return "no agent runs on that directory, or it may not be read"
	case st.Connected:
		return fmt.Sprintf("connected to %s since %s (process %d)", st.Relay, since, st.PID)
	default:
		return fmt.Sprintf("not connected to %s since %s: %s (process %d)", st.Relay, since, st.Why, st.PID)
	}
}

// policyInForce says what the endpoint's own policy is.
func policyInForce(cfg agent.Config) string {
	file := cfg.PolicyFile()
	p, err := file.Read()
	if err != nil {
		return fmt.Sprintf("%s can not be used, so everything is refused: %v", file.Path, err)
	}
	if _, err := os.Lstat(file.Path); errors.Is(err, fs.ErrNotExist) {
		return "no " + file.Path + ", so the relay may do everything"
	}
	return file.Path + ": " + p.String()
}

// publicKey returns, in hex, the public half of the key in a file, as records have it
// in agent_key.
func publicKey(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "not known: " + err.Error(), err
	}
	var parsed any
	err = errors.New("not PEM")
	if block, _ := pem.Decode(b); block != nil {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		if err == nil {
			err = errors.New("not an Ed25519 key")
		}
		return "not known: " + file + ": " + err.Error(), err
	}
	return strings.ToLower(hex.EncodeToString(key.Public().(ed25519.PublicKey))), nil
}
