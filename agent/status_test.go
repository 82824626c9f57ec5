package agent

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

// What an agent notes follows its connection, and says since when.
func TestStatus(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		c := w.agent()
		wait(time.Second)
		begin := time.Now()
		st, err := ReadStatus(w.data)
		if err != nil || !st.Connected || st.Relay != w.addr() || st.PID != os.Getpid() || !st.Alive() || st.Policy != "" {
			t.Fatalf("%+v, %v", st, err)
		}
		if d := begin.Sub(st.Since); d < 0 || d > 2*time.Second {
			t.Errorf("connected since %v", d)
		}
		wait(time.Minute)
		w.cable.cut.Store(true)
		_ = c.conn.CloseWithError(0, "gone")
		wait(10 * time.Minute)
		st, err = ReadStatus(w.data)
		if err != nil || st.Connected || st.Why == "" {
			t.Fatalf("%+v, %v", st, err)
		}
		if d := time.Since(st.Since); d < 8*time.Minute || d > 10*time.Minute {
			t.Errorf("not connected for %v", d)
		}
		w.cable.cut.Store(false)
		w.agent()
		wait(time.Second)
		if st, err := ReadStatus(w.data); err != nil || !st.Connected || st.Why != "" {
			t.Errorf("%+v, %v", st, err)
		}
		w.stop()
		if _, err := ReadStatus(w.data); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a stopped agent left its status: ", err)
		}
	})
}

func TestStatusOfADeadAgent(t *testing.T) {
	for _, pid := range []int{0, -1, 1 << 30} {
		if (Status{PID: pid}).Alive() {
			t.Errorf("process %d is alive", pid)
		}
	}
}
