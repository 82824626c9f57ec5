package search_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/sessionlog/search"
)

func TestWordsMatchAsTyped(t *testing.T) {
	for _, tt := range []struct {
		line, query, match string // match is what of line is found; empty if nothing
	}{
		{"ping dc-02 failed", "dc-02", "dc-02"},
		{"ping dc-02 failed", "DC-02", "dc-02"},
		{"ping DC-02 failed", "dc-0", "DC-0"},
		{"ping dc-02 failed", "dc", "dc"},
		{"ping dc.02 failed", "dc-02", ""},
		{"ping dc 02 failed", "dc-02", ""},
		{"ping adc-02 failed", "dc-02", ""},
		{"dc-021 dc-02", "dc-02", "dc-02"},
		{"ping dc-02 failed", "c-02", ""},
		{"ping dc-02 failed", "-02", "-02"},
		{"ping dc-02 failed", "dc-02 fail", "dc-02 fail"},
		{"ping dc-02 failed", "ping failed", ""},
		{"dc-02    running", "dc-02 running", "dc-02    running"},
		{"dc-02\t running", "dc-02  running ", "dc-02\t running"},
		{"error 0x8007052E.", "0x8007052E", "0x8007052E"},
		{"error 0x8007052E.", "0x8007052e.", "0x8007052E."},
		{"error 0x8007052E.", "0x8007", "0x8007"},
		{"error 0x8007052E.", "8007052E", ""},
		{`at C:\Program Files\Caisey`, `C:\Program Files`, `C:\Program Files`},
		{`at C:\Program Files\Caisey`, `c:\program files\`, `C:\Program Files\`},
		{`at C:\Program Files (x86)\x`, `files (x86)`, `Files (x86)`},
		{`at C:/Program Files`, `C:\Program Files`, ``},
		{`say "hello world"`, `"hello`, `"hello`},
		{`say "hello world"`, `"hello world"`, `"hello world"`},
		{`it's 'fine'`, `it's 'f`, `it's 'f`},
		{"10.0.12.7:5432 refused", "10.0.12.7:54", "10.0.12.7:54"},
		{"10.0.12.77", "10.0.12.7", "10.0.12.7"},
		{"10.0.12.77", "10.0.12.7 ", "10.0.12.7"},
		{"10.0.12.77 x", "10.0.12.7 x", ""},
		{"a_b snake_case", "snake_case", "snake_case"},
		{"x AND y OR NOT z NEAR/2 q", "OR NOT z NEAR/2", "OR NOT z NEAR/2"},
		{"rate 100% (ok) *star* ^caret", "*star* ^c", "*star* ^c"},
		{"Größe ÜBER 5", "größe über", "Größe ÜBER"},
		{"“dc-02” — ok", "dc-02", "dc-02"},
		{"ошибка ДИСКА", "ошибка диск", "ошибка ДИСК"},
		{"100 µs", "100 µs", "100 µs"},
		{"\x1b[1;31merror\x1b[0m: disk", "error: disk", "error\x1b[0m: disk"},
		{"\x1b]0;title\aprompt", "prompt", "prompt"},
		{"\x1b]0;title\aprompt", "title", ""},
		{"K 5", "k 5", "K 5"},
		{"bad \xff\xfe bytes", "bytes", "bytes"},
		{"bad\xffbytes", "bytes", "bytes"},
		{"nul\x00byte", "byte", "byte"},
		{"zero\u200bwidth", "zerowidth", "zero\u200bwidth"},
		{strings.Repeat("x", 300) + " tail", strings.Repeat("x", 300) + " ta", ""}, // longer than a snippet: below
	} {
		w := newWorld(t, search.Config{})
		id := w.session("acme", "ana")
		step := sessionlog.NewStepID()
		w.append(id, output(step, sessionlog.Stdout, "before\n", tt.line+"\r\n", "after\n")...)
		w.catchUp(id, 100)
		hits := w.find(search.Query{Text: tt.query}).Hits
		if len(tt.query) > 200 {
			if len(hits) != 1 || len(hits[0].Line) != 200 {
				t.Errorf("long match: %+v", hits)
			}
			continue
		}
		if tt.match == "" {
			if len(hits) > 0 {
				t.Errorf("%q in %q: found %+v", tt.query, tt.line, hits[0])
			}
			continue
		}
		if len(hits) != 1 {
			t.Errorf("%q in %q: %d hits", tt.query, tt.line, len(hits))
			continue
		}
		h := hits[0]
		if got := h.Line[h.Begin:h.End]; got != tt.match || h.Line != tt.line || h.Seq != 2 || h.Step != step || h.Stream != sessionlog.Stdout || !h.Time.Equal(start.Add(2*time.Second)) {
			t.Errorf("%q in %q: match %q in %+v", tt.query, tt.line, got, h)
		}
	}
}

func TestEveryKindIsFound(t *testing.T) {
	w := newWorld(t, search.Config{})
	id := w.session("acme", "ana")
	step := sessionlog.NewStepID()
	w.append(id, requested(step, "systemctl status nginx"), note("nginx is\nslow, says Bo"), note("nginx again"))
	w.append(id, output(step, sessionlog.Stderr, "nginx: inactive\n")...)
	w.append(id, output(step, sessionlog.Stdout, "nginx.service\n")...)
	w.catchUp(id, 100)
	var got []string
	for _, h := range w.find(search.Query{Text: "nginx"}).Hits {
		got = append(got, fmt.Sprintf("%d %s %d %s %s %s/%s", h.Seq, h.Kind, h.Stream, h.Line, h.Technician, h.Client, h.Endpoint))
	}
	want := []string{
		"5 step.output 1 nginx.service ana acme/db01",
		"4 step.output 2 nginx: inactive ana acme/db01",
		"3 note.added 0 nginx again ana acme/db01",
		"2 note.added 0 nginx is ana acme/db01",
		"1 step.requested 0 systemctl status nginx ana acme/db01",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := w.lines("bo"); len(got) != 1 || got[0] != "slow, says Bo" {
		t.Errorf("second line of note: %q", got)
	}
}

func TestNoWordIsAnError(t *testing.T) {
	w := newWorld(t, search.Config{})
	for _, text := range []string{"", " ", "***", `"`, "--", "—", "\x1b[1m"} {
		if _, err := w.index.Find(t.Context(), search.Query{Text: text, Clients: []string{"acme"}}, w.open); !errors.Is(err, search.ErrNoWord) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"a\nb", "\xff", strings.Repeat("a", 1000)} {
		if _, err := w.index.Find(t.Context(), search.Query{Text: text, Clients: []string{"acme"}}, w.open); err == nil {
			t.Errorf("%.10q is no error", text)
		}
	}
}

// TestWordsAcrossChunks cuts the same output in every way, into chunks, into
// Adds and into blocks, and finds the same.
func TestWordsAcrossChunks(t *testing.T) {
	const all = "first line here\nconnect to dc-02 refused\nöäü größe\nlast words without end"
	for size := 1; size < 20; size++ {
		for _, batch := range []int{1, 3, 1000} {
			for _, block := range []int{0, 48} {
				w := newWorld(t, search.Config{MaxBlock: block})
				id := w.session("acme", "ana")
				step := sessionlog.NewStepID()
				var pieces []string
				for rest := all; rest != ""; {
					n := min(size, len(rest))
					pieces, rest = append(pieces, rest[:n]), rest[n:]
				}
				w.append(id, output(step, sessionlog.Stdout, pieces...)...)
				w.append(id, ended(step))
				w.catchUp(id, batch)
				for _, text := range []string{"first line here", "connect to dc-02 ref", "öäü größe", "last words without end"} {
					hits := w.find(search.Query{Text: text}).Hits
					want := sessionlog.Seq(strings.Index(all, text)/size + 1)
					if len(hits) != 1 || !strings.HasPrefix(hits[0].Line, text) || hits[0].Seq != want {
						t.Fatalf("size %d, batch %d, block %d: %q: want seq %d, got %+v", size, batch, block, text, want, hits)
					}
				}
			}
		}
	}
}

func TestPartialLineIsFoundAtItsEnd(t *testing.T) {
	w := newWorld(t, search.Config{})
	id := w.session("acme", "ana")
	a, b := sessionlog.NewStepID(), sessionlog.NewStepID()
	w.append(id, output(a, sessionlog.Stdout, "never ended alpha")...)
	w.append(id, output(b, sessionlog.Stdout, "never ended beta")...)
	w.catchUp(id, 1)
	if got := w.lines("never"); len(got) != 0 {
		t.Errorf("found a line that has not ended: %q", got)
	}
	w.reopen()
	w.append(id, ended(a))
	w.catchUp(id, 1)
	if got := w.lines("never"); len(got) != 1 || got[0] != "never ended alpha" {
		t.Errorf("after the step's end: %q", got)
	}
	w.append(id, sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{}))
	w.catchUp(id, 1)
	if got := w.lines("never"); len(got) != 2 {
		t.Errorf("after the session's end: %q", got)
	}
}

func TestGapEndsABlock(t *testing.T) {
	w := newWorld(t, search.Config{})
	id := w.session("acme", "ana")
	step := sessionlog.NewStepID()
	rec := w.recs[id]
	evs := output(step, sessionlog.Stdout, "before the hole", "after the hole\n")
	evs[1].Chunk.Offset += 1000
	for i := range evs {
		evs[i].Seq, evs[i].Time = sessionlog.Seq(i+1), start
	}
	if err := w.index.Add(t.Context(), rec, evs); err != nil {
		t.Fatal(err)
	}
	open := func(context.Context, string, sessionlog.SessionID) (sessionlog.Reader, func(), error) {
		return fixed(evs), func() {}, nil
	}
	for _, text := range []string{"before the hole", "after the hole"} {
		res, err := w.index.Find(t.Context(), search.Query{Text: text, Clients: []string{"acme"}}, open)
		if err != nil || len(res.Hits) != 1 || res.Hits[0].Line != text {
			t.Errorf("%q: %+v, %v", text, res, err)
		}
	}
}

func TestMatchBeginsWithAWord(t *testing.T) {
	w := newWorld(t, search.Config{})
	id := w.session("acme", "ana")
	w.append(id, note("adc-02 here\nbdc-02 and dc-02 there"))
	w.catchUp(id, 10)
	hits := w.find(search.Query{Text: "dc-02"}).Hits
	if len(hits) != 1 || hits[0].Line != "bdc-02 and dc-02 there" || hits[0].Begin != 11 {
		t.Errorf("%+v", hits)
	}
}

func TestClientsAreWalls(t *testing.T) {
	w := newWorld(t, search.Config{})
	only := map[string]map[sessionlog.SessionID]bool{} // the newest session of each client
	for _, client := range []string{"acme", "umbrella", "acme"} {
		id := w.session(client, "tech-"+client)
		w.append(id, note("the secret of "+client))
		w.catchUp(id, 10)
		only[client] = map[sessionlog.SessionID]bool{id: true}
	}
	for _, tt := range []struct {
		q    search.Query
		want int
	}{
		{search.Query{Clients: []string{"acme"}}, 2},
		{search.Query{Clients: []string{"umbrella"}}, 1},
		{search.Query{Clients: []string{"umbrella", "acme"}}, 3},
		{search.Query{Clients: []string{"umbrella", "acme"}, Client: "umbrella"}, 1},
		{search.Query{Clients: []string{"acme"}, Client: "umbrella"}, 0},
		{search.Query{Clients: []string{}}, 0},
		{search.Query{Clients: []string{`acme","umbrella`, "%", "acm"}}, 0},
		{search.Query{Clients: []string{"acme"}, Technician: "tech-umbrella"}, 0},
		{search.Query{Clients: []string{"acme"}, Technician: "tech-acme"}, 2},
		{search.Query{Clients: []string{"acme", "umbrella"}, Only: only["acme"]}, 1},
		{search.Query{Clients: []string{"acme", "umbrella"}, Only: only["umbrella"], Limit: 1}, 1},
		{search.Query{Clients: []string{"acme"}, Only: only["umbrella"]}, 0},
		{search.Query{Clients: []string{"acme"}, Only: only[""]}, 2},
		{search.Query{Clients: []string{"acme"}, Only: map[sessionlog.SessionID]bool{}}, 0},
	} {
		w.opens = nil
		tt.q.Text = "secret"
		res := w.find(tt.q)
		if len(res.Hits) != tt.want || res.More {
			t.Errorf("%+v: %d hits, want %d", tt.q, len(res.Hits), tt.want)
		}
		for _, client := range w.opens {
			if !strings.Contains(strings.Join(tt.q.Clients, " "), client) {
				t.Errorf("%+v: a record of %s was opened", tt.q, client)
			}
		}
	}
	if res, err := w.index.Find(t.Context(), search.Query{Text: "secret"}, w.open); err != nil || len(res.Hits) != 0 {
		t.Errorf("without clients: %+v, %v", res, err)
	}
}

func TestLimitsAndTimes(t *testing.T) {
	w := newWorld(t, search.Config{MaxReads: 7})
	id := w.session("acme", "ana")
	for i := range 10 {
		w.append(id, note(fmt.Sprintf("entry %d", i)))
	}
	w.catchUp(id, 3)
	res := w.find(search.Query{Text: "entry", Limit: 4})
	if len(res.Hits) != 4 || !res.More || res.Hits[0].Line != "entry 9" || res.Hits[3].Line != "entry 6" {
		t.Errorf("limit: %+v", res)
	}
	if res = w.find(search.Query{Text: "entry"}); len(res.Hits) != 7 || !res.More {
		t.Errorf("most reads: %+v", res)
	}
	res = w.find(search.Query{Text: "entry", Since: start.Add(3 * time.Second), Until: start.Add(5 * time.Second)})
	if len(res.Hits) != 3 || res.More || res.Hits[0].Line != "entry 4" || res.Hits[2].Line != "entry 2" {
		t.Errorf("times: %+v", res)
	}
	// Within one block, an earlier match is passed over for one that is in time.
	step := sessionlog.NewStepID()
	w.append(id, output(step, sessionlog.Stdout, "mark a\n", "mark b\n", "mark c\n")...)
	w.catchUp(id, 100)
	at := w.now.Add(-time.Second)
	if res = w.find(search.Query{Text: "mark", Since: at, Until: at}); len(res.Hits) != 1 || res.Hits[0].Line != "mark b" {
		t.Errorf("time within block: %+v", res)
	}
}

// TestPartsKeepTheOrder adds records in another order than that of time, to many
// parts, and finds the newest of all.
func TestPartsKeepTheOrder(t *testing.T) {
	w := newWorld(t, search.Config{MaxPart: 40, MaxBlock: 64})
	var ids []sessionlog.SessionID
	for i := range 30 {
		id := w.session("acme", "ana")
		w.append(id, note(fmt.Sprintf("entry number %02d", i)))
		ids = append(ids, id)
	}
	for i := range ids {
		w.catchUp(ids[i*7%30], 10)
	}
	res := w.find(search.Query{Text: "entry", Limit: 12})
	var got, want []string
	for i, h := range res.Hits {
		got, want = append(got, h.Line), append(want, fmt.Sprintf("entry number %02d", 29-i))
	}
	if len(got) != 12 || !res.More || strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("got %q, more %t", got, res.More)
	}
	if got := w.find(search.Query{Text: "entry", Limit: 30}); len(got.Hits) != 30 || got.More {
		t.Errorf("all: %d hits, more %t", len(got.Hits), got.More)
	}
	for _, id := range ids[:20] {
		if err := w.index.Forget(id); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.lines("entry"); len(got) != 10 {
		t.Errorf("after forgetting 20 of 30: %q", got)
	}
	if err := w.index.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t, search.Config{})
	a, b := w.session("acme", "ana"), w.session("acme", "ana")
	for _, id := range []sessionlog.SessionID{a, b} {
		w.append(id, note("remember me"))
		w.append(id, output(sessionlog.NewStepID(), sessionlog.Stdout, "remember this partial")...)
		w.catchUp(id, 10)
	}
	if err := w.index.Forget(a); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Forget("nobody"); err != nil {
		t.Fatal(err)
	}
	if hits := w.find(search.Query{Text: "remember"}).Hits; len(hits) != 1 || hits[0].Session != b {
		t.Errorf("after forget: %+v", hits)
	}
	if pos, err := w.index.Position(a); err != nil || pos != 0 {
		t.Errorf("position after forget: %d, %v", pos, err)
	}
	w.reopen() // half of it is forgotten: begun anew
	if pos, err := w.index.Position(b); err != nil || pos != 0 {
		t.Errorf("worn index was kept: %d, %v", pos, err)
	}
	raw, err := os.ReadFile(w.path)
	if err != nil || strings.Contains(string(raw), "remember") {
		t.Errorf("forgotten word is in the new file (%v)", err)
	}
}

func TestUnreadableRecordIsSkipped(t *testing.T) {
	w := newWorld(t, search.Config{})
	a, b := w.session("acme", "ana"), w.session("acme", "ana")
	for _, id := range []sessionlog.SessionID{a, b, a} {
		w.append(id, note("word"))
		w.catchUp(id, 10)
	}
	delete(w.logs, a)
	res := w.find(search.Query{Text: "word"})
	if len(res.Hits) != 1 || len(res.Skipped) != 1 || !strings.Contains(res.Skipped[0].Error(), string(a)) {
		t.Errorf("%+v", res)
	}
	w.logs[a] = logtest.NewMemory() // shorter than the index says
	if res = w.find(search.Query{Text: "word"}); len(res.Hits) != 1 || len(res.Skipped) != 1 {
		t.Errorf("%+v", res)
	}
}
