package journal

import (
	"strconv"
	"strings"
	"time"
)

// ParseKernel reads a record as /dev/kmsg gives it: "level,seq,microseconds,flags;text"
// and lines of fields. Booted is when the microseconds began. Records of other
// facilities than the kernel's, which programs write, are none.
func ParseKernel(record string, booted time.Time) (Entry, bool) {
	head, text, ok := strings.Cut(record, ";")
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return Entry{}, false
	}
	level, err := strconv.ParseUint(fields[0], 10, 32)
	us, err2 := strconv.ParseInt(fields[2], 10, 53)
	if err != nil || err2 != nil || us < 0 || level > 7 {
		return Entry{}, false
	}
	text, _, _ = strings.Cut(text, "\n")
	at := booted.Add(time.Duration(us) * time.Microsecond)
	return Entry{Time: at, Message: strings.ToValidUTF8(text, "\ufffd"), Source: "kernel"}, true
}
