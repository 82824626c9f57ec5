package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A ring makes keys and certificates with the real ssh-keygen, in one directory.
type ring struct {
	t   testing.TB
	dir string
}

func newRing(t testing.TB) ring {
	needs(t, "ssh-keygen", "openssh-client")
	return ring{t, t.TempDir()}
}

func (r ring) file(name string) string { return filepath.Join(r.dir, name) }

func (r ring) keygen(args ...string) {
	r.t.Helper()
	if out, err := exec.Command("ssh-keygen", append([]string{"-q"}, args...)...).CombinedOutput(); err != nil {
		r.t.Fatalf("ssh-keygen %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// key makes a key of a type and returns the name of its private file.
func (r ring) key(name, kind string) string {
	r.t.Helper()
	r.keygen("-t", kind, "-f", r.file(name), "-N", "", "-C", name)
	return r.file(name)
}

// cert has ca certify a key, and returns the options by which ssh shows it.
func (r ring) cert(name, ca, key string, flags ...string) []string {
	r.t.Helper()
	pub := r.file(name + ".pub")
	copyOf(r.t, key+".pub", pub)
	r.keygen(append(append([]string{"-s", ca, "-I", name, "-z", "17"}, flags...), pub)...)
	return []string{"-i", key, "-o", "CertificateFile=" + r.file(name+"-cert.pub")}
}

// forge writes a certificate that ssh-keygen does not make.
func (r ring) forge(name, ca, key string, change func(*ssh.Certificate)) []string {
	r.t.Helper()
	cert := &ssh.Certificate{
		Key: r.signer(key).PublicKey(), Serial: 17, CertType: ssh.UserCert, KeyId: name, ValidPrincipals: []string{"ana"},
		ValidAfter: uint64(time.Now().Unix() - 60), ValidBefore: uint64(time.Now().Unix() + 3600),
	}
	change(cert)
	if err := cert.SignCert(rand.Reader, r.signer(ca)); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.file(name+"-cert.pub"), ssh.MarshalAuthorizedKey(cert), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return []string{"-i", key, "-o", "CertificateFile=" + r.file(name+"-cert.pub")}
}

func (r ring) signer(key string) ssh.Signer {
	r.t.Helper()
	b, err := os.ReadFile(key)
	if err != nil {
		r.t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err != nil {
		r.t.Fatal(err)
	}
	return signer
}

func copyOf(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A softKey is a security key in memory: nobody has to touch it, and it says so if
// absent is set.
type softKey struct {
	public  ssh.PublicKey
	private ed25519.PrivateKey
	absent  bool
}

const softKeyApp = "ssh:"

func newSoftKey(t *testing.T) *softKey {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type string
		Key  []byte
		App  string
	}{ssh.KeyAlgoSKED25519, pub, softKeyApp}))
	if err != nil {
		t.Fatal(err)
	}
	return &softKey{public: key, private: priv}
}

// PublicKey implements ssh.Signer.
func (k *softKey) PublicKey() ssh.PublicKey { return k.public }

// Sign implements ssh.Signer as OpenSSH's PROTOCOL.u2f says.
func (k *softKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte(softKeyApp)), sha256.Sum256(data)
	flags := byte(1) // somebody is present
	if k.absent {
		flags = 0
	}
	rest := []byte{flags, 0, 0, 0, 7}
	signed := bytes.Join([][]byte{app[:], rest, message[:]}, nil)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, signed), Rest: rest}, nil
}
