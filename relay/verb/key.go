package verb

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

// maxKey is the most bytes a key file may have.
const maxKey = 16 << 10

// readKey returns the one line of the public key that key means; rest is what lost
// its quotes on the way.
func (e *env) readKey(verb, key string, rest []string) (string, error) {
	text := strings.Join(append([]string{key}, rest...), " ")
	switch {
	case key == "-" && len(rest) == 0:
		b, err := io.ReadAll(io.LimitReader(e.call.Stdin, maxKey))
		if err != nil {
			return "", fmt.Errorf("read key from standard input: %w", err)
		}
		text = string(b)
	case isKeyType(text) && strings.Contains(text, " "):
	case len(rest) > 0:
		return "", console.Errorf(console.CodeUsage, "see `help tech`", "%s: unexpected argument %s", verb, rest[0])
	case !e.call.Files:
		return "", console.Errorf(console.CodeUsage, "send it with --key - < FILE",
			"%s: the relay cannot read your file %q", verb, key)
	default:
		b, err := readKeyFile(key)
		if err != nil {
			return "", console.Errorf(console.CodeUsage, "name a readable file", "%s: %v", verb, err)
		}
		text = string(b)
	}
	return checkKey(verb, text)
}

// isKeyType reports whether s begins as the key itself does.
func isKeyType(s string) bool {
	for _, p := range []string{"ssh-", "sk-ssh-", "ecdsa-", "sk-ecdsa-"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKey))
}

// checkKey returns the public key in text as one line without options.
func checkKey(verb, text string) (string, error) {
	if strings.Contains(text, "PRIVATE KEY") {
		return "", console.Errorf(console.CodeUsage, "give the file that ends in .pub, and keep this one to yourself",
			"%s: that is a private key", verb)
	}
	key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", console.Errorf(console.CodeUsage, "it looks like: ssh-ed25519 AAAA… NAME",
			"%s: that is no public SSH key", verb)
	}
	if len(options) > 0 {
		return "", console.Errorf(console.CodeUsage, "give the key alone", "%s: options such as %.40s would not be kept to", verb, options[0])
	}
	if strings.TrimSpace(string(rest)) != "" {
		return "", console.Errorf(console.CodeUsage, "add one key at a time", "%s: there is more than one key", verb)
	}
	if t := key.Type(); t != ssh.KeyAlgoED25519 && t != ssh.KeyAlgoSKED25519 {
		return "", console.Errorf(console.CodeUsage, "make one with `ssh-keygen -t ed25519`",
			"%s: keys of type %s are not taken", verb, t)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	if comment != "" {
		line += " " + vt.Plain(comment)
	}
	return line, nil
}
