package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// The text that is signed never changes: this one is frozen.
const frozen = `caisey-statement-v1
step 01J8ZQ4T9V3M5N6P7Q8R9S0T1V
command 584a331fd6b02dcb1ecbe2eba731f609a2e1e3dac0bb73ae998dfad14c309a77
exit -1
signal killed
stdout 6 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
stderr 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
`

func TestStatement(t *testing.T) {
	s := Statement{
		Step: "01J8ZQ4T9V3M5N6P7Q8R9S0T1V", Command: "echo hello", Exit: -1, Signal: "killed",
		Stdout: Output{Bytes: 6, SHA256: sha256.Sum256([]byte("hello\n"))}, Stderr: None,
	}
	if got := string(s.Text()); got != frozen {
		t.Errorf("text is\n%s\nwant\n%s", got, frozen)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, signature := hex.EncodeToString(public), s.Sign(private)
	if err := s.Verify(key, signature); err != nil {
		t.Error(err)
	}
	for name, other := range map[string]Statement{
		"step":    {Step: "01J8ZQ4T9V3M5N6P7Q8R9S0T1W", Command: s.Command, Exit: s.Exit, Signal: s.Signal, Stdout: s.Stdout, Stderr: s.Stderr},
		"command": {Step: s.Step, Command: "echo hell", Exit: s.Exit, Signal: s.Signal, Stdout: s.Stdout, Stderr: s.Stderr},
		"exit":    {Step: s.Step, Command: s.Command, Exit: 0, Signal: s.Signal, Stdout: s.Stdout, Stderr: s.Stderr},
		"output":  {Step: s.Step, Command: s.Command, Exit: s.Exit, Signal: s.Signal, Stdout: s.Stderr, Stderr: s.Stdout},
	} {
		if other.Verify(key, signature) == nil {
			t.Errorf("another %s is taken", name)
		}
	}
	for _, bad := range [][2]string{{"", signature}, {key[2:], signature}, {key, ""}, {key, signature[2:]}, {"zz" + key[2:], signature}} {
		if s.Verify(bad[0], bad[1]) == nil {
			t.Errorf("key %q and signature %q are taken", bad[0], bad[1])
		}
	}
}
