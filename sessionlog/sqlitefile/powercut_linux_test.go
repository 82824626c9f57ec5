package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/losefs"
)

// longEnv asks for ten times as many cuts.
const longEnv = "CAISEY_LONG"

func powerCuts(n int) int {
	if os.Getenv(longEnv) != "" {
		return 10 * n
	}
	if testing.Short() {
		return n / 5
	}
	return n
}

// TestPowerCut: whenever the power goes, every event that was said to be durable
// is in its record, whole and in order, and so is every unit that is there.
func TestPowerCut(t *testing.T) {
	needLosefs(t)
	var cuts, acked int
	for seed := range uint64(powerCuts(20)) {
		p := newPower(t, seed, Config{})
		for last := range 2 {
			p.untilCut(t)
			cuts++
			// Else the next life begins with what the cut left.
			if last == 1 || p.rng.IntN(2) == 0 {
				if lost, err := p.check(t.Context()); lost > 0 || err != nil {
					t.Errorf("seed %d, life %d: of %d acknowledged events %d are lost: %v", seed, last+1, p.book.acked(), lost, err)
					break
				}
			}
		}
		acked += p.book.acked()
	}
	t.Logf("%d cuts, %d acknowledged events", cuts, acked)
	if acked < 10*cuts {
		t.Errorf("only %d events were acknowledged before %d cuts", acked, cuts)
	}
}

// TestPowerCutShows is the test of the test: without syncs the same cuts lose
// events that were acknowledged.
func TestPowerCutShows(t *testing.T) {
	needLosefs(t)
	cuts := powerCuts(20)
	var acked, lost, cost int
	for seed := range uint64(cuts) {
		p := newPower(t, seed, Config{synchronous: "OFF"})
		p.untilCut(t)
		n, _ := p.check(t.Context())
		acked, lost = acked+p.book.acked(), lost+n
		if n > 0 {
			cost++
		}
	}
	t.Logf("%d cuts, %d acknowledged events, %d lost, in %d cuts", cuts, acked, lost, cost)
	if cost < cuts/2 {
		t.Errorf("only %d of %d cuts lost something", cost, cuts)
	}
}

// TestPowerCutMany: the same where many sessions write a little at once, so that
// nearly all is in the journal when the power goes; then it goes again and again
// while that is put into the records.
func TestPowerCutMany(t *testing.T) {
	needLosefs(t)
	var cuts, acked, again int
	for seed := range uint64(powerCuts(10)) {
		p := newPower(t, 1000+seed, Config{})
		p.book.sessions, p.book.words = 20, 20
		p.untilCut(t)
		for range 3 {
			if p.cutRecovery(t) {
				again++
			}
		}
		cuts++
		if lost, err := p.check(t.Context()); lost > 0 || err != nil {
			t.Errorf("seed %d: of %d acknowledged events %d are lost: %v", seed, p.book.acked(), lost, err)
		}
		acked += p.book.acked()
	}
	t.Logf("%d cuts, %d more during recovery, %d acknowledged events", cuts, again, acked)
	if acked < 10*cuts || again < cuts {
		t.Errorf("only %d events were acknowledged, and %d cuts came during recovery", acked, again)
	}
}

// cutRecovery opens the records and cuts the power meanwhile, unless they are open
// before that.
func (p *power) cutRecovery(t *testing.T) (cut bool) {
	t.Helper()
	fs, err := losefs.Mount(p.mount, p.backing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() }) // if the test fails before
	fs.CutAt(1+p.rng.IntN(60), p.rng.Uint64())
	d, err := OpenDir(filepath.Join(p.mount, "records"), p.cfg)
	if err == nil {
		_ = d.Close()
	}
	cut = fs.IsCut()
	if err != nil && !cut {
		t.Errorf("recovery fails: %v", err)
	}
	if err := fs.Close(); err != nil {
		t.Fatalf("something of the records is still open: %v", err)
	}
	return cut
}

func needLosefs(t *testing.T) {
	t.Helper()
	if err := losefs.Check(); err != nil {
		t.Skipf("cannot simulate a power cut: %v", err)
	}
}

// A power is a directory of records that lives through power cuts.
type power struct {
	cfg            Config
	rng            *rand.Rand
	mount, backing string
	book           *powerBook
}

func newPower(t *testing.T, seed uint64, cfg Config) *power {
	t.Helper()
	p := &power{cfg: cfg, rng: rand.New(rand.NewPCG(seed, 6)), book: newPowerBook()}
	dir := t.TempDir()
	p.mount, p.backing = filepath.Join(dir, "mount"), filepath.Join(dir, "backing")
	if err := errors.Join(os.Mkdir(p.mount, 0o700), os.Mkdir(p.backing, 0o700)); err != nil {
		t.Fatal(err)
	}
	return p
}

// untilCut writes records until the power goes: after some acknowledgements, or
// in the middle of some operation of the disk.
func (p *power) untilCut(t *testing.T) {
	t.Helper()
	fs, err := losefs.Mount(p.mount, p.backing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() }) // if the test fails before
	seed := p.rng.Uint64()
	acks := 0
	if p.rng.IntN(2) == 0 {
		acks = 1 + p.rng.IntN(120)
	} else {
		fs.CutAt(1+p.rng.IntN(500), seed)
	}
	p.book.begin(acks, func() { fs.Cut(seed) }, fs.IsCut)
	d, err := OpenDir(filepath.Join(p.mount, "records"), p.cfg)
	if err == nil {
		err = p.book.write(d, p.rng)
		_ = d.Close()
	} else if p.book.powerless() {
		err = nil
	}
	if err != nil {
		t.Errorf("the records failed before the cut: %v", err)
	}
	fs.Cut(seed)
	if err := fs.Close(); err != nil {
		t.Fatalf("something of the records is still open: %v", err)
	}
}

// check opens what the cut left, and returns how many acknowledged events are not
// there.
func (p *power) check(ctx context.Context) (lost int, err error) {
	found := map[*powerUnit]sessionlog.Seq{}
	d, err := OpenDir(filepath.Join(p.backing, "records"), Config{})
	if err != nil {
		return p.book.lost(found), err
	}
	list, err := d.List()
	errs := []error{err, p.book.missing(list)}
	for _, e := range list {
		errs = append(errs, p.checkRecord(ctx, d, e, found))
	}
	errs = append(errs, d.Close())
	for _, e := range list {
		errs = append(errs, checkIntegrity(e.Path))
	}
	return p.book.lost(found), errors.Join(errs...)
}

// checkRecord reads a record, and goes on writing where it is not sealed.
func (p *power) checkRecord(ctx context.Context, d *Dir, e Entry, found map[*powerUnit]sessionlog.Seq) error {
	log, err := d.Open(ctx, e.Client, e.ID)
	if err != nil {
		return err
	}
	r := p.book.record(e.ID)
	err = r.read(ctx, log, found)
	if err == nil && !log.Head().Sealed {
		w := &powerWriter{book: p.book, rec: r, log: log, step: sessionlog.NewStepID(), rng: p.rng}
		var u *powerUnit
		if u, err = w.append(ctx); err == nil {
			found[u] = u.seq
		}
	}
	if err = errors.Join(err, log.Close()); err != nil {
		return fmt.Errorf("%s: %w", e.ID, err)
	}
	return nil
}

// checkIntegrity asks SQLite, past all of our code.
func checkIntegrity(path string) error {
	c, err := new(sqlite3.SQLiteDriver).Open("file:" + path + "?mode=rw")
	if err != nil {
		return err
	}
	rows, err := c.(*sqlite3.SQLiteConn).Query("PRAGMA integrity_check", nil)
	if err != nil {
		return errors.Join(fmt.Errorf("check integrity of %s: %w", path, err), c.Close())
	}
	vals := make([]driver.Value, 1)
	err = rows.Next(vals)
	if err == nil && vals[0] != "ok" {
		err = fmt.Errorf("integrity of %s: %v", path, vals[0])
	}
	return errors.Join(err, rows.Close(), c.Close())
}
