package losefs

import (
	"maps"
	"math/rand/v2"
)

// names is the content of one directory.
type names struct {
	live    map[string]*inode
	disk    map[string]*inode // what was synced
	pending []rename          // what was changed since
}

// A rename is one change of names: each is what it maps to afterwards, or gone
// if that is nil.
type rename map[string]*inode

func (r rename) apply(m map[string]*inode) {
	for name, node := range r {
		if node == nil {
			delete(m, name)
		} else {
			m[name] = node
		}
	}
}

func newNames() names { return names{live: map[string]*inode{}, disk: map[string]*inode{}} }

func (d *names) change(r rename) {
	r.apply(d.live)
	d.pending = append(d.pending, r)
}

// sync makes all changes durable.
func (d *names) sync() {
	for _, r := range d.pending {
		r.apply(d.disk)
	}
	d.pending = nil
}

// left returns what a power cut leaves of the directory.
func (d *names) left(rng *rand.Rand) map[string]*inode {
	m := maps.Clone(d.disk)
	how := rng.IntN(3)
	whole := rng.IntN(len(d.pending) + 1)
	for i, r := range d.pending {
		if how == 1 && i < whole || how == 2 && rng.IntN(2) == 0 {
			r.apply(m)
		}
	}
	return m
}
