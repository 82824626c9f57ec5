package relay

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
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
