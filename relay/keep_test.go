package relay

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

const day = 24 * time.Hour

// A cabinet is records in memory that can be archived and removed, and tells of it.
type cabinet struct {
	*memory

	mu       sync.Mutex // guards what follows
	archived map[sessionlog.SessionID]bool
	opened   map[sessionlog.SessionID]int // how often
	removing func(sessionlog.SessionID) error
	unread   error         // of every Open
	hold     chan struct{} // Archive waits for it
}

func newCabinet(m *memory) *cabinet {
	return &cabinet{memory: m, archived: map[sessionlog.SessionID]bool{}, opened: map[sessionlog.SessionID]int{}}
}

func (c *cabinet) Open(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened[id]++
	if c.unread != nil {
		return nil, c.unread
	}
	if !c.has(id) {
		return nil, fs.ErrNotExist
	}
	log, err := c.memory.Open(ctx, client, id)
	return signed{log}, err
}

func (c *cabinet) has(id sessionlog.SessionID) bool {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	return c.logs[id] != nil
}

// A signed log has a checkpoint.
type signed struct{ sessionlog.Log }

func (s signed) Checkpoint(context.Context) (string, error) {
	return fmt.Sprintf("checkpoint of %d", s.Head().Seq), nil
}

func (c *cabinet) List() ([]RecordName, error) {
	names, err := c.memory.List()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range names {
		names[i].Archived = c.archived[n.ID]
		names[i].Stamp = fmt.Sprint("archived: ", c.archived[n.ID])
	}
	slices.SortFunc(names, func(a, b RecordName) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return names, err
}

func (c *cabinet) Archive(_ context.Context, _ string, id sessionlog.SessionID) error {
	c.mu.Lock()
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.archived[id] = true
	return nil
}

func (c *cabinet) Remove(_ context.Context, _ string, id sessionlog.SessionID) error {
	c.mu.Lock()
	removing := c.removing
	c.mu.Unlock()
	if removing != nil {
		if err := removing(id); err != nil {
			return err
		}
	}
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	delete(c.logs, id)
	return nil
}

// set changes what c.mu guards.
func (c *cabinet) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *cabinet) isArchived(id sessionlog.SessionID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.archived[id]
}

// archives returns how many records were archived so far.
func (c *cabinet) archives() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.archived)
}

// file starts a relay on the world's records, which it may archive and remove. The
// one before has been closed.
func (w *world) file(c *cabinet, cfg Config) {
	w.t.Helper()
	cfg.Fleet, cfg.Records, cfg.Log = w.fleet, c, slog.New(slog.DiscardHandler)
	cfg.Mint = func() (string, [32]byte) { return "token", sha256.Sum256([]byte(rand.Text())) }
	r, err := New(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.relay = r
	w.t.Cleanup(r.Close)
}

// filed returns a world whose relay keeps its records in a cabinet.
func filed(t *testing.T, cfg Config) (*world, *cabinet, console.Backend) {
	t.Helper()
	w := newWorld(t, Config{})
	w.relay.Close()
	c := newCabinet(w.records)
	w.file(c, cfg)
	return w, c, w.technician("root", console.RoleAdmin)
}

// seal makes a sealed session.
func (w *world) seal(b console.Backend, ep sessionlog.EndpointID) sessionlog.SessionID {
	w.t.Helper()
	id := w.open(b, ep)
	if _, err := b.Do(w.t.Context(), console.Close{Session: id}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// listed returns the sessions that a person sees.
func (w *world) listed(b console.Backend) []console.Session {
	w.t.Helper()
	found, err := b.Search(w.t.Context(), console.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// removals returns what the fleet's log says of removed records.
func (w *world) removals() (all []fleet.Removed) {
	w.t.Helper()
	err := sessionlog.Replay(w.t.Context(), w.log, func(ev sessionlog.Event) error {
		if ev.Kind != fleet.RecordRemoved {
			return nil
		}
		all = append(all, fleet.Removed{})
		return ev.Decode(&all[len(all)-1])
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// Every client's records are archived and removed when they are due, and not
// before; that they are is in the fleet's log first.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, root := filed(t, Config{Keep: KeepPolicy{
			ArchiveAfter: 2 * day, Keep: 30 * day, Clients: map[string]time.Duration{"zeta": 0, "borealis": 7 * day},
		}})
		c.set(func() {
			c.removing = func(id sessionlog.SessionID) error {
				if !w.fleet.Removed(id) {
					t.Errorf("record %s goes before that is recorded", id)
				}
				return nil
			}
		})
		ids := map[string]sessionlog.SessionID{}
		for _, client := range []string{"acme", "borealis", "zeta"} {
			ids[client] = w.seal(root, w.enroll(client, "db01"))
		}
		live := w.open(root, w.enroll("acme", "live"))
		feed, err := root.Watch(t.Context(), live, 1) // so that it stays open
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		begun := time.Now()
		for _, at := range []struct {
			after    time.Duration
			archived int
			left     []string
		}{
			{2*day - time.Hour, 0, []string{"acme", "borealis", "zeta"}},
			{2*day + time.Hour, 3, []string{"acme", "borealis", "zeta"}},
			{7*day - time.Hour, 3, []string{"acme", "borealis", "zeta"}},
			{7*day + time.Hour, 3, []string{"acme", "zeta"}},
			{30*day - time.Hour, 3, []string{"acme", "zeta"}},
			{30*day + time.Hour, 3, []string{"zeta"}},
			{60 * day, 3, []string{"zeta"}},
		} {
			<-time.After(time.Until(begun.Add(at.after)))
			synctest.Wait()
			var left []string
			for _, s := range w.listed(root) {
				if s.ID != live {
					left = append(left, s.Client)
				}
			}
			slices.Sort(left)
			if !slices.Equal(left, at.left) || c.archives() != at.archived {
				t.Errorf("after %v there are %v, %d archived; want %v, %d", at.after, left, c.archives(), at.left, at.archived)
			}
		}
		if c.has(ids["acme"]) || c.has(ids["borealis"]) || !c.has(ids["zeta"]) || !c.has(live) {
			t.Error("the directory does not have what is listed")
		}
		if _, err := root.Watch(t.Context(), ids["acme"], 1); codeOf(err) != console.CodeNotFound {
			t.Errorf("watch: %v", err)
		}
		gone := w.removals()
		if len(gone) != 2 {
			t.Fatalf("the fleet's log has %+v", gone)
		}
		if g := gone[0]; g.Session != ids["borealis"] || g.Client != "borealis" || g.Name != "db01" || g.Technician != "root" ||
			g.Events != 2 || g.Checkpoint != "checkpoint of 2" || g.Unread != "" || g.Keep != (7*day).Seconds() || g.Closed.IsZero() {
			t.Errorf("of the first it says %+v", g)
		}
	})
}

// A record that somebody looks at is left until they have gone, and nobody gets to
// one that is being archived.
func TestKeepLeavesWhatIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, root := filed(t, Config{Keep: KeepPolicy{ArchiveAfter: time.Minute, Keep: 90 * time.Minute}})
		id := w.seal(root, w.enroll("acme", "db01"))
		feed, err := root.Watch(t.Context(), id, 1)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Hour)
		synctest.Wait()
		if c.isArchived(id) || len(w.removals()) > 0 || !c.has(id) {
			t.Error("a record that is watched was archived or removed")
		}
		feed.Close()
		<-time.After(time.Hour + time.Minute)
		synctest.Wait()
		if c.has(id) || len(w.listed(root)) > 0 {
			t.Error("it is not removed once nobody watches it")
		}
		hold := make(chan struct{})
		c.set(func() { c.hold = hold })
		id = w.seal(root, w.enroll("acme", "db02"))
		<-time.After(time.Hour + time.Minute)
		watched := make(chan error)
		go func() {
			feed, err := root.Watch(t.Context(), id, 1)
			if err == nil {
				defer feed.Close()
				_, err = feed.Next(t.Context())
			}
			watched <- err
		}()
		synctest.Wait()
		select {
		case err := <-watched:
			t.Errorf("a record was opened while it was archived: %v", err)
		default:
			close(hold)
			if err := <-watched; err != nil {
				t.Errorf("a record that was archived meanwhile: %v", err)
			}
		}
	})
}

// What a relay had begun to remove when it died, the next one removes, whatever its
// policy, and does not record it again.
func TestRemovalIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, root := filed(t, Config{Keep: KeepPolicy{Keep: time.Minute}})
		id := w.seal(root, w.enroll("acme", "db01"))
		tries := 0
		c.set(func() {
			c.removing = func(sessionlog.SessionID) error { tries++; return errors.New("died") }
			c.unread = errors.New("no such luck")
		})
		<-time.After(2*time.Hour + time.Minute)
		synctest.Wait()
		if tries != 0 || len(w.removals()) != 0 {
			t.Error("a record that could not be read twice is given up: that may pass")
		}
		<-time.After(3 * time.Hour)
		synctest.Wait()
		if !c.has(id) || tries != 3 || len(w.listed(root)) != 1 {
			t.Errorf("after %d tries: %+v", tries, w.listed(root))
		}
		w.relay.Close()
		c.set(func() { c.removing, c.unread = nil, nil })
		w.file(c, Config{})
		synctest.Wait()
		if root = w.relay.Console(root.Self()); c.has(id) || len(w.listed(root)) > 0 {
			t.Error("the next relay does not remove it")
		}
		if gone := w.removals(); len(gone) != 1 || gone[0].Session != id || gone[0].Checkpoint != "" || !strings.Contains(gone[0].Unread, "luck") {
			t.Errorf("the fleet's log has %+v", gone)
		}
	})
}

// A policy that cannot be kept is no policy.
func TestKeepNeedsAnArchivist(t *testing.T) {
	w := newWorld(t, Config{})
	for _, p := range []KeepPolicy{{Keep: day}, {ArchiveAfter: day}, {Clients: map[string]time.Duration{"acme": day}}} {
		if r, err := New(t.Context(), Config{Fleet: w.fleet, Records: w.records, Keep: p, Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%+v is taken", p)
			r.Close()
		}
	}
}
