package sqlitefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/journal"
)

// startJournal puts into the records what a process that died left in the
// journal, and begins a new one.
func (d *Dir) startJournal() error {
	if err := journal.Read(d.root, d.replay); err != nil {
		return err
	}
	cfg := d.cfg.journal
	cfg.Unsynced = d.cfg.synchronous == "OFF"
	j, err := journal.Open(d.root, cfg)
	if err != nil {
		return err
	}
	d.host = newHost(d.cfg, j)
	return nil
}

// replay puts a segment into the records, and deletes it once they are durable.
// What goes wrong with a record is told, and keeps the segment, under another
// name; the other records are none the worse. It may die midway and begin again.
func (d *Dir) replay(left journal.Left) error {
	byRecord := map[string][]journal.Entry{}
	for _, e := range left.Entries {
		byRecord[e.Record] = append(byRecord[e.Record], e)
	}
	keep := left.Damage != nil && !left.Torn
	for _, record := range slices.Sorted(maps.Keys(byRecord)) {
		err := d.replayRecord(record, byRecord[record])
		if err == nil {
			continue
		}
		err = fmt.Errorf("replay %s into record %s: %w", left.Name, record, err)
		if mayPass(err) {
			return err
		}
		keep = true
		d.cfg.Logf("%v", err)
	}
	if left.Damage != nil {
		d.cfg.Logf("%s: %v after %d frames", left.Name, left.Damage, len(left.Entries))
	}
	if keep {
		d.cfg.Logf("%s is kept as %s", left.Name, left.Name+journal.KeptSuffix)
		// A link, not a rename, as it never replaces what is there.
		if err := d.root.Link(left.Name, left.Name+journal.KeptSuffix); err != nil {
			return err
		}
	}
	return errors.Join(d.root.Remove(left.Name), d.sync("."))
}

// mayPass reports whether err is of the disk and not of what stands on it: then
// it is better to begin again later than to go on without.
func mayPass(err error) bool {
	var disk *fs.PathError
	var lite sqlite3.Error
	if errors.As(err, &lite) {
		return lite.Code != sqlite3.ErrCorrupt && lite.Code != sqlite3.ErrNotADB && lite.Code != sqlite3.ErrConstraint
	}
	return errors.As(err, &disk) || isFull(err)
}

// replayRecord inserts entries into their record, durably.
func (d *Dir) replayRecord(record string, entries []journal.Entry) (err error) {
	client, id, _ := strings.Cut(record, "/")
	name, err := name(client, sessionlog.SessionID(id))
	if err != nil {
		return err
	}
	fd, err := d.openRegular(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was deleted, or archived, which nobody does before it is whole
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fd.Close()) }()
	path := filepath.Join(d.path, filepath.FromSlash(name))
	if h, err := readHeader(fd); err != nil || !h.wal {
		return err // a sealed record is whole
	}
	var s store
	err = s.open(path, d.cfg.synchronous, d.cfg.Signer)
	if err == nil {
		err = s.restore(entries)
	}
	return errors.Join(err, s.close())
}

// restore inserts those entries that the file does not have, and makes durable
// what it has. Up to one that is wrong all are inserted.
func (s *store) restore(entries []journal.Entry) error {
	missing, wrong := s.decode(entries)
	if len(missing) == 0 {
		return errors.Join(wrong, s.sync())
	}
	return errors.Join(wrong, s.insert(full, true, missing...))
}

// decode makes batches of those entries that the file does not have yet, up to
// one that may not follow.
func (s *store) decode(entries []journal.Entry) ([]*batch, error) {
	l := ledger{seq: s.seq, sealed: s.sealed, next: map[streamKey]int64{}, load: s.streamEnd}
	var batches []*batch
	for _, e := range entries {
		first, last := e.Rows[0].Seq, e.Rows[len(e.Rows)-1].Seq
		switch {
		case last <= l.seq:
			if err := s.same(e.Rows[len(e.Rows)-1]); err != nil {
				return batches, err
			}
			continue
		case first > l.seq+1:
			return batches, fmt.Errorf("events %d to %d: record ends at %d", first, last, l.seq)
		case first <= l.seq:
			return batches, fmt.Errorf("events %d to %d: record has %d already", first, last, l.seq)
		}
		b, err := decodeEntry(&l, e, s.proof.signer != nil)
		if err != nil {
			return batches, err
		}
		batches = append(batches, b)
	}
	return batches, nil
}

// same reports whether the file has another event in the place of a row.
func (s *store) same(row sessionlog.Row) error {
	vals, err := s.c.row("SELECT CAST(leaf AS BLOB) FROM event WHERE seq = ?", int64(row.Seq))
	if err != nil {
		return err
	}
	if len(vals) == 0 {
		return nil // it is of what is to be inserted
	}
	if leaf, _ := vals[0].([]byte); !bytes.Equal(leaf, row.Leaf) {
		return fmt.Errorf("event %d: record has another one there", row.Seq)
	}
	return nil
}

// decodeEntry is the inverse of batch.frame. What may not follow is an error.
func decodeEntry(l *ledger, e journal.Entry, hash bool) (*batch, error) {
	b := &batch{start: l.mark()}
	var u unit
	for _, row := range e.Rows {
		ev, err := sessionlog.ParseLeaf(row.Leaf)
		if err == nil && ev.Seq != row.Seq {
			err = fmt.Errorf("it says that it is %d", ev.Seq)
		}
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", row.Seq, err)
		}
		if ev.Chunk != nil {
			ev.Chunk.Salt, ev.Chunk.Data = row.Salt, row.Data
			if err := sessionlog.VerifyChunk(ev); err != nil {
				return nil, err
			}
			b.data += len(row.Data)
		}
		if err := l.take(&ev); err != nil {
			return nil, fmt.Errorf("event %d may not follow: %w", row.Seq, err)
		}
		u.evs = append(u.evs, ev)
		b.leaves = append(b.leaves, row.Leaf...)
		b.ends = append(b.ends, len(b.leaves))
		if hash {
			b.hashes = append(b.hashes, sessionlog.LeafHash(row.Leaf))
		}
	}
	b.units, b.last, b.sealed, b.end = []unit{u}, l.seq, l.sealed, l.mark()
	b.grown = l.grown(nil, b.start)
	return b, nil
}
