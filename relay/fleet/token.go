package fleet

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about enrolment. Beside each stands the type of its body.
const (
	TokenCreated     sessionlog.Kind = "token.created"     // Created
	TokenRevoked     sessionlog.Kind = "token.revoked"     // Withdrawn
	TokenRefused     sessionlog.Kind = "token.refused"     // Misuse: somebody showed a token that is not good
	EndpointEnrolled sessionlog.Kind = "endpoint.enrolled" // Enrolled
)

// Created is the body of TokenCreated.
type Created struct {
	ID      string            `json:"id"`
	Hash    string            `json:"hash"` // hex; the secret itself is kept nowhere
	Client  string            `json:"client"`
	Labels  map[string]string `json:"labels,omitempty"`
	Uses    int               `json:"uses"`
	Expires time.Time         `json:"expires"`
}

// Enrolled is the body of EndpointEnrolled.
type Enrolled struct {
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Client   string                `json:"client"`
	Name     string                `json:"name"`
	Key      string                `json:"key"` // hex of the agent's Ed25519 key
	Token    string                `json:"token"`
	Labels   map[string]string     `json:"labels,omitempty"`
	Machine  Machine               `json:"machine"`
}

// Misuse is the body of TokenRefused.
type Misuse struct {
	Token string `json:"token,omitempty"` // id, if the token is known
	From  string `json:"from"`            // address of the connection
	Why   string `json:"why"`
}

// Withdrawn is the body of TokenRevoked.
type Withdrawn struct {
	ID string `json:"id"`
}

type token struct {
	Created
	by      sessionlog.Actor
	used    int
	revoked bool
}

// DefaultTTL is how long a token can be redeemed if nothing else is said.
const DefaultTTL = time.Hour

// NewToken records a token of which only the hash is given. by is who asked.
func (c *Catalogue) NewToken(ctx context.Context, by sessionlog.Actor, hash [32]byte, in console.NewToken) (id string, err error) {
	if err := checkClient(in.Client); err != nil {
		return "", err
	}
	body := Created{
		ID: string(sessionlog.NewStepID()), Hash: hex.EncodeToString(hash[:]),
		Client: in.Client, Labels: maps.Clone(in.Labels), Uses: in.Uses,
	}
	if body.Uses == 0 {
		body.Uses = 1
	}
	ttl := in.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	if body.Uses < 0 || ttl < 0 {
		return "", console.Errorf(console.CodeUsage, "", "a token needs at least one use and a time to live")
	}
	body.Expires = c.clock().Add(ttl).UTC()
	_, err = c.change(ctx, func() (sessionlog.Event, error) {
		return sessionlog.New(TokenCreated, by, "", body), nil
	})
	return body.ID, err
}

// A Redemption is a machine that asks to be enrolled.
type Redemption struct {
	Hash    [32]byte // of the token's secret
	Key     ed25519.PublicKey
	Name    string
	Machine Machine
	From    string // address of the connection
}

// A TokenError says why a token enrols nobody.
type TokenError struct{ Why string }

// Error returns why, in one line.
func (e *TokenError) Error() string { return e.Why }

// A NameError says that an endpoint cannot have the name it asked for.
type NameError struct{ Why string }

// Error returns why, in one line.
func (e *NameError) Error() string { return e.Why }

// Redeem enrols an endpoint: however often and at once a token is shown, it
// enrols no more endpoints than it has uses. A machine whose enrolment was
// recorded but not heard of asks again and gets the same answer. A token that is
// not good is answered with a *TokenError, and recorded if it is one of ours; a
// name that is not good with a *NameError.
func (c *Catalogue) Redeem(ctx context.Context, r Redemption) (Endpoint, error) {
	var (
		body Enrolled
		why  string
	)
	if ep, ok := c.EndpointByKey(r.Key); ok && ep.Name == r.Name && ep.Token == c.tokenID(r.Hash) {
		return ep, nil // the answer to an earlier call was lost
	}
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		var t Created
		if t, why = c.tokenFor(r); why != "" && t.ID == "" {
			// Anybody can make up a secret: that is no event, or the log grows
			// at a stranger's will.
			return sessionlog.Event{}, &TokenError{Why: why}
		} else if why != "" {
			return sessionlog.New(TokenRefused, sessionlog.Relay, "", Misuse{Token: t.ID, From: r.From, Why: why}), nil
		}
		if err := c.nameFree(t.Client, r.Name); err != nil {
			return sessionlog.Event{}, err
		}
		body = Enrolled{
			Endpoint: sessionlog.NewEndpointID(), Client: t.Client, Name: r.Name,
			Key: hex.EncodeToString(r.Key), Token: t.ID, Labels: t.Labels, Machine: r.Machine,
		}
		return sessionlog.New(EndpointEnrolled, sessionlog.Agent(t.Client+"/"+r.Name), "", body), nil
	})
	if err != nil {
		return Endpoint{}, err
	}
	if why != "" {
		return Endpoint{}, &TokenError{Why: why}
	}
	ep, _ := c.Endpoint(body.Endpoint)
	return ep, nil
}

// tokenFor returns the token that r shows, and why it is no good, if it is not.
func (c *Catalogue) tokenFor(r Redemption) (t Created, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.tokens[hex.EncodeToString(r.Hash[:])]
	switch {
	case known == nil:
		return Created{}, "the token is not one of this relay's"
	case known.used >= known.Uses:
		return known.Created, "the token is used up"
	case known.revoked:
		return known.Created, "the token was revoked"
	case !c.clock().Before(known.Expires):
		return known.Created, "the token has expired"
	case c.retired[hex.EncodeToString(r.Key)]:
		return known.Created, "the key was revoked; the endpoint needs a new one"
	case c.byKey[hex.EncodeToString(r.Key)] != nil:
		return known.Created, "this agent's key is enrolled already"
	}
	return known.Created, ""
}

// tokenID returns the ID of the token with that hash, or what no token has.
func (c *Catalogue) tokenID(hash [32]byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tokens[hex.EncodeToString(hash[:])]; t != nil {
		return t.ID
	}
	return "none"
}

func (c *Catalogue) nameFree(client, name string) error {
	if err := CheckName("an endpoint", name); err != nil {
		return &NameError{Why: err.Error()}
	}
	if c.taken(client, name) {
		return &NameError{Why: fmt.Sprintf("%s/%s is enrolled already; choose another name with --name", client, name)}
	}
	return nil
}

// RevokeToken ends a token before its time. by is who asked.
func (c *Catalogue) RevokeToken(ctx context.Context, by sessionlog.Actor, id string) error {
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		if _, ok := c.Token(id); !ok {
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `token ls`", "there is no token %.80q that can be used", id)
		}
		return sessionlog.New(TokenRevoked, by, "", Withdrawn{ID: id}), nil
	})
	return err
}

// Tokens returns the tokens that still enrol somebody, oldest first.
func (c *Catalogue) Tokens() []console.Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []console.Token
	for _, t := range c.tokens {
		if t.revoked || t.used >= t.Uses || !c.clock().Before(t.Expires) {
			continue
		}
		out = append(out, console.Token{
			ID: t.ID, Client: t.Client, Labels: t.Labels, Uses: t.Uses, Used: t.used, Expires: t.Expires, By: t.by.Name(),
		})
	}
	slices.SortFunc(out, func(a, b console.Token) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Token returns the token of that ID, if it still enrols somebody.
func (c *Catalogue) Token(id string) (console.Token, bool) {
	for _, t := range c.Tokens() {
		if t.ID == id {
			return t, true
		}
	}
	return console.Token{}, false
}

func (c *Catalogue) applyTokenRevoked(ev sessionlog.Event) error {
	var b Withdrawn
	if err := ev.Decode(&b); err != nil {
		return err
	}
	for _, t := range c.tokens {
		if t.ID == b.ID {
			t.revoked = true
		}
	}
	return nil
}

func (c *Catalogue) applyToken(ev sessionlog.Event) error {
	t := &token{by: ev.Actor}
	if err := ev.Decode(&t.Created); err != nil {
		return err
	}
	c.tokens[t.Hash] = t
	return nil
}

func (c *Catalogue) applyEnrolled(ev sessionlog.Event) error {
	var b Enrolled
	if err := ev.Decode(&b); err != nil {
		return err
	}
	key, err := hex.DecodeString(b.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("key of endpoint %s at event %d is not an Ed25519 key", b.Endpoint, ev.Seq)
	}
	e := &Endpoint{
		ID: b.Endpoint, Client: b.Client, Name: b.Name, Key: key,
		Labels: b.Labels, Enrolled: ev.Time, Token: b.Token, Machine: b.Machine,
	}
	c.endpoints[e.ID], c.byKey[b.Key] = e, e
	for _, t := range c.tokens {
		if t.ID == b.Token {
			t.used++
		}
	}
	return nil
}
