package sessionlog

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// The tree is that of RFC 6962: the same roots as an implementation of others.
func TestTreeIsRFC6962(t *testing.T) {
	var tree Tree
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = stored[n]
		}
		return out, nil
	})
	for n := range int64(600) {
		leaf := fmt.Appendf(nil, "leaf %d%*d", n, int(n), n)
		more, err := tlog.StoredHashes(n, leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		tree.Add(LeafHash(leaf))
		want, err := tlog.TreeHash(n+1, read)
		if err != nil {
			t.Fatal(err)
		}
		if tree.Root() != want || tree.Size() != Seq(n+1) {
			t.Fatalf("root of %d leaves is %v, want %v", n+1, tree.Root(), want)
		}
		again, err := NewTree(tree.Size(), tree.Edge())
		if err != nil || again.Root() != want || again.Size() != tree.Size() {
			t.Fatalf("tree of %d leaves does not come back from its edge: %v", n+1, err)
		}
	}
	if _, err := NewTree(3, make([]byte, HashSize)); err == nil {
		t.Error("an edge that is too short is taken")
	}
}

// The frozen roots are over the leaves of leaf-v2.json, in their order.
func TestTreeVectors(t *testing.T) {
	var leaves []vector
	var roots struct{ Roots []string }
	for name, into := range map[string]any{"leaf-v2.json": &leaves, "tree-v2.json": &roots} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(leaves) < 15 || len(roots.Roots) != len(leaves)+1 {
		t.Fatalf("%d leaves, %d roots", len(leaves), len(roots.Roots))
	}
	var tree Tree
	for i := 0; ; i++ {
		if root := tree.Root(); hex.EncodeToString(root[:]) != roots.Roots[i] {
			t.Errorf("root of %d leaves is %x, want %s", i, root, roots.Roots[i])
		}
		if i == len(leaves) {
			return
		}
		tree.Add(LeafHash([]byte(leaves[i].Leaf)))
	}
}
