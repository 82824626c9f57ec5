package spool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caisey/caisey/sessionlog/sqlitefile/losefs"
)

// powerCuts is how many times the power goes, over all lives.
func powerCuts() uint64 {
	switch {
	case os.Getenv("CAISEY_LONG") != "":
		return 400
	case testing.Short():
		return 8
	}
	return 40
}

// A power is a directory of an agent that lives through power cuts.
type power struct {
	rng            *rand.Rand
	mount, backing string
	fs             *losefs.FS // of this life
}

func newPower(t *testing.T, seed uint64) *power {
	t.Helper()
	if err := losefs.Check(); err != nil {
		t.Skipf("cannot simulate a power cut: %v", err)
	}
	dir := t.TempDir()
	p := &power{
		rng:   rand.New(rand.NewPCG(seed, 4)),
		mount: filepath.Join(dir, "mount"), backing: filepath.Join(dir, "backing"),
	}
	if err := errors.Join(os.Mkdir(p.mount, 0o700), os.Mkdir(p.backing, 0o700)); err != nil {
		t.Fatal(err)
	}
	return p
}

// live runs a life that ends with a cut in the middle of one of its first changes
// and syncs, or after the last.
func (p *power) live(t *testing.T, within int, life func(dir string)) {
	t.Helper()
	var err error
	if p.fs, err = losefs.Mount(p.mount, p.backing); err != nil {
		t.Fatal(err)
	}
	p.fs.CutAt(1+p.rng.IntN(within), p.rng.Uint64())
	life(p.mount)
	p.fs.Cut(p.rng.Uint64())
	if err := p.fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// A step that the journal took starts, and never a second time, whenever the power
// goes: it is asked for again in every life that follows.
func TestJournalPowerCut(t *testing.T) {
	var starts, refused int
	for seed := range powerCuts() / 4 {
		p := newPower(t, seed)
		b := journalBook{started: map[string]int{}}
		for life := range 5 {
			one := func(dir string) { b.live(filepath.Join(dir, "started"), p.rng.IntN(2) == 0) }
			if life < 4 {
				p.live(t, 120, one)
			} else {
				one(p.backing) // without a cut
			}
			for id, n := range b.started {
				if n > 1 {
					t.Fatalf("seed %d, life %d: step %s was started %d times", seed, life+1, id, n)
				}
			}
		}
		starts, refused = starts+len(b.started), refused+b.refused
	}
	t.Logf("%d cuts, %d steps started, %d times a step was asked for again", powerCuts(), starts, refused)
	if refused == 0 {
		t.Error("no step was asked for again after it was started")
	}
}

// A journalBook is what a relay and an onlooker know of an agent's steps.
type journalBook struct {
	mu      sync.Mutex
	asked   []string
	started map[string]int
	refused int
}

// live asks an agent for the newest steps once more, by several at once, and then
// for new ones, until it fails or that is enough. A journal that is small is cut.
func (b *journalBook) live(path string, small bool) {
	j, err := OpenJournal(path)
	if err != nil {
		return // the power went
	}
	defer j.Close()
	if small {
		j.keep, j.max = 60, 90
	}
	again := b.asked[max(0, len(b.asked)-40):]
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range again {
				if i%4 == w && !b.ask(j, again[i]) {
					return
				}
			}
			for range 25 {
				b.mu.Lock()
				id := fmt.Sprintf("%026d", len(b.asked))
				b.asked = append(b.asked, id)
				b.started[id] += 0
				b.mu.Unlock()
				if !b.ask(j, id) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// ask asks for a step, and reports whether the agent still works.
func (b *journalBook) ask(j *Journal, id string) bool {
	fresh, err := j.Add(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil:
		return false
	case fresh:
		b.started[id]++
	default:
		b.refused++
	}
	return true
}

// What is in a spool after a power cut is what was written, and all of it that was
// synced; what is torn is cut off, for good. That holds while the names of deleted
// segments do not come back out of order: a journalling file system sees to that,
// the model here does not, so nothing is asked of a cut that follows a deletion.
func TestSpoolPowerCut(t *testing.T) {
	var synced, kept, torn, strict int
	for seed := range powerCuts() {
		p := newPower(t, seed)
		b := &spoolBook{rng: p.rng}
		p.live(t, 300, func(dir string) { b.live(t.Context(), filepath.Join(dir, "step")) })
		n, err := b.check(t, filepath.Join(p.backing, "step"))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if b.gone == 0 {
			strict++
		}
		for i := range Streams {
			synced, kept, torn = synced+len(b.wrote[i][:b.synced[i]]), kept+int(n[i]), torn+len(b.wrote[i])-int(n[i])
		}
	}
	t.Logf("%d cuts, %d of them without a deletion before: %d bytes synced, %d kept, %d cut off", powerCuts(), strict, synced, kept, torn)
	if !testing.Short() && (synced == 0 || torn == 0 || strict == 0) {
		t.Error("the cuts are all of one kind")
	}
}

// A spoolBook is what was written to a spool.
type spoolBook struct {
	rng    *rand.Rand
	made   bool // and synced: the spool must be there
	wrote  [Streams][]byte
	synced [Streams]int64 // how much of it
	acked  [Streams]int64
	ended  bool // that is synced
	gone   int  // segments that were deleted since
}

// live fills a spool of small segments until the power goes. Now and then all of it
// is synced, and some is acknowledged.
func (b *spoolBook) live(ctx context.Context, dir string) {
	s, err := Create(dir, Config{SegmentSize: 4 << 10})
	if err != nil {
		return
	}
	defer s.Close()
	for i := range 400 {
		stream := 1 + b.rng.IntN(Streams)
		data := []byte(fmt.Sprintf("line %d of all\n", i))
		data = bytes.Repeat(data, 1+b.rng.IntN(40))
		b.wrote[stream-1] = append(b.wrote[stream-1], data...)
		if s.Append(ctx, stream, data) != nil {
			return
		}
		if b.rng.IntN(15) == 0 && b.sync(dir) != nil {
			return
		}
		if b.rng.IntN(10) == 0 {
			at, first := b.synced[stream-1], s.segs[0].number
			b.acked[stream-1] = max(b.acked[stream-1], at)
			if s.Ack(stream, at) != nil {
				return
			}
			b.gone += s.segs[0].number - first
		}
	}
	if s.End(ctx, []byte("end")) == nil && b.sync(dir) == nil {
		b.ended = true
	}
}

// sync puts all of the spool on disk.
func (b *spoolBook) sync(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	paths := []string{dir, filepath.Dir(dir)}
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	b.made, b.gone = true, 0
	for i := range b.wrote {
		b.synced[i] = int64(len(b.wrote[i]))
	}
	return nil
}

// check opens what is left, twice, and returns how long each stream is in it.
func (b *spoolBook) check(t *testing.T, dir string) (total [Streams]int64, err error) {
	for range 2 {
		s, err := Open(dir, Config{})
		if errors.Is(err, os.ErrNotExist) && !b.made {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		if total, err = b.compare(t, s); err != nil {
			return total, errors.Join(err, s.Close())
		}
		if err := s.Close(); err != nil {
			return total, err
		}
	}
	return total, nil
}

func (b *spoolBook) compare(t *testing.T, s *Spool) (total [Streams]int64, err error) {
	start := s.Start()
	out, _ := readAll(t, s, start)
	for i := range Streams {
		total[i] = s.Total(i + 1)
		switch {
		case b.gone == 0 && total[i] < b.synced[i]:
			return total, fmt.Errorf("%d bytes of stream %d are left, %d were synced", total[i], i+1, b.synced[i])
		case b.gone == 0 && b.acked[i] < b.synced[i] && start[i] > b.acked[i]:
			return total, fmt.Errorf("stream %d begins at %d, and is acknowledged up to %d", i+1, start[i], b.acked[i])
		case total[i] > int64(len(b.wrote[i])) || !bytes.Equal(out[i], b.wrote[i][start[i]:total[i]]):
			return total, fmt.Errorf("stream %d is not what was written, from %d to %d", i+1, start[i], total[i])
		}
	}
	for _, sum := range s.Totals() {
		if want := sha256.Sum256(b.wrote[sum.Stream-1][:sum.Bytes]); !bytes.Equal(sum.SHA256, want[:]) {
			return total, fmt.Errorf("the hash of %d bytes of stream %d is wrong", sum.Bytes, sum.Stream)
		}
	}
	if b.ended && b.gone == 0 && !s.Ended() {
		return total, errors.New("the end was synced, and is not there")
	}
	return total, nil
}
