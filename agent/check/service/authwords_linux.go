package service

import (
	"regexp"
	"slices"
	"strings"
)

// The words in which programs tell of a failed authentication. None of them
// translates what it logs.
var (
	sshFailed = regexp.MustCompile(`^Failed (\S+) for (?:invalid user )?(.*) from (\S+) port \d+`)
	sshGone   = regexp.MustCompile(`^(?:Connection (?:closed|reset) by|Disconnected from) (authenticating|invalid) user (.*) (\S+) port \d+ \[preauth\]`)
	pamFailed = regexp.MustCompile(`^(pam_\w+)\(([\w-]+):auth\): authentication failure;.* rhost=(\S*)(?:\s+user=(.*))?$`)
	kdcFailed = regexp.MustCompile(`^(AS_REQ|TGS_REQ) .*?\)? ?([0-9a-fA-F.:]+)(?:\(\d+\))?: ([A-Z_ ]+): (?:authtime \d+, +)?(?:etypes \{[^}]*\},? )?(\S+) for (\S+?)(?:,|$)`)
)

// attemptOf returns the failed authentication that an entry tells of. Where two
// programs tell of the same, only one counts: of sshd's and PAM's, sshd's.
func attemptOf(e entry) (attempt, bool) {
	a := attempt{time: e.time, service: e.source, pid: e.pid}
	if m := pamFailed.FindStringSubmatch(e.message); m != nil {
		a.service, a.source, a.user, a.reason = m[2], m[3], strings.TrimSpace(m[4]), "refused by "+m[1]
		return a, a.service != "sshd"
	}
	switch {
	case strings.HasPrefix(e.source, "sshd"):
		return sshAttempt(a, e.message)
	case e.source == "krb5kdc":
		m := kdcFailed.FindStringSubmatch(e.message)
		if m == nil || m[3] == "ISSUE" || m[3] == "NEEDED_PREAUTH" || m[3] == "LOOKING_UP_SERVER" {
			return a, false // the first two are how it goes well; in the third the service is not known, not the user
		}
		a.source, a.user = m[2], m[4]
		a.reason = strings.ToLower(strings.ReplaceAll(m[3], "_", " "))
		return a, true
	}
	return a, false
}

func sshAttempt(a attempt, message string) (attempt, bool) {
	if m := sshFailed.FindStringSubmatch(message); m != nil {
		a.user, a.source, a.reason = m[2], m[3], m[1]+" refused"
		if strings.Contains(message, "for invalid user ") {
			a.reason = "no such user"
		}
		return a, true
	}
	if m := sshGone.FindStringSubmatch(message); m != nil {
		a.user, a.source, a.reason, a.gone = m[2], m[3], "gone before it was authenticated", true
		return a, true
	}
	return a, false
}

// withoutEnds leaves out connections that ended unauthenticated where each refusal was
// told already: of those that offered only keys, the end is all that is told.
func withoutEnds(all []attempt) []attempt {
	refused := map[string]bool{}
	for _, a := range all {
		if !a.gone {
			refused[a.pid] = true
		}
	}
	return slices.DeleteFunc(all, func(a attempt) bool { return a.gone && refused[a.pid] })
}
