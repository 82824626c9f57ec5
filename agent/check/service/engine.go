//go:build unix

package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/caisey/caisey/agent/check"
)

// An engine runs containers and is asked over HTTP on a socket.
type engine struct {
	path      string
	client    http.Client
	transport *http.Transport
}

func newEngine(path string) *engine {
	e := &engine{path: path, transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	e.client.Transport = e.transport
	return e
}

func (e *engine) close() { e.transport.CloseIdleConnections() }

// errGone says that the container is not there any more.
var errGone = errors.New("the container is gone")

// maxAnswer is the most bytes of an engine's answer.
const maxAnswer = 8 << 20

// get asks for the path and decodes the answer into v.
func (e *engine) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine"+path, nil)
	if err != nil {
		return fmt.Errorf("ask the container engine: %w", err)
	}
	resp, err := e.client.Do(req)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return check.Unknown("the agent may not speak to %s: put its user into the group that owns the socket", e.path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return check.Unknown("no container engine listens at %s", e.path)
	case err != nil:
		return fmt.Errorf("ask the container engine: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return errGone
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("ask the container engine: it answers %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
		return fmt.Errorf("read the container engine's answer: %w", err)
	}
	return nil
}
