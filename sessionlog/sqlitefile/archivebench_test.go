package sqlitefile

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// BenchmarkArchive compresses a record of 200 commands that print logs, tables and
// numbers, and opens it again, beside the zstd of the system on the same file.
func BenchmarkArchive(b *testing.B) {
	d := newDir(b, Config{Signer: newSigner(b)})
	f := create(b, d)
	recordTalk(b, f, 200)
	path, id := f.path, idOf(f.path)
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("limit=zstd", func(b *testing.B) {
		if _, err := exec.LookPath("zstd"); err != nil {
			b.Skip("this needs zstd: install the Debian package zstd")
		}
		b.SetBytes(st.Size())
		for b.Loop() {
			if out, err := exec.Command("zstd", "-q", "-f", "-T1", "-3", "--no-progress", path, "-o", path+".theirs").CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
		b.StopTimer()
		theirs, err := os.Stat(path + ".theirs")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(st.Size())/float64(theirs.Size()), "x-smaller")
	})
	b.Run("archive", func(b *testing.B) {
		b.SetBytes(st.Size())
		for b.Loop() {
			if err := d.Archive(b.Context(), "acme", id); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			packed, err := os.Stat(path + archiveSuffix)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(st.Size())/float64(packed.Size()), "x-smaller")
			unpackOver(b, path)
			b.StartTimer()
		}
	})
	if err := d.Archive(b.Context(), "acme", id); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		b.SetBytes(st.Size())
		for b.Loop() {
			log, err := d.Open(b.Context(), "acme", id)
			if err != nil {
				b.Fatal(err)
			}
			if err := log.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// unpackOver takes an Archive back.
func unpackOver(b *testing.B, path string) {
	b.Helper()
	from, err := os.Open(path + archiveSuffix)
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	if err := Unpack(b.Context(), to, from, 1<<40); err != nil {
		b.Fatal(err)
	}
	if err := os.Remove(path + archiveSuffix); err != nil {
		b.Fatal(err)
	}
}

// recordTalk records a session of n commands, each of which prints 128 KiB in
// pieces as a pipe hands them out.
func recordTalk(b *testing.B, log sessionlog.Log, n int) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	appendAll(b, log, sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Client: "acme", Name: "db01", Technician: "ana"}))
	for i := range n {
		id := sessionlog.NewStepID()
		appendAll(b, log,
			sessionlog.New(sessionlog.StepRequested, "technician:ana", id, sessionlog.Requested{Command: fmt.Sprintf("journalctl -u postgresql --since -%dm", i)}),
			sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, id, nil))
		var evs []sessionlog.Event
		for off := int64(0); off < 128<<10; {
			piece := talk(rng, i%3, 1+rng.IntN(40))
			evs = append(evs, sessionlog.NewOutput("agent:acme/db01", id, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: []byte(piece)}))
			off += int64(len(piece))
		}
		appendAll(b, log, evs...)
		appendAll(b, log, sessionlog.New(sessionlog.StepEnded, "agent:acme/db01", id, sessionlog.Ended{State: sessionlog.OK, Duration: 1.5}))
	}
	appendAll(b, log, closeEvent())
}

// talk returns lines of a log, of a table, or of numbers.
func talk(rng *rand.Rand, kind, lines int) string {
	var b strings.Builder
	for range lines {
		switch kind {
		case 0:
			fmt.Fprintf(&b, "Nov 24 %02d:%02d:%02d db01 postgres[%d]: [%d-1] LOG:  duration: %d.%03d ms  statement: SELECT * FROM orders WHERE customer_id = %d AND state = 'open'\n",
				rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(32768), rng.IntN(900), rng.IntN(9000), rng.IntN(1000), rng.IntN(1<<30))
		case 1:
			fmt.Fprintf(&b, "tcp   ESTAB  0      %-6d 10.%d.%d.%d:5432   10.%d.%d.%d:%d  users:((\"postgres\",pid=%d,fd=9))\n",
				rng.IntN(4096), rng.IntN(4), rng.IntN(16), rng.IntN(256), rng.IntN(4), rng.IntN(16), rng.IntN(256), 32768+rng.IntN(28000), rng.IntN(32768))
		default:
			fmt.Fprintf(&b, "%8d %8.2f %8.2f %8.2f %12d %12d\n", rng.IntN(1<<20), rng.Float64()*100, rng.Float64()*100, rng.Float64()*9, rng.Int64N(1<<33), rng.Int64N(1<<33))
		}
	}
	return b.String()
}
