package sessionlog

import (
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestCheckpoint(t *testing.T) {
	skey, vkey, err := note.GenerateKey(nil, "relay.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	want := Checkpoint{Origin: Origin(signer.Name(), "01J8ZQ4S0000000000000000SE"), Size: 7, Root: LeafHash([]byte("x"))}
	signed, err := want.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenCheckpoint(signed, note.VerifierList(key)); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, bad := range map[string]string{
		"other size":   strings.Replace(signed, "\n7\n", "\n8\n", 1),
		"other origin": strings.Replace(signed, "01J8", "01J9", 1),
		"no signature": want.Text(),
		"empty":        "",
		"huge":         signed + strings.Repeat("— x AAAA\n", maxNote),
	} {
		if _, err := OpenCheckpoint(bad, note.VerifierList(key)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := OpenCheckpoint(signed, note.VerifierList()); err == nil {
		t.Error("a checkpoint of an unknown key is taken")
	}
}

// FuzzParseCheckpoint: whatever parses has exactly one form.
func FuzzParseCheckpoint(f *testing.F) {
	f.Add("relay.example/session/01J8ZQ4S0000000000000000SE\n7\nSBHvNnbhnGCGJz4Vvh5oTsMHpNqvX7VpBmXv3V2rGvU=\n")
	f.Add("a\n0\nSBHvNnbhnGCGJz4Vvh5oTsMHpNqvX7VpBmXv3V2rGvU=\nmore\n")
	f.Add("a\n007\nSBHvNnbhnGCGJz4Vvh5oTsMHpNqvX7VpBmXv3V2rGvU=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCheckpoint(text); err == nil && c.Text() != text {
			t.Errorf("%q became %q", text, c.Text())
		}
	})
}
