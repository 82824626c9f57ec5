package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// whoIsThere is a command that prints as whom one is there: the agent is told by
// the relay, and that by whom it let in.
const whoIsThere = `echo "<$CAISEY_TECHNICIAN>"`

// knock logs in as user with an identity, and returns as whom one is in; "" if the
// door stays shut.
func (d *deployment) knock(user string, identity ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args := d.admin.args("run", "acme/db01", "--", whoIsThere)
	var own []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-i":
			i++
		case strings.Contains(args[i], "@") && !strings.Contains(args[i], "="):
			_, host, _ := strings.Cut(args[i], "@")
			own = append(append(own, identity...), user+"@"+host)
		default:
			own = append(own, args[i])
		}
	}
	cmd := exec.CommandContext(ctx, "ssh", own...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	name, told := strings.CutPrefix(strings.TrimSpace(out.String()), "<")
	switch {
	case err == nil && told:
		return strings.TrimSuffix(name, ">")
	case cmd.ProcessState.ExitCode() == 255 && strings.Contains(errs.String(), "Permission denied") && out.Len() == 0:
		return ""
	}
	d.t.Fatalf("ssh %s: %v: %s%s", strings.Join(own, " "), err, &out, &errs)
	return ""
}

// enter is knock with a client of our own, for what the real one cannot show.
func (d *deployment) enter(signer ssh.Signer) string {
	d.t.Helper()
	c, err := ssh.Dial("tcp", d.ssh, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: limit,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the relay is this test's own
	})
	if err != nil {
		if !strings.Contains(err.Error(), "unable to authenticate") && !errors.Is(err, io.EOF) {
			d.t.Fatal(err)
		}
		return ""
	}
	defer c.Close()
	sess, err := c.NewSession()
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := sess.Output("run acme/db01 -- " + whoIsThere)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Trim(strings.TrimSpace(string(out)), "<>")
}

// TestIdentity asks who one is to the relay, with what one can show at its door.
func TestIdentity(t *testing.T) {
	r := newRing(t)
	ca, otherCA := r.key("ca", "ed25519"), r.key("other-ca", "ed25519")
	d := deploy(t, "--user-ca", ca+".pub")
	ana, mallory := d.letIn("ana", "technician"), d.letIn("mallory", "technician")
	bo, carl := d.letIn("bo", "technician"), d.letIn("carl", "technician")
	d.enroll("acme", "db01")
	d.admin.must("tech", "disable", "bo", "--why", "gone")
	d.admin.must("tech", "key", "rm", "carl", carl.fingerprint)
	offered := r.file("offered.pub") // with no private key beside it
	copyOf(t, d.admin.key+".pub", offered)
	fresh := r.key("fresh", "ed25519")
	rsa, ecdsa, rsaCA := r.key("rsa", "rsa"), r.key("ecdsa", "ecdsa"), r.key("rsa-ca", "rsa")
	hour := []string{"-V", "+1h", "-n", "ana"}
	forAna := func(name string, more ...string) []string {
		return r.cert(name, ca, fresh, append(hour[:len(hour):len(hour)], more...)...)
	}
	named := func(name string, principals ...string) []string {
		return r.forge(name, ca, fresh, func(c *ssh.Certificate) { c.ValidPrincipals = principals })
	}
	for _, tt := range []struct {
		name     string
		user     string
		identity []string
		who      string // "" is nobody
		why      string // what the relay's log says of it, if it says something
	}{
		{"a key", "ana", []string{"-i", ana.key}, "ana", ""},
		{"an admin's key offered, mallory's proved", "root", []string{"-i", offered, "-i", mallory.key}, "mallory", ""},
		{"an admin's key offered, and nothing proved", "root", []string{"-i", offered}, "", ""},
		{"an admin's name, ana's key", "root", []string{"-i", ana.key}, "ana", ""},
		{"an admin's name, ana's certificate", "root", forAna("named-root"), "ana", ""},
		{"a certificate", "ana", forAna("good"), "ana", ""},
		{"a certificate for the key that is hers already", "x", r.cert("own", ca, ana.key, hour...), "ana", ""},
		{"the certified key without its certificate", "ana", []string{"-i", fresh}, "", ""},
		{"a certificate for ana of mallory's key", "ana", r.cert("hers", ca, mallory.key, hour...), "mallory", ""}, // by her plain key
		{"a host's certificate", "ana", r.cert("host", ca, fresh, append([]string{"-h"}, hour...)...), "", ""},     // which the client keeps to itself: see below
		{"no principal", "ana", r.cert("nobody", ca, fresh, "-V", "+1h"), "", "0 principals"},
		{"two principals", "ana", r.cert("two", ca, fresh, "-V", "+1h", "-n", "ana,root"), "", "2 principals"},
		{"a comma in the one", "ana", named("comma", "ana,root"), "", "cannot be a technician's name"},
		{"a star", "ana", named("star", "*"), "", "cannot be a technician's name"},
		{"an unknown principal", "eve", named("unknown", "eve"), "", ""},
		{"expired", "ana", r.cert("expired", ca, fresh, "-n", "ana", "-V", "-2h:-1h"), "", "has expired"},
		{"not yet valid", "ana", r.cert("early", ca, fresh, "-n", "ana", "-V", "+1h:+2h"), "", "not valid yet"},
		{"a day and a half", "ana", r.cert("long", ca, fresh, "-n", "ana", "-V", "+36h"), "", "valid for more than"},
		{"for ever", "ana", r.cert("forever", ca, fresh, "-n", "ana"), "", "no end"},
		{"of another CA", "ana", r.cert("other", otherCA, fresh, hour...), "", ""},
		{"of a CA with an RSA key", "ana", r.cert("rsaca", rsaCA, fresh, hour...), "", ""},
		{"the CA's own key", "ana", []string{"-i", ca}, "", ""},
		{"the CA certifies itself", "ana", r.cert("self", ca, ca, hour...), "", "key of an authority"},
		{"from where it may", "ana", forAna("here", "-O", "source-address=192.0.2.0/24,127.0.0.0/8"), "ana", ""},
		{"from where it may not", "ana", forAna("elsewhere", "-O", "source-address=192.0.2.0/24"), "", "used from 127.0.0.1"},
		{"a forced command", "ana", forAna("force", "-O", "force-command=ls"), "", "force-command"},
		{"an option nobody knows", "ana", forAna("critical", "-O", "critical:x@test=1"), "", "x@test"},
		{"an RSA key", "ana", []string{"-i", rsa}, "", ""},
		{"an ECDSA key", "ana", []string{"-i", ecdsa}, "", ""},
		{"a certificate for an RSA key", "ana", r.cert("for-rsa", ca, rsa, hour...), "", ""},
		{"a certificate for an ECDSA key", "ana", r.cert("for-ecdsa", ca, ecdsa, hour...), "", ""},
		{"disabled, by key", "bo", []string{"-i", bo.key}, "", ""},
		{"disabled, by certificate", "bo", named("disabled", "bo"), "", ""},
		{"a key that was removed", "carl", []string{"-i", carl.key}, "", ""},
		{"a certificate for one without keys", "carl", named("keyless", "carl"), "carl", ""},
	} {
		before := len(d.relay.said())
		if who := d.knock(tt.user, tt.identity...); who != tt.who {
			t.Errorf("%s: one is %q, want %q", tt.name, who, tt.who)
		}
		if log := d.relay.said()[before:]; tt.why != "" && !strings.Contains(log, tt.why) {
			t.Errorf("%s: the log says %q, want %q", tt.name, log, tt.why)
		}
	}
	d.checkAttribution(r, fresh, ca)
}

// checkAttribution looks for the certificate in the record of the session that was
// opened by one.
func (d *deployment) checkAttribution(r ring, key, ca string) {
	d.t.Helper()
	want := fmt.Sprintf("%s (certificate 17 of %s)",
		ssh.FingerprintSHA256(r.signer(key).PublicKey()), ssh.FingerprintSHA256(r.signer(ca).PublicKey()))
	for _, line := range lines(d.admin.must("sessions", "--json")) {
		id := strings.Split(strings.SplitN(line, `"id":"`, 2)[1], `"`)[0]
		if strings.Contains(line, `"by":"ana"`) && strings.Contains(d.admin.must("log", id, "--json"), want) {
			return
		}
	}
	d.t.Errorf("no record of ana's says %q", want)
}

// TestIdentityOfOtherClients shows what the real client cannot: a certificate of a
// certificate, and a security key without the hardware.
func TestIdentityOfOtherClients(t *testing.T) {
	r := newRing(t)
	ca := r.key("ca", "ed25519")
	d := deploy(t, "--user-ca", ca+".pub")
	d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	token := newSoftKey(t)
	line := string(ssh.MarshalAuthorizedKey(token.PublicKey()))
	if _, stderr, code := d.admin.ssh(line, "tech", "add", "sk", "--role", "technician", "--key", "-"); code != 0 {
		t.Fatal(stderr)
	}
	inner, middle := r.signer(r.key("inner", "ed25519")), r.signer(r.key("middle", "ed25519"))
	certify := func(key ssh.PublicKey, by ssh.Signer) *ssh.Certificate {
		c := &ssh.Certificate{
			Key: key, CertType: ssh.UserCert, ValidPrincipals: []string{"ana"},
			ValidAfter: uint64(time.Now().Unix() - 60), ValidBefore: uint64(time.Now().Unix() + 600),
		}
		if err := c.SignCert(rand.Reader, by); err != nil {
			t.Fatal(err)
		}
		return c
	}
	signed := func(c *ssh.Certificate, key ssh.Signer) ssh.Signer {
		s, err := ssh.NewCertSigner(c, key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nested := certify(inner.PublicKey(), middle)
	nested.SignatureKey, nested.Signature = certify(middle.PublicKey(), r.signer(ca)), nil
	sig, err := middle.Sign(rand.Reader, nested.Marshal()[:len(nested.Marshal())-4])
	if err != nil {
		t.Fatal(err)
	}
	nested.Signature = sig
	changed := certify(inner.PublicKey(), r.signer(ca))
	changed.ValidPrincipals = []string{"root"}
	ofHost := certify(inner.PublicKey(), r.signer(ca))
	ofHost.CertType = ssh.HostCert
	if err := ofHost.SignCert(rand.Reader, r.signer(ca)); err != nil {
		t.Fatal(err)
	}
	second, away := newSoftKey(t), *token
	away.absent = true
	for _, tt := range []struct {
		name   string
		signer ssh.Signer
		who    string
	}{
		{"a certificate", signed(certify(inner.PublicKey(), r.signer(ca)), inner), "ana"},
		{"a certificate of a certificate", signed(nested, inner), ""},
		{"a certificate that was changed", signed(changed, inner), ""},
		{"a security key", token, "sk"},
		{"a security key that nobody touched", &away, ""},
		{"a certificate for a security key", signed(certify(second.PublicKey(), r.signer(ca)), second), "ana"},
		{"a host's certificate", signed(ofHost, inner), ""},
		{"a certificate for this security key", signed(certify(token.PublicKey(), r.signer(ca)), token), ""}, // it is sk's, not ana's
	} {
		if who := d.enter(tt.signer); who != tt.who {
			t.Errorf("%s: one is %q, want %q", tt.name, who, tt.who)
		}
	}
}

// TestCertificateHolderIsCut disables somebody who came in by a certificate.
func TestCertificateHolderIsCut(t *testing.T) {
	r := newRing(t)
	ca := r.key("ca", "ed25519")
	d := deploy(t, "--user-ca", ca+".pub")
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	ana.key = r.key("fresh", "ed25519")
	ana.also = r.cert("good", ca, ana.key, "-n", "ana", "-V", "+1h")
	working, told := ana.begin("run", "acme/db01", "--timeout", "0", "--", "echo begun; sleep 300")
	eventually(t, "the command runs", func() bool { return strings.Contains(told.String(), "begun") })
	d.admin.must("tech", "disable", "ana")
	_ = working.Wait()
	// Her connection is cut, or what she reads is, whichever comes first.
	cut := strings.Contains(told.String(), "your access was taken away") || strings.Contains(told.String(), "you may no longer see this session")
	if working.ProcessState.ExitCode() != 3 || !cut {
		t.Errorf("exit %d, ana is told %q", working.ProcessState.ExitCode(), told)
	}
	if _, stderr, code := ana.ssh("", "ls"); code != 255 || !strings.Contains(stderr, "Permission denied") {
		t.Errorf("ana logs in again: exit %d, %s", code, stderr)
	}
}

// TestRemovedKeyIsCut takes a key from somebody who came in by a certificate over it.
func TestRemovedKeyIsCut(t *testing.T) {
	r := newRing(t)
	ca := r.key("ca", "ed25519")
	d := deploy(t, "--user-ca", ca+".pub")
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	ana.also = r.cert("good", ca, ana.key, "-n", "ana", "-V", "+1h")
	working, told := ana.begin("run", "acme/db01", "--timeout", "0", "--", "echo begun; sleep 300")
	eventually(t, "the command runs", func() bool { return strings.Contains(told.String(), "begun") })
	d.admin.must("tech", "key", "rm", "ana", ana.fingerprint)
	if _ = working.Wait(); working.ProcessState.ExitCode() != 3 || !strings.Contains(told.String(), "your access was taken away") {
		t.Errorf("exit %d, ana is told %q", working.ProcessState.ExitCode(), told)
	}
	if _, stderr, code := ana.ssh("", "ls"); code != 255 || !strings.Contains(stderr, "Permission denied") {
		t.Errorf("the certificate lets ana in again: exit %d, %s", code, stderr)
	}
}

// A relay does not start with an authority that it would not believe.
func TestUserCAs(t *testing.T) {
	r := newRing(t)
	good, rsa := r.key("good", "ed25519"), r.key("rsa", "rsa")
	b, err := os.ReadFile(good + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	list := r.file("list")
	if err := os.WriteFile(list, []byte("# ours\n\n"+string(b)+"cert-authority "+string(b)), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := userCAs([]string{list, string(b)}); err != nil || len(keys) != 3 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	for _, bad := range []string{"", "no such file", r.dir, "cert-authority,principals=\"ana\" " + string(b)} {
		if keys, err := userCAs([]string{bad}); err == nil {
			t.Errorf("%q was taken for %d keys", bad, len(keys))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t, "caisey"), "relay", "--data", t.TempDir(),
		"--quic", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--user-ca", rsa+".pub")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "not accepted, only ed25519") {
		t.Errorf("with an RSA authority: %v, %s", err, out)
	}
}
