package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// logWatch declares log.watch.
func (m machine) logWatch() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "log.watch",
			Summary: "the machine's log as it is written, until somebody ends it",
			Effect:  sessionlog.EffectRead,
			Params: append(logParams(),
				check.Param{Name: "match", Summary: "a regular expression: a record that it matches is a finding", Type: shape.AText},
			),
			Tables:  []check.Table{{Columns: recordColumns()}},
			Timeout: shape.MaxTimeout,
			MaxRows: shape.MaxRows,
			Source:  "journalctl -f -o json; with path, tail -F of a file, whose lines have no level",
			Live:    true,
		},
		Run: m.watch,
	}
}

// watch tells records until ctx ends, or as many as a table may have.
func (m machine) watch(ctx context.Context, in check.Input, out *check.Out) error {
	match, err := regexp.Compile(in.Text("match"))
	if err != nil {
		return check.Unknown("match is no regular expression: %v", err)
	}
	tell := func(e entry) bool {
		row := out.Row(e.record().row()...)
		if in.Has("match") && row >= 0 && match.MatchString(e.message) {
			out.Find(check.Finding{
				Severity: check.Warn, Param: "match", Threshold: in.Text("match"), Rows: []int{row},
				Text: fmt.Sprintf("%s wrote what %q matches", e.record().source, in.Text("match")),
			})
		}
		return row >= 0
	}
	if in.Has("path") {
		return follow(ctx, out, func(line []byte) bool { return tell(parseLine(string(line), time.Now())) },
			"tail", "-n", "0", "-F", "--", in.Text("path"))
	}
	if err := m.noJournal(); err != nil {
		return err
	}
	args := append(m.args(query{level: journalLevel(in.Text("level")), unit: in.Text("unit")}), "-f", "-n", "0")
	return follow(ctx, out, func(line []byte) bool {
		e, err := parseEntry(line)
		return err != nil || tell(e)
	}, "journalctl", args...)
}

// maxLogLine is the most bytes of a line that a program prints.
const maxLogLine = 1 << 20

// follow runs a program and gives each line that it prints to take, until ctx ends or
// take returns false. An end of ctx is how a watch ends, and no error.
func follow(ctx context.Context, out *check.Out, take func(line []byte) bool, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return check.Unknown("there is no %s on this machine", name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("watch with %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("watch with %s: %w", name, err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, maxLogLine)
	more := true
	for more && lines.Scan() {
		out.Raw(slices.Concat(lines.Bytes(), []byte{'\n'}))
		more = take(lines.Bytes())
	}
	ended := ctx.Err() != nil
	cancel()
	_, _ = io.Copy(io.Discard, stdout) // until the program has let go of it
	err = errors.Join(lines.Err(), cmd.Wait())
	if ended || !more {
		return nil
	}
	return fmt.Errorf("watch with %s: it ended by itself: %w", name, err)
}
