package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// recordKeyFile holds the key that proves the relay's records, for people to
// keep and to hand out.
const recordKeyFile = "relay.pub"

// loadKeys loads the relay's key, made if there is none, and what signs records
// with it.
func (s *server) loadKeys(cfg serveConfig) (*wire.Identity, error) {
	id, err := wire.LoadIdentity(filepath.Join(cfg.Data, relayKeyFile))
	if err != nil {
		return nil, err
	}
	if s.signer, s.recordKey, err = recordSigner(id.Private()); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(cfg.Data, recordKeyFile), []byte(s.recordKey+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("write the key that proves records: %w", err)
	}
	return id, nil
}

// recordSigner returns what signs checkpoints with key, and its verifier key. Its
// name follows from the key: a relay may be moved and renamed.
func recordSigner(key ed25519.PrivateKey) (note.Signer, string, error) {
	public := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	vkey, err := note.NewEd25519VerifierKey(fmt.Sprintf("caisey-relay-%x", sum[:8]), public)
	if err != nil {
		return nil, "", fmt.Errorf("key of records: %w", err)
	}
	name, rest, _ := strings.Cut(vkey, "+")
	hash, _, _ := strings.Cut(rest, "+")
	const ed25519Key = 1 // the note format's number for it
	secret := base64.StdEncoding.EncodeToString(append([]byte{ed25519Key}, key.Seed()...))
	signer, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hash + "+" + secret)
	if err != nil {
		return nil, "", fmt.Errorf("key of records: %w", err)
	}
	return signer, vkey, nil
}

// recordConfig says how the relay keeps records.
func (s *server) recordConfig(cfg serveConfig) sqlitefile.Config {
	return sqlitefile.Config{
		Signer: s.signer,
		Logf:   func(format string, args ...any) { cfg.Log.Error(fmt.Sprintf(format, args...)) },
	}
}
