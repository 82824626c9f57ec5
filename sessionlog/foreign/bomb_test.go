package foreign

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// A bomb is a record of a few MiB whose thousands of rows have one large value
// each: they share the pages that hold it, as no SQLite would write it and every
// SQLite reads it.
type bomb struct {
	pages [][]byte // after the record's own
	first uint32   // number of the first of them
}

const pageSize = 4096

// writeBomb writes one with rows events of which the salt, or else the output, has
// pages*4092 bytes and a few. order gives the number of the i-th row.
func writeBomb(t *testing.T, rows, pages int, salt bool, order func(i int) uint64) string {
	t.Helper()
	b, err := os.ReadFile(write(t, 2, 10, true))
	if err != nil {
		t.Fatal(err)
	}
	x := &bomb{first: uint32(len(b)/pageSize) + 1}
	chain := x.chain(pages)
	root := b[pageSize : 2*pageSize] // that of the table event
	x.tree(root, rows, pages, chain, salt, order)
	for _, p := range x.pages {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b[28:], uint32(len(b)/pageSize))
	path := filepath.Join(t.TempDir(), "bomb.caisey")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// add adds a page and returns its number.
func (x *bomb) add(p []byte) uint32 {
	x.pages = append(x.pages, p)
	return x.first + uint32(len(x.pages)) - 1
}

// chain adds n overflow pages and returns the first.
func (x *bomb) chain(n int) (next uint32) {
	for range n {
		p := make([]byte, pageSize)
		binary.BigEndian.PutUint32(p, next)
		next = x.add(p)
	}
	return next
}

// tree makes of root an interior page over leaf pages of 8 rows.
func (x *bomb) tree(root []byte, rows, pages int, chain uint32, salt bool, order func(int) uint64) {
	clear(root)
	var cells [][]byte
	top := uint64(0)
	for i := 0; i < rows; i += 8 {
		var page [][]byte
		for j := i; j < min(i+8, rows); j++ {
			top = max(top, order(j))
			page = append(page, overflowing(order(j), pages, chain, salt))
		}
		p := make([]byte, pageSize)
		fillPage(p, 0x0d, 8, page)
		cells = append(cells, varint(binary.BigEndian.AppendUint32(nil, x.add(p)), top))
	}
	fillPage(root, 0x05, 12, cells)
	p := make([]byte, pageSize)
	fillPage(p, 0x0d, 8, [][]byte{closing(top + 1)})
	binary.BigEndian.PutUint32(root[8:], x.add(p))
}

// fillPage writes a page of a B-tree.
func fillPage(p []byte, kind byte, header int, cells [][]byte) {
	at := pageSize
	for i, c := range cells {
		at -= len(c)
		copy(p[at:], c)
		binary.BigEndian.PutUint16(p[header+2*i:], uint16(at))
	}
	p[0] = kind
	binary.BigEndian.PutUint16(p[3:], uint16(len(cells)))
	binary.BigEndian.PutUint16(p[5:], uint16(at))
}

// overflowing returns the cell of a row of which all but 489 bytes are in a chain
// of pages: so many stay in the page where the rest fills pages of 4092.
func overflowing(seq uint64, pages int, chain uint32, salt bool) []byte {
	const local = 489
	payload := local + pages*(pageSize-4)
	leaf := []byte("{}")
	large := payload - len(leaf) - 1 - 1 - 1 - 4 - 1 // header: its size, seq, leaf, the large one, the other
	record := varint(nil, 1+1+1+4+1)
	record = varint(record, 0) // seq is the rowid
	record = varint(record, uint64(13+2*len(leaf)))
	blob, null := uint64(12+2*large), uint64(0)
	if salt {
		record = varint(varint(record, blob), null)
	} else {
		record = varint(varint(record, null), blob)
	}
	record = append(record, leaf...)
	cell := varint(varint(nil, uint64(payload)), seq)
	cell = append(cell, append(record, make([]byte, local-len(record))...)...)
	return binary.BigEndian.AppendUint32(cell, chain)
}

// closing returns the cell of a proper last event.
func closing(seq uint64) []byte {
	ev := sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{})
	ev.Seq = sessionlog.Seq(seq)
	leaf, err := sessionlog.Leaf(ev)
	if err != nil {
		panic(err)
	}
	record := varint(varint(varint(nil, 6), 0), uint64(13+2*len(leaf)))
	record = append(append(record, 0, 0), leaf...) // no salt, no data
	record[0] = byte(len(record) - len(leaf))
	return append(varint(varint(nil, uint64(len(record))), seq), record...)
}

// varint appends a number below 1<<28 as SQLite does.
func varint(b []byte, n uint64) []byte {
	for shift := 21; shift > 0; shift -= 7 {
		if n>>shift != 0 {
			b = append(b, byte(n>>shift)|0x80)
		}
	}
	return append(b, byte(n)&0x7f)
}
