package wire

import (
	"strings"
	"testing"
)

func newToken(t testing.TB) Token {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return NewToken(id.Public(), "relay.example:7443")
}

func TestToken(t *testing.T) {
	tok := newToken(t)
	for _, text := range []string{tok.String(), " " + tok.String() + "\n"} {
		got, err := ParseToken(text)
		if err != nil {
			t.Fatal(err)
		}
		if got.Secret != tok.Secret || !got.RelayKey.Equal(tok.RelayKey) || got.Addr != tok.Addr || got.Hash() != tok.Hash() {
			t.Fatalf("%v became %v", tok, got)
		}
	}
	if other := newToken(t); other.Secret == tok.Secret || other.Hash() == tok.Hash() {
		t.Error("two tokens are the same")
	}
	v6 := tok
	v6.Addr = "[2001:db8::1]:7443"
	if got, err := ParseToken(v6.String()); err != nil || got.Addr != v6.Addr {
		t.Error(got, err)
	}
}

func TestTokenErrors(t *testing.T) {
	good := newToken(t).String()
	body, _, _ := strings.Cut(good, "@")
	for _, c := range []struct{ text, want string }{
		{"", "not an enrolment token"},
		{"hello", "not an enrolment token"},
		{strings.TrimPrefix(good, tokenPrefix), "not an enrolment token"},
		{"caisey2:" + strings.TrimPrefix(good, tokenPrefix), "not an enrolment token"},
		{body, "not an enrolment token"},
		{good[:20] + good[21:], "damaged"},
		{strings.Replace(good, "@", "!@", 1), "damaged"},
		{tokenPrefix + "@relay:1", "damaged"},
		{body + "@", "names no relay address"},
		{body + "@relay.example", "names no relay address"},
	} {
		if tok, err := ParseToken(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, %v", c.text, tok, err)
		} else if strings.Contains(err.Error(), body[len(tokenPrefix):]) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// String leaves a token as it was.
func TestTokenStringTwice(t *testing.T) {
	tok := newToken(t)
	if first := tok.String(); first != tok.String() {
		t.Fatal("another text the second time")
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(newToken(f).String())
	f.Add("caisey1:@:")
	f.Add("caisey1:AAAA@relay:1")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := ParseToken(text)
		if err != nil {
			return
		}
		again, err := ParseToken(tok.String())
		if err != nil || again.Secret != tok.Secret || !again.RelayKey.Equal(tok.RelayKey) || again.Addr != tok.Addr {
			t.Fatalf("%q: %v became %v, %v", text, tok, again, err)
		}
	})
}
