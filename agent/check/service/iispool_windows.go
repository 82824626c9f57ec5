package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/windows"
)

// Numbers of pdhmsg.h and pdh.h.
const (
	pdhMoreData = 0x800007d2
	pdhNoObject = 0xc0000bb8
	pdhNoData   = 0x800007d5
	pdhFmtLarge = 0x400
)

// A pdhItem is PDH_FMT_COUNTERVALUE_ITEM_W with a large value.
type pdhItem struct {
	name   *uint16
	status uint32
	_      uint32
	value  int64
}

// readPools is the poolReader of this machine.
func readPools(context.Context) ([]pool, []byte, error) {
	dll := windows.NewLazySystemDLL("pdh.dll")
	if err := dll.Load(); err != nil {
		return nil, nil, check.Unknown("this Windows has no performance counters: %v", err)
	}
	var query uintptr
	if r, _, _ := dll.NewProc("PdhOpenQueryW").Call(0, 0, uintptr(unsafe.Pointer(&query))); r != 0 {
		return nil, nil, fmt.Errorf("open performance counters: 0x%x", r)
	}
	defer dll.NewProc("PdhCloseQuery").Call(query)
	names := []string{"Current Application Pool State", "Current Worker Processes", "Recent Worker Process Failures", "Total Worker Process Failures"}
	counters := make([]uintptr, len(names))
	for i, n := range names {
		path, err := windows.UTF16PtrFromString(`\APP_POOL_WAS(*)\` + n)
		if err != nil {
			return nil, nil, err
		}
		r, _, _ := dll.NewProc("PdhAddEnglishCounterW").Call(query, uintptr(unsafe.Pointer(path)), 0, uintptr(unsafe.Pointer(&counters[i])))
		if uint32(r) == pdhNoObject {
			return nil, nil, check.Unknown("this machine has no IIS: there are no counters of application pools")
		}
		if r != 0 {
			return nil, nil, fmt.Errorf("add counter %s: 0x%x", n, r)
		}
	}
	if r, _, _ := dll.NewProc("PdhCollectQueryData").Call(query); r != 0 && uint32(r) != pdhNoData {
		return nil, nil, fmt.Errorf("read performance counters: 0x%x", r)
	}
	return poolsOf(dll.NewProc("PdhGetFormattedCounterArrayW"), counters), hostConfigFile(), nil
}

// poolsOf folds the values of the four counters by pool.
func poolsOf(get *windows.LazyProc, counters []uintptr) []pool {
	at := map[string]int{}
	var pools []pool
	for i, c := range counters {
		for name, v := range counterValues(get, c) {
			if name == "_Total" {
				continue
			}
			k, ok := at[name]
			if !ok {
				k = len(pools)
				at[name] = k
				pools = append(pools, pool{name: name})
			}
			*[]*int{&pools[k].state, &pools[k].workers, &pools[k].recent, &pools[k].failures}[i] = int(v)
		}
	}
	return pools
}

// counterValues returns a counter's values by instance.
func counterValues(get *windows.LazyProc, counter uintptr) map[string]int64 {
	var size, n uint32
	r, _, _ := get.Call(counter, pdhFmtLarge, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&n)), 0)
	if uint32(r) != pdhMoreData || size == 0 {
		return nil
	}
	items := make([]pdhItem, int(size)/int(unsafe.Sizeof(pdhItem{}))+1) // the names stand behind the items
	r, _, _ = get.Call(counter, pdhFmtLarge, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&items[0])))
	if r != 0 {
		return nil
	}
	values := map[string]int64{}
	for _, it := range items[:min(int(n), len(items))] {
		if it.status == 0 || it.status == 1 { // PDH_CSTATUS_VALID_DATA, _NEW_DATA
			values[windows.UTF16PtrToString(it.name)] = it.value
		}
	}
	return values
}

// hostConfigFile returns IIS' configuration; nil if it cannot be read.
func hostConfigFile() []byte {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "inetsrv", "config", "applicationHost.config"))
	if err != nil {
		return nil
	}
	return b
}
