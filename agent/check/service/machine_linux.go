package service

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/caisey/caisey/agent/check"
	sdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// A machine says where on a Linux system the checks look. The zero value is good.
type machine struct {
	// bus is the address of the system bus. If empty, the usual one.
	bus string
	// journal is the directory of the journal. If empty, the usual ones.
	journal string
	// syslogs are files of a syslog daemon, read where there is no journal. If nil,
	// the usual ones.
	syslogs []string
	// tallies is the directory of pam_faillock. If empty, the usual one.
	tallies string
	// chrony is the address of chronyd's commands. If empty, the usual one.
	chrony string
}

// noBus says why there is no connection to a bus.
func noBus(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return check.Unknown("systemd is not the init system of this machine, or its bus is not there: %v", err)
	}
	return err
}

// systemd connects to the manager of units. The connection ends with ctx.
func (m machine) systemd(ctx context.Context) (*sdbus.Conn, error) {
	if m.bus == "" {
		c, err := sdbus.NewWithContext(ctx)
		if err != nil {
			return nil, noBus(err)
		}
		return c, nil
	}
	c, err := sdbus.NewConnection(func() (*dbus.Conn, error) { return m.dial(ctx) })
	if err != nil {
		return nil, noBus(err)
	}
	return c, nil
}

// systemBus connects to the system bus. The connection ends with ctx.
func (m machine) systemBus(ctx context.Context) (*dbus.Conn, error) {
	var c *dbus.Conn
	var err error
	if m.bus == "" {
		c, err = dbus.ConnectSystemBus(dbus.WithContext(ctx))
	} else {
		c, err = m.dial(ctx)
	}
	if err != nil {
		return nil, noBus(err)
	}
	return c, nil
}

func (m machine) dial(ctx context.Context) (*dbus.Conn, error) {
	c, err := dbus.Dial(m.bus, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil {
		err = c.Hello()
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}
