package sessionlog

import (
	"slices"
	"strings"
	"testing"
)

func TestIDs(t *testing.T) {
	var ids []string
	for range 1000 {
		ids = append(ids, string(NewSessionID()), string(NewStepID()), string(NewEndpointID()))
	}
	if !slices.IsSorted(ids) {
		t.Error("IDs made one after the other do not sort so")
	}
	if n := len(slices.Compact(ids)); n != 3000 {
		t.Errorf("%d of 3000 IDs are distinct", n)
	}
	for _, id := range ids {
		if err := CheckID(id); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckID(t *testing.T) {
	const good = "01J0000000000000000000SESS"
	if err := CheckID(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"", good[1:], good + "0", "8" + good[1:], strings.ToLower(good), good[:25] + "I", good[:25] + "U",
		good[:25] + "/", "../" + good[3:], good + "\n", "\n" + good, strings.Repeat("0", 1<<16),
	} {
		err := CheckID(bad)
		if err == nil {
			t.Errorf("%.40q is taken", bad)
		} else if len(err.Error()) > 120 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

func TestStreams(t *testing.T) {
	for _, s := range []Stream{Stdout, Stderr, RowStream} {
		if back, err := ParseStream(s.String()); err != nil || back != s {
			t.Errorf("%v: %v, %v", s, back, err)
		}
	}
	if _, err := ParseStream(Stream(4).String()); err == nil {
		t.Error("stream4 is taken")
	}
	if n := Technician("ana").Name() + Agent("acme/db01").Name() + Relay.Name(); n != "anaacme/db01relay" {
		t.Error(n)
	}
}
