package tui

import (
	"strings"
	"testing"
)

func TestKeyTable(t *testing.T) {
	seen := map[string]string{}
	for _, b := range keyTable() {
		if b.keys == "" || b.show == "" || b.help == "" || b.do == nil {
			t.Errorf("%s %q is not complete", b.mode, b.keys)
		}
		for _, key := range strings.Fields(b.keys) {
			id := b.mode.String() + " " + key
			if other, ok := seen[id]; ok {
				t.Errorf("%s is both %q and %q", id, other, b.help)
			}
			seen[id] = b.help
			for _, taken := range []string{"ctrl+b", "ctrl+a", "ctrl+g", "ctrl+o", "ctrl+p", "ctrl+t", "ctrl+n", "ctrl+s", "ctrl+q", "ctrl+z"} {
				if key == taken {
					t.Errorf("%s belongs to a multiplexer or a shell", id)
				}
			}
		}
	}
}

func TestEscChangesNothingOnAnEndpoint(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	s, _ := command(term, w, "long")
	before := s.log.Head()
	term.keys("z")
	term.see("ZOOM")
	term.keys("\x1b")
	term.lose("ZOOM")
	term.keys("ihalf typed")
	term.see("> half typed")
	term.keys("\x1b")
	term.see("NORMAL", "> half typed", "RUNNING")
	if s.log.Head() != before {
		t.Error("Esc was recorded")
	}
}

func TestHelp(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	_ = w
	term.keys("?")
	term.see("CAISEY keys", "workspace", "this pane alone, and back")
	term.keys("jjk\x04\x04\x04")
	term.see("go to the recordings of all endpoints", "everywhere")
	term.keys("\x15\x15\x15\x15")
	term.see("type a command in this pane")
	term.keys("q")
	term.see("CAISEY workspace")
	term.keys("gf?")
	term.see("CAISEY keys", "fleet", "open without leaving the fleet")
	term.keys("\x1b")
	term.see("CAISEY fleet")
}

func TestPrefixIsShown(t *testing.T) {
	term := start(t, 80, 24, Config{Backend: newWorld(t, "db01")})
	term.see("acme/db01")
	term.keys("g")
	term.see("g: f fleet")
	term.keys("\x1b")
	term.lose("g: f fleet")
}

func TestASCIIAndNoColor(t *testing.T) {
	world := newWorld(t, "db01", "db02")
	s := world.open(world.eps[0].ID, "ana")
	term := start(t, 120, 24, Config{Backend: world, Open: []string{"*"}, ASCII: true, NoColor: true})
	s.add(t, noteEvent("\x1b[31mred\x1b[m"))
	term.see("= 1 acme/db01", "note: red")
	term.keys("gf")
	term.see("CAISEY fleet")
	term.keys("gr")
	term.see("LIVE")
	term.keys("p")
	term.see("REPLAY")
	term.prog.Quit()
	term.ended()
	raw := term.raw.String()
	for _, r := range raw {
		if r > 0x7e {
			t.Fatalf("%q is not ASCII", r)
		}
	}
	for _, colour := range []string{"[31m", "[36m", "[92m", "[91m", "[90m", ";91m", ";96m", ";36m"} {
		if strings.Contains(raw, colour) {
			t.Errorf("colour %q with NoColor", colour)
		}
	}
}
