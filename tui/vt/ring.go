package vt

// A Ring keeps the newest lines. The zero value is ready.
type Ring struct {
	// MaxLines is the most lines kept. If zero, 10,000.
	MaxLines int
	// MaxBytes is the most bytes of text kept, though never less than one line.
	// If zero, 8 MiB.
	MaxBytes int

	lines   []Line // lines[:gone] have fallen out
	gone    int
	bytes   int
	dropped int
}

// lineCost is what a line costs beside its text.
const lineCost = 40

// Push adds the newest line. Older ones fall out where the bounds ask for it.
func (r *Ring) Push(l Line) {
	r.lines = append(r.lines, l)
	r.bytes += len(l.Text) + lineCost
	maxLines, maxBytes := r.MaxLines, r.MaxBytes
	if maxLines == 0 {
		maxLines = 10_000
	}
	if maxBytes == 0 {
		maxBytes = 8 << 20
	}
	for r.Len() > maxLines || r.Len() > 1 && r.bytes > maxBytes {
		r.Drop()
	}
}

// Drop lets the oldest line fall out.
func (r *Ring) Drop() {
	if r.Len() == 0 {
		return
	}
	r.bytes -= len(r.lines[r.gone].Text) + lineCost
	r.lines[r.gone] = Line{}
	r.gone++
	r.dropped++
	if r.gone > 64 && r.gone > len(r.lines)/2 {
		n := copy(r.lines, r.lines[r.gone:])
		clear(r.lines[n:])
		r.lines, r.gone = r.lines[:n], 0
	}
}

// Len returns how many lines are kept.
func (r *Ring) Len() int { return len(r.lines) - r.gone }

// Bytes returns about how much memory the kept lines take.
func (r *Ring) Bytes() int { return r.bytes }

// Dropped returns how many lines have fallen out. The kept ones are numbered
// from there: Dropped, Dropped+1, … , Dropped+Len-1.
func (r *Ring) Dropped() int { return r.dropped }

// At returns line number n, which must be kept.
func (r *Ring) At(n int) Line { return r.lines[r.gone+n-r.dropped] }
