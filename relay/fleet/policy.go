package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about decisions. Beside each stands the type of its body.
const (
	PolicyApplied sessionlog.Kind = "policy.applied" // Applied
	// ApprovalAnswered repeats here what the session's own record says of an approval.
	ApprovalAnswered sessionlog.Kind = "approval.answered" // Answered
)

// Applied is the body of PolicyApplied.
type Applied struct {
	Text   string `json:"text"`
	SHA256 string `json:"sha256"` // hex, of the text
}

// Answered is the body of ApprovalAnswered.
type Answered struct {
	Session sessionlog.SessionID `json:"session"`
	Client  string               `json:"client"`
	Step    sessionlog.StepID    `json:"step"`
	// Answer is the kind of the event in the session's record: what somebody answered,
	// or why nobody had to.
	Answer sessionlog.Kind `json:"answer"`
	Digest string          `json:"digest"`
	Key    string          `json:"key,omitempty"`
	Why    string          `json:"why,omitempty"`
	// Of and By are those of sessionlog.Reused, and Rules those of sessionlog.Waived.
	Of    sessionlog.StepID `json:"of,omitempty"`
	By    []string          `json:"by,omitempty"`
	Rules []string          `json:"rules,omitempty"`
}

// ApplyPolicy makes text the policy. Whoever calls it has checked that it is one. by
// is who asked.
func (c *Catalogue) ApplyPolicy(ctx context.Context, by sessionlog.Actor, text string) (sessionlog.Seq, error) {
	sum := sha256.Sum256([]byte(text))
	return c.change(ctx, func() (sessionlog.Event, error) {
		return sessionlog.New(PolicyApplied, by, "", Applied{Text: text, SHA256: hex.EncodeToString(sum[:])}), nil
	})
}

// Policy returns the policy that was applied last; without a text if none was.
func (c *Catalogue) Policy() console.Policy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.policy
}

// Answer records how a step that a gate held was answered.
func (c *Catalogue) Answer(ctx context.Context, by sessionlog.Actor, a Answered) error {
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		return sessionlog.New(ApprovalAnswered, by, "", a), nil
	})
	return err
}

func (c *Catalogue) applyPolicy(ev sessionlog.Event) error {
	var b Applied
	if err := ev.Decode(&b); err != nil {
		return err
	}
	c.policy = console.Policy{Text: b.Text, By: ev.Actor.Name(), At: ev.Time}
	return nil
}
