package proc

// An Ident is what is known about a process that a later agent may have to find.
type Ident struct {
	Step string `json:"step"`
	// Pid is the process's id and that of its group.
	Pid int `json:"pid"`
	// Started says when the process started, in the units of the system, so
	// that another process with the same id is not taken for it. Empty if the
	// system does not tell.
	Started string `json:"started,omitempty"`
	// Pipes are the inodes of the pipes of its output, on Linux.
	Pipes []uint64 `json:"pipes,omitempty"`
}
