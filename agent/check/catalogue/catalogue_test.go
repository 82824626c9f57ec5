package catalogue

import "testing"

// TestDeclarations: a relay refuses a catalogue in which one declaration is wrong.
func TestDeclarations(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		if err := c.Err(); err != nil {
			t.Error(err)
		}
		if seen[c.Name] || c.Run == nil || c.Source == "" {
			t.Errorf("check %s is there twice, or does nothing, or names no source", c.Name)
		}
		seen[c.Name] = true
	}
}
