package transcript

import (
	"fmt"

	"github.com/caisey/caisey/sessionlog"
)

// take appends to dst what a chunk of the step says as safe text, and returns the
// stream in which that stands: the rows of a check are its output, and the evidence
// from which it made them is only counted.
func (st *step) take(dst []byte, c *sessionlog.Chunk) ([]byte, sessionlog.Stream) {
	switch {
	case c.Stream == sessionlog.RowStream:
		return st.rows.Append(dst, c.Data), sessionlog.Stdout
	case st.check && c.Stream == sessionlog.Stdout:
		st.evidence += int64(len(c.Data))
		return dst, c.Stream
	}
	return st.clean[c.Stream].Append(dst, c.Data), c.Stream
}

// left returns what stands for what a stream held back at its end.
func (st *step) left(s sessionlog.Stream) []byte {
	if s == sessionlog.Stdout && st.check {
		return st.rows.Flush(nil)
	}
	return st.clean[s].Flush(nil)
}

// unseen says in one line what of a step's output is not shown; empty if all is.
func (st *step) unseen() string {
	if st.evidence == 0 {
		return ""
	}
	return fmt.Sprintf("raw evidence: %s bytes, in the record", thousands(st.evidence))
}
