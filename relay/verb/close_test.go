package verb

import (
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// Closing prints what the session did, on stderr.
func TestClosePrintsTheReceipt(t *testing.T) {
	w := newWorld(t, "acme/db01")
	w.act = func(s *step) {
		switch s.run.Command {
		case "refused":
			s.end(sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: "no"})
		default:
			s.exit(len(s.run.Command) % 2)
		}
	}
	for _, command := range []string{"id", "date", "now", "refused"} {
		w.say(t, "run acme/db01 -- "+command)
	}
	id := string(w.order[0])
	got := w.say(t, "close "+strings.ToLower(id[:24]))
	want := "caisey: closed session " + id + " on acme/db01: 0 reads, 0 probes, 3 shell, 0 changes\n"
	if got.code != ExitOK || got.out != "" || got.err != want {
		t.Errorf("exit %d, stdout %q, stderr %q", got.code, got.out, got.err)
	}
	if w.looks != 0 || w.reads != 0 {
		t.Errorf("%d readers are open, %d events were read whole", w.looks, w.reads)
	}
}

// A session that could not be closed has no receipt.
func TestCloseRefused(t *testing.T) {
	w := newWorld(t, "acme/db01")
	w.open(w.eps[0].ID)
	w.refuse = func(console.Intent) error { return console.Errorf(console.CodeRefused, "ask ana", "it is not yours") }
	got := w.say(t, "close "+string(w.order[0]))
	if got.code != ExitRefused || got.err != "caisey: it is not yours; ask ana\n" || w.looks != 0 {
		t.Errorf("exit %d, %q, %d readers", got.code, got.err, w.looks)
	}
}
