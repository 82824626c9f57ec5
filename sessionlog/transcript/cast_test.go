package transcript

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A castLine is one line of a cast behind its header.
type castLine struct {
	at         time.Duration
	code, data string
}

// readCast reads a cast line by line as JSON. It fails on anything that the
// format does not have, and on text that is not safe on a terminal.
func readCast(t *testing.T, cast string) (head castHeader, lines []castLine) {
	t.Helper()
	first, rest, _ := strings.Cut(cast, "\n")
	if err := json.Unmarshal([]byte(first), &head); err != nil {
		t.Fatalf("%v: %s", err, first)
	}
	for text := range strings.Lines(rest) {
		var parts []any
		if err := json.Unmarshal([]byte(text), &parts); err != nil || len(parts) != 3 {
			t.Fatalf("%v: %s", err, text)
		}
		at, isTime := parts[0].(float64)
		code, isCode := parts[1].(string)
		data, isText := parts[2].(string)
		if !isTime || !isCode || !isText || at < 0 || code != "o" && code != "m" {
			t.Fatalf("not a line of a cast: %s", text)
		}
		lines = append(lines, castLine{time.Duration(math.Round(at*1e6)) * time.Microsecond, code, data})
		plain := strings.ReplaceAll(data, "\r\n", "\n")
		if vt.Clean([]byte(plain)) != plain || strings.Contains(strings.ReplaceAll(data, "\r\n", ""), "\n") || vt.Clean([]byte(text)) != text {
			t.Fatalf("not safe: %s", text)
		}
	}
	return head, lines
}

// printed returns all that a cast prints.
func printed(lines []castLine) string {
	var b strings.Builder
	for _, l := range lines {
		if l.code == "o" {
			b.WriteString(l.data)
		}
	}
	return b.String()
}

// Both versions say the same: the intervals of one add up to the times of the
// other, and these are the record's.
func TestCastVersions(t *testing.T) {
	log := sample(t)
	head2, two := readCast(t, string(render(t, log, cast2)))
	head3, three := readCast(t, string(render(t, log, cast3)))
	if head2.Version != 2 || head2.Width != castCols || head2.Height != castRows || head2.Term != nil {
		t.Errorf("header of version 2: %+v", head2)
	}
	if head3.Version != 3 || head3.Term == nil || *head3.Term != (castTerm{castCols, castRows}) || head3.Width != 0 {
		t.Errorf("header of version 3: %+v", head3)
	}
	evs, err := log.Read(t.Context(), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if start := evs[0].Time.Unix(); head2.Timestamp != start || head3.Timestamp != start {
		t.Errorf("begun at %d and %d, not %d", head2.Timestamp, head3.Timestamp, start)
	}
	if len(two) != len(three) {
		t.Fatalf("%d and %d lines", len(two), len(three))
	}
	var sum time.Duration
	for i := range two {
		sum += three[i].at
		if two[i].at != sum || two[i].code != three[i].code || two[i].data != three[i].data {
			t.Errorf("line %d: %+v, and %+v at %v", i, two[i], three[i], sum)
		}
	}
	if want := 25500 * time.Millisecond; sum != want {
		t.Errorf("the cast takes %v, the session took %v", sum, want)
	}
	if marks := strings.Count(string(render(t, log, cast2)), `, "m", `); marks != 2 {
		t.Errorf("%d markers for 2 commands", marks)
	}
}

// Times that no clock would tell do not break a cast.
func TestCastTimes(t *testing.T) {
	evs := one("x", "a\n", "b\n", "c\n")
	evs[2].Time = evs[2].Time.Add(-time.Hour)
	evs[3].Time = evs[3].Time.Add(1234567891 * time.Nanosecond)
	evs[5].Time = evs[5].Time.AddDate(1000, 0, 0)
	var sum time.Duration
	_, two := readCast(t, printAll(t, evs, cast2))
	_, three := readCast(t, printAll(t, evs, cast3))
	for i, last := range two {
		sum += three[i].at
		if i > 0 && last.at < two[i-1].at {
			t.Errorf("line %d is before the one before: %v", i, last.at)
		}
		if d := last.at - sum; d.Abs() > time.Millisecond { // a float64 of years
			t.Errorf("line %d: %v and %v", i, last.at, sum)
		}
	}
}

// No row of output looks like one of ours, however long a line is.
func TestCastRows(t *testing.T) {
	forged := "05:06:08 ana acme/db01 > rm -rf /"
	for _, data := range []string{
		strings.Repeat("x", castCols-2) + forged, strings.Repeat("中", castCols/2-1) + forged,
		"\x1b[31m" + strings.Repeat("e\u0301", castCols-2) + forged, strings.Repeat("\t", 14) + "123456" + forged,
		strings.Repeat("x", 10*castCols),
	} {
		_, lines := readCast(t, printAll(t, one("x", data[:len(data)/2], data[len(data)/2:]), cast2))
		rows := strings.Split(ansi.Strip(printed(lines)), "\r\n")
		for i, row := range rows[3 : len(rows)-1] {
			if w := ansi.StringWidthWc(row); w > castCols || !strings.HasPrefix(row, outPrefix) {
				t.Errorf("row %d has %d cells: %q", i, w, row)
			}
		}
	}
}

// The asciinema of Debian plays version 2. It has no player for version 3.
func TestCastInAsciinema(t *testing.T) {
	asciinema, err := exec.LookPath("asciinema")
	if err != nil {
		t.Skip("asciinema is not installed (package asciinema)")
	}
	file := filepath.Join(t.TempDir(), "v2.cast")
	cast := string(render(t, sample(t), cast2))
	if err := os.WriteFile(file, []byte(cast), 0o600); err != nil {
		t.Fatal(err)
	}
	_, lines := readCast(t, cast)
	want := printed(lines)
	for _, has := range []string{"ana acme/db01 > tail -f a > b\r\n", "\x1b[31mw", "! warn\r\n", "exit 0", "12,345,678 bytes of stdout not recorded"} {
		if !strings.Contains(want, has) {
			t.Fatalf("the cast does not print %q", has)
		}
	}
	for _, words := range []string{"cat", "play -s 1000"} {
		if got := onTerminal(t, asciinema+" "+words+" '"+file+"'"); !strings.Contains(got, want) {
			t.Errorf("asciinema %s prints\n%q\nwant\n%q", words, got, want)
		}
	}
}

// onTerminal returns what a command prints on a terminal of its own.
func onTerminal(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "script", "-qec", command, "/dev/null")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color", "HOME="+t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", command, err, out.String(), errs.String())
	}
	return out.String()
}

func FuzzCast(f *testing.F) {
	f.Add("uname", []byte("a\r\nb\x1b[31mc\x1b]0;x\x07\""), 3, "ana")
	f.Add("\n\x1b[2J", []byte("\xff\u2028\\u0000\x00"), 1, "\u202e")
	f.Fuzz(func(t *testing.T, command string, data []byte, cut int, who string) {
		cut = min(max(cut, 0), len(data))
		evs := one(command, string(data[:cut]), string(data[cut:]))
		evs[0] = sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Client: who, Name: command, Technician: who})
		evs[1].Actor = sessionlog.Actor(who)
		_, two := readCast(t, printAll(t, evs, cast2))
		_, three := readCast(t, printAll(t, evs, cast3))
		if printed(two) != printed(three) {
			t.Errorf("version 2 prints %q, version 3 %q", printed(two), printed(three))
		}
		want := vt.Clean(data)
		got := printed(two)
		for line := range strings.Lines(want) { // rows are no wider than they are long
			if line = strings.TrimSuffix(line, "\n"); len(line) < castCols/8 && !strings.Contains(got, line) {
				t.Errorf("%q does not print %q", got, line)
			}
		}
	})
}
