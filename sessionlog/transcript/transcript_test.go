package transcript

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/vt"
)

const (
	s1 = sessionlog.StepID("01J0000000000000000000STE1")
	s2 = sessionlog.StepID("01J0000000000000000000STE2")
)

// sample is a session of two steps that ran side by side, with hostile output.
func sample(t *testing.T) *logtest.Memory {
	at := time.Date(2026, 3, 4, 23, 59, 50, 0, time.UTC)
	ana, agent := sessionlog.Technician("ana"), sessionlog.Agent("acme/db01")
	var evs []sessionlog.Event
	add := func(ev sessionlog.Event) {
		at = at.Add(1500 * time.Millisecond)
		ev.Time = at
		evs = append(evs, ev)
	}
	out := func(step sessionlog.StepID, s sessionlog.Stream, off int64, data string) {
		add(sessionlog.NewOutput(agent, step, sessionlog.Chunk{Stream: s, Offset: off, Data: []byte(data)}))
	}
	add(sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{
		Session: "01J0000000000000000000SESS", Client: "acme", Endpoint: "01J00000000000000000000END", Name: "db01", Technician: "ana",
	}))
	add(sessionlog.New(sessionlog.StepRequested, ana, s1, sessionlog.Requested{Command: "tail -f a > b\x1b]0;x\x07", Effect: sessionlog.EffectShell}))
	add(sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, s1, nil))
	out(s1, sessionlog.Stdout, 0, "one\r\nt\x1b[31mw\xc3")
	add(sessionlog.New(sessionlog.StepRequested, "technician:b\u202eob", s2, sessionlog.Requested{Command: "uname"}))
	out(s1, sessionlog.Stdout, 13, "\xb6\n\x1b]52;c;aGk=\x07\u009b6nthree\n")
	out(s2, sessionlog.Stdout, 0, "Linux")
	out(s2, sessionlog.Stderr, 0, "warn\n")
	add(sessionlog.New(sessionlog.StepEnded, agent, s2, sessionlog.Ended{State: sessionlog.OK, Duration: 1.94}))
	lost := int64(13 + len("\xb6\n\x1b]52;c;aGk=\x07\u009b6nthree\n"))
	add(sessionlog.New(sessionlog.StepGap, sessionlog.Relay, s1, sessionlog.Gap{Stream: "stdout", Offset: lost, Bytes: 12345678, Why: "the limit of a step <b>"}))
	out(s1, sessionlog.Stdout, lost+12345678, "</pre><script>alert('1')</script>&amp;\n```\n# no heading\n````html\n\xff\x1b[?1049h\r")
	add(sessionlog.New(sessionlog.StepCancel, ana, s1, nil))
	out(s1, sessionlog.Stderr, 0, "bye\xf0\x9f")
	add(sessionlog.New(sessionlog.StepEnded, agent, s1, sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1, Signal: "killed", Duration: 9}))
	add(sessionlog.New(sessionlog.NoteAdded, ana, "", sessionlog.Note{Text: "fixed\nby restart"}))
	add(sessionlog.New(sessionlog.NoteAdded, ana, "", sessionlog.Note{Text: "# *big* <script>x</script>\n\n- [l](https://a.example) www.a.example\n1. `x`", At: at}))
	add(sessionlog.Event{Kind: "later.kind", Actor: "relay", Body: []byte(`{"a":"\u202e"}`)})
	add(sessionlog.New(sessionlog.SessionClosed, ana, "", sessionlog.Closed{Why: "done"}))
	log := logtest.NewMemory()
	if _, err := sessionlog.Append(t.Context(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		file  string
		color bool
	}{{"plain.txt", false}, {"color.txt", true}} {
		var buf bytes.Buffer
		if err := Text(t.Context(), &buf, sample(t), Options{Color: c.color}); err != nil {
			t.Fatal(err)
		}
		if clean := vt.Clean(buf.Bytes()); clean != buf.String() {
			t.Errorf("%s: text is not safe", c.file)
		}
		golden(t, c.file, buf.Bytes())
	}
}

// A printer that begins in mid-session names what it does not know.
func TestTextFromTheMiddle(t *testing.T) {
	evs, err := sample(t).Read(t.Context(), 6, 4)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	p := NewPrinter(&buf, Options{Opened: sessionlog.Opened{Client: "acme", Name: "db01"}})
	for _, ev := range evs {
		if err := p.Print(ev); err != nil {
			t.Fatal(err)
		}
	}
	if want := "acme/db01 > step " + string(s1) + " (continued)\n"; !strings.Contains(buf.String(), want) {
		t.Errorf("got\n%s\nwant %s in it", buf.String(), want)
	}
}

func TestEnd(t *testing.T) {
	for _, c := range []struct {
		in   sessionlog.Ended
		want string
	}{
		{sessionlog.Ended{State: sessionlog.OK, Duration: 1.94}, "exit 0  1.9 s"},
		{sessionlog.Ended{State: sessionlog.Failed, Exit: 3}, "exit 3"},
		{sessionlog.Ended{State: sessionlog.Failed, Exit: -1, Signal: "segmentation fault", Duration: 0.02}, "ended by signal segmentation fault  0.0 s"},
		{sessionlog.Ended{State: sessionlog.Failed, Exit: -1, Why: "no such\x1b[2J shell"}, "failed  (no such shell)"},
		{sessionlog.Ended{State: sessionlog.Lost, Exit: -1}, "lost, may or may not have run to its end"},
		{sessionlog.Ended{State: "new\nstate"}, "new␊state"},
	} {
		if got := End(c.in); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestJSON(t *testing.T) {
	var buf bytes.Buffer
	e := NewEncoder(&buf, sessionlog.Opened{})
	if err := sessionlog.Replay(t.Context(), sample(t), e.Encode); err != nil {
		t.Fatal(err)
	}
	golden(t, "events.jsonl", buf.Bytes())
	for line := range strings.Lines(buf.String()) {
		var v struct{ Seq, Time, Kind, Actor, By, Session, Endpoint any }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if v.Seq == nil || v.Time == nil || v.Kind == nil || v.Actor == nil || v.By == nil || v.Session == nil || v.Endpoint == nil {
			t.Errorf("a field is missing: %s", line)
		}
	}
	if clean := vt.Clean(buf.Bytes()); clean != buf.String() {
		t.Error("JSON is not safe on a terminal")
	}
}

// However a session is cut into events, output comes back byte for byte.
func TestJSONOutput(t *testing.T) {
	for _, data := range []string{"", "plain\n", "\x00\x1b[31m\u009b\u2028\U000e0041\"\\", "\xff\xfe", "caf\xc3"} {
		ev := sessionlog.NewOutput("agent:x", s1, sessionlog.Chunk{Stream: sessionlog.Stderr, Offset: 7, Data: []byte(data)})
		ev.Seq = 1
		var buf bytes.Buffer
		if err := JSON(&buf, ev); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Stream string
			Offset int64
			Text   *string
			Base64 []byte
		}
		if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		back := got.Base64
		if got.Text != nil {
			back = []byte(*got.Text)
		}
		if string(back) != data || got.Stream != "stderr" || got.Offset != 7 {
			t.Errorf("%q became %s", data, buf.Bytes())
		}
	}
}
