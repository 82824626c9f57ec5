package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// word is the first argument of a child; a record's path is the second.
const word = "read-record"

// Serve is the child: it reads a record for its parent if args, the arguments of
// the program without its name, say so. If ok, the program must exit with code
// and do nothing else.
func Serve(args []string) (code int, ok bool) {
	if len(args) != 2 || args[0] != word {
		return 0, false
	}
	return serve(args[1], limitsFor(args[1])), true
}

func serve(path string, l limits) int {
	// Ctrl-C reaches all processes of a terminal. The parent decides for both.
	signal.Ignore(os.Interrupt, syscall.SIGHUP)
	runtime.GOMAXPROCS(2) // each thread takes address space
	var s service
	server := rpc.NewServer()
	if err := errors.Join(l.set(), server.RegisterName("Record", &s)); err != nil {
		fmt.Fprintln(os.Stderr, "limit the reader of a record:", err)
		return 1
	}
	s.rec, s.err = sqlitefile.OpenFile(path)
	server.ServeConn(stdio{}) // until the parent closes the pipe, or is gone
	if s.rec != nil {
		_ = s.rec.Close() // nobody is there to be told
	}
	return 0
}

// stdio is the pipes to and from the parent.
type stdio struct{}

func (stdio) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (stdio) Close() error                { return errors.Join(os.Stdin.Close(), os.Stdout.Close()) }

// A service answers the parent, whose first question is Open and, if that fails,
// the last. net/rpc calls its methods, concurrently. They return no error but put
// it into the answer, where it keeps what it is.
type service struct {
	rec *sqlitefile.Record
	err error // why there is no rec
}

// Open answers the record's head.
func (s *service) Open(_ ask, to *answer) error {
	if s.err != nil {
		to.Fault = newFault(s.err)
		return nil
	}
	head := s.rec.Head()
	to.Packed.num(uint64(head.Seq))
	if head.Sealed {
		to.Packed.num(1)
	} else {
		to.Packed.num(0)
	}
	return nil
}

// Read answers events.
func (s *service) Read(q ask, to *answer) error {
	return fill(to, q, s.rec.Read, (*packed).event)
}

// Outline answers events without output.
func (s *service) Outline(q ask, to *answer) error {
	return fill(to, q, s.rec.Outline, (*packed).event)
}

// Rows answers rows.
func (s *service) Rows(q ask, to *answer) error {
	return fill(to, q, s.rec.Rows, (*packed).row)
}

// Marks answers checkpoints.
func (s *service) Marks(q ask, to *answer) error {
	q.From-- // of more events than
	return fill(to, q, s.rec.Marks, (*packed).mark)
}

// usual is about what the bytes of an answer are, where there is enough to answer.
const usual = 5 << 18

// fill puts into an answer what get gets. There is no context: the parent kills
// whom it does not want to wait for.
func fill[T any](to *answer, q ask, get func(context.Context, sessionlog.Seq, int) ([]T, error), pack func(*packed, T)) error {
	all, err := get(context.Background(), q.From, q.Limit)
	if err != nil {
		to.Fault = newFault(err)
		return nil
	}
	to.Packed.Bytes = make([]byte, 0, usual)
	to.Packed.num(uint64(len(all)))
	for _, v := range all {
		pack(&to.Packed, v)
	}
	return nil
}
