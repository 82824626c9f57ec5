package service

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/windows"
)

// A wevt is the part of wevtapi.dll that reads events.
type wevt struct {
	query, next, render, format, publisher, close *windows.LazyProc
}

func newWevt() (*wevt, error) {
	dll := windows.NewLazySystemDLL("wevtapi.dll")
	if err := dll.Load(); err != nil {
		return nil, check.Unknown("this Windows has no event log that can be asked: %v", err)
	}
	return &wevt{
		query: dll.NewProc("EvtQuery"), next: dll.NewProc("EvtNext"), render: dll.NewProc("EvtRender"),
		format: dll.NewProc("EvtFormatMessage"), publisher: dll.NewProc("EvtOpenPublisherMetadata"), close: dll.NewProc("EvtClose"),
	}, nil
}

// Numbers of winevt.h.
const (
	evtQueryChannelPath      = 0x1
	evtQueryReverseDirection = 0x200
	evtRenderEventXML        = 1
	evtFormatMessageXML      = 9
	evtBatch                 = 64
	evtWait                  = 2000 // ms
	maxEventText             = 1 << 20
)

// read returns at most so many events of the channel, the newest first. The raw XML
// goes to out, which may be nil.
func (w *wevt) read(ctx context.Context, out *check.Out, channel, xpath string, most int) ([]event, error) {
	path, err := windows.UTF16PtrFromString(channel)
	if err != nil {
		return nil, fmt.Errorf("read channel %q: %w", channel, err)
	}
	text, err := windows.UTF16PtrFromString(xpath)
	if err != nil {
		return nil, fmt.Errorf("read channel %q: %w", channel, err)
	}
	set, _, err := w.query.Call(0, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(text)), evtQueryChannelPath|evtQueryReverseDirection)
	if set == 0 {
		return nil, whyNoChannel(channel, err)
	}
	defer w.close.Call(set)
	p := publishers{w: w, open: map[string]uintptr{}}
	defer p.close()
	var all []event
	raw := 0
	for len(all) < most && ctx.Err() == nil {
		handles := make([]uintptr, min(evtBatch, most-len(all)))
		n, err := w.batch(set, handles)
		if err != nil || n == 0 {
			return all, err
		}
		for _, h := range handles[:n] {
			e, text, err := p.event(h)
			w.close.Call(h)
			if err != nil {
				return all, err
			}
			if raw += len(text); out != nil && raw <= maxRaw {
				out.Raw([]byte(text + "\n"))
			}
			all = append(all, e)
		}
	}
	return all, ctx.Err()
}

// batch fills handles; 0 is the end.
func (w *wevt) batch(set uintptr, handles []uintptr) (int, error) {
	var n uint32
	ok, _, err := w.next.Call(set, uintptr(len(handles)), uintptr(unsafe.Pointer(&handles[0])), evtWait, 0, uintptr(unsafe.Pointer(&n)))
	if ok == 0 && !errors.Is(err, windows.ERROR_NO_MORE_ITEMS) {
		return 0, fmt.Errorf("read events: %w", err)
	}
	return int(n), nil
}

func whyNoChannel(channel string, err error) error {
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return check.Unknown("the agent may not read the channel %s: put its account into Event Log Readers", channel)
	case errors.Is(err, windows.ERROR_EVT_CHANNEL_NOT_FOUND):
		return check.Unknown("there is no channel %s", channel)
	}
	return fmt.Errorf("query channel %s: %w", channel, err)
}

// publishers are those whose words were asked for, by name.
type publishers struct {
	w    *wevt
	open map[string]uintptr
}

func (p publishers) close() {
	for _, h := range p.open {
		if h != 0 {
			p.w.close.Call(h)
		}
	}
}

// event returns an event and its XML, with its message if its publisher has words.
func (p publishers) event(h uintptr) (event, string, error) {
	text, err := grow(func(buf []uint16, used *uint32) error {
		var props uint32
		ok, _, err := p.w.render.Call(0, h, evtRenderEventXML, uintptr(len(buf)*2), ptr(buf), uintptr(unsafe.Pointer(used)), uintptr(unsafe.Pointer(&props)))
		*used /= 2 // it counts bytes
		return failed(ok, err)
	})
	if err != nil {
		return event{}, "", fmt.Errorf("render event: %w", err)
	}
	e, err := parseEvent(text)
	if err != nil {
		return e, text, err
	}
	meta := p.of(e.System.Provider.Name)
	if meta == 0 {
		return e, text, nil
	}
	full, err := grow(func(buf []uint16, used *uint32) error {
		ok, _, err := p.w.format.Call(meta, h, 0, 0, 0, evtFormatMessageXML, uintptr(len(buf)), ptr(buf), uintptr(unsafe.Pointer(used)))
		return failed(ok, err)
	})
	if err != nil {
		return e, text, nil // no words for this event: its values tell it
	}
	worded, err := parseEvent(full)
	if err != nil {
		return e, text, nil
	}
	return worded, full, nil
}

// of opens the publisher; 0 if it cannot be.
func (p publishers) of(name string) uintptr {
	if h, ok := p.open[name]; ok {
		return h
	}
	var h uintptr
	if id, err := windows.UTF16PtrFromString(name); err == nil {
		h, _, _ = p.w.publisher.Call(0, uintptr(unsafe.Pointer(id)), 0, 0, 0)
	}
	p.open[name] = h
	return h
}

// grow calls with ever larger buffers until what is asked for fits. Used counts
// characters.
func grow(call func(buf []uint16, used *uint32) error) (string, error) {
	buf := make([]uint16, 4<<10)
	for {
		var used uint32
		err := call(buf, &used)
		switch {
		case err == nil:
			return windows.UTF16ToString(buf), nil
		case !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || int(used) <= len(buf) || used > maxEventText:
			return "", err
		}
		buf = make([]uint16, used+1)
	}
}

func ptr(buf []uint16) uintptr { return uintptr(unsafe.Pointer(&buf[0])) }

func failed(ok uintptr, err error) error {
	if ok != 0 {
		return nil
	}
	if errors.Is(err, syscall.Errno(0)) {
		return errors.New("it failed without a reason")
	}
	return err
}
