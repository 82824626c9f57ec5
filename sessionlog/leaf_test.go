package sessionlog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// jsonLeaf is the documented form of a leaf as encoding/json writes it.
type jsonLeaf struct {
	Seq       Seq             `json:"seq"`
	Time      time.Time       `json:"time"`
	AgentTime time.Time       `json:"agent_time,omitzero"`
	Kind      Kind            `json:"kind"`
	Actor     Actor           `json:"actor"`
	Step      StepID          `json:"step,omitempty"`
	Body      json.RawMessage `json:"body,omitempty"`
}

type jsonOutput struct {
	Stream string `json:"stream"`
	Offset int64  `json:"offset"`
	Length int    `json:"length"`
	Lines  int64  `json:"lines"`
	Commit string `json:"commit"`
}

func byJSON(t interface{ Fatal(...any) }, ev Event) []byte {
	l := jsonLeaf{ev.Seq, ev.Time.UTC(), ev.AgentTime, ev.Kind, ev.Actor, ev.Step, ev.Body}
	if !ev.AgentTime.IsZero() {
		l.AgentTime = ev.AgentTime.UTC()
	}
	if c := ev.Chunk; c != nil {
		sum, lines := Commitment(c)
		var err error
		if l.Body, err = json.Marshal(jsonOutput{c.Stream.String(), c.Offset, len(c.Data), lines, hex.EncodeToString(sum[:])}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func drawTime(rt *rapid.T, name string) time.Time {
	sec := rapid.Int64Range(-62135596800, 253402300799-86400).Draw(rt, name)
	nano := rapid.SampledFrom([]int64{0, 1, 10, 120000000, 999999999}).Draw(rt, name+" nano")
	return time.Unix(sec, nano).In(time.FixedZone("", rapid.IntRange(0, 3600).Draw(rt, name+" zone")))
}

func drawEvent(rt *rapid.T) Event {
	text := rapid.OneOf(rapid.StringMatching(`[a-z.:/ -]{1,12}`), rapid.StringN(1, 12, -1))
	ev := Event{
		Seq: Seq(rapid.Uint64Min(1).Draw(rt, "seq")), Time: drawTime(rt, "time"),
		Kind: Kind(strings.ToValidUTF8(text.Draw(rt, "kind"), "?")), Actor: Actor(strings.ToValidUTF8(text.Draw(rt, "actor"), "?")),
	}
	if rapid.Bool().Draw(rt, "agent") {
		ev.AgentTime = drawTime(rt, "agent time")
	}
	if rapid.Bool().Draw(rt, "step") {
		ev.Step = StepID(strings.ToValidUTF8(text.Draw(rt, "id"), "?"))
	}
	switch {
	case rapid.Bool().Draw(rt, "output"):
		ev.Kind = StepOutput
		ev.Chunk = &Chunk{
			Stream: Stream(rapid.IntRange(1, 3).Draw(rt, "stream")), Offset: rapid.Int64Min(0).Draw(rt, "offset"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(rt, "data"),
			Salt: rapid.SliceOfN(rapid.Byte(), SaltSize, SaltSize).Draw(rt, "salt"),
		}
	case ev.Kind == StepOutput:
		ev.Kind = NoteAdded
	case rapid.Bool().Draw(rt, "body"):
		ev.Body, _ = marshal(map[string]string{"a": strings.ToValidUTF8(text.Draw(rt, "value"), "?")})
	}
	return ev
}

// Leaf writes what encoding/json would write, and ParseLeaf reads it back.
func TestLeafRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ev := drawEvent(rt)
		leaf, err := Leaf(ev)
		if err != nil {
			rt.Fatal(err)
		}
		if want := byJSON(rt, ev); !bytes.Equal(leaf, want) {
			rt.Fatalf("got  %s\nwant %s", leaf, want)
		}
		back, err := ParseLeaf(leaf)
		if err != nil {
			rt.Fatalf("%v: %s", err, leaf)
		}
		if !back.Time.Equal(ev.Time) || !back.AgentTime.Equal(ev.AgentTime) || back.Kind != ev.Kind || back.Actor != ev.Actor || back.Step != ev.Step {
			rt.Fatalf("got %+v, want %+v", back, ev)
		}
		if ev.Chunk != nil {
			if back.Chunk.Stream != ev.Chunk.Stream || back.Chunk.Offset != ev.Chunk.Offset {
				rt.Fatalf("got %+v, want %+v", back.Chunk, ev.Chunk)
			}
			back.Chunk.Data, back.Chunk.Salt = ev.Chunk.Data, ev.Chunk.Salt
			if err := VerifyChunk(back); err != nil {
				rt.Fatal(err)
			}
		}
		again, err := Leaf(back)
		if err != nil || !bytes.Equal(again, leaf) {
			rt.Fatalf("second time %s, %v", again, err)
		}
	})
}

func TestLeafRefuses(t *testing.T) {
	chunk := func(f func(*Chunk)) *Chunk {
		c := &Chunk{Stream: Stdout, Data: []byte("x"), Salt: make([]byte, SaltSize)}
		f(c)
		return c
	}
	good := Event{Seq: 1, Kind: NoteAdded}
	for name, ev := range map[string]Event{
		"no seq":        {Kind: NoteAdded},
		"no kind":       {Seq: 1},
		"bad body":      {Seq: 1, Kind: NoteAdded, Body: []byte("{")},
		"two bodies":    {Seq: 1, Kind: NoteAdded, Body: []byte("{}{}")},
		"body not text": {Seq: 1, Kind: NoteAdded, Body: []byte("\"\xff\"")},
		"too large":     {Seq: 1, Kind: NoteAdded, Body: []byte(`"` + strings.Repeat("x", MaxLeaf) + `"`)},
		"year":          {Seq: 1, Kind: NoteAdded, Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"no chunk":      {Seq: 1, Kind: StepOutput},
		"chunk on note": {Seq: 1, Kind: NoteAdded, Chunk: chunk(func(*Chunk) {})},
		"no salt":       {Seq: 1, Kind: StepOutput, Chunk: chunk(func(c *Chunk) { c.Salt = nil })},
		"stream":        {Seq: 1, Kind: StepOutput, Chunk: chunk(func(c *Chunk) { c.Stream = 4 })},
		"offset":        {Seq: 1, Kind: StepOutput, Chunk: chunk(func(c *Chunk) { c.Offset = -1 })},
		"chunk size":    {Seq: 1, Kind: StepOutput, Chunk: chunk(func(c *Chunk) { c.Data = make([]byte, MaxChunk+1) })},
	} {
		if b, err := AppendLeaf([]byte("kept"), ev); err == nil || string(b) != "kept" {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
	if _, err := Leaf(good); err != nil {
		t.Error(err)
	}
}

// A vector is one event and the leaf that must stand for it for ever.
type vector struct {
	Name string `json:"name"`
	Leaf string `json:"leaf"`
	Salt []byte `json:"salt,omitempty"`
	Data []byte `json:"data,omitempty"`
}

// The frozen vectors are leaves of version 2. A leaf that differs from its
// vector is another format: it takes another version, never another vector.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "leaf-v2.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 8 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		ev, err := ParseLeaf([]byte(v.Leaf))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if ev.Chunk != nil {
			ev.Chunk.Data, ev.Chunk.Salt = v.Data, v.Salt
			if err := VerifyChunk(ev); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
		leaf, err := Leaf(ev)
		if err != nil || string(leaf) != v.Leaf {
			t.Errorf("%s: got  %s, %v\nwant %s", v.Name, leaf, err, v.Leaf)
		}
	}
}

func TestParseLeafRefuses(t *testing.T) {
	const rest = `,"time":"2026-01-02T03:04:05Z","kind":"note.added","actor":"relay"`
	out := `{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"step.output","actor":"a","step":"S","body":`
	commit := strings.Repeat("0", commitSize)
	for name, leaf := range map[string]string{
		"empty":            ``,
		"null":             `null`,
		"seq 0":            `{"seq":0` + rest + `}`,
		"leading zero":     `{"seq":01` + rest + `}`,
		"seq too large":    `{"seq":18446744073709551616` + rest + `}`,
		"seq a string":     `{"seq":"1"` + rest + `}`,
		"capitals":         `{"SEQ":1` + rest + `}`,
		"spaces":           `{"seq": 1` + rest + `}`,
		"newline":          `{"seq":1` + rest + "}\n",
		"two":              `{"seq":1` + rest + `}{"seq":2` + rest + `}`,
		"order":            `{"kind":"x","seq":1}`,
		"unknown field":    `{"seq":1` + rest + `,"more":1}`,
		"empty step":       `{"seq":1` + rest + `,"step":""}`,
		"empty body":       `{"seq":1` + rest + `,"body":}`,
		"spaced body":      `{"seq":1` + rest + `,"body":{ }}`,
		"body of two":      `{"seq":1` + rest + `,"body":1,"x":2}`,
		"no kind":          `{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"","actor":"relay"}`,
		"needless escape":  `{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"\u0061","actor":"relay"}`,
		"bad UTF-8":        "{\"seq\":1,\"time\":\"2026-01-02T03:04:05Z\",\"kind\":\"\xff\",\"actor\":\"relay\"}",
		"zone":             `{"seq":1,"time":"2026-01-02T03:04:05+01:00","kind":"x","actor":"relay"}`,
		"trailing zero":    `{"seq":1,"time":"2026-01-02T03:04:05.10Z","kind":"x","actor":"relay"}`,
		"zero agent time":  `{"seq":1,"time":"2026-01-02T03:04:05Z","agent_time":"0001-01-01T00:00:00Z","kind":"x","actor":"relay"}`,
		"output no body":   `{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"step.output","actor":"a","step":"S"}`,
		"output stream":    out + `{"stream":"stdin","offset":0,"length":1,"lines":1,"commit":"` + commit + `"}}`,
		"output negative":  out + `{"stream":"stdout","offset":-1,"length":1,"lines":1,"commit":"` + commit + `"}}`,
		"output too large": out + `{"stream":"stdout","offset":0,"length":1048577,"lines":1,"commit":"` + commit + `"}}`,
		"output overflow":  out + `{"stream":"stdout","offset":9223372036854775808,"length":1,"lines":1,"commit":"` + commit + `"}}`,
		"output commit":    out + `{"stream":"stdout","offset":0,"length":1,"lines":1,"commit":"` + commit[1:] + `G"}}`,
		"output more":      out + `{"stream":"stdout","offset":0,"length":1,"lines":1,"commit":"` + commit + `","x":1}}`,
		"too large":        `{"seq":1` + rest + `,"body":"` + strings.Repeat("x", MaxLeaf) + `"}`,
	} {
		if ev, err := ParseLeaf([]byte(leaf)); err == nil {
			t.Errorf("%s: taken as %+v", name, ev)
		}
	}
}

func TestVerifyChunk(t *testing.T) {
	ev := NewOutput("agent:a/b", "S", Chunk{Stream: Stdout, Offset: 3, Data: []byte("abc"), Salt: bytes.Repeat([]byte{7}, SaltSize)})
	ev.Seq = 1
	leaf, err := Leaf(ev)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseLeaf(leaf)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Chunk){
		"data":   func(c *Chunk) { c.Data = []byte("abd") },
		"length": func(c *Chunk) { c.Data = []byte("ab") },
		"salt":   func(c *Chunk) { c.Salt = make([]byte, SaltSize) },
		"offset": func(c *Chunk) { c.Offset = 4 },
		"stream": func(c *Chunk) { c.Stream = Stderr },
	} {
		c := *ev.Chunk
		change(&c)
		other := parsed
		other.Chunk = &c
		if VerifyChunk(other) == nil {
			t.Errorf("other %s verifies", name)
		}
	}
	parsed.Chunk = ev.Chunk
	if err := VerifyChunk(parsed); err != nil {
		t.Error(err)
	}
}

// FuzzParseLeaf: whatever parses has exactly one form.
func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte(`{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"note.added","actor":"relay","body":{"text":"a"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ev, err := ParseLeaf(b)
		if err != nil {
			return
		}
		if ev.Chunk != nil {
			o, ok := parseOutput(ev.Body)
			if !ok || o.stream != ev.Chunk.Stream || o.offset != ev.Chunk.Offset {
				t.Fatalf("%s became %+v", b, ev.Chunk)
			}
			ev.Kind, ev.Chunk = "x", nil // no data to commit to: compare the rest
			b = bytes.Replace(b, []byte(`"kind":"step.output"`), []byte(`"kind":"x"`), 1)
		}
		leaf, err := Leaf(ev)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !bytes.Equal(leaf, b) {
			t.Fatalf("got  %s\nwant %s", leaf, b)
		}
	})
}
