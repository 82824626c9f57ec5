package main

import (
	"fmt"
	"strings"
)

// unitText is the unit; its holes are the line of the user and the command line.
//
// What confines a service confines all that it starts, and this one starts whatever
// a technician asks for: they diagnose the machine, not a sandbox. So there is no
// ProtectSystem, ProtectHome, PrivateTmp, PrivateDevices, ReadOnlyPaths or any other
// directive that makes a mount namespace: commands would see other files than the
// machine has, and what they mount would be mounted for nobody else. There is no
// NoNewPrivileges, CapabilityBoundingSet or RestrictSUIDSGID (sudo, ping, packages),
// no SystemCallFilter, MemoryDenyWriteExecute, LockPersonality, RestrictNamespaces or
// RestrictAddressFamilies (debuggers, Java, containers, tcpdump), and no ProtectKernel*
// (sysctl, dmesg). UMask, LimitCORE and OOMScoreAdjust are inherited by commands, too.
// What does confine the agent is whose process it is, and the endpoint's own policy.
const unitText = `# Written by caisey-agent install. Change it with: systemctl edit caisey-agent
[Unit]
Description=Caisey agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=%s
%sRestart=always
RestartSec=5s
# The agent ends its commands itself, and tells its relay; what is left is killed.
KillMode=mixed
TimeoutStopSec=20s
# A command that runs out of memory must not take the agent with it.
OOMPolicy=continue
# Nothing else is confined: what confines the agent confines every command that a
# technician runs. See the endpoint's own policy, DATA/policy.

[Install]
WantedBy=multi-user.target
`

// unit returns the text of the unit for s, which runs as owner; "" is root.
func unit(s setup, owner string) (string, error) {
	if strings.Contains(s.exe, "$") { // systemd takes it as it stands, and nothing else
		return "", fmt.Errorf("systemd can not start %s, which has a $ in its name", s.exe)
	}
	words := []string{quote(s.exe)}
	for _, arg := range s.args() {
		words = append(words, quote(strings.ReplaceAll(arg, "$", "$$")))
	}
	as := ""
	if owner != "" {
		as = "User=" + strings.ReplaceAll(owner, "%", "%%") + "\n"
	}
	return fmt.Sprintf(unitText, strings.Join(words, " "), as), nil
}

// quote writes a word of a command line as systemd reads it.
func quote(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(word)
	if !strings.ContainsAny(word, " '\"\\;") && word != "" {
		return word
	}
	return `"` + word + `"`
}
