package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/sessionlog/statement"
)

// asked returns a check of the test's own.
func asked(name string, effect sessionlog.Effect, run func(context.Context, check.Input, *check.Out) error) check.Check {
	return check.Check{Run: run, Spec: check.Spec{
		Name: name, Summary: "A check of a test", Effect: effect, Timeout: 10, MaxRows: 3, Source: "the test",
		Params: []check.Param{{Name: "n", Summary: "How many", Type: shape.AnInt, Default: "2"}, {Name: "secret", Summary: "Which", Type: shape.ASecret}},
		Tables: []check.Table{{Columns: []check.Column{{Name: "i", Type: shape.Int}, {Name: "text", Type: shape.Text}}}},
	}}
}

func counting(_ context.Context, in check.Input, out *check.Out) error {
	out.Raw([]byte("evidence\n"))
	for i := range in.Int("n") {
		out.Row(i, strings.Repeat("x", i))
	}
	out.Find(check.Finding{Severity: check.Warn, Text: "it is so", Rows: []int{0}})
	return nil
}

// answered folds what an agent sent of a step that asked a check.
func answered(t *testing.T, s *stubStep) shape.Result {
	t.Helper()
	var r shape.Result
	r.Add(s.out[3].Bytes())
	if r.Bad > 0 {
		t.Errorf("bad lines in %s", s.out[3].Bytes())
	}
	return r
}

func ask(c *stubConn, step, line, effect string) *stubStep {
	return c.open(startOf(&wire.Start{Step: step, Command: line, Effect: effect}))
}

// A check is asked, its rows, evidence and end arrive, and the endpoint signs all.
func TestAsk(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	runAgent(t, Config{Data: data, Checks: []check.Check{asked("test.count", sessionlog.EffectRead, counting)}})
	c := r.agent()
	s := ask(c, "S1", "test.count n=5", "read")
	exit := s.exit()
	got := answered(t, s)
	if exit.GetState() != wire.Exit_STATE_OK || len(got.Tables[0].Rows) != 3 || got.End.LeftOut != 2 || len(got.Findings) != 1 {
		t.Fatalf("%v, %+v", describe(exit), got)
	}
	if s.out[1].String() != "evidence\n" || got.End.Verdict != shape.Found {
		t.Errorf("evidence %q, end %+v", s.out[1].String(), got.End)
	}
	rows := 0
	for _, total := range exit.GetTotals() {
		if total.GetStream() == wire.Stream_STREAM_ROWS {
			rows = int(total.GetBytes())
		}
	}
	if rows != s.out[3].Len() || len(exit.GetStatement()) == 0 {
		t.Errorf("%d bytes of rows in the totals, %d sent", rows, s.out[3].Len())
	}
	s.done()
}

// Rows that are altered are not those that the endpoint signed.
func TestStatementHasRows(t *testing.T) {
	s := statement.Statement{Step: "S1", Command: "test.count", Stdout: statement.None, Stderr: statement.None}
	without := s.Text()
	s.Rows = statement.Output{Bytes: 1, SHA256: [32]byte{1}}
	if with := s.Text(); bytes.Equal(with, without) || !bytes.HasPrefix(with, without) {
		t.Errorf("%s", with)
	}
}

func TestAskRefused(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	ran := false
	change := asked("test.change", sessionlog.EffectChange, func(context.Context, check.Input, *check.Out) error { ran = true; return nil })
	runAgent(t, Config{Data: data, Checks: []check.Check{asked("test.count", sessionlog.EffectRead, counting), change}})
	c := r.agent()
	for i, bad := range []struct{ line, effect, why string }{
		{"test.change", "read", "the effect of test.change is change"}, // a relay that lies about it
		{"test.change", "probe", "the effect of test.change is change"},
		{"test.none", "read", "has no check test.none"},
		{"test.count n=x", "read", "a whole number"},
		{"test.count m=1", "read", "has no parameter"},
		{"touch /tmp/x", "read", "is not the name of a check"},
		{"test.count n=1 n=2", "read", "once"},
	} {
		refused := ask(c, fmt.Sprint("S", i), bad.line, bad.effect).refused()
		if !strings.Contains(refused.GetWhy(), bad.why) {
			t.Errorf("%s as %s: %v", bad.line, bad.effect, refused)
		}
	}
	if ran {
		t.Error("it ran")
	}
}

// The endpoint's own policy comes before everything.
func TestAskAgainstPolicy(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	if err := os.WriteFile(filepath.Join(data, "policy"), []byte("effects read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runAgent(t, Config{Data: data, Checks: []check.Check{asked("test.change", sessionlog.EffectChange, counting), asked("test.count", sessionlog.EffectRead, counting)}})
	c := r.agent()
	if refused := ask(c, "S1", "test.change", "change").refused(); refused.GetCode() != wire.Refused_CODE_DENIED {
		t.Error(refused)
	}
	if exit := ask(c, "S2", "test.count", "read").exit(); exit.GetState() != wire.Exit_STATE_OK {
		t.Error(describe(exit))
	}
}

// However a check behaves, its step ends, in the state that says what happened.
func TestAskEnds(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	deaf := make(chan struct{})
	defer close(deaf)
	begun := make(chan struct{}, 3)
	waiting := func(ctx context.Context, _ check.Input, out *check.Out) error {
		out.Row(1, "begun")
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	runAgent(t, Config{Data: data, Checks: []check.Check{
		asked("test.wait", sessionlog.EffectRead, waiting),
		asked("test.deaf", sessionlog.EffectRead, func(context.Context, check.Input, *check.Out) error { begun <- struct{}{}; <-deaf; return nil }),
		asked("test.panic", sessionlog.EffectRead, func(context.Context, check.Input, *check.Out) error { panic("oh") }),
		asked("test.unknown", sessionlog.EffectRead, func(context.Context, check.Input, *check.Out) error { return check.Unknown("no tool") }),
		asked("test.secret", sessionlog.EffectRead, func(_ context.Context, in check.Input, _ *check.Out) error {
			_, err := in.Secrets.Get(in.Text("secret"))
			return err
		}),
	}})
	c := r.agent()
	timed := c.open(startOf(&wire.Start{Step: "S1", Command: "test.wait", Effect: "read", Timeout: int64(50 * time.Millisecond)}))
	if exit := timed.exit(); exit.GetState() != wire.Exit_STATE_TIMED_OUT || len(answered(t, timed).Tables[0].Rows) != 1 {
		t.Error(describe(exit))
	}
	<-begun
	for i, name := range []string{"test.wait", "test.deaf"} {
		s := ask(c, fmt.Sprint("C", i), name, "read")
		<-begun
		s.say(&wire.ToStep{Message: &wire.ToStep_Cancel{Cancel: &wire.Cancel{}}})
		if exit := s.exit(); exit.GetState() != wire.Exit_STATE_CANCELLED {
			t.Errorf("%s: %s", name, describe(exit))
		}
	}
	if exit := ask(c, "S3", "test.panic", "read").exit(); exit.GetState() != wire.Exit_STATE_FAILED || !strings.Contains(exit.GetWhy(), "test.panic is broken: oh") {
		t.Error(describe(exit))
	}
	for line, why := range map[string]string{
		"test.unknown":              "no tool",
		"test.secret secret=nosuch": "holds no secret",
	} {
		s := ask(c, "U"+line[5:8], line, "read")
		exit := s.exit()
		end := answered(t, s).End
		if exit.GetState() != wire.Exit_STATE_OK || end.Verdict != shape.CannotTell || !strings.Contains(end.Why, why) {
			t.Errorf("%s: %s, %+v", line, describe(exit), end)
		}
	}
}

// A catalogue is told once it is asked for, and is what was announced.
func TestCatalogue(t *testing.T) {
	c, err := newCatalogue([]check.Check{asked("test.count", sessionlog.EffectRead, counting)})
	if err != nil || len(c.sum) != 32 || !bytes.Contains(c.specs, []byte("test.count")) {
		t.Fatal(c, err)
	}
	if none, err := newCatalogue(nil); err != nil || none.sum != nil {
		t.Error(none, err)
	}
	bad := asked("test", sessionlog.EffectRead, counting)
	if _, err := newCatalogue([]check.Check{bad}); err == nil || errors.Is(err, context.Canceled) {
		t.Error("a bad declaration is told")
	}
}
