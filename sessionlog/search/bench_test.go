package search_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
)

// A sample is records of about 1 MiB of output each, in memory.
type sample struct {
	recs []search.Record
	evs  map[sessionlog.SessionID]fixed
	text [][]byte // all output of each
}

const rareWord = "zk-7731-quorum"

// newSample makes n records.
func newSample(n int) *sample {
	s := &sample{evs: map[sessionlog.SessionID]fixed{}}
	texts := newTexts()
	for i := range n {
		rec := search.Record{Session: sessionlog.NewSessionID(), Client: fmt.Sprint("client", i%20), Endpoint: "db01", Technician: "ana"}
		buf := texts.next(i == n/3)
		s.recs, s.text = append(s.recs, rec), append(s.text, buf)
		s.evs[rec.Session] = events(buf, start.Add(time.Duration(i)*time.Minute))
	}
	return s
}

// texts makes the output of services: words of a vocabulary of 4,000 of which few
// are frequent, numbers, addresses, and times.
type texts struct {
	rnd        *rand.Rand
	vocabulary []string
	zipf       *rand.Zipf
}

func newTexts() *texts {
	rnd := rand.New(rand.NewPCG(1, 2))
	t := &texts{rnd: rnd, vocabulary: make([]string, 4000)}
	for i := range t.vocabulary {
		b := make([]byte, 3+rnd.IntN(8))
		for j := range b {
			b[j] = byte('a' + rnd.IntN(26))
		}
		t.vocabulary[i] = string(b)
	}
	copy(t.vocabulary, []string{"error", "connection", "refused", "by", "peer", "started", "service", "disk", "full", "timeout"})
	t.zipf = rand.NewZipf(rnd, 1.2, 4, uint64(len(t.vocabulary)-1))
	return t
}

// next returns another MiB; rare puts rareWord into it, once.
func (t *texts) next(rare bool) []byte {
	rnd := t.rnd
	buf := make([]byte, 0, 1<<20+256)
	for len(buf) < 1<<20 {
		buf = fmt.Appendf(buf, "2026-03-01T12:%02d:%02d node-%d[%d]: 10.0.%d.%d ", rnd.IntN(60), rnd.IntN(60), rnd.IntN(200), rnd.IntN(30000), rnd.IntN(256), rnd.IntN(256))
		for range 4 + rnd.IntN(8) {
			buf = append(append(buf, t.vocabulary[t.zipf.Uint64()]...), ' ')
		}
		if rare && len(buf) > 300<<10 {
			buf, rare = append(buf, rareWord...), false
		}
		buf = append(buf, '\n')
	}
	return buf
}

// events prints text as 20 steps, in chunks of 4 KiB.
func events(text []byte, at time.Time) fixed {
	var evs fixed
	add := func(ev sessionlog.Event) {
		ev.Seq, ev.Time = sessionlog.Seq(len(evs)+1), at.Add(time.Duration(len(evs))*10*time.Millisecond)
		evs = append(evs, ev)
	}
	for part := range 20 {
		step := sessionlog.NewStepID()
		out := text[part*len(text)/20 : (part+1)*len(text)/20]
		add(requested(step, "journalctl -u service"+strconv.Itoa(part)))
		for off := 0; off < len(out); off += 4 << 10 {
			add(sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{
				Stream: sessionlog.Stdout, Offset: int64(off), Data: out[off:min(off+4<<10, len(out))],
			}))
		}
		add(ended(step))
	}
	return evs
}

func (s *sample) open(_ context.Context, _ string, id sessionlog.SessionID) (sessionlog.Reader, func(), error) {
	return s.evs[id], func() {}, nil
}

// index adds all records, as a relay does that catches up.
func (s *sample) index(b *testing.B, x *search.Index) {
	for _, rec := range s.recs {
		evs := s.evs[rec.Session]
		for len(evs) > 0 {
			n := min(256, len(evs)) // what one Read of a record returns
			if err := x.Add(b.Context(), rec, evs[:n]); err != nil {
				b.Fatal(err)
			}
			evs = evs[n:]
		}
	}
}

// BenchmarkFind searches CAISEY_SEARCH_RECORDS records of 1 MiB, 50 if it is not
// set. Beside each search stands a scan of the same bytes in memory, which is
// the least that finding them without an index can take.
func BenchmarkFind(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("CAISEY_SEARCH_RECORDS"))
	if err != nil {
		n = 50
	}
	s := newSample(n)
	path := filepath.Join(b.TempDir(), "search.db")
	x, err := search.Open(path, search.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	began, cpu := time.Now(), cpuTime()
	s.index(b, x)
	took := time.Since(began)
	cpu = cpuTime() - cpu
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("index", func(b *testing.B) {
		b.ReportMetric(float64(n)*(1<<20)/1e6/took.Seconds(), "MB/s")
		b.ReportMetric(float64(cpu.Milliseconds())/float64(n), "cpu-ms/record")
		b.ReportMetric(float64(st.Size())/1e6/float64(n), "MB/record")
		b.ReportMetric(0, "ns/op")
	})
	for _, q := range queries() {
		b.Run(q.name, func(b *testing.B) { s.find(b, x, q.Query) })
	}
}

// A query is one kind of search.
type query struct {
	name string
	search.Query
}

func queries() []query {
	clients := make([]string, 20)
	for i := range clients {
		clients[i] = fmt.Sprint("client", i)
	}
	var all []query
	for _, q := range []struct{ name, text string }{
		{"rare", rareWord},
		{"common", "error"},
		{"begun", "e"},
		{"phrase", "connection refused"},
		{"long-phrase", "error connection refused by"},
		{"absent", "dc-02-nowhere"},
	} {
		all = append(all, query{q.name, search.Query{Text: q.text, Clients: clients}})
	}
	return append(all, query{"one-client", search.Query{Text: "error", Clients: clients[:1]}})
}

func (s *sample) find(b *testing.B, x *search.Index, q search.Query) {
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
	m.report(b, len(res.Hits), func() {
		for _, text := range s.text {
			scan(text, q.Text)
		}
	})
}

// scan looks for every place of text, as for a list of them.
func scan(data []byte, text string) {
	for {
		i := bytes.Index(data, []byte(text))
		if i < 0 {
			return
		}
		data = data[i+1:]
	}
}

// A meter takes the time of searches.
type meter struct {
	cpu   time.Duration
	total time.Duration
	worst time.Duration
	runs  int
}

func newMeter() *meter { return &meter{cpu: cpuTime()} }

func (m *meter) time(find func()) {
	began := time.Now()
	find()
	took := time.Since(began)
	m.total, m.worst, m.runs = m.total+took, max(m.worst, took), m.runs+1
}

// report reports what was measured beside the time that a scan takes.
func (m *meter) report(b *testing.B, hits int, scan func()) {
	cpu := cpuTime() - m.cpu
	b.StopTimer()
	began := time.Now()
	scan()
	took := time.Since(began)
	b.ReportMetric(float64(hits), "hits")
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(m.runs), "cpu-ms")
	b.ReportMetric(float64(m.worst.Microseconds())/1000, "worst-ms")
	b.ReportMetric(float64(took.Microseconds())/1000, "scan-ms")
	b.ReportMetric(float64(m.total)/float64(m.runs)/float64(took), "find/scan")
}
