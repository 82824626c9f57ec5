package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"

	"github.com/caisey/caisey/agent/check"
	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// socketSource says where the facts about sockets come from.
const socketSource = "procfs net/tcp and net/udp on Linux, iphlpapi on Windows; the processes by their open files"

// maxRaw is the most bytes of raw evidence from one file.
const maxRaw = 64 << 10

// The types of sockets, the same on all systems.
const (
	streamSocket = 1
	dgramSocket  = 2
)

// A socket is one end of a connection, or a listener.
type socket struct {
	proto       string // tcp or udp
	state       string // LISTEN, ESTABLISHED …; of udp it is empty
	local, peer string // addresses
	port, to    int    // ports
	pid         int32  // 0 if it is not known
}

// sockets returns the sockets of the machine. The owner of one is not known if the
// agent may not look into the process.
func sockets(ctx context.Context, out *check.Out) ([]socket, error) {
	all, err := psnet.ConnectionsWithContext(ctx, "inet")
	if err != nil {
		return nil, fmt.Errorf("read sockets: %w", err)
	}
	rawSockets(out)
	seen := map[socket]bool{}
	list := make([]socket, 0, len(all))
	for _, c := range all {
		s := socket{
			proto: "tcp", state: stateName(c.Status), local: c.Laddr.IP, peer: c.Raddr.IP,
			port: int(c.Laddr.Port), to: int(c.Raddr.Port), pid: c.Pid,
		}
		if c.Type == dgramSocket {
			s.proto, s.state = "udp", ""
		}
		if c.Type != streamSocket && c.Type != dgramSocket || seen[s] {
			continue // the same socket, by another of the process's descriptors
		}
		seen[s] = true
		list = append(list, s)
	}
	return list, nil
}

// stateName is the name of a state that all systems share.
func stateName(s string) string {
	switch s {
	case "SYN_RECEIVED":
		return "SYN_RECV"
	case "FIN_WAIT_1":
		return "FIN_WAIT1"
	case "FIN_WAIT_2":
		return "FIN_WAIT2"
	case "CLOSED":
		return "CLOSE"
	}
	return s
}

// rawSockets tells the files from which Linux's sockets were read.
func rawSockets(out *check.Out) {
	if runtime.GOOS != "linux" {
		return
	}
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/net/" + name)
		if err == nil {
			out.Raw(b[:min(len(b), maxRaw)])
		}
	}
}

// listens reports whether the socket waits for somebody.
func (s socket) listens() bool {
	return s.state == "LISTEN" || s.proto == "udp" && s.to == 0
}

// names of processes, by their number.
type names map[int32]string

// of returns the name of the process as a cell; nil if it is not known.
func (n names) of(ctx context.Context, pid int32) any {
	if pid <= 0 {
		return nil
	}
	if _, ok := n[pid]; !ok {
		p := process.Process{Pid: pid}
		name, err := p.NameWithContext(ctx)
		if err != nil {
			name = ""
		}
		n[pid] = name
	}
	return text(n[pid])
}

// text returns s as a cell; nil if there is none.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// number returns n as a cell; nil if it is none.
func number(n int32) any {
	if n <= 0 {
		return nil
	}
	return n
}

// hostPort is an address and a port as one text.
func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
