package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caisey/caisey/agent/proc"
	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
)

// A processFile is the content of proc.json: what a later agent must know of a
// step's process.
type processFile struct {
	proc.Ident
	// AgentTime is when the process was started, in Unix nanoseconds.
	AgentTime int64 `json:"agent_time"`
}

func (f processFile) write(dir string) error {
	b, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode process: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "proc.json"), b, 0o600); err != nil {
		return fmt.Errorf("note process: %w", err)
	}
	return nil
}

// readProcess reads proc.json. What is not there, or not whole, is not known.
func readProcess(dir, step string) (f processFile, known bool) {
	b, err := os.ReadFile(filepath.Join(dir, "proc.json"))
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err != nil {
		f = processFile{}
	}
	f.Step = step
	return f, err == nil
}

// recover takes over a step that an earlier agent held. One that was running then
// is lost: what is left of it is killed. It returns nil for a step that was never
// started.
func (s *steps) recover(id string) (*step, error) {
	dir := s.path(id)
	process, known := readProcess(dir, id)
	if !known && !s.journal.Has(id) {
		return nil, os.RemoveAll(dir)
	}
	sp, err := spool.Open(dir, s.cfg.Spool)
	if err != nil {
		return nil, err
	}
	st := newStep(id)
	st.spool, st.pid, st.startedAt = sp, process.Pid, process.AgentTime
	close(st.ready)
	if sp.Ended() {
		return st, nil
	}
	proc.KillOrphans(process.Ident)
	exit := &wire.Exit{State: wire.Exit_STATE_LOST, Code: -1, Why: "the agent ended while the command ran"}
	if at := process.AgentTime; at > 0 {
		exit.Duration = max(0, time.Now().UnixNano()-at)
	}
	s.log.Warn("command was lost with the earlier agent", "step", id, "pid", process.Pid)
	if err := st.end(s.ctx, exit); err != nil {
		return nil, errors.Join(err, sp.Close())
	}
	return st, nil
}
