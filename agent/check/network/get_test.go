package network

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

func TestGet(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "sesame"})
		_, _ = io.WriteString(w, "<html><TITLE>\n Hello "+r.Host+" </TITLE></html>")
	})
	mux.Handle("/old", http.RedirectHandler("/", http.StatusMovedPermanently))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s := httptest.NewServer(mux)
	defer s.Close()

	a := checktest.Ask(t, get(), "url", s.URL+"/old", "host", "shop.test")
	a.Fine(t)
	if code := a.Column(t, "", "code"); !slices.Equal(code, []string{"301", "200"}) {
		t.Errorf("codes %v", code)
	}
	if title := a.Column(t, "", "title")[1]; title != "Hello shop.test" {
		t.Errorf("title %q", title)
	}
	if strings.Contains(string(a.Raw), "sesame") {
		t.Error("a cookie is in the raw evidence")
	}
	if f := checktest.Ask(t, get(), "url", s.URL+"/sick").Finding(t, "crit"); !strings.Contains(f.Text, "answers 503") {
		t.Errorf("503: %s", f.Text)
	}
	checktest.Ask(t, get(), "url", s.URL, "slow", "1ns").Finding(t, "slow")
	if f := checktest.Ask(t, get(), "url", s.URL+"/loop").Finding(t, "crit"); !strings.Contains(f.Text, "more than 10 times") {
		t.Errorf("loop: %s", f.Text)
	}
	for _, url := range []string{"ftp://a/", "http://me:secret@a/"} {
		checktest.Ask(t, get(), "url", url).CannotTell(t)
	}
	safe := httptest.NewTLSServer(mux)
	defer safe.Close()
	if f := checktest.Ask(t, get(), "url", safe.URL).Finding(t, "crit"); !strings.Contains(f.Text, "unknown authority") {
		t.Errorf("certificate: %s", f.Text)
	}
	checktest.Ask(t, get(), "url", safe.URL, "insecure", "yes").Fine(t)
}
