// Package proc runs one command through the shell of the machine and ends it
// with everything it started.
//
// The command reads nothing: its stdin is the null device. What it writes is
// handed to a Sink as it comes, stdout and stderr apart. A Sink that blocks
// makes the command wait in its next write.
//
// The command is the leader of a process group of its own (on Windows: of a job).
// When it ends, the rest of the group is killed, so that a background child
// can not hold the pipes open. A process that left the group (setsid) is killed
// only if it still holds one of the pipes; a daemon that let go of them lives on.
//
// On Linux the command also dies with the agent (Pdeathsig). The kernel ties
// that to the thread that started the command, so each command has a goroutine
// of its own, locked to its thread from before the start until the command is
// reaped. It is the same thread that waits for the command, which costs one
// anyway.
//
// The command runs in "/" (on Windows in the system directory), not in the home
// of the agent's user: a home directory on a file server that hangs must not
// keep anybody from looking into why.
package proc
