package wire

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
)

// A Token lets one endpoint (or a few) enrol. Its text is
// "caisey1:" + base64url(secret ‖ relay key) + "@" + relay address.
type Token struct {
	Secret   [32]byte
	RelayKey ed25519.PublicKey
	// Addr is where the relay listens for agents, "host:port" over UDP.
	Addr string
}

const tokenPrefix = "caisey1:"

// NewToken returns a token with a fresh secret.
func NewToken(relayKey ed25519.PublicKey, addr string) Token {
	t := Token{RelayKey: relayKey, Addr: addr}
	_, _ = rand.Read(t.Secret[:]) // never fails
	return t
}

// String returns the text of the token: it is a secret.
func (t Token) String() string {
	raw := append(t.Secret[:], t.RelayKey...)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(raw) + "@" + t.Addr
}

// Hash returns what a relay keeps of the token.
func (t Token) Hash() [32]byte { return HashSecret(t.Secret[:]) }

// HashSecret returns the hash of a token's secret, by which a relay finds it.
func HashSecret(secret []byte) [32]byte {
	return sha256.Sum256(append([]byte("caisey-token-v1\x00"), secret...))
}

// ParseToken reads the text of a token.
func ParseToken(s string) (Token, error) {
	var t Token
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	body, addr, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 {
		return t, errors.New("this is not an enrolment token (it begins with " + tokenPrefix + ")")
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(raw) != len(t.Secret)+ed25519.PublicKeySize {
		return t, errors.New("the enrolment token is damaged: copy it again, whole")
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return t, fmt.Errorf("the enrolment token names no relay address: %w", err)
	}
	copy(t.Secret[:], raw)
	t.RelayKey, t.Addr = ed25519.PublicKey(raw[len(t.Secret):]), addr
	return t, nil
}
