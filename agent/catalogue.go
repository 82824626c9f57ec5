package agent

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/relay/wire"
)

// A catalogue is what a relay is told that it can ask.
type catalogue struct {
	specs []byte // JSON
	sum   []byte // SHA-256 of specs; nil if there are none
}

// newCatalogue returns the declarations of checks.
func newCatalogue(checks []check.Check) (catalogue, error) {
	if len(checks) == 0 {
		return catalogue{}, nil
	}
	specs := make([]check.Spec, len(checks))
	for i, c := range checks {
		if err := c.Err(); err != nil {
			return catalogue{}, err
		}
		specs[i] = c.Spec
	}
	b, err := json.Marshal(specs)
	if err != nil || len(b) > wire.MaxCatalogue {
		return catalogue{}, fmt.Errorf("catalogue of checks has %d bytes of at most %d: %w", len(b), wire.MaxCatalogue, err)
	}
	sum := sha256.Sum256(b)
	return catalogue{b, sum[:]}, nil
}

// tell sends the catalogue.
func (c catalogue) tell(ctl *control) error {
	return ctl.send(&wire.FromAgent{Message: &wire.FromAgent_Catalogue{Catalogue: &wire.Catalogue{Specs: c.specs}}})
}
