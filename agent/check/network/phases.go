package network

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// phases are how long the parts of a request took; those that did not happen are 0.
type phases struct {
	ip                             string
	dns, connect, tls, wait, total time.Duration
}

// A tracer measures the phases of one request.
type tracer struct {
	mu    sync.Mutex // guards what follows: a second address may be tried to the end
	since time.Time
	phases
}

func (t *tracer) part(d *time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	*d += now.Sub(t.since)
	t.since = now
}

// measured returns the phases so far.
func (t *tracer) measured() phases {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phases
}

// traced returns a context of the request to measure.
func (t *tracer) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { t.part(&t.dns) },
		ConnectDone: func(_, addr string, err error) {
			t.part(&t.connect)
			if err == nil {
				t.mu.Lock()
				t.ip, _, _ = net.SplitHostPort(addr)
				t.mu.Unlock()
			}
		},
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.part(&t.tls) },
		GotFirstResponseByte: func() { t.part(&t.wait) },
	})
}

// ms returns a duration as a cell; nil if there was none.
func ms(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return float64(d) / float64(time.Millisecond)
}

// hostOf returns HOST:PORT of a url.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
