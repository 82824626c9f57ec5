package relay

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A webhook's URL may be a secret: what fails does not repeat it.
func TestWebhookURLIsNotRepeated(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1/services/SECRET", "http://127.0.0.1/%zzSECRET"} {
		err := newWebhook(url).send(t.Context(), http.DefaultClient, notice{})
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v", err)
		}
	}
}

// A webhook hears of a step that waits, not of what it is, and nobody waits for it.
func TestWebhook(t *testing.T) {
	heard := make(chan map[string]any, 1)
	slow := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n map[string]any
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		heard <- n
		<-slow
	}))
	defer srv.Close()
	defer close(slow)
	w, people, session, link := gatedWorld(t, Config{Webhook: srv.URL})
	step, _ := w.run(people["ana"], session, "the-secret-command")
	n := <-heard
	if n["step"] != string(step) || n["client"] != "acme" || n["name"] != "db01" || n["by"] != "ana" || n["need"] != 1.0 {
		t.Errorf("told %v", n)
	}
	for _, v := range n {
		if v == "the-secret-command" {
			t.Error("the command left the relay")
		}
	}
	for range 2 * webhookQueue { // it does not answer: what is too much is dropped
		w.run(people["ana"], session, "true")
	}
	a := w.waits(people["bo"])
	w.do(people["bo"], console.Approve{Session: session, Step: a[0].Step, Digest: a[0].Digest})
	(<-link.calls).say(Started{PID: 1}, exitOK(""))
	w.await(people["ana"], session, step)
}

// A session with many steps that wait leaves room for the others.
func TestWebhookIsFair(t *testing.T) {
	h := newWebhook("http://127.0.0.1:1")
	tell := func(id sessionlog.SessionID) bool {
		return h.tell(&step{session: &session{info: sessionlog.Opened{Session: id}}, gate: &gate{}})
	}
	for range 2 * webhookQueue {
		tell("S1")
	}
	if len(h.queue) != webhookShare || !tell("S2") {
		t.Errorf("%d notices of one session wait", len(h.queue))
	}
	h.taken((<-h.queue).Session)
	if !tell("S1") || tell("S1") {
		t.Error("one that is sent makes room for one")
	}
	for range webhookShare + 1 {
		h.taken((<-h.queue).Session)
	}
	if len(h.queued) != 0 {
		t.Errorf("still counted: %v", h.queued)
	}
}
