package sqlitefile

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/caisey/caisey/sessionlog"
)

// BenchmarkAppend appends output as the relay does, with leaves, commitments and
// salts, and right after it what SQLite alone takes for the same rows' payload:
// one prepared INSERT an event, synchronous=FULL. ratio is ours over bare.
func BenchmarkAppend(b *testing.B) {
	for _, bb := range []struct{ batch, size int }{
		{1, 120}, {16, 120}, {256, 120}, {16, 4 << 10}, {32, 32 << 10},
	} {
		b.Run(fmt.Sprintf("batch=%d/bytes=%d", bb.batch, bb.size), func(b *testing.B) {
			used := cpu()
			ours := benchFile(b, bb.batch, bb.size)
			used = cpu() - used
			b.StopTimer()
			bare := benchBare(b, bb.batch, bb.size)
			events := float64(b.N * bb.batch)
			b.ReportMetric(events/ours.Seconds(), "events/s")
			b.ReportMetric(events*float64(bb.size)/1e6/ours.Seconds(), "MB/s")
			b.ReportMetric(float64(used.Microseconds())/events, "cpu-µs/event")
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
		})
	}
}

// depth is how many units are under way at once, as when a session is busy.
const depth = 4

func benchFile(b *testing.B, batch, size int) time.Duration {
	d, err := OpenDir(b.TempDir(), Config{Signer: newSigner(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	log := create(b, d)
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	if err := appendBatches(log, b.N, batch, size); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// appendBatches appends n units of output, depth of them at once if they are of
// more than one event.
func appendBatches(log sessionlog.Log, n, batch, size int) error {
	ctx := context.Background()
	step := sessionlog.NewStepID()
	actor := sessionlog.Agent("acme/db01")
	data := bytes.Repeat([]byte("x"), size)
	var off int64
	pending := make([]*sessionlog.Commit, 0, depth)
	wait := func(n int) (err error) {
		for ; len(pending) > n && err == nil; pending = pending[1:] {
			_, err = pending[0].Wait(ctx)
		}
		return err
	}
	for range n {
		evs := make([]sessionlog.Event, batch)
		for i := range evs {
			evs[i] = sessionlog.NewOutput(actor, step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: data})
			off += int64(size)
		}
		c, err := log.Submit(ctx, evs...)
		if err != nil {
			return err
		}
		pending = append(pending, c)
		left := depth - 1
		if batch == 1 {
			left = 0
		}
		if err := wait(left); err != nil {
			return err
		}
	}
	return wait(0)
}

// BenchmarkAppend16 appends output to 16 records at once, in batches of 1 MiB.
func BenchmarkAppend16(b *testing.B) {
	const batch, size, records = 32, 32 << 10, 16
	d, err := OpenDir(b.TempDir(), Config{Signer: newSigner(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	var work errgroup.Group
	logs := make([]sessionlog.Log, records)
	for i := range logs {
		logs[i] = create(b, d)
	}
	b.SetBytes(records * batch * size)
	b.ResetTimer()
	for _, log := range logs {
		work.Go(func() error { return appendBatches(log, b.N, batch, size) })
	}
	if err := work.Wait(); err != nil {
		b.Fatal(err)
	}
}

func benchBare(b *testing.B, batch, size int) time.Duration {
	template, err := newTemplate()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "bare.db")
	writeFile(b, path, template)
	c, err := openConn(path, "rw", false)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	if err := c.exec("CREATE TABLE bare (seq INTEGER PRIMARY KEY, time INTEGER, step TEXT, stream INTEGER, off INTEGER, data BLOB)"); err != nil {
		b.Fatal(err)
	}
	insert := mustPrepare(b, c, "INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?)")
	step := string(sessionlog.NewStepID())
	data := bytes.Repeat([]byte("x"), size)
	begin, commit := mustPrepare(b, c, "BEGIN"), mustPrepare(b, c, "COMMIT")
	var seq int64
	start := time.Now()
	for range b.N {
		_, err := begin.Exec(nil)
		for range batch {
			seq++
			if err == nil {
				_, err = insert.Exec([]driver.Value{seq, seq, step, int64(1), seq * int64(size), data})
			}
		}
		if err == nil {
			_, err = commit.Exec(nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func mustPrepare(tb testing.TB, c *conn, query string) *sqlite3.SQLiteStmt {
	st, err := c.prepare(query)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { st.Close() })
	return st
}

// cpu returns the processor time that the process has used.
func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
