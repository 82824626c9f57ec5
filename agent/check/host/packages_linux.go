package host

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// An update is a package that was installed, changed or removed.
type update struct {
	at                     time.Time
	name, action, from, to string
	source                 string
}

// maxLog is the most bytes of a package log that are read.
const maxLog = 16 << 20

// updates returns what was done to packages since then, the newest first.
func (s system) updates(ctx context.Context, out *check.Out, since time.Time) ([]update, error) {
	files, _ := filepath.Glob(s.path("var/log/dpkg.log*"))
	var all []update
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || info.ModTime().Before(since) || ctx.Err() != nil {
			continue
		}
		data, err := readLog(name)
		if err != nil {
			return all, fmt.Errorf("read %s: %w", name, err)
		}
		out.Raw(data[max(0, len(data)-64<<10):])
		all = append(all, parseDpkg(data, time.Local, since)...)
	}
	if len(files) == 0 {
		if s.root != "" {
			return nil, check.Unknown("there is neither a log of dpkg nor a database of rpm")
		}
		data, err := check.Tool(ctx, out, "rpm", "-qa", "--queryformat", `%{INSTALLTIME} %{NAME} %{EVR}\n`)
		var unknown *check.UnknownError
		if errors.As(err, &unknown) {
			return nil, check.Unknown("there is neither a log of dpkg nor a database of rpm")
		}
		if err != nil {
			return nil, err
		}
		all = parseRPM(data, since)
	}
	slices.SortStableFunc(all, func(a, b update) int { return b.at.Compare(a.at) })
	return all, ctx.Err()
}

func readLog(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(r, maxLog))
}

// parseDpkg reads dpkg's log, whose times are the machine's local ones:
// "2026-11-24 16:47:14 upgrade NAME:ARCH OLD NEW".
func parseDpkg(data []byte, zone *time.Location, since time.Time) []update {
	var all []update
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) != 6 || !slices.Contains([]string{"install", "upgrade", "remove", "purge"}, f[2]) {
			continue
		}
		at, err := time.ParseInLocation(time.DateTime, f[0]+" "+f[1], zone)
		if err != nil || at.Before(since) {
			continue
		}
		all = append(all, update{at: at, action: f[2], name: f[3], from: version(f[4]), to: version(f[5]), source: "dpkg"})
	}
	return all
}

// version returns a version; empty for <none>.
func version(s string) string {
	if s == "<none>" {
		return ""
	}
	return s
}

// parseRPM reads lines of seconds, name and version.
func parseRPM(data []byte, since time.Time) []update {
	var all []update
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) != 3 {
			continue
		}
		secs, err := strconv.ParseInt(f[0], 10, 48)
		if at := time.Unix(secs, 0); err == nil && !at.Before(since) {
			all = append(all, update{at: at, action: "install", name: f[1], to: f[2], source: "rpm"})
		}
	}
	return all
}

// broken returns the packages that dpkg has not brought to an end, with their state.
func (s system) broken() ([]update, error) {
	data, err := os.ReadFile(s.path("var/lib/dpkg/status"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read dpkg's status: %w", err)
	}
	return parseStatus(data), nil
}

// parseStatus reads dpkg's status file: "Status: WANT FLAG STATE" under "Package: NAME".
func parseStatus(data []byte) []update {
	var all []update
	name := ""
	for line := range bytes.Lines(data) {
		if after, ok := bytes.CutPrefix(line, []byte("Package: ")); ok {
			name = string(bytes.TrimSpace(after))
		}
		after, ok := bytes.CutPrefix(line, []byte("Status: "))
		if !ok {
			continue
		}
		f := strings.Fields(string(after))
		if len(f) == 3 && (f[1] != "ok" || slices.Contains([]string{"half-installed", "half-configured", "unpacked", "triggers-awaited"}, f[2])) {
			all = append(all, update{name: name, action: f[2], source: "dpkg"})
		}
	}
	return all
}
