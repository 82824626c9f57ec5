package host

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/windows"
)

// readSessions returns the sessions of remote desktop services.
func readSessions(ctx context.Context, _ *check.Out) ([]session, error) {
	var first *windows.WTS_SESSION_INFO
	var n uint32
	if err := windows.WTSEnumerateSessions(0, 0, 1, &first, &n); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(first)))
	query := windows.NewLazySystemDLL("wtsapi32.dll").NewProc("WTSQuerySessionInformationW")
	var all []session
	for _, s := range unsafe.Slice(first, n) {
		user := sessionText(query, s.SessionID, wtsUserName)
		if user == "" || ctx.Err() != nil {
			continue // services and listeners
		}
		if domain := sessionText(query, s.SessionID, wtsDomainName); domain != "" {
			user = domain + `\` + user
		}
		name := fmt.Sprintf("%d %s", s.SessionID, windows.UTF16PtrToString(s.WindowStationName))
		all = append(all, session{user: user, name: name, state: sessionState(s.State), from: sessionText(query, s.SessionID, wtsClientName)})
	}
	return all, ctx.Err()
}

// What WTSQuerySessionInformation can be asked: WTS_INFO_CLASS.
const (
	wtsUserName   = 5
	wtsDomainName = 7
	wtsClientName = 10
)

// sessionText returns a text about the session; empty if there is none.
func sessionText(query *windows.LazyProc, session uint32, class uintptr) string {
	var text *uint16
	var size uint32
	if query.Find() != nil {
		return ""
	}
	ok, _, _ := query.Call(0, uintptr(session), class, uintptr(unsafe.Pointer(&text)), uintptr(unsafe.Pointer(&size)))
	if ok == 0 || text == nil {
		return ""
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(text)))
	return windows.UTF16PtrToString(text)
}

// sessionState is a WTS_CONNECTSTATE_CLASS as a word.
func sessionState(s uint32) string {
	words := []string{"active", "connected", "connecting", "shadowing", "disconnected", "idle", "listening", "resetting", "down", "starting"}
	if int(s) < len(words) {
		return words[s]
	}
	return fmt.Sprint(s)
}
