package wire

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

// An Identity is the Ed25519 key of a relay or an agent. The other side knows
// it by its public key, which it pinned at enrolment; no authority is involved.
type Identity struct {
	key  ed25519.PrivateKey
	cert tls.Certificate
}

// NewIdentity makes a new key.
func NewIdentity() (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return identityOf(key)
}

// LoadIdentity reads the key in file, which must be readable by its owner only;
// if there is no such file, it makes a key and writes it there.
func LoadIdentity(file string) (*Identity, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createIdentity(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read key %s: not PEM", file)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", file, err)
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read key %s: %T is not Ed25519", file, k)
	}
	return identityOf(key)
}

func createIdentity(file string) (*Identity, error) {
	id, err := NewIdentity()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write key %s: %w", file, err)
	}
	return id, nil
}

// identityOf wraps key in a certificate that says nothing but the key: TLS
// wants one.
func identityOf(key ed25519.PrivateKey) (*Identity, error) {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "caisey"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return &Identity{key: key, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// Public returns the public key, 32 bytes.
func (id *Identity) Public() ed25519.PublicKey { return id.key.Public().(ed25519.PublicKey) }

// Private returns the private key.
func (id *Identity) Private() ed25519.PrivateKey { return id.key }

// DialTLS returns the settings to dial the relay that has relayKey, for proto.
func (id *Identity) DialTLS(proto string, relayKey ed25519.PublicKey) *tls.Config {
	conf := id.tls(func(cs tls.ConnectionState) error {
		key, err := PeerKey(cs)
		if err != nil {
			return err
		}
		if !key.Equal(relayKey) {
			return ErrWrongRelay
		}
		return nil
	})
	conf.NextProtos = []string{proto}
	return conf
}

// ErrWrongRelay says that whoever answered does not have the pinned relay's key.
var ErrWrongRelay = errors.New("the relay there has another key than the one pinned at enrolment")

// ListenTLS returns the settings to accept protos; admit decides who may
// complete the handshake.
func (id *Identity) ListenTLS(admit func(proto string, key ed25519.PublicKey) error, protos ...string) *tls.Config {
	conf := id.tls(func(cs tls.ConnectionState) error {
		key, err := PeerKey(cs)
		if err != nil {
			return err
		}
		return admit(cs.NegotiatedProtocol, key)
	})
	conf.NextProtos = protos
	conf.ClientAuth = tls.RequireAnyClientCert
	return conf
}

func (id *Identity) tls(verify func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{id.cert},
		MinVersion:   tls.VersionTLS13,
		// The peer is known by its key, which verify checks on every handshake,
		// resumed ones too.
		InsecureSkipVerify: true,
		VerifyConnection:   verify,
	}
}

// PeerKey returns the proved key of the other side.
func PeerKey(cs tls.ConnectionState) (ed25519.PublicKey, error) {
	if len(cs.PeerCertificates) != 1 {
		return nil, fmt.Errorf("peer sent %d certificates, not 1", len(cs.PeerCertificates))
	}
	key, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("peer key is %T, not Ed25519", cs.PeerCertificates[0].PublicKey)
	}
	return key, nil
}
