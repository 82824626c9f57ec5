package journal

import (
	"bytes"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// FuzzSegment reads anything as a segment. What it takes for a frame is one that
// a Frame makes, byte for byte.
func FuzzSegment(f *testing.F) {
	seed := []byte(header)
	for i := range 3 {
		fr := frame("acme/a", sessionlog.Seq(1+2*i), 2)
		if err := fr.finish(); err != nil {
			f.Fatal(err)
		}
		seed = append(seed, fr.b...)
		f.Add(seed[len(seed)-len(fr.b)+frameHead:], true)
	}
	f.Add(seed, false)
	f.Fuzz(func(t *testing.T, b []byte, payload bool) {
		if payload { // the checksum keeps a fuzzer from getting here
			if e, err := parse(b); err == nil {
				wantAgain(t, e, b)
			}
			return
		}
		r := bytes.NewReader(b)
		if readHeader(r) != nil {
			return
		}
		for {
			at := len(b) - r.Len()
			e, err := readFrame(r)
			if err != nil {
				return
			}
			wantAgain(t, e, b[at+frameHead:len(b)-r.Len()])
		}
	})
}

// wantAgain fails unless e is written as the payload it was read from.
func wantAgain(t *testing.T, e Entry, payload []byte) {
	t.Helper()
	var f Frame
	f.Reset(e.Record, e.Rows[0].Seq)
	for _, row := range e.Rows {
		f.Add(row.Leaf, row.Salt, row.Data)
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.b[frameHead:], payload) {
		t.Errorf("%q is read from %q and written as %q", e.Record, payload, f.b[frameHead:])
	}
}
