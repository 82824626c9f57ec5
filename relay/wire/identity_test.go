package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func identity(t *testing.T) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// ecdsaIdentity is an identity with a key of another kind.
func ecdsaIdentity(t *testing.T) *Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &Identity{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
}

// handshake lets two sides shake hands over QUIC and returns what each says of it.
// The client's word comes from a stream: its own handshake ends before the server
// has looked at its certificate.
func handshake(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	listener, err := quic.ListenAddr("127.0.0.1:0", server, Config())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	accepted := make(chan error, 1)
	go func() {
		wait, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		conn, err := listener.Accept(wait)
		if err == nil {
			var stream *quic.Stream
			if stream, err = conn.AcceptStream(ctx); err == nil {
				err = errors.Join(Write(stream, &ToAgent{}), stream.Close())
			}
		}
		accepted <- err
	}()
	clientErr = func() error {
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		transport := &quic.Transport{Conn: socket}
		defer transport.Close()
		conn, err := transport.Dial(ctx, listener.Addr(), client, Config())
		if err != nil {
			return err
		}
		defer conn.CloseWithError(0, "")
		stream, err := conn.OpenStreamSync(ctx)
		if err != nil {
			return err
		}
		if err := Write(stream, &FromAgent{}); err != nil {
			return err
		}
		return NewReader(stream).Read(&ToAgent{})
	}()
	return clientErr, <-accepted
}

func anybody(string, ed25519.PublicKey) error { return nil }

func TestHandshake(t *testing.T) {
	agent, relay := identity(t), identity(t)
	var proto string
	var key ed25519.PublicKey
	admit := func(p string, k ed25519.PublicKey) error { proto, key = p, k; return nil }
	cErr, sErr := handshake(t, agent.DialTLS(ProtoAgent, relay.Public()), relay.ListenTLS(admit, ProtoAgent, ProtoEnroll))
	if cErr != nil || sErr != nil {
		t.Fatal(cErr, sErr)
	}
	if proto != ProtoAgent || !key.Equal(agent.Public()) {
		t.Fatalf("admitted %q with another key than the agent's", proto)
	}
}

func TestWrongRelay(t *testing.T) {
	agent, relay := identity(t), identity(t)
	cErr, _ := handshake(t, agent.DialTLS(ProtoAgent, identity(t).Public()), relay.ListenTLS(anybody, ProtoAgent))
	if !errors.Is(cErr, ErrWrongRelay) {
		t.Fatal(cErr)
	}
}

func TestNotAdmitted(t *testing.T) {
	agent, relay := identity(t), identity(t)
	refuse := func(string, ed25519.PublicKey) error { return errors.New("revoked") }
	cErr, sErr := handshake(t, agent.DialTLS(ProtoAgent, relay.Public()), relay.ListenTLS(refuse, ProtoAgent))
	var tErr *quic.TransportError
	if !errors.As(cErr, &tErr) || !tErr.Remote || !tErr.ErrorCode.IsCryptoError() || sErr == nil {
		t.Fatal(cErr, sErr)
	}
}

func TestOtherProtocol(t *testing.T) {
	agent, relay := identity(t), identity(t)
	cErr, sErr := handshake(t, agent.DialTLS("caisey-agent/2", relay.Public()), relay.ListenTLS(anybody, ProtoAgent))
	if cErr == nil || sErr == nil {
		t.Fatal(cErr, sErr)
	}
}

func TestOnlyEd25519(t *testing.T) {
	agent, relay, other := identity(t), identity(t), ecdsaIdentity(t)
	if cErr, sErr := handshake(t, other.DialTLS(ProtoAgent, relay.Public()), relay.ListenTLS(anybody, ProtoAgent)); cErr == nil || sErr == nil {
		t.Error("an agent with another kind of key: ", cErr, sErr)
	}
	cErr, _ := handshake(t, agent.DialTLS(ProtoAgent, relay.Public()), other.ListenTLS(anybody, ProtoAgent))
	if cErr == nil || !strings.Contains(cErr.Error(), "not Ed25519") {
		t.Error("a relay with another kind of key: ", cErr)
	}
}

func TestNoCertificate(t *testing.T) {
	agent, relay := identity(t), identity(t)
	conf := agent.DialTLS(ProtoAgent, relay.Public())
	conf.Certificates = nil
	if cErr, sErr := handshake(t, conf, relay.ListenTLS(anybody, ProtoAgent)); cErr == nil || sErr == nil {
		t.Fatal(cErr, sErr)
	}
}

func TestLoadIdentity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	made, err := LoadIdentity(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	again, err := LoadIdentity(file)
	if err != nil || !again.Public().Equal(made.Public()) {
		t.Fatal("another key the second time", err)
	}
}

func TestLoadIdentityErrors(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for want, content := range map[string][]byte{
		"not PEM":     []byte("hello"),
		"not Ed25519": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"read key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadIdentity(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := LoadIdentity(filepath.Join(t.TempDir(), "no", "key")); err == nil {
		t.Error("wrote a key where there is no directory")
	}
}
