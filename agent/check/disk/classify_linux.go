package disk

import (
	"regexp"
	"strings"
)

// sayings are what kernels write of disks and file systems that fail. The kernel has
// no other form for it, and it has no languages. The group is the device.
var sayings = []struct {
	event string
	says  *regexp.Regexp
}{
	{"bad block", regexp.MustCompile(`critical medium error, dev (\S+?),|(?:^|\[)(sd[a-z]+)\]? .*Sense Key : Medium Error`)},
	{"I/O error", regexp.MustCompile(`I/O error,? (?:on )?dev (\S+?),`)},
	{"target error", regexp.MustCompile(`critical (?:target|nexus|space allocation) error, dev (\S+?),`)},
	{"file system error", regexp.MustCompile(`EXT[234]-fs (?:error|warning)? ?\(device (\S+?)\): .*(?:error|corrupt|bad|[Rr]emounting)`)},
	{"file system error", regexp.MustCompile(`EXT[234]-fs error \(device (\S+?)\)`)},
	{"file system error", regexp.MustCompile(`EXT[234]-fs \((\S+?)\): Remounting filesystem read-only`)},
	{"file system error", regexp.MustCompile(`XFS \((\S+?)\): .*(?:[Cc]orrupt|metadata I/O error|[Ss]hutting down)`)},
	{"file system error", regexp.MustCompile(`BTRFS (?:error|critical) \(device (\S+?)[ )]`)},
	{"journal aborted", regexp.MustCompile(`Aborting journal on device (\S+?)\.`)},
	{"controller reset", regexp.MustCompile(`^(ata\d+)(?:\.\d+)?: (?:hard|soft) resetting link`)},
	{"controller error", regexp.MustCompile(`^(ata\d+)(?:\.\d+)?: (?:exception Emask|failed command|link is slow|COMRESET failed)`)},
	{"controller reset", regexp.MustCompile(`nvme (nvme\d+): (?:controller is down|resetting controller|I/O .*timeout, (?:reset|disable))`)},
	{"controller error", regexp.MustCompile(`nvme (nvme\d+): (?:I/O .*timeout|Device not ready|Removing after probe failure)`)},
	{"disk failed", regexp.MustCompile(`md/raid\S*:(md\d+): Disk failure on`)},
	{"controller reset", regexp.MustCompile(`scsi (host\d+): .*(?:abort|reset)`)},
}

// classify returns which device a record of the kernel is about and what it says of
// it; no event if it is about something else.
func classify(message string) (device, event string) {
	for _, s := range sayings {
		m := s.says.FindStringSubmatch(message)
		if m == nil {
			continue
		}
		for _, group := range m[1:] {
			if group != "" {
				return strings.TrimSuffix(group, ","), s.event
			}
		}
	}
	return "", ""
}
