package verify_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/sessionlog/verify"
)

// BenchmarkRecord verifies a sealed record of 200,000 events of output of 120
// bytes, a line each, and right after it does what cannot be left out: reads all
// rows and hashes leaf and data once. ratio is ours over that.
func BenchmarkRecord(b *testing.B) {
	const events = 200_000
	path, key := benchRecord(b, events)
	rec, err := sqlitefile.OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	defer rec.Close()
	var ours, bare time.Duration
	for b.Loop() {
		start := time.Now()
		r, err := verify.Record(b.Context(), rec, verify.Options{Trust: key})
		if err != nil || r.Wrong > 0 || r.Signed != r.Events || r.Events < events {
			b.Fatal(r, err)
		}
		ours += time.Since(start)
		b.StopTimer()
		start = time.Now()
		for from := sessionlog.Seq(1); ; {
			rows, err := rec.Rows(b.Context(), from, 1024)
			if err != nil {
				b.Fatal(err)
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				sha256.Sum256(row.Leaf)
				sha256.Sum256(row.Data)
			}
			from = rows[len(rows)-1].Seq + 1
		}
		bare += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(events*float64(b.N)/ours.Seconds(), "events/s")
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
}

func benchRecord(b *testing.B, events int) (string, note.Verifier) {
	signer, relay, vkey := newKey(b)
	dir, err := sqlitefile.OpenDir(b.TempDir(), sqlitefile.Config{Signer: signer})
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close()
	id, step := sessionlog.NewSessionID(), sessionlog.NewStepID()
	log, err := dir.Create(b.Context(), "acme", id)
	if err != nil {
		b.Fatal(err)
	}
	add := func(evs ...sessionlog.Event) {
		if _, err := sessionlog.Append(b.Context(), log, evs...); err != nil {
			b.Fatal(err)
		}
	}
	add(sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Session: id, RelayKey: vkey}),
		sessionlog.New(sessionlog.StepRequested, sessionlog.Relay, step, sessionlog.Requested{Command: "x"}))
	line := append(bytes.Repeat([]byte("x"), 119), '\n')
	for i := 0; i < events; {
		unit := make([]sessionlog.Event, 0, 1000)
		for range min(1000, events-i) {
			unit = append(unit, sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{
				Stream: sessionlog.Stdout, Offset: int64(i * len(line)), Data: line,
			}))
			i++
		}
		add(unit...)
	}
	add(sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, step, sessionlog.Ended{State: sessionlog.Lost, Exit: -1}),
		sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{}))
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	list, err := dir.List()
	if err != nil || len(list) != 1 {
		b.Fatal(list, err)
	}
	return list[0].Path, relay
}
