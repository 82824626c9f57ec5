package sqlitefile

import (
	"os"
	"testing"
)

func writeFile(tb testing.TB, path string, b []byte) {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// flushFile has the file take what only the journal has.
func flushFile(tb testing.TB, f *File) {
	tb.Helper()
	if err := f.flush(); err != nil {
		tb.Fatal(err)
	}
}
