package host

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

// utmp writes a record as glibc lays it out: see utmp(5).
func utmp(l login) []byte {
	b := make([]byte, utmpSize)
	binary.NativeEndian.PutUint16(b, uint16(l.kind))
	binary.NativeEndian.PutUint32(b[4:], uint32(l.pid))
	copy(b[8:40], l.line)
	copy(b[44:76], l.user)
	copy(b[76:332], l.host)
	binary.NativeEndian.PutUint32(b[340:], uint32(l.at.Unix()))
	binary.NativeEndian.PutUint32(b[344:], uint32(l.at.Nanosecond()/1000))
	return b
}

func TestUsers(t *testing.T) {
	me := int32(os.Getpid())
	since := time.Unix(1700000000, 0)
	s := rooted(t, map[string]string{
		"run/utmp": string(slices.Concat(
			utmp(login{kind: bootTime, user: "reboot", at: since}),
			utmp(login{kind: userProcess, pid: me, user: "ana", line: "pts/0", host: "192.0.2.7", at: since}),
			utmp(login{kind: userProcess, pid: 999999, user: "gone", line: "pts/1", at: since}),
			[]byte("the beginning of a record"),
		)),
		fmt.Sprintf("proc/%d/stat", me): "",
	})
	a := checktest.Ask(t, usersNow(s.sessions), "known", "root,ANA")
	a.Fine(t)
	if u, from := a.Column(t, "", "user"), a.Column(t, "", "from"); len(u) != 1 || u[0] != "ana" || from[0] != "192.0.2.7" {
		t.Errorf("%v from %v", u, from)
	}
	a = checktest.Ask(t, usersNow(s.sessions), "known", "root")
	if f := a.Finding(t, "known"); f.Text != "ana is logged in and is not one of those expected" {
		t.Errorf("%+v", f)
	}
	checktest.Ask(t, usersNow(rooted(t, nil).sessions)).CannotTell(t)
}

func TestDisconnected(t *testing.T) {
	c := usersNow(func(context.Context, *check.Out) ([]session, error) {
		return []session{{user: "a", state: "disconnected"}, {user: "b", state: "disconnected"}, {user: "c", state: "active"}}, nil
	})
	checktest.Ask(t, c).Fine(t)
	if f := checktest.Ask(t, c, "disconnected", "1").Finding(t, "disconnected"); f.Text != "2 sessions are disconnected, over 1" || len(f.Rows) != 2 {
		t.Errorf("%+v", f)
	}
}

func FuzzUtmp(f *testing.F) {
	f.Add(utmp(login{kind: userProcess, user: "ana", line: "pts/0", at: time.Unix(1700000000, 5000)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if all := parseUtmp(data); len(all) != len(data)/utmpSize {
			t.Errorf("%d records of %d bytes", len(all), len(data))
		}
		bootsOf(parseUtmp(data))
	})
}
