package verb

import (
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
)

var outages = []console.Incident{
	{ID: "01BBB", Title: "db\x1b[2J down", Client: "acme", Lead: "bo", Opened: start, People: []string{"ana", "bo"}},
	{ID: "01BBC", Title: "mail", Client: "acme", Lead: "ana", Opened: start, Closed: start.Add(time.Hour), People: []string{"ana"}},
}

func TestIncidentVerbs(t *testing.T) {
	for line, want := range map[string]console.Intent{
		"incident open db is down --client acme": console.OpenIncident{Title: "db is down", Client: "acme"},
		"incident join 01bbb":                    console.JoinIncident{Incident: "01BBB"},
		"incident close 01BBC":                   console.CloseIncident{Incident: "01BBC"},
	} {
		w := newWorld(t)
		w.incidents = outages
		if got := w.say(t, line); got.code != 0 || len(w.intents) != 1 || w.intents[0] != want {
			t.Errorf("%s: %+v asks for %+v", line, got, w.intents)
		}
	}
	for line, want := range map[string]string{
		"incident join 01B":                "more than one incident",
		"incident join 02":                 "no incident",
		"incident show ''":                 "no incident",
		"incident open --client acme":      "TITLE",
		"incident open down":               "--client",
		"sessions --incident 02":           "no incident",
		"search x --incident 01B":          "more than one incident",
		"incident close 01BBB and another": "unexpected argument",
	} {
		w := newWorld(t)
		w.incidents = outages
		if got := w.say(t, line); got.code != ExitUsage || !strings.Contains(strings.ToUpper(got.err), strings.ToUpper(want)) || len(w.intents) != 0 {
			t.Errorf("%s: %+v", line, got)
		}
	}
	w := newWorld(t)
	if got := w.say(t, "incident ls"); got.code != 0 || !strings.Contains(got.err, "no incident") {
		t.Errorf("%+v", got)
	}
	w.incidents = outages
	list, show := w.say(t, "incident ls").out, w.say(t, "incident show 01BBB").out
	if strings.Contains(list+show, "\x1b") || strings.Count(list, "\n") != 2 || !strings.Contains(list, "closed") {
		t.Errorf("%s\n%s", list, show)
	}
	for _, want := range []string{"lead      bo\n", "closed    -\n", "people    ana, bo\n", "sessions  0\n"} {
		if !strings.Contains(show, want) {
			t.Errorf("no %q in\n%s", want, show)
		}
	}
	if got := w.say(t, "incident ls --json").out; !strings.Contains(got, `"id":"01BBC"`) || strings.Count(got, `"closed"`) != 1 || !strings.Contains(got, `"people":["ana","bo"]`) {
		t.Errorf("%s", got)
	}
}
