package network

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	path string // of its certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{t: t, key: key, path: filepath.Join(t.TempDir(), "ca.pem")}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a certificate that ends after left.
func (a authority) issue(name string, left time.Duration) tls.Certificate {
	a.t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().AddDate(0, -1, 0), NotAfter: time.Now().Add(left),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, a.key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// serve speaks before, then TLS, with whoever comes.
func serve(t *testing.T, cert tls.Certificate, before func(net.Conn) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			if before(c) {
				_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
			}
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func straight(net.Conn) bool { return true }

func TestRemoteTLS(t *testing.T) {
	const day = 24 * time.Hour
	ca := newAuthority(t)
	good := serve(t, ca.issue("good.test", 90*day), straight)
	a := checktest.Ask(t, remoteTLS(), "target", good, "sni", "good.test", "ca", ca.path)
	a.Fine(t)
	if a.Column(t, "", "chain")[0] != "ok" || a.Column(t, "", "proto")[0] != "TLS 1.3" || !strings.Contains(string(a.Raw), "BEGIN CERTIFICATE") {
		t.Errorf("rows %v", a.Tables[0].Rows)
	}
	for left, by := range map[time.Duration]string{20 * day: "warn", 3 * day: "crit", -day: "crit"} {
		at := serve(t, ca.issue("good.test", left), straight)
		f := checktest.Ask(t, remoteTLS(), "target", at, "sni", "good.test", "ca", ca.path).Finding(t, by)
		if f.Param != by || !strings.Contains(f.Text, "expire") {
			t.Errorf("%v left: %+v", left, f)
		}
	}
	if f := checktest.Ask(t, remoteTLS(), "target", good, "sni", "other.test", "ca", ca.path).Finding(t, "crit"); !strings.Contains(f.Text, "is not for other.test") {
		t.Errorf("name: %s", f.Text)
	}
	if f := checktest.Ask(t, remoteTLS(), "target", good, "sni", "good.test").Finding(t, "warn"); !strings.Contains(f.Text, "does not hold") {
		t.Errorf("chain: %s", f.Text)
	}
	plain := serve(t, tls.Certificate{}, func(c net.Conn) bool {
		_, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n")
		return false
	})
	if f := checktest.Ask(t, remoteTLS(), "target", plain).Finding(t, "crit"); !strings.Contains(f.Text, "does not look like a TLS handshake") {
		t.Errorf("plain: %s", f.Text)
	}
	mute := serve(t, tls.Certificate{}, func(c net.Conn) bool {
		_, _ = io.Copy(io.Discard, c) // it says nothing until the asker goes
		return false
	})
	if f := checktest.Ask(t, remoteTLS(), "target", mute, "timeout", "100ms").Finding(t, "crit"); !strings.Contains(f.Text, "no answer within 100ms") {
		t.Errorf("mute: %s", f.Text)
	}
	checktest.Ask(t, remoteTLS(), "target", good, "ca", "/nowhere/ca.pem").CannotTell(t)
}

func TestStartTLS(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue("good.test", 90*24*time.Hour)
	says := map[string]func(net.Conn) bool{
		"smtp": func(c net.Conn) bool {
			r := bufio.NewReaderSize(c, 16)
			_, _ = io.WriteString(c, "220 mail\r\n")
			for _, answer := range []string{"250-mail\r\n250 STARTTLS\r\n", "220 go\r\n"} {
				if _, err := r.ReadString('\n'); err != nil {
					return false
				}
				_, _ = io.WriteString(c, answer)
			}
			return true
		},
		"postgres": func(c net.Conn) bool {
			_, err := io.ReadFull(c, make([]byte, 8))
			_, _ = io.WriteString(c, "S")
			return err == nil
		},
		"ldap": func(c net.Conn) bool { // as slapd answers: message 1, extended response, success
			_, err := io.ReadFull(c, make([]byte, 31))
			_, _ = c.Write([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
			return err == nil
		},
	}
	for kind, before := range says {
		at := serve(t, cert, before)
		checktest.Ask(t, remoteTLS(), "target", at, "sni", "good.test", "ca", ca.path, "starttls", kind).Fine(t)
	}
	no := serve(t, cert, func(c net.Conn) bool {
		_, _ = io.ReadFull(c, make([]byte, 8))
		_, _ = io.WriteString(c, "N")
		return false
	})
	if f := checktest.Ask(t, remoteTLS(), "target", no, "starttls", "postgres").Finding(t, "crit"); !strings.Contains(f.Text, "has no TLS") {
		t.Errorf("postgres without TLS: %s", f.Text)
	}
}
