package sqlitefile

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"go.uber.org/goleak"
)

// crashEnv tells a re-executed test binary to write until it is killed; the
// value is the directory.
const crashEnv = "CAISEY_TEST_CRASH_DIR"

const crashID = sessionlog.SessionID("01J0000000000000000000SESS")

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

// writeUntilKilled appends units of random size to streams of its own from four
// goroutines, and prints the head of each Commit once it has resolved.
func writeUntilKilled(dir string) error {
	d, err := OpenDir(dir, Config{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	log, err := d.Open(ctx, "acme", crashID)
	if err != nil {
		if log, err = d.Create(ctx, "acme", crashID); err != nil {
			return err
		}
	}
	start := log.Head().Seq
	errs := make(chan error)
	for i := range 4 {
		id := sessionlog.StepID(fmt.Sprintf("%d-%d", start, i))
		go func() { errs <- writeStream(ctx, log, id) }()
	}
	return <-errs
}

func writeStream(ctx context.Context, log sessionlog.Log, id sessionlog.StepID) error {
	var off int64
	for {
		evs := make([]sessionlog.Event, 1+rand.IntN(20))
		for i := range evs {
			data := []byte(strings.Repeat(strconv.FormatInt(off, 10)+" ", 1+rand.IntN(300)))
			evs[i] = sessionlog.NewOutput("agent:acme/db01", id, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: data})
			off += int64(len(data))
		}
		head, err := sessionlog.Append(ctx, log, evs...)
		if err != nil {
			return err
		}
		fmt.Println(head.Seq)
	}
}

// TestKilled: whenever the process is killed, every event that it said was
// durable is there, in order, and streams have no gap.
func TestKilled(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var acked sessionlog.Seq
	for round := range rounds {
		acked = max(acked, killAfter(t, dir, 1+rng.IntN(60)))
		checkCrashed(t, dir, acked, round)
	}
	if acked < sessionlog.Seq(rounds) {
		t.Errorf("only %d events were acknowledged in %d rounds", acked, rounds)
	}
}

// killAfter lets a child write until it has acknowledged n units, kills it, and
// returns the last event that it acknowledged.
func killAfter(t *testing.T, dir string, n int) (acked sessionlog.Seq) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		seq, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			continue // a line that the kill cut short
		}
		acked = max(acked, sessionlog.Seq(seq))
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("child: %v", err)
	}
	return acked
}

func checkCrashed(t *testing.T, dir string, acked sessionlog.Seq, round int) {
	t.Helper()
	d, err := OpenDir(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	log, err := d.Open(t.Context(), "acme", crashID)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if head := log.Head().Seq; head < acked {
		t.Fatalf("round %d: event %d was acknowledged, but the last one is %d", round, acked, head)
	}
	ends := map[sessionlog.StepID]int64{}
	var n sessionlog.Seq
	err = sessionlog.Replay(t.Context(), log, func(ev sessionlog.Event) error {
		n++
		c := ev.Chunk
		if ev.Seq != n || c == nil || c.Offset != ends[ev.Step] {
			return fmt.Errorf("event %d at %d: %+v", ev.Seq, n, c)
		}
		ends[ev.Step] += int64(len(c.Data))
		return sessionlog.VerifyChunk(ev)
	})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	for id, end := range ends { // and what follows is known
		_, err := sessionlog.Append(t.Context(), log, sessionlog.NewOutput("agent:acme/db01", id, sessionlog.Chunk{
			Stream: sessionlog.Stdout, Offset: end, Data: []byte("after"),
		}))
		if err != nil {
			t.Fatalf("round %d: append to %s: %v", round, id, err)
		}
	}
}
