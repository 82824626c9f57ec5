package fleet

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

func open(t *testing.T, log sessionlog.Log, cfg Config) *Catalogue {
	t.Helper()
	c, err := Open(t.Context(), log, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func secret() [32]byte { return sha256.Sum256([]byte(rand.Text())) }

func agentKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func sshKey(t *testing.T) (line, print string) {
	t.Helper()
	pub, err := ssh.NewPublicKey(agentKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(pub)), ssh.FingerprintSHA256(pub)
}

// ecdsaLine is a public key of a kind that lets nobody in.
func ecdsaLine(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(pub))
}

func TestTokenEnrolsAsOftenAsItHasUses(t *testing.T) {
	for _, uses := range []int{1, 5} {
		t.Run(fmt.Sprint(uses), func(t *testing.T) {
			log := logtest.NewMemory()
			c := open(t, log, Config{})
			hash := secret()
			if _, err := c.NewToken(t.Context(), sessionlog.Relay, hash, console.NewToken{Client: "acme", Uses: uses}); err != nil {
				t.Fatal(err)
			}
			var enrolled, refused atomic.Int64
			var wg sync.WaitGroup
			for i := range 1000 {
				key := agentKey(t)
				wg.Go(func() {
					_, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: key, Name: fmt.Sprintf("node%d", i)})
					var bad *TokenError
					switch {
					case err == nil:
						enrolled.Add(1)
					case errors.As(err, &bad) && bad.Why == "the token is used up":
						refused.Add(1)
					default:
						t.Errorf("redeem: %v", err)
					}
				})
			}
			wg.Wait()
			if enrolled.Load() != int64(uses) || refused.Load() != int64(1000-uses) {
				t.Errorf("%d enrolled and %d refused", enrolled.Load(), refused.Load())
			}
			if n := len(open(t, log, Config{}).Endpoints()); n != uses {
				t.Errorf("the log tells of %d endpoints", n)
			}
			alarms := 0
			evs, err := log.Read(t.Context(), 1, 2000)
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range evs {
				if ev.Kind == TokenRefused {
					alarms++
				}
			}
			if alarms != 1000-uses {
				t.Errorf("%d refusals are recorded", alarms)
			}
		})
	}
}

func TestBadTokens(t *testing.T) {
	now := time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)
	log := logtest.NewMemory()
	c := open(t, log, Config{Clock: func() time.Time { return now }})
	hash := secret()
	if _, err := c.NewToken(t.Context(), sessionlog.Relay, hash, console.NewToken{Client: "acme", Uses: 9, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	key := agentKey(t)
	if _, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: key, Name: "db01"}); err != nil {
		t.Fatal(err)
	}
	var badToken *TokenError
	var badName *NameError
	if _, err := c.Redeem(t.Context(), Redemption{Hash: secret(), Key: agentKey(t), Name: "x"}); !errors.As(err, &badToken) {
		t.Errorf("forged: %v", err)
	}
	again, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: key, Name: "db01"})
	if have := c.Endpoints(); err != nil || len(have) != 1 || again.ID != have[0].ID {
		t.Errorf("the same machine again: %+v, %v", again, err)
	}
	if _, err := c.NewToken(t.Context(), sessionlog.Relay, secret(), console.NewToken{Client: "acme.eu"}); err == nil {
		t.Error("a client's name that cannot be a directory's was taken")
	}
	if _, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: key, Name: "x"}); !errors.As(err, &badToken) {
		t.Errorf("same key again: %v", err)
	}
	if _, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: agentKey(t), Name: "db01"}); !errors.As(err, &badName) {
		t.Errorf("name taken: %v", err)
	}
	for _, name := range []string{"", "../x", "a b", "UPPER", "\x1b[31m"} {
		if _, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: agentKey(t), Name: name}); !errors.As(err, &badName) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if head := log.Head().Seq; head != 3 {
		t.Errorf("%d events: what strangers show was recorded", head)
	}
	now = now.Add(time.Minute)
	if _, err := c.Redeem(t.Context(), Redemption{Hash: hash, Key: agentKey(t), Name: "y"}); !errors.As(err, &badToken) || badToken.Why != "the token has expired" {
		t.Errorf("expired: %v", err)
	}
}

func TestTechnicians(t *testing.T) {
	log := logtest.NewMemory()
	c := open(t, log, Config{})
	line, print := sshKey(t)
	other, _ := sshKey(t)
	ana := console.AddTechnician{Name: "ana", Role: console.RoleLead, Clients: []string{"acme"}, Key: line}
	if err := c.AddTechnician(t.Context(), sessionlog.Relay, ana); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]console.AddTechnician{
		"name taken": {Name: "ana", Role: console.RoleViewer, Key: other},
		"key taken":  {Name: "bo", Role: console.RoleViewer, Key: line},
		"bad name":   {Name: "a b", Role: console.RoleViewer, Key: other},
		"bad role":   {Name: "bo", Role: "god", Key: other},
		"bad key":    {Name: "bo", Role: console.RoleViewer, Key: "ssh-ed25519 nonsense"},
		"ecdsa key":  {Name: "bo", Role: console.RoleViewer, Key: ecdsaLine(t)},
		"bad client": {Name: "bo", Role: console.RoleViewer, Key: other, Clients: []string{"../x"}},
	} {
		var said *console.Error
		if err := c.AddTechnician(t.Context(), sessionlog.Relay, in); !errors.As(err, &said) || said.Code != console.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := open(t, log, Config{})
	got, ok := again.TechnicianByKey(print)
	if !ok || got.Name != "ana" || got.RoleFor("acme") != console.RoleLead || got.RoleFor("borealis") != "" {
		t.Errorf("after a restart ana is %+v, %v", got, ok)
	}
	if n := len(again.Technicians()); n != 1 {
		t.Errorf("there are %d technicians", n)
	}
}

func TestChangedWakes(t *testing.T) {
	c := open(t, logtest.NewMemory(), Config{})
	changed := c.Changed()
	line, _ := sshKey(t)
	if err := c.AddTechnician(t.Context(), sessionlog.Relay, console.AddTechnician{Name: "ana", Role: console.RoleAdmin, Key: line}); err != nil {
		t.Fatal(err)
	}
	<-changed
}
