package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/statement"
)

// Statement reports why what ended says of a step is not signed by the endpoint's
// key, which is in hex.
func Statement(key string, step sessionlog.StepID, command string, ended sessionlog.Ended) error {
	s := statement.Statement{
		Step: string(step), Command: command, Exit: ended.Exit, Signal: ended.Signal,
		Stdout: statement.None, Stderr: statement.None,
	}
	for _, t := range ended.Streams {
		sum, err := sumOf(t)
		if err != nil {
			return err
		}
		out := &s.Stdout
		switch t.Stream {
		case sessionlog.Stderr.String():
			out = &s.Stderr
		case sessionlog.RowStream.String():
			out = &s.Rows
		}
		*out = statement.Output{Bytes: t.Bytes, SHA256: sum}
	}
	return s.Verify(key, ended.Statement)
}

// sumOf returns the hash of a stream.
func sumOf(t sessionlog.StreamTotal) (sum [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(t.SHA256)
	if err != nil || len(b) != len(sum) {
		return sum, fmt.Errorf("%q is no SHA-256", t.SHA256)
	}
	return [sha256.Size]byte(b), nil
}
