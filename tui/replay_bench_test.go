package tui

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/tui/replay"
)

// benchRecord makes the file of a sealed record of n events: steps of size bytes
// of output in each of 100 events, so many to a command.
func benchRecord(b *testing.B, n, size int) string {
	b.Helper()
	dir, ctx := b.TempDir(), context.Background()
	d, err := sqlitefile.OpenDir(filepath.Join(dir, "records"), sqlitefile.Config{})
	if err != nil {
		b.Fatal(err)
	}
	id := sessionlog.NewSessionID()
	log, err := d.Create(ctx, "acme", id)
	if err != nil {
		b.Fatal(err)
	}
	row := append(bytes.Repeat([]byte("x"), min(size, 120)-1), '\n')
	data := bytes.Repeat(row, size/len(row))
	var evs []sessionlog.Event
	var last *sessionlog.Commit
	step, off := sessionlog.StepID(""), int64(0)
	for i := range n {
		ev := sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: data})
		switch {
		case i == 0:
			ev = sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Session: id, Client: "acme", Name: "db01", Technician: "bo"})
		case i == n-1:
			ev = sessionlog.New(sessionlog.SessionClosed, "relay", "", sessionlog.Closed{})
		case i%100 == 1:
			step, off = sessionlog.NewStepID(), 0
			ev = sessionlog.New(sessionlog.StepRequested, "technician:bo", step, sessionlog.Requested{Command: "seq"})
		case i%100 == 0 || i == n-2:
			ev = sessionlog.New(sessionlog.StepEnded, "agent:acme/db01", step, sessionlog.Ended{State: sessionlog.OK})
		default:
			off += int64(len(data))
		}
		ev.Time = noon.Add(time.Duration(i) * 10 * time.Millisecond)
		if evs = append(evs, ev); len(evs) == 256 || i == n-1 {
			if last, err = log.Submit(ctx, evs...); err != nil {
				b.Fatal(err)
			}
			evs = nil
		}
	}
	if _, err := last.Wait(ctx); err != nil {
		b.Fatal(err)
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "records", "*", "*"+sqlitefile.Ext))
	if err != nil || len(files) != 1 {
		b.Fatal(files, err)
	}
	return files[0]
}

// paint draws the last 200 rows of a transcript.
func paint200(b *testing.B, t *transcript) {
	th := newTheme(true, false, false)
	s := &sheet{transcript: t, theme: &th, method: ansi.WcWidth, width: 160, now: noon}
	if rows := s.render(&scroll{}, 200); len(rows) != 200 {
		b.Fatal(len(rows), "rows")
	}
}

// BenchmarkReplay is what it takes to be anywhere in a record, first paint of 200
// rows included, beside the bare reading of 200 events there.
func BenchmarkReplay(b *testing.B) {
	events, chunks := 50_000, 1_000 // CAISEY_BIG: a million events; 1 GB
	if os.Getenv("CAISEY_BIG") != "" {
		events, chunks = 1_000_000, 32_768
	}
	for _, rec := range []struct{ n, size int }{{events, 120}, {chunks, 32 << 10}} {
		file := benchRecord(b, rec.n, rec.size)
		b.Run(fmt.Sprintf("events=%d,bytes=%d", rec.n, rec.size), func(b *testing.B) { benchReplay(b, file) })
	}
}

func benchReplay(b *testing.B, file string) {
	ctx := context.Background()
	open := func() (*sqlitefile.Record, *replay.Index) {
		r, err := sqlitefile.OpenFile(file)
		if err != nil {
			b.Fatal(err)
		}
		tape, err := replay.NewTape(ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		return r, replay.NewIndex(tape)
	}
	show := func(x *replay.Index, at sessionlog.Seq) {
		t, err := rebuild(ctx, x, at, shallow)
		if err != nil {
			b.Fatal(err)
		}
		paint200(b, t)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			r, x := open()
			show(x, r.Head().Seq)
			r.Close()
		}
	})
	b.Run("open-limit", func(b *testing.B) {
		for b.Loop() {
			r, err := sqlitefile.OpenFile(file)
			if err != nil {
				b.Fatal(err)
			}
			read200(b, r, r.Head().Seq)
			r.Close()
		}
	})
	r, x := open()
	defer r.Close()
	head := r.Head().Seq
	b.Run("middle", func(b *testing.B) {
		for b.Loop() {
			show(replay.NewIndex(x.Tape()), head/2)
		}
	})
	b.Run("time", func(b *testing.B) {
		for b.Loop() {
			spot, err := x.Tape().Seek(ctx, 1, time.Duration(head)*63/10*time.Millisecond)
			if err != nil {
				b.Fatal(err)
			}
			show(x, spot.Seq)
		}
	})
	b.Run("time-alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Tape().Seek(ctx, 1, time.Duration(head)*63/10*time.Millisecond); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("limit", func(b *testing.B) {
		for b.Loop() {
			read200(b, r, head/2)
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			if hit, err := x.Tape().Find(ctx, "nowhere", replay.Hit{}, 1, nil); err != nil || hit.Seq > 0 {
				b.Fatal(hit, err)
			}
		}
		st, err := os.Stat(file)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(st.Size())*float64(b.N)/1e6/b.Elapsed().Seconds(), "MB/s")
	})
}

// read200 reads 200 events up to at.
func read200(b *testing.B, r sessionlog.Reader, at sessionlog.Seq) {
	n := 0
	for from := at - min(at-1, 199); from <= at; {
		evs, err := r.Read(context.Background(), from, int(at-from+1))
		if err != nil || len(evs) == 0 {
			b.Fatal(err)
		}
		from += sessionlog.Seq(len(evs))
		n += len(evs)
	}
}
