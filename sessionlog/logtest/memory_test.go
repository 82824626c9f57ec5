package logtest

import (
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) sessionlog.Log { return NewMemory() })
}
