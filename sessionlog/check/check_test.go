package check

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caisey/caisey/sessionlog"
)

func space() Spec {
	return Spec{
		Name: "disk.space", Summary: "How full the volumes are", Effect: sessionlog.EffectRead, Timeout: 10, MaxRows: 100, Source: "statfs",
		Params: []Param{
			{Name: "volume", Summary: "Only this one", Type: APath},
			{Name: "warn", Summary: "Free space under which it warns", Type: ANumber, Default: "15", Min: 0, Max: 100, Unit: "%", Threshold: true},
			{Name: "since", Summary: "How far back", Type: ADuration, Default: "24h"},
			{Name: "by", Summary: "Order", Type: AnEnum, Values: []string{"free", "size"}, Default: "free"},
		},
		Tables: []Table{{Columns: []Column{{Name: "volume", Type: Text}, {Name: "size", Type: Bytes}, {Name: "free", Type: Percent}}}},
	}
}

func TestSpecErr(t *testing.T) {
	if err := space().Err(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Spec){
		"name":            func(s *Spec) { s.Name = "disk" },
		"name with space": func(s *Spec) { s.Name = "disk.space x" },
		"effect":          func(s *Spec) { s.Effect = sessionlog.EffectShell },
		"no summary":      func(s *Spec) { s.Summary = "" },
		"two lines":       func(s *Spec) { s.Source = "a\nb" },
		"control":         func(s *Spec) { s.Summary = "a\x1b[2J" },
		"timeout":         func(s *Spec) { s.Timeout = 1e9 },
		"rows":            func(s *Spec) { s.MaxRows = 1e6 },
		"role":            func(s *Spec) { s.Roles = []string{"king"} },
		"no table":        func(s *Spec) { s.Tables = nil },
		"column type":     func(s *Spec) { s.Tables[0].Columns[0].Type = "date" },
		"column twice":    func(s *Spec) { s.Tables[0].Columns[1].Name = "volume" },
		"table twice":     func(s *Spec) { s.Tables = append(s.Tables, s.Tables[0]) },
		"param twice":     func(s *Spec) { s.Params = append(s.Params, s.Params[0]) },
		"param type":      func(s *Spec) { s.Params[0].Type = "x" },
		"default":         func(s *Spec) { s.Params[1].Default = "200" },
		"enum":            func(s *Spec) { s.Params[3].Values = nil },
	} {
		s := space()
		change(&s)
		if s.Err() == nil {
			t.Errorf("a spec with a bad %s is taken", name)
		}
	}
}

func TestValues(t *testing.T) {
	v, err := space().Values(map[string]string{"since": "7d", "warn": "2.5"})
	if err != nil {
		t.Fatal(err)
	}
	if v.Duration("since").Hours() != 168 || v.Number("warn") != 2.5 || v.Text("by") != "free" || v.Has("volume") || !v.Given("warn") || v.Given("by") {
		t.Errorf("%+v", v)
	}
	for args, want := range map[[2]string]string{
		{"x", "1"}:          "has no parameter \"x\": it has volume, warn, since, by",
		{"warn", "101"}:     "from 0 to 100",
		{"warn", "NaN"}:     "a number",
		{"since", "-1s"}:    "a time such as",
		{"by", "name"}:      "one of free, size",
		{"volume", "a\x00"}: "bytes of text",
	} {
		if _, err := space().Values(map[string]string{args[0]: args[1]}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestParamErr(t *testing.T) {
	for _, c := range []struct {
		p    Param
		good string
		bad  string
	}{
		{Param{Type: AHost}, "dc01.acme.example|fe80::1%eth0|10.0.0.1|größe.example", "-oProxy|a b|a/b|a;b"},
		{Param{Type: AHostPort}, "db01:5432|[::1]:22", "db01|db01:0|db01:70000|-x:1"},
		{Param{Type: APort}, "1|65535", "0|65536|x|1.5"},
		{Param{Type: ABool}, "yes|no", "true|1"},
		{Param{Type: ASecret}, "pg-main|a.b_c", "../x|.x|a/b"},
		{Param{Type: AnInt}, "-3|0", "1.5|x"},
	} {
		for _, v := range strings.Split(c.good, "|") {
			if err := c.p.Err(v); err != nil {
				t.Errorf("%s %q: %v", c.p.Type, v, err)
			}
		}
		for _, v := range strings.Split(c.bad, "|") {
			if c.p.Err(v) == nil {
				t.Errorf("%s %q is taken", c.p.Type, v)
			}
		}
	}
}

func TestLine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := Ask{Name: "disk.space", Args: rapid.MapOf(rapid.StringMatching(`[a-z][a-z0-9_]{0,5}`), rapid.String()).Draw(rt, "args")}
		back, err := Parse(a.Line())
		if err != nil {
			rt.Fatalf("%q: %v", a.Line(), err)
		}
		if back.Line() != a.Line() || len(back.Args) != len(a.Args) {
			rt.Fatalf("%q became %q", a.Line(), back.Line())
		}
	})
	for line, bad := range map[string]bool{
		"disk.space":                     false,
		`disk.space volume="a b" warn=5`: false,
		"disk.space warn=5 volume=/":     true, // not in order
		"disk.space  warn=5":             true,
		`disk.space warn="5"`:            true, // quotes that need not be
		"disk.space warn=5 ":             true,
		"disk.space warn":                true,
		"disk.space warn=5 warn=6":       true,
		"rm -rf /":                       true,
		"disk.space; rm":                 true,
		`disk.space volume="a`:           true,
		"disk.space volume=a\u202eb":     true,
		`disk.space volume="a\u202eb"`:   false,
	} {
		if _, err := Parse(line); (err != nil) != bad {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// FuzzParse: what parses has one form, and its values come back.
func FuzzParse(f *testing.F) {
	f.Add(`disk.space volume="a b" warn=5`)
	f.Add("pg.health")
	f.Fuzz(func(t *testing.T, line string) {
		if a, err := Parse(line); err == nil && a.Line() != line {
			t.Errorf("%q became %q", line, a.Line())
		}
	})
}

const answer = `{"table":{"columns":[{"name":"volume","type":"text"},{"name":"size","type":"bytes"},{"name":"free","type":"percent"}]}}
{"row":["/",1073741824,50]}
{"row":["/data",2199023255552,3.1]}
{"finding":{"severity":"crit","text":"/data has 3.1 % free, under 5 %","value":3.1,"threshold":5,"param":"crit","rows":[1]}}
{"edge":{"kind":"runs_on","from":"/data","to":"sdb","row":1}}
{"end":{"verdict":"finding","rows":2}}
`

func TestResult(t *testing.T) {
	var r Result
	for _, b := range []byte(answer) {
		r.Add([]byte{b})
	}
	if r.Bad != 0 || len(r.Tables) != 1 || len(r.Tables[0].Rows) != 2 || len(r.Findings) != 1 || len(r.Edges) != 1 || r.End == nil {
		t.Fatalf("%+v", r)
	}
	table, rows := r.Proof(r.Findings[0])
	if len(rows) != 1 || table.Columns[1].Cell(rows[0][1]) != "2 TiB" || r.Verdict() != "1 finding" {
		t.Errorf("%v %v", rows, r.Verdict())
	}
}

// What an endpoint sends is data from outside: what does not fit is counted.
func TestResultOfAnything(t *testing.T) {
	head := strings.SplitAfter(answer, "\n")[0]
	for _, bad := range []string{
		`{"row":["/",1,2]}` + "\n",                                      // before its table
		head + `{"row":["/",1]}` + "\n",                                 // too short
		head + `{"row":["/","1",2]}` + "\n",                             // of another type
		head + `{"row":["/",1.5,2]}` + "\n",                             // no whole number
		head + `{"row":[{"a":1},1,2]}` + "\n",                           // no cell
		head + head,                                                     // a table twice
		`{"finding":{"severity":"bad","text":"x"}}` + "\n",              // no severity
		`{"finding":{"severity":"warn","text":"x","value":[1]}}` + "\n", // no value
		"\n", "x\n", "[]\n", `{"end":{}} {"end":{}}` + "\n", // not one line of ours
		`{"end":{"verdict":"ok"}}` + "\n" + head,                            // after the end
		strings.Repeat("x", MaxLine+1) + "\n",                               // too long
		`{"table":{"columns":[{"name":"\u001b[2J","type":"text"}]}}` + "\n", // a name that is none
	} {
		var r Result
		r.Add([]byte(bad))
		if r.Bad != 1 {
			t.Errorf("%.80q: %d bad lines", bad, r.Bad)
		}
	}
}

func TestPrinter(t *testing.T) {
	var p Printer
	var out []byte
	for line := range strings.Lines(answer) {
		out = p.Append(out, []byte(line))
	}
	want := `VOLUME   SIZE   FREE
/       1 GiB   50 %
/data   2 TiB  3.1 %
crit: /data has 3.1 % free, under 5 %
1 finding
`
	if string(out) != want {
		t.Errorf("printed\n%s", out)
	}
}

// A live table shows each row as it comes, and nothing of an endpoint is raw.
func TestPrinterLive(t *testing.T) {
	var p Printer
	out := p.Append(nil, []byte(`{"table":{"name":"log","live":true,"columns":[{"name":"message","type":"text"}]}}`+"\n"))
	out = p.Append(out, []byte(`{"row":["one\u001b[31m\nwarn: no"]}`+"\n"))
	if s := string(out); strings.ContainsAny(s, "\x1b") || strings.Count(s, "\n") != 3 || !strings.HasPrefix(s, "LOG\nMESSAGE\n") {
		t.Errorf("%q", s)
	}
}

func TestCell(t *testing.T) {
	for want, c := range map[string]struct {
		col Column
		v   any
	}{
		"-":                   {Column{Type: Int}, nil},
		"12 ms":               {Column{Type: Duration}, json.Number("0.012")},
		"3 d":                 {Column{Type: Duration}, json.Number("259200")},
		"0 B":                 {Column{Type: Bytes}, json.Number("0")},
		"1.5 KiB":             {Column{Type: Bytes}, json.Number("1536")},
		"99.5 %":              {Column{Type: Percent}, json.Number("99.48")},
		"7 req/s":             {Column{Type: Int, Unit: "req/s"}, json.Number("7")},
		"2026-11-24 16:00:00": {Column{Type: Time}, "2026-11-24T16:00:00.5Z"},
		"yes":                 {Column{Type: Bool}, true},
	} {
		if got := c.col.Cell(c.v); got != want {
			t.Errorf("%v is %q, not %q", c.v, got, want)
		}
	}
}

// FuzzResult: no bytes break the fold or what is printed of it.
func FuzzResult(f *testing.F) {
	f.Add([]byte(answer))
	f.Add([]byte(`{"row":[1e999]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Printer
		out := p.Flush(p.Append(nil, data))
		for _, r := range string(out) {
			if r < ' ' && r != '\n' || r == 0x7f {
				t.Fatalf("printed %q", out)
			}
		}
	})
}
