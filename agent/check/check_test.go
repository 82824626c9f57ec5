package check_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

type run func(context.Context, check.Input, *check.Out) error

func of(run run) check.Check {
	return check.Check{Run: run, Spec: check.Spec{
		Name: "test.one", Summary: "A test", Effect: sessionlog.EffectRead, Timeout: 5, MaxRows: 4, Source: "the test",
		Params: []check.Param{{Name: "warn", Summary: "From when on it warns", Type: shape.ANumber, Default: "3", Unit: "%", Threshold: true}},
		Tables: []check.Table{
			{Name: "before", Columns: []check.Column{{Name: "n", Type: shape.Int}}},
			{Name: "after", Columns: []check.Column{
				{Name: "t", Type: shape.Text}, {Name: "f", Type: shape.Number}, {Name: "at", Type: shape.Time}, {Name: "took", Type: shape.Duration},
			}},
		},
	}}
}

func TestRows(t *testing.T) {
	a := checktest.Ask(t, of(func(_ context.Context, _ check.Input, out *check.Out) error {
		out.Table("after")
		if i := out.Row("a\xffb", math.NaN(), time.Time{}, 1500*time.Millisecond); i != 0 {
			t.Errorf("index %d", i)
		}
		out.Row(nil, 2, time.Unix(1, 5), nil)
		return nil
	}))
	a.Fine(t)
	if got := strings.Join(a.Column(t, "after", "took"), " "); got != "1.5 s -" {
		t.Error(got)
	}
	if row := a.Tables[1].Rows[0]; row[0] != "a\ufffdb" || row[1] != nil || row[2] != nil {
		t.Errorf("%v", row)
	}
	if len(a.Tables) != 2 || len(a.Tables[0].Rows) != 0 || a.End.Used["warn"] != "3" {
		t.Errorf("%+v", a.Result)
	}
}

// A mistake of a check is a failure of its step, not an answer that looks whole.
func TestMistakes(t *testing.T) {
	for name, do := range map[string]func(*check.Out){
		"cells":       func(o *check.Out) { o.Row(1, 2) },
		"type":        func(o *check.Out) { o.Row("x") },
		"table":       func(o *check.Out) { o.Table("none"); o.Row(1) },
		"table order": func(o *check.Out) { o.Table("after"); o.Table("before") },
	} {
		c := of(func(_ context.Context, _ check.Input, out *check.Out) error { do(out); return nil })
		err := c.Do(t.Context(), nil, check.Secrets{}, func(sessionlog.Stream, []byte) error { return nil })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCap(t *testing.T) {
	a := checktest.Ask(t, of(func(_ context.Context, _ check.Input, out *check.Out) error {
		for i := range 10 {
			out.Row(i)
		}
		out.Find(check.Finding{Severity: check.Warn, Text: "many", Rows: []int{-1, 2}, Param: "warn", Value: 5})
		return nil
	}))
	f := a.Finding(t, "warn")
	if len(a.Tables[0].Rows) != 4 || a.End.LeftOut != 6 || len(f.Rows) != 1 || f.Unit != "%" {
		t.Errorf("%+v, %+v", a.End, f)
	}
}

// What cannot be seen is an answer; what was seen before holds.
func TestCannotTell(t *testing.T) {
	for want, err := range map[string]error{
		"there is no x\u2026": check.Unknown("there is no x\u2026"),
		"the agent has no right to: open /x: permission denied": &os.PathError{Op: "open", Path: "/x", Err: os.ErrPermission},
		"broken pipe": errors.New("broken\npipe"),
	} {
		a := checktest.Ask(t, of(func(_ context.Context, _ check.Input, out *check.Out) error { out.Row(1); return err }))
		if why := a.CannotTell(t); why != want || len(a.Tables[0].Rows) != 1 {
			t.Errorf("%q", why)
		}
	}
}

func TestFixing(t *testing.T) {
	var did []string
	step := func(name string, err error) check.Step {
		return func(_ context.Context, _ check.Input, out *check.Out) error {
			did = append(did, name)
			if name == "before" {
				out.Row(1)
			} else if name == "after" {
				out.Row("x", 1, nil, nil)
			}
			return err
		}
	}
	a := checktest.Ask(t, of(check.Fixing(step("before", nil), step("change", nil), step("after", nil))))
	a.Fine(t)
	if len(a.Tables[0].Rows) != 1 || len(a.Tables[1].Rows) != 1 {
		t.Errorf("%+v", a.Tables)
	}
	did = nil
	a = checktest.Ask(t, of(check.Fixing(step("before", check.Unknown("no such service")), step("change", nil), step("after", nil))))
	a.CannotTell(t)
	if strings.Join(did, " ") != "before" {
		t.Errorf("without a before it did %v", did)
	}
	did = nil
	a = checktest.Ask(t, of(check.Fixing(step("before", nil), step("change", errors.New("refused")), step("after", nil))))
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "refused") || strings.Join(did, " ") != "before change after" {
		t.Errorf("%v, %v", f, did)
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("good", "# for the database\nuser=ana\npassword=a=b \r\n", 0o600)
	write("open", "password=x\n", 0o644)
	if err := os.Symlink("good", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s := check.Secrets{Dir: dir}
	got, err := s.Get("good")
	if err != nil || got["user"] != "ana" || got["password"] != "a=b " || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"open", "link", "none", "", ".", "..", "../good", "a/b"} {
		var unknown *check.UnknownError
		if _, err := s.Get(bad); !errors.As(err, &unknown) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTool(t *testing.T) {
	a := checktest.Ask(t, of(func(ctx context.Context, _ check.Input, out *check.Out) error {
		text, err := check.Tool(ctx, out, "sh", "-c", "echo $LC_ALL; echo bad >&2; exit 3")
		var failed *check.ToolError
		if string(text) != "C\n" || !errors.As(err, &failed) || failed.Stderr != "bad" {
			t.Errorf("%q, %v", text, err)
		}
		_, err = check.Tool(ctx, out, "no-such-tool")
		return err
	}))
	if why := a.CannotTell(t); why != "there is no no-such-tool on this machine" || string(a.Raw) != "C\n" || string(a.Said) != "bad\n" {
		t.Errorf("%q, raw %q, said %q", why, a.Raw, a.Said)
	}
}

// A tool that does not end is ended with its check.
func TestToolEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := check.Tool(ctx, nil, "sleep", "60"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
