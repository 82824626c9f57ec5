package sessionlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A Hash is a node of a record's tree, or its root.
type Hash = tlog.Hash

// HashSize is the length of a Hash in bytes.
const HashSize = tlog.HashSize

// A Tree is the RFC 6962 hash tree over a record's leaves, as much of it as it
// takes to add the next one: the roots of the complete subtrees on its right
// edge. The zero value is the empty tree. Copies are independent.
type Tree struct {
	size uint64
	edge [64]Hash // the first OnesCount64(size) of them, the largest subtree first
}

// LeafHash returns the hash of a leaf's bytes: SHA-256(0x00 || leaf).
func LeafHash(leaf []byte) Hash {
	var small [512]byte
	if len(leaf) < len(small) {
		return sha256.Sum256(append(small[:1], leaf...))
	}
	return tlog.RecordHash(leaf)
}

// Size returns how many leaves the tree has.
func (t *Tree) Size() Seq { return Seq(t.size) }

// Add appends a leaf by its hash.
func (t *Tree) Add(leaf Hash) {
	n := bits.OnesCount64(t.size)
	for full := t.size; full&1 == 1; full >>= 1 {
		n--
		leaf = nodeHash(t.edge[n], leaf)
	}
	t.edge[n] = leaf
	t.size++
}

// Root returns the hash that stands for the whole tree; of the empty tree it is
// SHA-256 of nothing.
func (t *Tree) Root() Hash {
	n := bits.OnesCount64(t.size)
	if n == 0 {
		return sha256.Sum256(nil)
	}
	root := t.edge[n-1]
	for i := n - 2; i >= 0; i-- {
		root = nodeHash(t.edge[i], root)
	}
	return root
}

// nodeHash returns SHA-256(0x01 || left || right).
func nodeHash(left, right Hash) Hash {
	var b [1 + 2*HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// Edge returns the roots of the complete subtrees, the largest first, end to
// end: what NewTree takes.
func (t *Tree) Edge() []byte {
	b := make([]byte, 0, bits.OnesCount64(t.size)*HashSize)
	for _, h := range t.edge[:bits.OnesCount64(t.size)] {
		b = append(b, h[:]...)
	}
	return b
}

// NewTree returns the tree of that size and edge.
func NewTree(size Seq, edge []byte) (Tree, error) {
	t := Tree{size: uint64(size)}
	if want := bits.OnesCount64(t.size) * HashSize; len(edge) != want {
		return Tree{}, fmt.Errorf("edge of a tree of %d leaves has %d bytes, not %d", size, len(edge), want)
	}
	if size >= 1<<63 {
		return Tree{}, errors.New("tree is too large")
	}
	for i := 0; len(edge) > 0; i++ {
		edge = edge[copy(t.edge[i][:], edge):]
	}
	return t, nil
}
