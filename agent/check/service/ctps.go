//go:build unix

package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// containers declares ct.ps. Sockets are where an engine may listen; if nil, the usual
// ones.
func containers(sockets []string) check.Check {
	if sockets == nil {
		sockets = []string{"/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"}
	}
	return check.Check{
		Spec: check.Spec{
			Name:    "ct.ps",
			Summary: "containers, how they ended and how often they were started again",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "socket", Summary: "the engine's socket; the usual ones if not given", Type: shape.APath},
				{Name: "restarts", Summary: "restarts of a container that are too many", Type: shape.AnInt, Default: "3", Min: 1, Max: 1e6, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "name", Type: shape.Text},
				{Name: "image", Type: shape.Text},
				{Name: "state", Type: shape.Text},
				{Name: "health", Type: shape.Text},
				{Name: "exit", Type: shape.Int},
				{Name: "oom", Type: shape.Bool},
				{Name: "restarts", Type: shape.Int},
				{Name: "started", Type: shape.Time},
				{Name: "finished", Type: shape.Time},
			}}},
			Timeout: 30,
			MaxRows: 1000,
			Source:  "Docker's HTTP API on its socket, which Podman speaks too; containerd alone has another and is not asked",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			at := sockets
			if in.Has("socket") {
				at = []string{in.Text("socket")}
			}
			return listContainers(ctx, at, in.Int("restarts"), out)
		},
	}
}

// A listed is what the engine's list says of a container, without the command and the
// labels: people put secrets there.
type listed struct {
	ID      string `json:"Id"`
	Names   []string
	Image   string
	State   string
	Status  string
	Created json.RawMessage
}

// An inspected is what the engine says of one container.
type inspected struct {
	Name         string
	RestartCount int
	State        struct {
		Status, Error         string
		OOMKilled             bool
		ExitCode              int
		StartedAt, FinishedAt time.Time
		Health                *struct{ Status string }
	}
}

// maxInspected is how many containers are asked about one by one.
const maxInspected = 500

func listContainers(ctx context.Context, sockets []string, most int, out *check.Out) error {
	e, err := findEngine(sockets)
	if err != nil {
		return err
	}
	defer e.close()
	var list []listed
	if err := e.get(ctx, "/containers/json?all=1", &list); err != nil {
		return err
	}
	for i, l := range list {
		var c inspected
		if i < maxInspected {
			err := e.get(ctx, "/containers/"+l.ID+"/json", &c)
			switch {
			case errors.Is(err, errGone):
				continue
			case err != nil:
				return err
			}
		}
		if raw, err := json.Marshal(l); err == nil {
			out.Raw(append(raw, '\n'))
		}
		tellContainer(out, l, c, most)
	}
	return nil
}

func tellContainer(out *check.Out, l listed, c inspected, most int) {
	s := c.State
	name := l.ID[:min(12, len(l.ID))]
	if len(l.Names) > 0 {
		name = strings.TrimPrefix(l.Names[0], "/")
	}
	var exit, health any
	ended := l.State == "exited" || l.State == "dead"
	if ended || l.State == "restarting" {
		exit = s.ExitCode
	}
	if s.Health != nil && s.Health.Status != "none" {
		health = s.Health.Status
	}
	if s.FinishedAt.Year() <= 1 {
		s.FinishedAt = time.Time{}
	}
	row := []int{out.Row(name, l.Image, l.State, health, exit, s.OOMKilled, c.RestartCount, s.StartedAt, s.FinishedAt)}
	find := func(sev shape.Severity, value any, format string, args ...any) {
		out.Find(check.Finding{Severity: sev, Value: value, Rows: row, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case s.OOMKilled:
		find(check.Crit, s.ExitCode, "%s was killed for want of memory", name)
	case ended && s.ExitCode != 0:
		find(check.Crit, s.ExitCode, "%s ended with %d", name, s.ExitCode)
	case l.State == "restarting" || l.State == "dead":
		find(check.Crit, l.State, "%s is %s", name, l.State)
	case health == "unhealthy":
		find(check.Crit, health, "%s runs and is unhealthy", name)
	}
	if c.RestartCount >= most {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "restarts", Value: c.RestartCount, Threshold: most, Rows: row,
			Text: fmt.Sprintf("%s was started again %d times", name, c.RestartCount),
		})
	}
}

// findEngine returns the engine at the first socket that is there.
func findEngine(sockets []string) (*engine, error) {
	for _, path := range sockets {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("find the container engine: %w", err)
		case info.Mode().Type() != fs.ModeSocket:
			return nil, check.Unknown("%s is not a socket", path)
		default:
			return newEngine(path), nil
		}
	}
	return nil, check.Unknown("no container engine has a socket at %s", strings.Join(sockets, ", "))
}
