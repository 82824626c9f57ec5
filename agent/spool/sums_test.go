package spool

import "testing"

// A spool of an agent that knew two streams is read.
func TestSumsOfTwoStreams(t *testing.T) {
	s := newSums()
	s.add(1, []byte("out"))
	s.add(2, []byte("error"))
	b, err := s.marshal()
	if err != nil {
		t.Fatal(err)
	}
	old := b[:len(b)/3*2]
	got, err := unmarshalSums(old)
	if err != nil || got.total != [Streams]int64{3, 5} || string(got.hash[1].Sum(nil)) != string(s.hash[1].Sum(nil)) {
		t.Errorf("%v, %v", got, err)
	}
	for n := range len(old) {
		if _, err := unmarshalSums(old[:n]); err == nil {
			t.Errorf("the first %d bytes are taken", n)
		}
	}
}
