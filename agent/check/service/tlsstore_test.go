//go:build unix

package service

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// issue makes a certificate for a name that is valid for so long, and its key, as PEM.
func issue(t *testing.T, name string, left time.Duration) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(left),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func put(t *testing.T, name string, content []byte, old time.Duration) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-old)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestTLSStore(t *testing.T) {
	const day = 24 * time.Hour
	dir := t.TempDir()
	cert, key := issue(t, "www.example.com", 100*day)
	put(t, dir+"/nginx/tls/www.pem", cert, 90*day)
	put(t, dir+"/nginx/tls/www.key", key, 90*day)
	put(t, dir+"/nginx/sites/www.conf", []byte("server {\n  ssl_certificate_key "+dir+"/nginx/tls/www.key;\n  ssl_certificate "+dir+"/nginx/tls/www.pem;\n}\n"), 0)
	a := checktest.Ask(t, tlsStore(), "paths", dir)
	a.Fine(t)
	if got := a.Column(t, "", "bound_to"); !slices.Equal(got, []string{dir + "/nginx/sites/www.conf"}) {
		t.Errorf("bound to %v", got)
	}
	if got := a.Column(t, "", "private_key"); got[0] != "yes" {
		t.Errorf("private key %v", got)
	}
	if got := a.Column(t, "", "thumbprint"); len(got[0]) != 64 {
		t.Errorf("thumbprint %v", got)
	}

	old, oldKey := issue(t, "old.example.com", -2*day)
	put(t, dir+"/haproxy/old.pem", slices.Concat(old, oldKey), 90*day)
	soon, _ := issue(t, "soon.example.com", 20*day)
	block, _ := pem.Decode(soon)
	put(t, dir+"/other/soon.der", block.Bytes, 90*day)
	fresh, freshKey := issue(t, "new.example.com", 300*day)
	put(t, dir+"/le/fullchain.pem", fresh, time.Hour)
	put(t, dir+"/le/privkey.pem", freshKey, time.Hour)
	if err := os.Symlink(dir+"/le/fullchain.pem", dir+"/zz-link.pem"); err != nil {
		t.Fatal(err)
	}
	a = checktest.Ask(t, tlsStore(), "paths", dir)
	var got []string
	for _, f := range a.Findings {
		got = append(got, string(f.Severity)+" "+f.Param+" "+strings.ReplaceAll(f.Text, dir, ""))
	}
	want := []string{
		"crit crit CN=old.example.com in /haproxy/old.pem expired 2 d ago",
		"warn warn CN=soon.example.com in /other/soon.der expires in 20 d",
		"info replaced CN=new.example.com in /le/fullchain.pem was written 60 min ago",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings %q", got)
	}
	if n := len(a.Column(t, "", "path")); n != 4 {
		t.Errorf("%d certificates, made 4: a link is no other", n)
	}
}

func TestTLSStoreOfNothing(t *testing.T) {
	checktest.Ask(t, tlsStore(), "paths", t.TempDir()).Fine(t)
	if why := checktest.Ask(t, tlsStore(), "paths", t.TempDir()+"/none").CannotTell(t); !strings.Contains(why, "none") {
		t.Error(why)
	}
	broken := t.TempDir()
	put(t, broken+"/a.pem", []byte("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"), 0)
	put(t, broken+"/a.crt", []byte{0, 1, 2}, 0)
	checktest.Ask(t, tlsStore(), "paths", broken).Fine(t)
	old, _ := issue(t, "An authority", -time.Hour)
	put(t, broken+"/bundle.pem", bytes.Repeat(old, maxChain+1), 0)
	checktest.Ask(t, tlsStore(), "paths", broken).Fine(t)
	put(t, broken+"/chain.pem", bytes.Repeat(old, maxChain), 0)
	checktest.Ask(t, tlsStore(), "paths", broken).Finding(t, "crit")
}
