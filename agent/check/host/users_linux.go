package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/caisey/caisey/agent/check"
	pshost "github.com/shirou/gopsutil/v4/host"
)

// sessions returns who is logged in: from utmp; where there is none, as on newer
// systems, from logind.
func (s system) sessions(ctx context.Context, out *check.Out) ([]session, error) {
	data, err := os.ReadFile(s.path("run/utmp"))
	if os.IsNotExist(err) {
		return s.logind(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read logins: %w", err)
	}
	var all []session
	for _, l := range parseUtmp(data) {
		// A process that is gone without a word has left its record.
		if l.kind != userProcess || !s.runs(l.pid) {
			continue
		}
		e := session{user: l.user, name: l.line, state: "active", from: l.host, since: l.at, idle: s.idle(l.line)}
		out.Raw(fmt.Appendf(nil, "%s %s %s %d %s\n", l.user, l.line, l.host, l.pid, l.at.UTC().Format(time.RFC3339)))
		all = append(all, e)
	}
	return all, nil
}

func (s system) runs(pid int32) bool {
	_, err := os.Stat(s.path(fmt.Sprintf("proc/%d", pid)))
	return err == nil
}

// idle returns for how long nobody has typed on the terminal.
func (s system) idle(line string) *time.Duration {
	if strings.Contains(line, "..") {
		return nil
	}
	info, err := os.Stat(filepath.Join(s.path("dev"), line))
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	d := max(0, time.Since(time.Unix(st.Atim.Unix())))
	return &d
}

func (s system) logind(ctx context.Context) ([]session, error) {
	if s.root != "" {
		return nil, check.Unknown("this machine keeps no list of logins: there is no %s", s.path("run/utmp"))
	}
	users, err := pshost.UsersWithContext(ctx)
	if err != nil {
		return nil, check.Unknown("this machine keeps no list of logins: there is neither /run/utmp nor logind")
	}
	all := make([]session, 0, len(users))
	for _, u := range users {
		all = append(all, session{user: u.User, name: u.Terminal, state: "active", from: u.Host, since: time.Unix(int64(u.Started), 0)})
	}
	return all, nil
}
