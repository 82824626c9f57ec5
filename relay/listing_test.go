package relay

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// A start opens the records that the listing does not know, and those alone. With
// the listing or without, there is the same to see.
func TestListing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.index")
	cfg := Config{Listing: path}
	w, c, root := filed(t, cfg)
	var ids []sessionlog.SessionID
	for i := range 5 {
		ids = append(ids, w.seal(root, w.enroll("acme", fmt.Sprintf("db%02d", i))))
	}
	live := w.open(root, w.enroll("zeta", "db01"))
	w.relay.Close()
	for _, id := range ids {
		if !bytes.Contains(readFile(t, path), []byte(id)) {
			t.Errorf("the relay left a listing without %s", id)
		}
	}
	restart := func(want []sessionlog.SessionID) (seen []byte) {
		t.Helper()
		clear(c.opened)
		w.file(c, cfg)
		opened := slices.Sorted(maps.Keys(c.opened))
		seen, err := json.Marshal(w.listed(w.relay.Console(root.Self())))
		w.relay.Close()
		if want = append(want, live); !slices.Equal(opened, want) || err != nil {
			t.Errorf("the start opens %v, want %v, %v", opened, want, err)
		}
		return seen
	}
	write := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want := restart(slices.Clone(ids)) // from the records alone
	if n := bytes.Count(want, []byte(`"closed"`)); n != len(ids) {
		t.Fatalf("%d sealed sessions are listed", n)
	}
	same := func(what string, opened []sessionlog.SessionID) {
		t.Helper()
		if seen := restart(opened); !bytes.Equal(seen, want) {
			t.Errorf("%s lists\n%s, want\n%s", what, seen, want)
		}
	}
	same("the listing", nil)
	good := readFile(t, path)
	for i := 0; i < len(good); i += 7 {
		bad := bytes.Clone(good)
		bad[i] ^= 0x01
		write(bad)
		same(fmt.Sprintf("a listing that is changed at %d", i), slices.Clone(ids))
	}
	for _, n := range []int{0, 1, len(good) / 2, len(good) - 2} {
		write(good[:n])
		same(fmt.Sprintf("a listing that is cut to %d bytes", n), slices.Clone(ids))
	}
	same("the listing that was written anew", nil)
	if err := c.Archive(t.Context(), "acme", ids[2]); err != nil { // its stamp is another one
		t.Fatal(err)
	}
	same("a record that changed", []sessionlog.SessionID{ids[2]})
	same("the listing after that", nil)
	other := strings.Replace(string(good[:bytes.LastIndexByte(good[:len(good)-1], '\n')+1]), "caisey sessions 1", "caisey sessions 0", 1)
	write(fmt.Appendf(nil, "%s{\"sum\":%q}\n", other, sumOf([]byte(other))))
	same("a listing of another version", slices.Clone(ids))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// many is as many sessions as a relay should list and start with at ease.
const many = 10_000

// crowd fills a relay with sealed sessions of 20 clients.
func crowd(r *Relay, ids []sessionlog.SessionID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, id := range ids {
		at := begun.Add(time.Duration(i) * time.Minute)
		r.sealed[id] = console.Session{
			ID: id, Client: fmt.Sprintf("client%02d", i%20), Endpoint: "01J8ZQ00000000000000000END", Name: fmt.Sprintf("db%02d", i%100),
			Technician: "ana", Opened: at, Closed: at.Add(time.Hour), Last: at.Add(time.Hour), Events: 1000, Steps: 20,
		}
	}
}

func newIDs(n int) []sessionlog.SessionID {
	ids := make([]sessionlog.SessionID, n)
	for i := range ids {
		ids[i] = sessionlog.NewSessionID()
	}
	return ids
}

// BenchmarkList is what `sessions` waits for, as somebody of 3 clients of 20 and as
// somebody of all, beside sorting the same sessions.
func BenchmarkList(b *testing.B) {
	w := benchWorld(b)
	crowd(w, newIDs(many))
	for name, clients := range map[string][]string{"clients=3": {"client01", "client02", "client03"}, "clients=20": nil} {
		key, print := newKey(b)
		who := strings.ReplaceAll(name, "=", "-")
		err := w.fleet.AddTechnician(b.Context(), sessionlog.Relay, console.AddTechnician{Name: who, Role: console.RoleTechnician, Clients: clients, Key: key})
		if err != nil {
			b.Fatal(err)
		}
		backend := w.Console(console.Self{Name: who, Key: print})
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if found, err := backend.Search(b.Context(), console.Query{}); err != nil || len(found) != 1000 {
					b.Fatalf("%d sessions, %v", len(found), err)
				}
			}
		})
	}
	b.Run("limit=sort", func(b *testing.B) {
		all := w.summaries()
		for b.Loop() {
			slices.SortFunc(slices.Clone(all), func(x, y console.Session) int { return strings.Compare(string(y.ID), string(x.ID)) })
		}
	})
}

// newKey returns a technician's key and its fingerprint.
func newKey(b testing.TB) (line, print string) {
	b.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		b.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(key)), ssh.FingerprintSHA256(key)
}

func benchWorld(b *testing.B) *Relay {
	b.Helper()
	catalogue, err := fleet.Open(b.Context(), logtest.NewMemory(), fleet.Config{})
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(b.Context(), Config{
		Fleet: catalogue, Records: &memory{logs: map[sessionlog.SessionID]*stored{}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	return r
}

// A filing is a directory of records as the relay's own command presents it.
type filing struct{ *sqlitefile.Dir }

func (f filing) List() ([]RecordName, error) {
	entries, err := f.Dir.List()
	names := make([]RecordName, len(entries))
	for i, e := range entries {
		names[i] = RecordName{Client: e.Client, ID: e.ID, Stamp: fmt.Sprint(filepath.Base(e.Path), e.Size, e.Modified.UnixNano())}
	}
	return names, err
}

// BenchmarkStart is how long a relay takes to start with 10,000 sealed sessions of
// 20 clients, beside listing the directory of their files.
func BenchmarkStart(b *testing.B) {
	home := b.TempDir()
	dir, err := sqlitefile.OpenDir(home, sqlitefile.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { dir.Close() })
	ids := newIDs(many)
	one := filepath.Join(home, "record")
	if err := os.WriteFile(one, make([]byte, 64<<10), 0o400); err != nil {
		b.Fatal(err)
	}
	for i, id := range ids {
		client := filepath.Join(home, fmt.Sprintf("client%02d", i%20))
		_ = os.Mkdir(client, 0o700) // it may be there
		if err := os.Link(one, filepath.Join(client, string(id)+sqlitefile.Ext)); err != nil {
			b.Fatal(err)
		}
	}
	r := benchWorld(b)
	crowd(r, ids)
	cfg := r.cfg
	cfg.Records, cfg.Listing = filing{dir}, filepath.Join(home, "sessions.index")
	r.cfg = cfg
	if err := (&listing{path: cfg.Listing}).save(r); err != nil {
		b.Fatal(err)
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			r, err := New(b.Context(), cfg)
			if err != nil || len(r.sealed) != many {
				b.Fatalf("%d sessions, %v", len(r.sealed), err)
			}
			b.StopTimer()
			r.Close()
			b.StartTimer()
		}
	})
	b.Run("limit=list", func(b *testing.B) {
		for b.Loop() {
			if names, err := cfg.Records.List(); err != nil || len(names) != many {
				b.Fatalf("%d names, %v", len(names), err)
			}
		}
	})
}
