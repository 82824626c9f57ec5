package sqlitefile

import (
	"bufio"
	"context"
	"errors"
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

// crashMany is how many sessions the child writes at once, if it is set.
const crashMany = "CAISEY_TEST_CRASH_MANY"

const crashID = sessionlog.SessionID("01J0000000000000000000SESS")

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		write := writeUntilKilled
		if os.Getenv(crashMany) != "" {
			write = writeManyUntilKilled
		}
		if err := write(dir); err != nil {
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

// writeManyUntilKilled has many sessions take one note after the other, and prints
// how many each has.
func writeManyUntilKilled(dir string) error {
	d, err := OpenDir(dir, Config{})
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(os.Getenv(crashMany))
	if err != nil {
		return err
	}
	errs := make(chan error)
	for i := range n {
		go func() {
			errs <- writeNotes(context.Background(), d, sessionlog.SessionID(fmt.Sprintf("01J00000000000000000000%03d", i)))
		}()
	}
	return <-errs
}

func writeNotes(ctx context.Context, d *Dir, id sessionlog.SessionID) error {
	log, err := d.Open(ctx, "acme", id)
	if err != nil {
		if log, err = d.Create(ctx, "acme", id); err != nil {
			return err
		}
	}
	for {
		text := fmt.Sprint("note ", log.Head().Seq+1)
		head, err := sessionlog.Append(ctx, log, sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: text}))
		if err != nil {
			return err
		}
		fmt.Printf("%s %d\n", id, head.Seq)
	}
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

// TestKilledMany: the same for many sessions at once, most of which only the
// journal has when the process is killed.
func TestKilledMany(t *testing.T) {
	rounds, sessions := 10, 60
	if testing.Short() {
		rounds, sessions = 3, 20
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	acked := map[sessionlog.SessionID]sessionlog.Seq{}
	for round := range rounds {
		killLines(t, dir, 1+rng.IntN(2000), func(line string) {
			var id string
			var seq sessionlog.Seq
			if n, err := fmt.Sscanf(line, "%26s %d", &id, &seq); n == 2 && err == nil {
				acked[sessionlog.SessionID(id)] = max(acked[sessionlog.SessionID(id)], seq)
			}
		}, fmt.Sprint(crashMany, "=", sessions))
		checkNotes(t, dir, acked, round)
	}
	if len(acked) < sessions {
		t.Errorf("only %d of %d sessions wrote something", len(acked), sessions)
	}
}

func checkNotes(t *testing.T, dir string, acked map[sessionlog.SessionID]sessionlog.Seq, round int) {
	t.Helper()
	d, err := OpenDir(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for id, want := range acked {
		log, err := d.Open(t.Context(), "acme", id)
		if err != nil {
			t.Fatal(err)
		}
		if head := log.Head().Seq; head < want {
			t.Errorf("round %d: event %d of %s was acknowledged, but the last one is %d", round, want, id, head)
		}
		err = sessionlog.Replay(t.Context(), log, func(ev sessionlog.Event) error {
			var note sessionlog.Note
			if err := ev.Decode(&note); err != nil || note.Text != fmt.Sprint("note ", ev.Seq) {
				return fmt.Errorf("event %d of %s is %q, %w", ev.Seq, id, note.Text, err)
			}
			return nil
		})
		if err := errors.Join(err, log.Close()); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
}

// killAfter lets a child write until it has acknowledged n units, kills it, and
// returns the last event that it acknowledged.
func killAfter(t *testing.T, dir string, n int) (acked sessionlog.Seq) {
	t.Helper()
	killLines(t, dir, n, func(line string) {
		if seq, err := strconv.ParseUint(line, 10, 64); err == nil { // else a line that the kill cut short
			acked = max(acked, sessionlog.Seq(seq))
		}
	})
	return acked
}

// killLines lets a child write until it has printed n lines, kills it, and hands
// on all that it printed.
func killLines(t *testing.T, dir string, n int, line func(string), env ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), crashEnv+"="+dir), env...)
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
		line(lines.Text())
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("child: %v", err)
	}
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
