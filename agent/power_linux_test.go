package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caisey/caisey/agent/proc"
	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog/sqlitefile/losefs"
)

// TestPowerCut: whenever the power goes, a command that was started does not start a
// second time, though the relay asks for it again in every life that follows. All is
// real but the process.
func TestPowerCut(t *testing.T) {
	if err := losefs.Check(); err != nil {
		t.Skipf("cannot simulate a power cut: %v", err)
	}
	cuts := 40
	switch {
	case os.Getenv("CAISEY_LONG") != "":
		cuts = 400
	case testing.Short():
		cuts = 8
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var started, again int
	for seed := range cuts / 4 {
		p := &powered{key: key, starts: map[string]int{}}
		rng := rand.New(rand.NewPCG(uint64(seed), 8))
		mount, backing := t.TempDir(), t.TempDir()
		for range 4 {
			fs, err := losefs.Mount(mount, backing)
			if err != nil {
				t.Fatal(err)
			}
			fs.CutAt(1+rng.IntN(150), rng.Uint64())
			p.live(t.Context(), mount)
			fs.Cut(rng.Uint64())
			if err := fs.Close(); err != nil {
				t.Fatal(err)
			}
		}
		p.live(t.Context(), backing) // without a cut
		for id, n := range p.starts {
			if n > 1 {
				t.Errorf("seed %d: step %s was started %d times", seed, id, n)
			}
		}
		started, again = started+len(p.starts), again+p.again
	}
	t.Logf("%d cuts, %d commands started, %d of them asked for again later and refused", cuts, started, again)
	if again == 0 {
		t.Error("no command was asked for again")
	}
}

// A powered is what a relay and an onlooker know of an agent that lives through
// power cuts.
type powered struct {
	key ed25519.PrivateKey

	mu     sync.Mutex
	asked  []string
	starts map[string]int
	again  int
}

var errNoProcess = errors.New("this is a test")

// live asks an agent for all steps until now and then for new ones, three at a time.
func (p *powered) live(ctx context.Context, dir string) {
	journal, err := spool.OpenJournal(filepath.Join(dir, "ran"))
	if err != nil {
		return // the power went
	}
	defer journal.Close()
	cfg := Config{Data: dir, start: func(cmd proc.Command, _ proc.Sink) (process, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.starts[cmd.Step]++
		return nil, errNoProcess // that is its end
	}}
	s, err := openSteps(ctx, cfg, filepath.Join(dir, "spool"), journal, p.key)
	if err != nil {
		return
	}
	p.mu.Lock()
	old := p.asked
	p.mu.Unlock()
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := w; i < len(old); i += 3 {
				p.ask(s, old[i])
			}
			for range 5 {
				p.mu.Lock()
				id := fmt.Sprintf("S%04d", len(p.asked))
				p.asked = append(p.asked, id)
				p.mu.Unlock()
				p.ask(s, id)
			}
		})
	}
	wg.Wait()
	s.cancel(errStopped) // where the power went, no end can be kept
	s.work.Wait()
	_ = s.close() // fails where the power went
}

// ask asks for a step as a relay does that does not know whether it was started.
func (p *powered) ask(s *steps, id string) {
	_, refused := s.begin(startOf(&wire.Start{Step: id, Command: "true"}).GetStart())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starts[id] > 0 && refused.GetCode() == wire.Refused_CODE_DENIED {
		p.again++
	}
}
