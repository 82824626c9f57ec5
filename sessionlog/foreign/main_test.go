package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// children are what the test's executable is when it is started with a word: a
// child as it is, ones with little to spend, and ones that went mad.
var children = map[string]func(path string) int{
	"hungry": func(path string) int { // takes more memory than it may have
		if err := (limits{memory: 256 << 20, cpu: time.Minute}).set(); err != nil {
			return 1
		}
		return len(make([]byte, 1<<30+len(path))) % 2
	},
	"roomy": func(path string) int { // little time, much memory
		return serve(path, limits{memory: 1 << 40, cpu: time.Second})
	},
	"silent": func(string) int { _, _ = io.Copy(io.Discard, os.Stdin); return 0 },
	"babble": func(string) int {
		fmt.Println(strings.Repeat("hello, parent ", 100))
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	},
	"deaf": func(string) int { return 3 },
	"boast": func(string) int { // says that its answer has a terabyte
		c := newCodec(os.Stdout, os.Stdin)
		var q rpc.Request
		_ = errors.Join(c.ReadRequestHeader(&q), c.ReadRequestBody(nil), c.enc.Encode(rpc.Response{ServiceMethod: q.ServiceMethod, Seq: q.Seq}),
			c.enc.Encode(preamble{Size: 1 << 40}), c.buf.Flush())
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	},
	"flood": func(string) int {
		// A gob message of 1 GiB, as its length says.
		_, _ = os.Stdout.Write([]byte{0xfc, 0x40, 0, 0, 0})
		for b := make([]byte, 1<<20); ; {
			if _, err := os.Stdout.Write(b); err != nil {
				return 0
			}
		}
	},
}

func TestMain(m *testing.M) {
	if code, ok := Serve(os.Args[1:]); ok {
		os.Exit(code)
	}
	if len(os.Args) == 3 && children[os.Args[1]] != nil {
		os.Exit(children[os.Args[1]](os.Args[2]))
	}
	os.Exit(m.Run())
}

const step = sessionlog.StepID("01J00000000000000000000000")

// event returns the i-th event of a test's record: mostly output of size bytes.
func event(i, size int) sessionlog.Event {
	actor := sessionlog.Agent("acme/db01")
	if i%16 == 5 {
		ev := sessionlog.New(sessionlog.NoteAdded, sessionlog.Technician("ana"), "", sessionlog.Note{Text: fmt.Sprintf("note %d", i)})
		ev.AgentTime = time.Unix(int64(i), 5)
		return ev
	}
	stream := sessionlog.Stdout
	if i%3 == 1 {
		stream = sessionlog.Stderr
	}
	return sessionlog.NewOutput(actor, step, sessionlog.Chunk{Stream: stream, Data: bytes.Repeat([]byte{byte(i)}, size)})
}

// write makes a record of n events, sealed or not, and returns its path.
func write(tb testing.TB, n, size int, sealed bool) string {
	tb.Helper()
	skey, _, err := note.GenerateKey(nil, "relay.example")
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	d, err := sqlitefile.OpenDir(dir, sqlitefile.Config{Signer: signer})
	if err != nil {
		tb.Fatal(err)
	}
	id := sessionlog.NewSessionID()
	log, err := d.Create(tb.Context(), "acme", id)
	if err != nil {
		tb.Fatal(err)
	}
	at := map[sessionlog.Stream]int64{}
	evs := []sessionlog.Event{sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Session: id, Client: "acme", Name: "db01"})}
	for i := range n - 1 {
		ev := event(i, size)
		if c := ev.Chunk; c != nil {
			c.Offset = at[c.Stream]
			at[c.Stream] += int64(size)
		}
		if evs = append(evs, ev); len(evs) == 512 {
			put(tb, log, evs)
			evs = nil
		}
	}
	if sealed {
		evs = append(evs, sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{Why: "done"}))
	}
	put(tb, log, evs)
	if !sealed {
		tb.Cleanup(func() { _ = errors.Join(log.Close(), d.Close()) })
		awaitFile(tb, filepath.Join(dir, "acme", string(id)+sqlitefile.Ext), log.Head().Seq)
	} else if err := errors.Join(log.Close(), d.Close()); err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, "acme", string(id)+sqlitefile.Ext)
}

// awaitFile waits until the file of a live record has all of its events: a relay
// keeps them in its journal first. Only another process may look.
func awaitFile(tb testing.TB, path string, head sessionlog.Seq) {
	tb.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-look.C {
		r, err := Open(tb.Context(), path)
		if err != nil {
			tb.Fatal(err)
		}
		at := r.Head().Seq
		r.Close()
		if at == head {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the file has %d events, not %d", at, head)
		}
	}
}

func put(tb testing.TB, log sessionlog.Log, evs []sessionlog.Event) {
	tb.Helper()
	if len(evs) == 0 {
		return
	}
	if _, err := sessionlog.Append(tb.Context(), log, evs...); err != nil {
		tb.Fatal(err)
	}
}

// unsealed returns a copy of a live record with what stands beside it, as a relay
// that died would leave it.
func unsealed(tb testing.TB, n, size int) string {
	tb.Helper()
	from := write(tb, n, size, false)
	to := filepath.Join(tb.TempDir(), filepath.Base(from))
	for _, ext := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + ext)
		if err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(to+ext, b, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return to
}
