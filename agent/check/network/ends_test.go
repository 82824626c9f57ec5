package network

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
)

// TestEnds: nobody answers, and the asker goes away. Each would wait for half a minute.
func TestEnds(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	heard := func() error {
		_, _, err := udp.ReadFrom(make([]byte, 2048))
		return err
	}
	came := func() error {
		c, err := tcp.Accept()
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	for _, try := range []struct {
		c     check.Check
		args  map[string]string
		until func() error
	}{
		{resolve(), map[string]string{"name": "a.test", "servers": udp.LocalAddr().String(), "timeout": "30s"}, heard},
		{skew(), map[string]string{"peers": udp.LocalAddr().String(), "timeout": "30s"}, heard},
		{remoteTLS(), map[string]string{"target": tcp.Addr().String(), "starttls": "smtp", "timeout": "30s"}, came},
		{remoteTLS(), map[string]string{"target": tcp.Addr().String(), "timeout": "30s"}, came},
		{get(), map[string]string{"url": "http://" + tcp.Addr().String(), "timeout": "60s"}, came},
	} {
		endsWith(t, try.c, try.args, try.until)
	}
}

// endsWith asks, and goes away once until returns.
func endsWith(t *testing.T, c check.Check, args map[string]string, until func() error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	done := make(chan error, 1)
	go func() {
		done <- c.Do(ctx, args, check.Secrets{}, func(sessionlog.Stream, []byte) error { return nil })
	}()
	if err := until(); err != nil {
		t.Fatal(err)
	}
	cancel(gone)
	select {
	case err := <-done:
		if !errors.Is(err, gone) {
			t.Errorf("%s ends with %v", c.Name, err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s goes on", c.Name)
	}
}
