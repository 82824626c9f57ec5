package host

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/journal"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// bootHistory declares boot.history.
func bootHistory(s system) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "boot.history",
			Summary: "when the machine started, and how it had ended before",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "days", Summary: "how far back", Type: shape.AnInt, Default: "30", Min: 1, Max: 3650},
				{Name: "unclean", Summary: "age of an unclean end under which it warns", Type: shape.ADuration, Default: "48h", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "time", Type: shape.Time},
				{Name: "kind", Type: shape.Text}, // how it had ended before: clean, crash, unclean
				{Name: "ended", Type: shape.Time},
				{Name: "who", Type: shape.Text},
				{Name: "reason", Type: shape.Text},
				{Name: "source", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 200,
			Source:  "journalctl --list-boots -o json and the last records of each boot; wtmp where there is no journal; pstore for crashes",
		},
		Run: s.boots,
	}
}

// A boot is a start of the machine, and the end before it.
type boot struct {
	at, ended time.Time
	// kind is how it had ended: clean, crash (the kernel left a dump), unclean (a loss
	// of power, a reset, a hang), or empty if that is not known.
	kind, who, reason, source string
}

func (s system) boots(ctx context.Context, in check.Input, out *check.Out) error {
	since := time.Now().AddDate(0, 0, -in.Int("days"))
	var all []boot
	var err error
	if s.journal.Kept() {
		all, err = s.journalBoots(ctx, out, since)
	}
	if len(all) < 2 { // a journal that is not kept over boots knows only this one
		if older, wtmpErr := s.wtmpBoots(out); len(older) > len(all) {
			all, err = older, nil
		} else if len(all) == 0 && err == nil {
			err = wtmpErr
		}
	}
	dumps := s.dumps()
	for _, b := range all {
		if b.at.Before(since) {
			continue
		}
		if b.kind == "unclean" && slices.ContainsFunc(dumps, func(d time.Time) bool {
			return d.After(b.ended.Add(-time.Minute)) && d.Before(b.at.Add(10*time.Minute))
		}) {
			b.kind, b.reason = "crash", "the kernel left a dump"
		}
		b.tell(in, out)
	}
	return err
}

func (b boot) tell(in check.Input, out *check.Out) {
	row := out.Row(b.at, text(b.kind), b.ended, text(b.who), text(b.reason), b.source)
	age := in.Duration("unclean")
	if (b.kind != "unclean" && b.kind != "crash") || time.Since(b.at) > age {
		return
	}
	how := "without being shut down"
	if b.kind == "crash" {
		how = "by a crash of the kernel"
	}
	out.Find(check.Finding{
		Severity: check.Warn, Param: "unclean", Value: time.Since(b.at).Seconds(), Threshold: in.Text("unclean"), Rows: []int{row},
		Text: fmt.Sprintf("the machine ended %s, and started %v ago, under %v", how, time.Since(b.at).Round(time.Minute), age),
	})
}

// maxBoots is of how many boots the last records are read: each is a run of journalctl.
const maxBoots = 20

// The IDs of the records that tell of an end in order: the journal was stopped, and
// the machine was told to shut down, by whom.
const (
	journalStopped = "d93fb3c9c24d451a97cea615ce59c00b"
	shuttingDown   = "98268866d1d54a499c4e98921d93bc40"
)

// A listed is a boot as journalctl --list-boots has it.
type listed struct {
	ID    string `json:"boot_id"`
	First int64  `json:"first_entry"`
	Last  int64  `json:"last_entry"`
}

func parseBoots(text []byte) ([]listed, error) {
	var all []listed
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read the journal's boots: %w", err)
	}
	for _, b := range all {
		if strings.Trim(b.ID, "0123456789abcdef") != "" || len(b.ID) != 32 {
			return nil, fmt.Errorf("read the journal's boots: %q is no boot", b.ID)
		}
	}
	return all, nil
}

func (s system) journalBoots(ctx context.Context, out *check.Out, since time.Time) ([]boot, error) {
	data, err := s.journal.Run(ctx, out, "--list-boots")
	if err != nil {
		return nil, err
	}
	all, err := parseBoots(data)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b listed) int { return int(min(1, max(-1, a.First-b.First))) })
	boots := make([]boot, 0, len(all))
	for i, b := range all {
		e := boot{at: time.UnixMicro(b.First), source: "journal"}
		if i > 0 && e.at.After(since) && len(all)-i <= maxBoots {
			e.ended = time.UnixMicro(all[i-1].Last)
			if err := s.end(ctx, &e, all[i-1].ID); err != nil {
				return boots, err
			}
		}
		boots = append(boots, e)
	}
	return boots, nil
}

// end looks at the last records of a boot.
func (s system) end(ctx context.Context, b *boot, id string) error {
	data, err := s.journal.Run(ctx, nil, "-a", "-b", id, "-n", "200", "-r")
	if err != nil {
		return err
	}
	last, err := journal.Parse(data)
	b.kind = "unclean"
	for _, e := range last {
		switch e.ID {
		case journalStopped:
			b.kind = "clean"
		case shuttingDown:
			b.kind, b.reason, b.who = "clean", e.Message, e.Source
		}
	}
	return err
}

// wtmpBoots reads starts and shutdowns that are noted in wtmp.
func (s system) wtmpBoots(out *check.Out) ([]boot, error) {
	name := s.path("var/log/wtmp")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, check.Unknown("this machine keeps no journal over boots, and %s cannot be read", name)
	}
	all := bootsOf(parseUtmp(data))
	if len(all) == 0 {
		return nil, check.Unknown("this machine keeps no journal over boots, and %s notes no start", name)
	}
	for _, b := range all {
		out.Raw(fmt.Appendf(nil, "boot %s after %s\n", b.at.UTC().Format(time.RFC3339), b.kind))
	}
	return all, nil
}

// bootsOf finds starts. One that no shutdown comes before was unclean; of the first
// that is not known.
func bootsOf(records []login) []boot {
	var all []boot
	var last time.Time
	clean := false
	for _, r := range records {
		switch {
		case r.kind == bootTime:
			b := boot{at: r.at, source: "wtmp"}
			if len(all) > 0 || clean {
				b.kind, b.ended = "unclean", last
			}
			if clean {
				b.kind = "clean"
			}
			all, clean = append(all, b), false
		case r.kind == runLevel && r.user == "shutdown":
			clean = true
		}
		last = r.at
	}
	return all
}

// dumps returns when kernels left dumps.
func (s system) dumps() []time.Time {
	var all []time.Time
	for _, dir := range []string{"sys/fs/pstore", "var/lib/systemd/pstore", "var/crash"} {
		entries, _ := os.ReadDir(s.path(dir))
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				all = append(all, info.ModTime())
			}
		}
	}
	return all
}
