package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/penalty"
)

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// certify returns a certificate that ca gave for key, an hour long unless change
// makes it another.
func certify(t *testing.T, ca ssh.Signer, key ssh.PublicKey, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	now := uint64(time.Now().Unix())
	c := &ssh.Certificate{
		Key: key, Serial: 17, CertType: ssh.UserCert, ValidPrincipals: []string{"ana"},
		ValidAfter: now - 60, ValidBefore: now + 3600, Permissions: ssh.Permissions{CriticalOptions: map[string]string{}},
	}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every rule for certificates, without a network between: the tests with the real
// client are those of cmd/caisey.
func TestCertificates(t *testing.T) {
	ca, other, key := newSigner(t), newSigner(t), newSigner(t)
	cas, err := newAuthorities([]ssh.PublicKey{ca.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::ffff:192.0.2.7]:4711"))
	now := time.Now()
	at := func(d time.Duration) uint64 { return uint64(now.Add(d).Unix()) }
	bound := func(list string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions["source-address"] = list }
	}
	named := func(names ...string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidPrincipals = names }
	}
	valid := func(from, until time.Duration) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = at(from), at(until) }
	}
	for name, tt := range map[string]struct {
		change func(*ssh.Certificate)
		why    string // in the error; none if empty
	}{
		"good":              {nil, ""},
		"a day":             {valid(0, 24*time.Hour), ""},
		"a day, dated back": {valid(-4*time.Minute, 24*time.Hour), ""},
		"two days":          {valid(0, 48*time.Hour), "valid for more than"},
		"for ever":          {func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, "no end"},
		"ends before":       {valid(time.Hour, -time.Hour), "no end"},
		"overflows":         {func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 1<<63, 1<<63+60 }, "no end"},
		"expired":           {valid(-time.Hour, -time.Second), "expired"},
		"ends now":          {valid(-time.Hour, 0), "expired"},
		"clock ahead":       {valid(4*time.Minute, time.Hour), ""},
		"not yet valid":     {valid(6*time.Minute, time.Hour), "not valid yet"},
		"of a host":         {func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "not a user's"},
		"of another type":   {func(c *ssh.Certificate) { c.CertType = 7 }, "not a user's"},
		"no principal":      {named(), "0 principals"},
		"two principals":    {named("ana", "root"), "2 principals"},
		"comma":             {named("ana,root"), "cannot be a technician's name"},
		"star":              {named("*"), "cannot be a technician's name"},
		"capital":           {named("Ana"), "cannot be a technician's name"},
		"newline":           {named("ana\n"), "cannot be a technician's name"},
		"empty":             {named(""), "cannot be a technician's name"},
		"too long":          {named(strings.Repeat("a", 65)), "cannot be a technician's name"},
		"right address":     {bound("192.0.2.7"), ""},
		"right network":     {bound("2001:db8::/32,192.0.2.0/24"), ""},
		"wrong address":     {bound("192.0.2.8"), "used from 192.0.2.7"},
		"nowhere":           {bound(""), "no list"},
		"half a list":       {bound("192.0.2.7,here"), "no list"},
		"force-command":     {func(c *ssh.Certificate) { c.CriticalOptions["force-command"] = "ls" }, "force-command"},
		"verify-required":   {func(c *ssh.Certificate) { c.CriticalOptions["verify-required"] = "" }, "verify-required"},
		"key of a CA":       {func(c *ssh.Certificate) { c.Key = ca.PublicKey() }, "key of an authority"},
	} {
		c, err := cas.credential(certify(t, ca, key.PublicKey(), tt.change), from, now)
		switch {
		case tt.why == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.why == "" && (c.Name != "ana" || c.Print != ssh.FingerprintSHA256(key.PublicKey())):
			t.Errorf("%s: stands for %q, key %s", name, c.Name, c.Print)
		case tt.why != "" && (err == nil || !strings.Contains(err.Error(), tt.why) || c != Credential{}):
			t.Errorf("%s: %v, %v; want %q", name, c, err, tt.why)
		}
	}
	want := ssh.FingerprintSHA256(key.PublicKey()) + " (certificate 17 of " + ssh.FingerprintSHA256(ca.PublicKey()) + ")"
	if c, _ := cas.credential(certify(t, ca, key.PublicKey(), nil), from, now); c.String() != want {
		t.Errorf("a record calls it %q, want %q", c, want)
	}
	changed := certify(t, ca, key.PublicKey(), nil)
	changed.ValidPrincipals = []string{"root"} // after it was signed
	for name, key := range map[string]ssh.PublicKey{
		"changed": changed, "of another CA": certify(t, other, key.PublicKey(), nil), "the CA's key": ca.PublicKey(),
	} {
		if c, err := cas.credential(key, from, now); err == nil || c != (Credential{}) {
			t.Errorf("%s: stands for %v", name, c)
		}
	}
	if c, err := (authorities{}).credential(certify(t, ca, key.PublicKey(), nil), from, now); err == nil {
		t.Errorf("with no authority: stands for %v", c)
	}
}

// A certificate whose authority is a certificate cannot even be read.
func TestNestedCertificateIsNotRead(t *testing.T) {
	ca, key := newSigner(t), newSigner(t)
	inner := certify(t, ca, key.PublicKey(), nil)
	c := certify(t, key, newSigner(t).PublicKey(), nil)
	c.SignatureKey = inner
	if k, err := ssh.ParsePublicKey(c.Marshal()); err == nil {
		t.Errorf("it was read as %s", k.Type())
	}
}

func TestOtherKeysAreNoAuthorities(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	cert := certify(t, newSigner(t), newSigner(t).PublicKey(), nil)
	if _, err := New(Config{HostKey: key, Technicians: &house{}, UserCAs: []ssh.PublicKey{cert}}); err == nil {
		t.Error("a certificate was taken for an authority")
	}
}

// withCA opens a house that trusts an authority.
func withCA(t *testing.T) (*house, ssh.Signer) {
	ca := newSigner(t)
	return open(t, func(c *Config) { c.UserCAs = []ssh.PublicKey{ca.PublicKey()} }), ca
}

// certified logs in by a certificate.
func (h *house) certified(ca ssh.Signer, change func(*ssh.Certificate)) *ssh.Client {
	h.t.Helper()
	key := newSigner(h.t)
	signer, err := ssh.NewCertSigner(certify(h.t, ca, key.PublicKey(), change), key)
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := h.dial(ssh.PublicKeys(signer))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// A connection ends with the certificate that let it in, whether it is in use or
// has no session.
func TestConnectionsEndWithTheirCertificate(t *testing.T) {
	h, ca := withCA(t)
	soon := func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) + 6 }
	busy, idle := h.certified(ca, soon), h.certified(ca, soon)
	runs := h.screen(busy, "run acme/db01 -- block", 90, 20)
	runs.out.wait(t, "account ana")
	if key := h.newest().self.Key; !strings.Contains(key, "(certificate 17 of SHA256:") {
		t.Errorf("the record would name the key %q", key)
	}
	if code := runs.code(); code != 3 || !strings.Contains(runs.out.String()+runs.err.String(), "your certificate has expired") {
		t.Errorf("exit %d, %q %q", code, runs.out, runs.err)
	}
	_, _ = busy.Wait(), idle.Wait()
	h.gone(t)
}

// An address where logins fail is turned away for longer and longer; one from
// which somebody came in is not.
func TestFailedLoginsArePenalised(t *testing.T) {
	h := open(t, func(c *Config) { c.Penalty = penalty.Config{Free: 2, First: time.Hour, Longest: time.Hour} })
	dial := func(from string, key ssh.Signer) error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
		conn, err := d.Dial("tcp", h.addr)
		if err != nil {
			t.Skipf("this system has no more loopback addresses than one: %v", err)
		}
		defer h.gone(t) // it is counted when the server has seen its end
		defer conn.Close()
		c, _, _, err := ssh.NewClientConn(conn, h.addr, &ssh.ClientConfig{
			User: "any", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(h.host),
		})
		if err == nil {
			c.Close()
		}
		return err
	}
	stranger, ana := h.person(""), h.person("ana")
	for i, want := range []string{"unable to authenticate", "unable to authenticate", "unable to authenticate", "handshake failed: "} {
		err := dial("127.0.0.2", stranger)
		if err == nil || !strings.Contains(err.Error(), want) || i == 3 && strings.Contains(err.Error(), "authenticate") {
			t.Errorf("attempt %d: %v, want %q", i+1, err, want)
		}
	}
	if dial("127.0.0.2", ana) == nil {
		t.Error("the address is not turned away")
	}
	if err := dial("127.0.0.3", ana); err != nil {
		t.Errorf("another address: %v", err)
	}
	for range 6 {
		_ = dial("127.0.0.3", stranger)
	}
	if err := dial("127.0.0.3", ana); err != nil {
		t.Errorf("an address from which somebody came in is turned away: %v", err)
	}
}

// Strangers cannot take all places from those who came in before.
func TestStrangersDoNotTakeAllPlaces(t *testing.T) {
	cs := newConnections(Config{MaxPending: 2}.withDefaults())
	conn := func(from string) net.Conn {
		a, b := net.Pipe()
		t.Cleanup(func() { b.Close() })
		return addressed{a, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from + ":22"))}
	}
	cs.admit(conn("192.0.2.1")).proved(nil, time.Time{})
	for _, from := range []string{"192.0.2.2", "192.0.2.3"} {
		if cs.admit(conn(from)) == nil {
			t.Errorf("%s found no place", from)
		}
	}
	if cs.admit(conn("192.0.2.4")) != nil {
		t.Error("a third stranger found a place")
	}
	for range 2 {
		if cs.admit(conn("192.0.2.1")) == nil {
			t.Error("whoever came in before finds no place")
		}
	}
	if cs.admit(conn("192.0.2.1")) != nil {
		t.Error("there are places without end")
	}
	cs.close()
	cs.closeAll()
}

// addressed is a connection from an address of our choice.
type addressed struct {
	net.Conn
	from net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.from }
