package losefs

import (
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// A file is the content of one file.
type file struct {
	live    []byte   // what programs see
	disk    []byte   // what was synced
	pending []change // what was changed since
}

// A change is one write, or a truncation if data is nil.
type change struct {
	off  int64 // of data, or the new size
	data []byte
}

// apply returns b after the change. It may use the memory of b.
func (c change) apply(b []byte) []byte {
	end := c.off + int64(len(c.data))
	if grow := end - int64(len(b)); grow > 0 {
		b = append(b, make([]byte, grow)...)
	}
	if c.data == nil {
		return b[:c.off]
	}
	copy(b[c.off:], c.data)
	return b
}

func (f *file) change(c change) {
	c.data = slices.Clone(c.data)
	f.live = c.apply(f.live)
	f.pending = append(f.pending, c)
}

// sync makes all changes durable.
func (f *file) sync() {
	for _, c := range f.pending {
		f.disk = c.apply(f.disk)
	}
	f.pending = nil
}

// left returns what a power cut leaves of the file.
func (f *file) left(rng *rand.Rand) []byte {
	n := len(f.pending)
	if n == 0 {
		return f.disk
	}
	switch rng.IntN(3) {
	case 0:
		return f.disk
	case 1:
		whole := rng.IntN(n)
		return f.mix(func() int { return whole + rng.IntN(2) })
	default:
		return f.mix(func() int { return rng.IntN(n + 1) })
	}
}

// mix builds a file of which each sector, and the size, is what it was after
// some of the changes. pick says after how many.
func (f *file) mix(pick func() int) []byte {
	longest := int64(len(f.disk))
	for _, c := range f.pending {
		longest = max(longest, c.off+int64(len(c.data)))
	}
	picks := make([]int, (longest+sector-1)/sector)
	for i := range picks {
		picks[i] = pick()
	}
	size, sizeAfter := 0, pick()
	out, now := make([]byte, longest), slices.Clone(f.disk)
	for n := 0; ; n++ {
		for i, p := range picks {
			if at := i * sector; p == n && at < len(now) {
				copy(out[at:min(at+sector, len(out))], now[at:])
			}
		}
		if n == sizeAfter {
			size = len(now)
		}
		if n == len(f.pending) {
			return out[:size]
		}
		now = f.pending[n].apply(now)
	}
}
