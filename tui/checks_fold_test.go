package tui

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/replay"
)

// asks returns the transcript of a check that was asked.
func asks(tr *transcript, step sessionlog.StepID) *told {
	tr.apply(sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: "disk.space", Effect: sessionlog.EffectRead}))
	return tr.byStep[step].told
}

func tell(tr *transcript, step sessionlog.StepID, off *int64, text string) {
	tr.apply(sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{Stream: sessionlog.RowStream, Offset: *off, Data: []byte(text)}))
	*off += int64(len(text))
}

const tableLine = `{"table":{"name":"t","columns":[{"name":"a","type":"text"},{"name":"n","type":"int"}]}}` + "\n"

// sized counts anew what a transcript keeps.
func sized(tr *transcript) int {
	n := 0
	for _, b := range tr.blocks {
		n += b.ring.Bytes()
		if d := b.told; d != nil {
			for _, t := range d.Tables {
				for _, row := range t.Rows {
					n += rowCost(row)
				}
			}
			for _, f := range d.Findings {
				n += findingCost(f)
			}
			for _, s := range d.said {
				n += len(s) + cellCost
			}
		}
	}
	return n
}

func TestAnswersAreBounded(t *testing.T) {
	tr := &transcript{}
	wide := strings.Repeat("x", 1000)
	for i := range 12 {
		step, off := sessionlog.StepID(fmt.Sprint(i)), int64(0)
		d := asks(tr, step)
		tell(tr, step, &off, tableLine)
		const all = 6000
		for n := 0; n < all; n += 30 {
			var text strings.Builder
			for k := range 30 {
				fmt.Fprintf(&text, `{"row":["%s%d",%d]}`+"\n", wide, n+k, n+k)
			}
			tell(tr, step, &off, text.String())
			if got := sized(tr); got != tr.bytes || got > maxBytes {
				t.Fatalf("counts %d bytes, keeps %d", tr.bytes, got)
			}
		}
		if n := d.rows(); n == 0 || d.size > maxTold || n+d.Tables[0].More+d.gone[0] != all {
			t.Fatalf("%d rows in %d bytes, %d more, %d gone", n, d.size, d.Tables[0].More, d.gone[0])
		}
		for n := range 3000 {
			tell(tr, step, &off, fmt.Sprintf(`{"finding":{"severity":"warn","text":"%s%d"}}`+"\n", wide, n))
		}
		if len(d.Findings) > maxFindings || len(d.Findings)+d.lost > 3000 || sized(tr) != tr.bytes {
			t.Fatalf("%d findings, %d lost, %d bytes of %d", len(d.Findings), d.lost, tr.bytes, sized(tr))
		}
		tr.apply(sessionlog.New(sessionlog.StepEnded, "agent:x", step, sessionlog.Ended{State: sessionlog.OK}))
	}
	if rows := tr.blocks[0].told; rows != nil && rows.rows() > 0 {
		t.Errorf("the oldest answer keeps %d rows", rows.rows())
	}
	s := testSheet(tr, 80)
	if n := len(s.all()); n > len(tr.blocks)*100 {
		t.Errorf("%d rows of %d answers", n, len(tr.blocks))
	}
}

// A live answer has no end, and keeps the newest.
func TestLiveAnswersKeepTheNewest(t *testing.T) {
	tr, off := &transcript{}, int64(0)
	d := asks(tr, "L")
	tell(tr, "L", &off, strings.Replace(tableLine, `"name":"t",`, `"name":"t","live":true,`, 1))
	const all = 60_000
	pads := strings.Repeat("p", 600)
	for n := range all {
		tell(tr, "L", &off, fmt.Sprintf(`{"row":["%s%d",%d]}`+"\n", pads, n, n))
	}
	rows := d.Tables[0].Rows
	if last := fmt.Sprint(rows[len(rows)-1][1]); last != fmt.Sprint(all-1) {
		t.Errorf("the newest row is %s, %d more, %d bad", last, d.Tables[0].More, d.Bad)
	}
	if len(rows)+d.gone[0] != all || len(rows) < liveRows/2 || len(rows) > 2*liveRows || sized(tr) != tr.bytes || tr.bytes > maxBytes {
		t.Errorf("%d rows, %d gone, %d bytes", len(rows), d.gone[0], tr.bytes)
	}
	tell(tr, "L", &off, fmt.Sprintf(`{"finding":{"severity":"crit","text":"x","table":"t","rows":[%d,3]}}`+"\n", all-1))
	if at, proof := d.proof(d.Findings[0]); at != 0 || len(proof) != 1 || proof[0] != len(rows)-1 {
		t.Errorf("proof %v of table %d", proof, at)
	}
}

// Nothing that an endpoint sends as rows breaks the fold, or costs more than its
// bounds.
func TestGarbageInRows(t *testing.T) {
	tr, off := &transcript{}, int64(0)
	d := asks(tr, "G")
	tell(tr, "G", &off, strings.Repeat("garbage \x1b[2J", 100_000)) // no end of a line
	tell(tr, "G", &off, "\n"+tableLine+"{\"row\":[\"a\",1]}\n{\"row\":[1]}\n{\"row\":[\"a\",\"b\"]}\nnull\n\n[]\n{\"end\":{}}{}\n"+tableLine)
	tell(tr, "G", &off, `{"row":[{"a":[1]},2]}`+"\n"+`{"finding":{"severity":"evil","text":"x"}}`+"\n")
	if d.rows() != 1 || len(d.Findings) != 0 || d.Bad < 8 || sized(tr) != tr.bytes {
		t.Errorf("%d rows, %d findings, %d bad", d.rows(), len(d.Findings), d.Bad)
	}
	screen := strings.Join(testSheet(tr, 80).all(), "\n")
	if !strings.Contains(screen, "that are no answer") {
		t.Errorf("nothing says that there was garbage:\n%s", screen)
	}
}

// What an endpoint says in its answer is shown, and tamed.
func TestHostileAnswerIsTamed(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			evil := strings.ToValidUTF8(hostile, "") + "漢字\nnext\tline"
			w.mu.Lock()
			w.checks[0].Summary += evil
			w.checks[0].Source += evil
			w.checks[0].Undo, w.checks[0].Roles = evil, []string{"db", evil}
			w.checks[0].Params[0].Summary += evil
			w.checks[0].Params[0].Default += evil
			w.checks = append(w.checks, check.Spec{Name: "zz" + evil, Summary: evil, Effect: sessionlog.Effect(evil)})
			w.mu.Unlock()
			s := w.open(w.eps[0].ID, "ana")
			s.asked(t, "H", sessionlog.EffectRead, "disk.space x="+evil)
			table := check.Table{Columns: []check.Column{{Name: "name", Type: check.Text}, {Name: "n", Type: check.Int, Unit: "\u202eevil"}}}
			s.tells(t, "H", check.Line{Table: &table}, row("cell"+evil, 3), row(strings.Repeat("漢", 300), 4),
				check.Line{Finding: &check.Finding{Severity: check.Crit, Text: "found" + evil, Value: evil, Threshold: evil, Param: "warn" + evil, Unit: evil, Rows: []int{0, 77, -1}}},
				check.Line{End: &check.End{Verdict: check.CannotTell, Why: "why" + evil, Used: map[string]string{"warn" + evil: evil}}})
			s.put(t, "H", sessionlog.RowStream, hostile+strings.Repeat("\xff\x1b]0;HOSTILE\x07", 50_000))
			s.put(t, "H", sessionlog.Stdout, "raw"+hostile+"\n")
			s.put(t, "H", sessionlog.Stderr, "err"+hostile+"\n")
			s.end(t, "H", sessionlog.Ended{State: sessionlog.OK})
			term.see("1 finding")
			term.keys("R")
			term.see("R hides it", "raw")
			term.keys("R\r")
			term.see("CAISEY answer", "CRIT found", "cell")
			term.keys(">s<s")
			term.keys("?")
			term.see("CAISEY finding", "value", "threshold")
			term.keys("Gq")
			term.see("CAISEY answer")
			term.keys("j\r")
			term.see("CAISEY row", "NAME")
			term.keys("qq")
			term.see("CAISEY workspace")
			term.keys("c")
			term.see("28 of 28 shown", "disk.space")
			term.keys("zzseen")
			term.keys("\x15disk.space\t")
			term.see("CAISEY disk.space")
			term.keys("\x1b\x1b")
			term.see("CAISEY workspace")
			term.keys("qqq")
			term.ended()
			checkRaw(t, term.raw.Bytes())
			if !utf8.Valid(bytes.ReplaceAll(term.raw.Bytes(), []byte("\xff"), nil)) {
				t.Error("not UTF-8")
			}
		})
	}
}

// No row of an answer is wider than the pane, whatever is in it.
func TestAnswerFitsThePane(t *testing.T) {
	tr, off := &transcript{}, int64(0)
	asks(tr, "W")
	for _, line := range []string{
		`{"table":{"name":"wide","columns":[{"name":"first","type":"text"},{"name":"second","type":"text"},{"name":"number","type":"bytes"},{"name":"fourth","type":"text"},{"name":"fifth","type":"duration"}]}}`,
		`{"row":["漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字","\u0000\n\t` + strings.Repeat("y", 200) + `",123456789,null,0.0123]}`,
		`{"row":["a",null,5,"e\u0301e\u0301",100000]}`,
		`{"finding":{"severity":"crit","text":"` + strings.Repeat("漢字 ", 300) + `"}}`,
		`{"end":{"verdict":"finding","why":"` + strings.Repeat("漢字 ", 300) + `","rows":2}}`,
	} {
		tell(tr, "W", &off, line+"\n")
	}
	for width := 30; width < 140; width++ {
		for _, method := range []ansi.Method{ansi.WcWidth, ansi.GraphemeWidth} {
			s := testSheet(tr, width)
			s.method = method
			for _, row := range s.all() {
				if got := method.StringWidth(row); got > width {
					t.Fatalf("row of %d cells in %d: %q", got, width, row)
				}
			}
		}
	}
	for width, wants := range map[int][]string{60: {"…", " 118 MiB", "12.3 ms"}, 34: {"2 more columns, enter", "118 MiB"}} {
		text := ansi.Strip(strings.Join(testSheet(tr, width).all(), "\n"))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

// What is made of the end of a record knows what a check told before it.
func TestRebuildRetells(t *testing.T) {
	ctx := context.Background()
	for _, between := range []int{300, 2 * lookedBack} {
		log := logtest.NewMemory()
		evs := []sessionlog.Event{
			sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Client: "acme", Name: "db01"}),
			sessionlog.New(sessionlog.StepRequested, "technician:bo", "C", sessionlog.Requested{Command: "disk.space", Effect: sessionlog.EffectRead}),
			sessionlog.New(sessionlog.StepStarted, "agent:x", "C", nil),
			sessionlog.NewOutput("agent:x", "C", sessionlog.Chunk{Stream: sessionlog.RowStream, Data: []byte(tableLine + `{"row":["first",1]}` + "\n")}),
		}
		for range between {
			evs = append(evs, sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "x"}))
		}
		evs = append(evs, sessionlog.NewOutput("agent:x", "C", sessionlog.Chunk{
			Stream: sessionlog.RowStream, Offset: int64(len(tableLine) + 20), Data: []byte(`{"row":["second",2]}` + "\n"),
		}))
		if _, err := sessionlog.Append(ctx, log, evs...); err != nil {
			t.Fatal(err)
		}
		tape, err := replay.NewTape(ctx, log)
		if err != nil {
			t.Fatal(err)
		}
		x := replay.NewIndex(tape)
		if _, err := x.Fill(ctx, 1<<20); err != nil {
			t.Fatal(err)
		}
		tr, err := rebuild(ctx, x, log.Head().Seq, depth{50, 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		d := tr.byStep["C"].told
		if d == nil || d.rows() != 2 || d.torn != (between > lookedBack) {
			t.Errorf("after %d events: %+v", between, d)
		}
	}
	// A check of which not even the question was read.
	tr := &transcript{}
	tr.apply(sessionlog.New(sessionlog.StepRequested, "technician:bo", "Q", sessionlog.Requested{Command: "?"}))
	off := int64(500)
	tell(tr, "Q", &off, `{"row":["a",1]}`+"\n"+`{"end":{"verdict":"ok"}}`+"\n")
	if text := strings.Join(testSheet(tr, 80).all(), "\n"); !strings.Contains(text, "not all of the answer") || !strings.Contains(text, "nothing found in what was read") {
		t.Errorf("it passes for a whole answer:\n%s", text)
	}
}

func TestColumnWidths(t *testing.T) {
	no, yes := false, true
	for _, c := range []struct {
		natural []int
		right   []bool
		room    int
		want    []int
	}{
		{[]int{5, 6}, []bool{no, yes}, 20, []int{5, 6}},
		{[]int{20, 30, 6}, []bool{no, no, yes}, 46, []int{20, 16, 6}}, // the widest gives way
		{[]int{20, 12, 6}, []bool{no, no, yes}, 36, []int{16, 10, 6}}, // what the row is about last
		{[]int{20, 12, 6}, []bool{no, no, yes}, 29, []int{17, 10}},    // a number is whole or not there
		{[]int{40}, []bool{no}, 12, []int{12}},
		{[]int{40, 5}, []bool{yes, yes}, 12, []int{12}}, // there is always one
		{nil, nil, 12, nil},
	} {
		if got := columnWidths(c.natural, c.right, c.room); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%v in %d: %v, want %v", c.natural, c.room, got, c.want)
		}
	}
}

// Whatever an endpoint sends as rows, what is kept is counted, and what is shown fits.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(tableLine+`{"row":["a",1]}`+"\n"+`{"finding":{"severity":"warn","text":"x","table":"t","rows":[0]}}`+"\n"+`{"end":{"verdict":"finding"}}`+"\n"), 40)
	f.Add([]byte(hostile), 30)
	f.Fuzz(func(t *testing.T, data []byte, width int) {
		tr, off := &transcript{}, int64(0)
		asks(tr, "F")
		for len(data) > 0 {
			n := min(len(data), 100)
			tell(tr, "F", &off, string(data[:n]))
			data = data[n:]
		}
		if got := sized(tr); got != tr.bytes {
			t.Fatalf("counts %d bytes, keeps %d", tr.bytes, got)
		}
		s := testSheet(tr, 30+(width&0xff))
		for _, row := range s.all() {
			if got := s.method.StringWidth(row); got > s.width {
				t.Fatalf("row of %d cells in %d: %q", got, s.width, row)
			}
			if strings.ContainsAny(ansi.Strip(row), "\x00\x07\x08\x1b\n\r\u009b") {
				t.Fatalf("%q reaches the terminal", row)
			}
		}
	})
}
