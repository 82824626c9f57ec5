package transcript

import (
	"io"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A sheet gathers what an event renders to, and writes it in one piece.
type sheet struct {
	w   io.Writer
	buf []byte
}

func (s *sheet) write() error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// endpoint returns "client/name" of a session's endpoint, as safe text.
func endpoint(o sessionlog.Opened) string {
	if o.Client == "" {
		return vt.Plain(o.Name)
	}
	return vt.Plain(o.Client + "/" + o.Name)
}
