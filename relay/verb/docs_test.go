package verb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/transcript"
)

// sections returns the text of docs/cli.md below each heading of level 2 and 3.
func sections(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	head := ""
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "##") {
			head = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
		out[head] += line
	}
	return out
}

var row = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")

func documented(text string) []string {
	var names []string
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestDocsHaveEveryVerb(t *testing.T) {
	var g grammar
	k, err := parser(&g, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	docs := sections(t)
	verbs := map[string]bool{}
	for _, leaf := range k.Model.Leaves(false) {
		path := strings.TrimPrefix(leaf.FullPath(), "caisey ")
		verbs[path] = true
		found := ""
		for head, text := range docs {
			if strings.HasPrefix(head+" ", "`"+path+" ") || head == "`"+path+"`" {
				found = text
			}
		}
		if found == "" {
			t.Errorf("docs/cli.md has no section about %s", path)
			continue
		}
		checkFlags(t, path, leaf, found)
	}
	for head := range docs {
		name, ok := strings.CutPrefix(head, "`")
		if ok && !slices.ContainsFunc(slices.Collect(maps.Keys(verbs)), func(v string) bool { return strings.HasPrefix(name, v) }) {
			t.Errorf("docs/cli.md tells of %s, which does not exist", head)
		}
	}
}

func checkFlags(t *testing.T, path string, leaf *kong.Node, text string) {
	for _, flags := range leaf.AllFlags(true) {
		for _, f := range flags {
			if f.Name == "help" || f.Name == "labels" && strings.Contains(text, "-l ") {
				continue
			}
			if !strings.Contains(text, "--"+f.Name) {
				t.Errorf("docs/cli.md: %s does not say --%s", path, f.Name)
			}
		}
	}
	for _, said := range regexp.MustCompile(`--([a-z]+(?:-[a-z]+)*)`).FindAllStringSubmatch(text, -1) {
		if said[1] != "help" && !slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == said[1] }) {
			t.Errorf("docs/cli.md: %s has no --%s", path, said[1])
		}
	}
}

func TestDocsHaveEveryField(t *testing.T) {
	docs := sections(t)
	for head, v := range map[string]any{"Endpoint": console.Endpoint{}, "Session": console.Session{}, "Result": resultJSON{}} {
		var want []string
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			want = append(want, name)
		}
		slices.Sort(want)
		if got := documented(docs[head]); !slices.Equal(got, want) {
			t.Errorf("docs/cli.md: %s has %v, the code has %v", head, got, want)
		}
	}
	fields := map[string]bool{}
	var buf bytes.Buffer
	enc := transcript.NewEncoder(&buf, sessionlog.Opened{})
	for i, ev := range everyEvent() {
		ev.Seq, ev.Time, ev.AgentTime = sessionlog.Seq(i+1), start, start
		if err := enc.Encode(ev); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(docs["Event"], "`"+string(ev.Kind)+"`") {
			t.Errorf("docs/cli.md does not name the kind %s", ev.Kind)
		}
	}
	for line := range strings.Lines(buf.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		for name := range v {
			fields[name] = true
		}
	}
	if got, want := documented(docs["Event"]), slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
		t.Errorf("docs/cli.md: Event has\n%v, the code has\n%v", got, want)
	}
}

// everyEvent returns an event of every kind, with every field filled in.
func everyEvent() []sessionlog.Event {
	ana := sessionlog.Technician("ana")
	id := sessionlog.NewStepID()
	return []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, ana, "", sessionlog.Opened{Session: "S", Client: "acme", Endpoint: "E", Name: "db01", Technician: "ana", Key: "k", AgentKey: "k"}),
		sessionlog.New(sessionlog.StepRequested, ana, id, sessionlog.Requested{Command: "x", Effect: "shell", Timeout: 1, Key: "k", Reason: "r", Undo: "u"}),
		sessionlog.New(sessionlog.ApprovalRequested, sessionlog.Relay, id, sessionlog.Hold{Digest: "d", Need: 1, Rules: []string{"r"}, Expires: start, Targets: 2}),
		sessionlog.New(sessionlog.ApprovalGranted, "technician:bo", id, sessionlog.Answer{Digest: "d", Key: "k"}),
		sessionlog.New(sessionlog.ApprovalDenied, "technician:bo", id, sessionlog.Answer{Digest: "d", Key: "k", Why: "w"}),
		sessionlog.New(sessionlog.ApprovalOverridden, "technician:root", id, sessionlog.Answer{Digest: "d", Key: "k", Why: "w"}),
		sessionlog.New(sessionlog.ApprovalExpired, sessionlog.Relay, id, nil),
		sessionlog.New(sessionlog.ApprovalReused, sessionlog.Relay, id, sessionlog.Reused{Digest: "d", Of: id, By: []string{"bo"}}),
		sessionlog.New(sessionlog.ApprovalWaived, sessionlog.Relay, id, sessionlog.Waived{Rules: []string{"r"}, Why: "w"}),
		sessionlog.New(sessionlog.IncidentJoined, ana, "", sessionlog.Joined{Incident: "I", Title: "t"}),
		sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, id, nil),
		sessionlog.New(sessionlog.StepStarted, "agent:acme/db01", id, sessionlog.Started{PID: 1}),
		sessionlog.NewOutput("agent:acme/db01", id, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte("x")}),
		sessionlog.NewOutput("agent:acme/db01", id, sessionlog.Chunk{Stream: sessionlog.Stderr, Data: []byte("\xff")}),
		sessionlog.New(sessionlog.StepGap, sessionlog.Relay, id, sessionlog.Gap{Stream: "stdout", Offset: 1, Bytes: 2, Why: "w"}),
		sessionlog.New(sessionlog.StepCancel, ana, id, nil),
		sessionlog.New(sessionlog.StepEnded, "agent:acme/db01", id, sessionlog.Ended{
			State: "failed", Exit: -1, Signal: "SIGKILL", Why: "w",
			Duration: 1, Streams: []sessionlog.StreamTotal{{Stream: "stdout", Bytes: 1, SHA256: "h"}}, Statement: "s",
		}),
		sessionlog.New(sessionlog.NoteAdded, ana, "", sessionlog.Note{Text: "x", At: start}),
		sessionlog.New(sessionlog.SessionClosed, ana, "", sessionlog.Closed{Why: "w"}),
	}
}

func TestDocsHaveEveryCode(t *testing.T) {
	text := sections(t)["Exit codes"]
	for _, code := range []int{ExitOK, ExitFailed, ExitUsage, ExitRefused, ExitOffline, ExitRelay, ExitCancelled} {
		if !strings.Contains(text, fmt.Sprintf("| %d |", code)) {
			t.Errorf("docs/cli.md does not explain exit code %d", code)
		}
	}
}

// What --json prints has the fields that are documented, and times in UTC.
func TestJSONTimes(t *testing.T) {
	w := newWorld(t, "acme/db01")
	w.eps[0].Since = start.In(time.FixedZone("x", 3600))
	var v console.Endpoint
	if err := json.Unmarshal([]byte(w.say(t, "ls --json").out), &v); err != nil || v.Since.Location() != time.UTC {
		t.Errorf("since is %v, %v", v.Since, err)
	}
}
