package search_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// A shelf is records of about 1 MiB of output each, sealed, as a relay has them.
type shelf struct {
	dir  *sqlitefile.Dir
	recs []search.Record
}

// newShelf records and seals n sessions, and has each read by x.
func newShelf(b *testing.B, n int, x *search.Index) *shelf {
	b.Helper()
	dir, err := sqlitefile.OpenDir(filepath.Join(b.TempDir(), "records"), sqlitefile.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { dir.Close() })
	s := &shelf{dir: dir}
	texts := newTexts()
	for i := range n {
		rec := search.Record{Session: sessionlog.NewSessionID(), Client: fmt.Sprint("client", i%20), Endpoint: "db01", Technician: "ana"}
		s.recs = append(s.recs, rec)
		evs := events(texts.next(i == n/3), start.Add(time.Duration(i)*time.Minute))
		closed := sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{Why: "idle"})
		closed.Seq, closed.Time = sessionlog.Seq(len(evs)+1), evs[len(evs)-1].Time
		s.write(b, rec, append(evs, closed))
		s.index(b, x, rec)
	}
	return s
}

func (s *shelf) write(b *testing.B, rec search.Record, evs fixed) {
	b.Helper()
	log, err := s.dir.Create(b.Context(), rec.Client, rec.Session)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := sessionlog.Append(b.Context(), log, evs...); err != nil {
		b.Fatal(err)
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

func (s *shelf) index(b *testing.B, x *search.Index, rec search.Record) {
	b.Helper()
	r, release, err := s.open(b.Context(), rec.Client, rec.Session)
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	for from := sessionlog.Seq(1); ; {
		evs, err := r.Read(b.Context(), from, 256)
		if err != nil {
			b.Fatal(err)
		}
		if len(evs) == 0 {
			return
		}
		if err := x.Add(b.Context(), rec, evs); err != nil {
			b.Fatal(err)
		}
		from = evs[len(evs)-1].Seq + 1
	}
}

// open opens a record that nobody else has open, as a relay does for a search.
func (s *shelf) open(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Reader, func(), error) {
	log, err := s.dir.Open(ctx, client, id)
	if err != nil {
		return nil, nil, err
	}
	return log, func() { log.Close() }, nil
}

// scan looks for text in every record, without an index.
func (s *shelf) scan(b *testing.B, text string) {
	b.Helper()
	for _, rec := range s.recs {
		r, release, err := s.open(b.Context(), rec.Client, rec.Session)
		if err != nil {
			b.Fatal(err)
		}
		err = sessionlog.Replay(b.Context(), r, func(ev sessionlog.Event) error {
			if ev.Chunk != nil {
				scan(ev.Chunk.Data, text)
			}
			return nil
		})
		release()
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFindSealed searches sealed records on disk, CAISEY_SEARCH_RECORDS of
// them, 100 if it is not set. What is found is read from the files, which are
// opened for it. Beside each search stands a scan of all files.
func BenchmarkFindSealed(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("CAISEY_SEARCH_RECORDS"))
	if err != nil {
		n = 100
	}
	x, err := search.Open(filepath.Join(b.TempDir(), "search.db"), search.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	s := newShelf(b, n, x)
	for _, q := range queries() {
		b.Run(q.name, func(b *testing.B) { s.find(b, x, q.Query) })
	}
}

func (s *shelf) find(b *testing.B, x *search.Index, q search.Query) {
	m := newMeter()
	var res search.Result
	for b.Loop() {
		m.time(func() {
			var err error
			if res, err = x.Find(b.Context(), q, s.open); err != nil {
				b.Fatal(err)
			}
		})
	}
	if len(res.Skipped) > 0 {
		b.Fatalf("records passed over: %v", res.Skipped)
	}
	m.report(b, len(res.Hits), func() { s.scan(b, q.Text) })
}
