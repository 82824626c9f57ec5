// Package catalogue has all the checks that this machine can be asked, by name.
package catalogue

import (
	"slices"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/database"
	"github.com/caisey/caisey/agent/check/directory"
	"github.com/caisey/caisey/agent/check/disk"
	"github.com/caisey/caisey/agent/check/host"
	"github.com/caisey/caisey/agent/check/network"
	"github.com/caisey/caisey/agent/check/service"
)

// All returns the checks of this operating system, by name.
func All() []check.Check {
	all := slices.Concat(host.All(), disk.All(), network.All(), service.All(), directory.All(), database.All())
	slices.SortFunc(all, func(a, b check.Check) int { return strings.Compare(a.Name, b.Name) })
	return all
}
