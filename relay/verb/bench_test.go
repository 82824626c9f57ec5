package verb

import (
	"io"
	"testing"
)

// BenchmarkRunOne measures what the grammar and the printing add to the Backend.
func BenchmarkRunOne(b *testing.B) {
	w := newWorld(b, "acme/db01")
	for b.Loop() {
		if code := Run(b.Context(), Call{Line: "run acme/db01 -- true", Backend: w, Stdout: io.Discard}); code != ExitOK {
			b.Fatal(code)
		}
	}
}
