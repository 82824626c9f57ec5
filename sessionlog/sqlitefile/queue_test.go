package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// A full queue makes those who submit wait, as long as their context lets them;
// what was refused so leaves no trace.
func TestQueueIsBounded(t *testing.T) {
	const size = 256 << 10 // goes past the journal
	d := newDir(t, Config{Commits: 1, Queue: 8 * size})
	f := create(t, d)
	d.host.commits <- struct{}{} // the writer waits for its turn
	var commits []*sessionlog.Commit
	var next int64
	stop := errors.New("stop")
	for {
		ctx, cancel := context.WithCancelCause(t.Context())
		submitted := make(chan *sessionlog.Commit, 1)
		go func() {
			c, err := f.Submit(ctx, chunkAt(next, size))
			if c == nil && !errors.Is(err, stop) {
				t.Errorf("submit to a full queue: %v", err)
			}
			submitted <- c
		}()
		if len(commits) == 7 { // 7 × (256 KiB + 512) are in, one more is too much
			cancel(stop)
			if c := <-submitted; c != nil {
				t.Error("the queue has no bound")
			}
			break
		}
		commits = append(commits, <-submitted)
		next += size
		cancel(nil)
	}
	if f.Head().Seq != 0 {
		t.Errorf("head is %+v before anything was committed", f.Head())
	}
	<-d.host.commits
	for _, c := range commits {
		if _, err := c.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	appendAll(t, f, chunkAt(next, 1))
	if n := count(t, f); n != 8 {
		t.Errorf("%d events, want 8", n)
	}
}

// What is written is not kept for ever in the array of the queue.
func TestQueueLetsGo(t *testing.T) {
	d := newDir(t, Config{Commits: 1})
	f := create(t, d)
	d.host.commits <- struct{}{} // a commit waits for its slot, and so does what follows
	var commits []*sessionlog.Commit
	for i := range int64(20) {
		c, err := f.Submit(t.Context(), chunkAt(i<<19, 1<<19))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
	}
	f.mu.Lock()
	units := f.queue
	f.mu.Unlock()
	<-d.host.commits
	for _, c := range commits {
		if _, err := c.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := f.Close(); err != nil { // the writer has ended
		t.Fatal(err)
	}
	if len(units) == 0 {
		t.Fatal("nothing was queued")
	}
	for i, u := range units {
		if u.evs != nil || u.commit != nil {
			t.Errorf("unit %d of %d is kept", i, len(units))
		}
	}
}

// A file in which the end of a stream can not be read has output of it or not:
// nothing is recorded on a guess.
func TestEndOfStreamIsUnreadable(t *testing.T) {
	d := newDir(t, Config{})
	f := create(t, d)
	fill(t, f, "")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	overwriteEnds(t, f.path)
	f = reopen(t, d, f.path)
	_, err := sessionlog.Append(t.Context(), f, chunkAt(0, 1))
	var gap *sessionlog.GapError
	if err == nil || errors.As(err, &gap) || !strings.Contains(err.Error(), "read end of stdout") {
		t.Errorf("append to a damaged file: %v", err)
	}
}

// overwriteEnds damages where the chunks of a stream are found.
func overwriteEnds(t *testing.T, path string) {
	t.Helper()
	c, err := openConn(path, "ro", false)
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.row("SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE type = 'table' AND tbl_name = 'stream'")
	if err := errors.Join(err, c.close()); err != nil || root == nil {
		t.Fatal(root, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, size := root[0].(int64), root[1].(int64)
	copy(b[(page-1)*size:page*size], strings.Repeat("\xff", int(size)))
	writeFile(t, path, b)
}

// The ends of streams are read from the file when they are needed, and may be
// forgotten.
func TestManyStreams(t *testing.T) {
	d := newDir(t, Config{})
	f := create(t, d)
	const streams = maxStreams + 100
	at := func(i int, off int64) sessionlog.Event {
		return sessionlog.NewOutput("agent:acme/db01", sessionlog.StepID(fmt.Sprintf("S%d", i)), sessionlog.Chunk{
			Stream: sessionlog.Stderr, Offset: off, Data: []byte("ab"),
		})
	}
	for _, off := range []int64{0, 2} {
		var evs []sessionlog.Event
		for i := range streams {
			evs = append(evs, at(i, off))
		}
		appendAll(t, f, evs...)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = reopen(t, d, f.path)
	var gap *sessionlog.GapError
	if _, err := sessionlog.Append(t.Context(), f, at(7, 2)); !errors.As(err, &gap) || gap.Want != 4 {
		t.Errorf("after the next open: %v, want a gap at 4", err)
	}
	appendAll(t, f, at(7, 4), at(streams-1, 4))
}

// docs/record.md shows the schema that we write.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/record.md")
	if err != nil {
		t.Fatal(err)
	}
	if doc := string(b); !strings.Contains(doc, "```sql\n"+strings.Join(schema[:], "\n\n")+"\n```") {
		t.Error("the schema in docs/record.md is not that of the code")
	}
	example := b[strings.LastIndex(string(b), "```json\n")+len("```json\n"):]
	lines := strings.Split(string(example[:strings.Index(string(example), "\n```")]), "\n")
	for _, line := range lines {
		if _, err := sessionlog.ParseLeaf([]byte(line)); err != nil {
			t.Errorf("example: %v", err)
		}
	}
	if len(lines) < 6 {
		t.Errorf("the example has %d events", len(lines))
	}
}
