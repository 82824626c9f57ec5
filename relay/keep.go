package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
)

// A KeepPolicy says what becomes of the records of sealed sessions. The zero value
// keeps them for ever as they are.
type KeepPolicy struct {
	// ArchiveAfter is how long after a session was closed its record is compressed.
	// If zero, none is.
	ArchiveAfter time.Duration
	// Keep is how long after a session was closed its record is removed. If zero,
	// none is.
	Keep time.Duration
	// Clients holds instead of Keep for the clients in it.
	Clients map[string]time.Duration
}

// keep returns how long a client's records are kept; 0 is for ever.
func (p KeepPolicy) keep(client string) time.Duration {
	if d, ok := p.Clients[client]; ok {
		return d
	}
	return p.Keep
}

// keepEvery is how often the keeper looks what is due.
const keepEvery = time.Hour

// An archivist is Records that can compress and remove a record which nobody has
// open.
type archivist interface {
	Archive(ctx context.Context, client string, id sessionlog.SessionID) error
	Remove(ctx context.Context, client string, id sessionlog.SessionID) error
}

// A keeper sees to the records of sealed sessions, one at a time.
type keeper struct {
	relay   *Relay
	policy  KeepPolicy
	records archivist // nil if nothing is ever archived or removed
	listing *listing
	unread  map[sessionlog.SessionID]int // sweeps in which a record that is due could not be read
}

func newKeeper(r *Relay, l *listing) (*keeper, error) {
	k := &keeper{relay: r, policy: r.cfg.Keep, listing: l, unread: map[sessionlog.SessionID]int{}}
	k.records, _ = r.cfg.Records.(archivist)
	if p := k.policy; k.records == nil && (p.ArchiveAfter != 0 || p.Keep != 0 || len(p.Clients) > 0) {
		return nil, errors.New("keep records: they can neither be archived nor removed where they are")
	}
	return k, nil
}

// run sweeps now and every hour, until the relay stops.
func (k *keeper) run() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		if k.records != nil {
			k.sweep(k.relay.ctx)
		}
		k.save()
		select {
		case <-tick.C:
		case <-k.relay.ctx.Done():
			k.save() // what was sealed since
			return
		}
	}
}

// save has the listing say what there is.
func (k *keeper) save() {
	if err := k.listing.save(k.relay); err != nil {
		k.relay.cfg.Log.Warn("the next start reads all records", "err", err)
	}
}

// sweep archives and removes what is due. What cannot be done now is tried again
// at the next sweep.
func (k *keeper) sweep(ctx context.Context) {
	names, err := k.relay.cfg.Records.List()
	if err != nil {
		k.relay.cfg.Log.Error("keep records", "err", err)
	}
	now := time.Now().Round(0) // by the calendar: a machine may have slept
	for _, name := range names {
		if ctx.Err() != nil {
			return
		}
		k.relay.mu.Lock()
		s, sealed := k.relay.sealed[name.ID]
		k.relay.mu.Unlock()
		if !sealed || s.Client != name.Client {
			continue
		}
		begun := time.Now()
		if err := k.see(ctx, name, s, now.Sub(s.Closed)); err != nil && ctx.Err() == nil {
			k.relay.cfg.Log.Error("record kept as it is until the next sweep", "client", s.Client, "session", s.ID, "err", err)
		}
		rest(ctx, time.Since(begun))
	}
}

// rest waits for as long as something took, so that a keeper with much to do leaves
// half of its core and its disk to those who work.
func rest(ctx context.Context, took time.Duration) {
	if took < time.Millisecond {
		return
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// see does what is due to one record. One that somebody looks at is left for the
// next sweep.
func (k *keeper) see(ctx context.Context, name RecordName, s console.Session, age time.Duration) error {
	keep := k.policy.keep(s.Client)
	remove := keep > 0 && age >= keep || k.relay.fleet.Removed(s.ID) // begun by a relay that died
	archive := !name.Archived && k.policy.ArchiveAfter > 0 && age >= k.policy.ArchiveAfter
	if !remove && !archive {
		return nil
	}
	giveBack, ok := k.relay.shelf.withhold(s.Client, s.ID)
	if !ok {
		return nil
	}
	defer giveBack()
	if remove {
		return k.remove(ctx, s, keep)
	}
	if err := k.records.Archive(ctx, s.Client, s.ID); err != nil {
		return err
	}
	k.relay.cfg.Log.Info("record archived", "client", s.Client, "session", s.ID)
	return nil
}

// remove removes a session and its record, which is withheld. That it does so is on
// disk first; if it does not come to the end, the next sweep goes on.
func (k *keeper) remove(ctx context.Context, s console.Session, keep time.Duration) error {
	r := k.relay
	if !r.fleet.Removed(s.ID) {
		was, err := k.describe(ctx, s)
		if err != nil {
			return err
		}
		was.Keep = keep.Seconds()
		if err := r.fleet.Remove(ctx, sessionlog.Relay, was); err != nil {
			return err
		}
	}
	if r.cfg.Index != nil { // a damaged one is begun anew, without this record
		if err := r.cfg.Index.Forget(s.ID); err != nil && !errors.Is(err, search.ErrDamaged) {
			return err
		}
	}
	if err := k.records.Remove(ctx, s.Client, s.ID); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.mu.Lock()
	delete(r.sealed, s.ID)
	r.mu.Unlock()
	r.cfg.Log.Info("record removed", "client", s.Client, "session", s.ID, "closed", s.Closed)
	return nil
}

// unreadSweeps is how often a record must not be readable, sweep after sweep, until it
// is removed all the same.
const unreadSweeps = 3

// describe returns what a record was. One that can never be read is removed like any
// other: it would stay for ever.
func (k *keeper) describe(ctx context.Context, s console.Session) (fleet.Removed, error) {
	was := fleet.Removed{
		Session: s.ID, Client: s.Client, Endpoint: s.Endpoint, Name: s.Name, Technician: s.Technician,
		Opened: s.Opened, Closed: s.Closed, Events: s.Events,
	}
	note, err := k.checkpoint(ctx, s)
	if ctx.Err() != nil {
		return was, context.Cause(ctx)
	}
	if err != nil {
		if k.unread[s.ID]++; k.unread[s.ID] < unreadSweeps { // it may pass
			return was, err
		}
		was.Unread = err.Error()
	}
	delete(k.unread, s.ID)
	was.Checkpoint = note
	return was, nil
}

// checkpoint returns the newest checkpoint of a record that is withheld; "" where
// there are none.
func (k *keeper) checkpoint(ctx context.Context, s console.Session) (string, error) {
	log, err := k.relay.cfg.Records.Open(ctx, s.Client, s.ID)
	if err != nil {
		return "", err
	}
	signed, ok := log.(interface {
		Checkpoint(ctx context.Context) (string, error)
	})
	if !ok {
		return "", log.Close()
	}
	note, err := signed.Checkpoint(ctx)
	if err := errors.Join(err, log.Close()); err != nil {
		return "", fmt.Errorf("last checkpoint: %w", err)
	}
	return note, nil
}

// withhold keeps everybody from a record until giveBack is called: they wait. It
// does not if somebody has the record.
func (s *shelf) withhold(client string, id sessionlog.SessionID) (giveBack func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] != nil {
		return nil, false
	}
	r := newRecord(s, client, id)
	r.refs = 0 // as one that is being given up
	s.held[id] = r
	return func() {
		s.mu.Lock()
		delete(s.held, id)
		s.mu.Unlock()
		close(r.gone)
	}, true
}
