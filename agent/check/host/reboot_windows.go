package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/windows/registry"
)

// rebootReasons reads what Windows notes in the registry: keys that are there only
// while a restart is pending, and a list of files that are moved at the next start.
func rebootReasons(context.Context, *check.Out) ([]reason, error) {
	var all []reason
	for _, k := range []reason{
		{"an update was installed", `SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`},
		{"components were changed", `SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`},
	} {
		key, err := registry.OpenKey(registry.LOCAL_MACHINE, k.source, registry.QUERY_VALUE|registry.WOW64_64KEY)
		switch {
		case err == nil:
			_ = key.Close()
			all = append(all, reason{k.why, `HKLM\` + k.source})
		case !errors.Is(err, registry.ErrNotExist):
			return all, fmt.Errorf("open %s: %w", k.source, err)
		}
	}
	const manager = `SYSTEM\CurrentControlSet\Control\Session Manager`
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, manager, registry.QUERY_VALUE)
	if err != nil {
		return all, fmt.Errorf("open %s: %w", manager, err)
	}
	defer func() { _ = key.Close() }()
	files, _, err := key.GetStringsValue("PendingFileRenameOperations")
	if err == nil && len(files) > 0 {
		all = append(all, reason{fmt.Sprintf("%d files are replaced at the next start", (len(files)+1)/2), `HKLM\` + manager})
	}
	return all, nil
}
