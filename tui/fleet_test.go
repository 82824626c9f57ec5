package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
)

var sizes = [][2]int{{60, 20}, {80, 24}, {120, 40}, {200, 60}}

func TestFleetShowsAndFilters(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w := newWorld(t, "app01", "db01", "db02", "dc01")
			term := start(t, size[0], size[1], Config{Backend: w})
			s := term.see("CAISEY fleet", "4 endpoints", "acme/dc01", "NORMAL", "Enter open")
			if row := line(s, "acme/db01"); !strings.Contains(row, "online") {
				t.Errorf("no state in %q", row)
			}
			w.change(1, func(ep *console.Endpoint) { ep.Online, ep.On, ep.Running = false, []string{"bo"}, 3 })
			s = term.see("1 OFFLINE", "OFFLINE 14:00")
			if row := line(s, "acme/db01"); !strings.Contains(row, "OFFLINE") || !strings.Contains(row, "bo") || !strings.Contains(row, "3") {
				t.Errorf("row %q", row)
			}
			term.keys("/db")
			term.see("FILTER", "2 of 4 shown", "acme/db02")
			term.lose("acme/app01")
			term.keys("\r")
			term.see("NORMAL", "2 of 4 shown")
			term.keys("j\x1b")
			term.see("acme/app01", ">  acme/db02") // the cursor stays on its endpoint
			term.keys("/a01")                      // not in one piece: fuzzy
			term.see("acme/app01", "4 shown")
		})
	}
}

func TestFleetMarksAndOpens(t *testing.T) {
	w := newWorld(t, "app01", "db01", "db02", "dc01")
	term := start(t, 120, 40, Config{Backend: w})
	term.see("acme/dc01")
	term.keys("j j") // db01 is marked, the cursor goes on to db02, then dc01
	term.see("1 marked", ">  acme/dc01")
	term.keys(" ")
	term.see("2 marked")
	term.keys("-")
	term.lose("marked")
	term.keys("gg o")
	term.see("1 pane opened behind")
	term.keys("G \r")
	term.see("CAISEY workspace", "pane 2 of 2", "2 acme/dc01", "FOCUS")
	term.keys("q")
	term.see("CAISEY fleet", "2 panes open")
	term.keys("q")
	term.see("2 panes open; q again quits")
	term.keys("j")
	term.lose("q again quits")
	term.keys("qq")
	term.ended()
}

func TestLeaving(t *testing.T) {
	w := newWorld(t, "app01")
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/app01")
	term.keys("\x03")
	term.see("q quits")
	term.keys("\x1b")
	term.lose("q quits")
	term.keys("q")
	term.ended()
}

func TestOpenAtOnce(t *testing.T) {
	w := newWorld(t, "app01", "db01", "db02")
	term := start(t, 80, 24, Config{Backend: w, Open: []string{"acme/db*"}})
	term.see("pane 1 of 2", "1 acme/db01", "2 acme/db02")
}

func TestOpenFails(t *testing.T) {
	w := newWorld(t, "app01")
	w.refuse = console.Errorf(console.CodeRefused, "ask a lead", "you may not open \x1b]0;x\x07it")
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/app01")
	term.keys("\r")
	term.see("cannot open the session: you may not open it; ask a lead", "cannot open: you may not")
	term.keys("q")
	term.see("CAISEY fleet")
	w.mu.Lock()
	w.refuse = errors.New("x")
	w.mu.Unlock()
	term = start(t, 80, 24, Config{Backend: w, Open: []string{"nobody"}})
	term.see("no endpoint matches")
}

func fleetOf(n int) *fleet {
	var f fleet
	var ch console.Changes
	for i := range n {
		w := newWorld(nil, fmt.Sprintf("srv%05d", i))
		w.eps[0].Client = fmt.Sprintf("client-%d", i%40)
		ch.Endpoints = append(ch.Endpoints, w.eps[0])
	}
	f.update(ch)
	return &f
}

func BenchmarkFilterKey5000(b *testing.B) {
	f := fleetOf(5000)
	for _, query := range []string{"s", "srv01", "client-3 linux", "c7v9", "nothing has this"} {
		b.Run(query, func(b *testing.B) {
			f.filter.set(query)
			for b.Loop() {
				f.find()
			}
		})
	}
}
