package verify_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/sessionlog/statement"
	"github.com/caisey/caisey/sessionlog/verify"
)

// A made is a sealed record with what it takes to check it.
type made struct {
	path   string
	relay  note.Verifier
	vkey   string // the same, as text
	events []sessionlog.Event
}

// newKey returns a relay's key in its three forms.
func newKey(tb testing.TB) (note.Signer, note.Verifier, string) {
	tb.Helper()
	skey, vkey, err := note.GenerateKey(nil, "relay.example")
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		tb.Fatal(err)
	}
	return signer, verifier, vkey
}

// makeRecord records a session of steps, each appended in a unit of its own, and
// seals it. One step in three has a gap.
func makeRecord(tb testing.TB, steps int) made {
	tb.Helper()
	signer, relay, vkey := newKey(tb)
	agent, agentKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := sqlitefile.OpenDir(tb.TempDir(), sqlitefile.Config{Signer: signer})
	if err != nil {
		tb.Fatal(err)
	}
	defer dir.Close()
	id := sessionlog.NewSessionID()
	log, err := dir.Create(tb.Context(), "acme", id)
	if err != nil {
		tb.Fatal(err)
	}
	add := func(evs ...sessionlog.Event) {
		if _, err := sessionlog.Append(tb.Context(), log, evs...); err != nil {
			tb.Fatal(err)
		}
	}
	add(sessionlog.New(sessionlog.SessionOpened, sessionlog.Technician("ana"), "", sessionlog.Opened{
		Session: id, Client: "acme", Name: "db01", Technician: "ana", AgentKey: hex.EncodeToString(agent), RelayKey: vkey,
	}))
	for i := range steps {
		add(stepEvents(i, agentKey)...)
	}
	add(sessionlog.New(sessionlog.NoteAdded, sessionlog.Technician("bo"), "", sessionlog.Note{Text: "looks like the disk"}))
	add(sessionlog.New(sessionlog.SessionClosed, sessionlog.Technician("ana"), "", sessionlog.Closed{Why: "done"}))
	evs, err := log.Read(tb.Context(), 1, 4096)
	if err != nil {
		tb.Fatal(err)
	}
	if err := log.Close(); err != nil {
		tb.Fatal(err)
	}
	list, err := dir.List()
	if err != nil || len(list) != 1 {
		tb.Fatal(list, err)
	}
	return made{list[0].Path, relay, vkey, evs}
}

func stepEvents(i int, key ed25519.PrivateKey) []sessionlog.Event {
	const actor = sessionlog.Actor("agent:acme/db01")
	id := sessionlog.NewStepID()
	command := fmt.Sprintf("journalctl -n %d", i)
	text := fmt.Sprintf("step %d line one\nline two of it\nand no end", i)
	said := statement.Statement{Step: string(id), Command: command, Stderr: statement.None}
	evs := []sessionlog.Event{
		sessionlog.New(sessionlog.StepRequested, sessionlog.Technician("ana"), id, sessionlog.Requested{Command: command, Effect: sessionlog.EffectShell}),
		sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, id, nil),
		sessionlog.NewOutput(actor, id, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte(text[:20])}),
		sessionlog.NewOutput(actor, id, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: 20, Data: []byte(text[20:])}),
	}
	all := text
	if i%3 == 2 {
		all += strings.Repeat("flood\n", 100)
		evs = append(evs, sessionlog.New(sessionlog.StepGap, actor, id, sessionlog.Gap{Stream: "stdout", Offset: int64(len(text)), Bytes: 600}))
	}
	said.Stdout = statement.Output{Bytes: int64(len(all)), SHA256: sha256.Sum256([]byte(all))}
	return append(evs, sessionlog.New(sessionlog.StepEnded, actor, id, sessionlog.Ended{
		State: sessionlog.OK, Statement: said.Sign(key),
		Streams: []sessionlog.StreamTotal{{Stream: "stdout", Bytes: said.Stdout.Bytes, SHA256: hex.EncodeToString(said.Stdout.SHA256[:])}},
	}))
}

// copyTo returns the path of a copy that may be written.
func (m made) copyTo(tb testing.TB, dir string) string {
	tb.Helper()
	b, err := os.ReadFile(m.path)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(m.path))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// sql runs statements on a file with the tool that an attacker would take.
func sql(tb testing.TB, path, statements string) string {
	tb.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		tb.Skip("needs Debian's package sqlite3")
	}
	out, err := exec.Command("sqlite3", path, statements).CombinedOutput()
	if err != nil {
		tb.Fatalf("sqlite3: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func check(tb testing.TB, path string, opt verify.Options) (*verify.Report, error) {
	tb.Helper()
	rec, err := sqlitefile.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer rec.Close()
	return verify.Record(tb.Context(), rec, opt)
}
