package sqlitefile

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
)

// When a checkpoint is due: with the first transaction after checkpointAge, and
// with the one that brings checkpointEvents. What comes in between is signed by a
// filler, so that nothing stays unsigned for longer.
const (
	checkpointAge    = time.Second
	checkpointEvents = 4096
)

// A proof is the tree over a record's events, and what of it is not signed yet.
// It belongs to the store.
type proof struct {
	signer note.Signer // nil: no tree, and no checkpoint
	origin string

	tree   sessionlog.Tree
	hashes []byte // of the events since the newest checkpoint, end to end
	signed time.Time

	was struct { // at mark
		tree   sessionlog.Tree
		hashes []byte
		signed time.Time
	}
}

// load reads how far the file's tree has come, and adds what came after the
// newest checkpoint.
func (p *proof) load(c *conn, signer note.Signer, path string, head sessionlog.Seq) error {
	if signer == nil {
		return nil
	}
	p.signer = signer
	p.origin = sessionlog.Origin(signer.Name(), sessionlog.SessionID(strings.TrimSuffix(filepath.Base(path), Ext)))
	vals, err := c.row("SELECT size, edge FROM checkpoint ORDER BY size DESC LIMIT 1")
	if err != nil {
		return err
	}
	if vals != nil {
		size, _ := vals[0].(int64)
		edge, _ := vals[1].([]byte)
		if p.tree, err = sessionlog.NewTree(sessionlog.Seq(size), edge); err != nil {
			return err
		}
	}
	if p.tree.Size() > head {
		return fmt.Errorf("record is damaged: a checkpoint is of %d events, the record has %d", p.tree.Size(), head)
	}
	if err := p.loadTail(c); err != nil {
		return err
	}
	if p.tree.Size() != head {
		return fmt.Errorf("record is damaged: it has %d events, the last is %d", p.tree.Size(), head)
	}
	return nil
}

func (p *proof) loadTail(c *conn) error {
	rows, err := c.c.Query("SELECT CAST(leaf AS BLOB) FROM event WHERE seq > ? ORDER BY seq", []driver.Value{int64(p.tree.Size())})
	if err != nil {
		return err
	}
	defer rows.Close()
	vals := make([]driver.Value, 1)
	for {
		if err := rows.Next(vals); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		leaf, _ := vals[0].([]byte)
		p.add([]sessionlog.Hash{sessionlog.LeafHash(leaf)})
	}
}

// add takes the hashes of leaves.
func (p *proof) add(leaves []sessionlog.Hash) {
	for _, h := range leaves {
		p.tree.Add(h)
		p.hashes = append(p.hashes, h[:]...)
	}
}

// mark remembers the state to which rollback returns.
func (p *proof) mark() {
	p.was.tree, p.was.hashes, p.was.signed = p.tree, p.hashes, p.signed
}

func (p *proof) rollback() {
	p.tree, p.hashes, p.signed = p.was.tree, p.was.hashes, p.was.signed
}

// pending reports whether there are events that no checkpoint signs.
func (p *proof) pending() bool { return p.signer != nil && len(p.hashes) > 0 }

// due reports whether what was just added ends with a checkpoint.
func (p *proof) due(sealed bool) bool {
	return p.pending() && (sealed || time.Since(p.signed) >= checkpointAge || len(p.hashes) >= checkpointEvents*sessionlog.HashSize)
}

// checkpoint signs the tree as it is and begins to gather anew. The edge and the
// hashes go beside the note.
func (p *proof) checkpoint() (signed string, edge, hashes []byte, err error) {
	cp := sessionlog.Checkpoint{Origin: p.origin, Size: p.tree.Size(), Root: p.tree.Root()}
	if signed, err = cp.Sign(p.signer); err != nil {
		return "", nil, nil, err
	}
	edge, hashes = p.tree.Edge(), p.hashes
	p.hashes, p.signed = nil, time.Now()
	return signed, edge, hashes, nil
}
