package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
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
	runtime.GOMAXPROCS(2)   // each thread takes address space
	debug.SetGCPercent(400) // what lives is small, and what is made of rows is much
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s := service{ctx: ctx, spare: &spares{}}
	server := rpc.NewServer()
	if err := errors.Join(l.set(), server.RegisterName("Record", &s)); err != nil {
		fmt.Fprintln(os.Stderr, "limit the reader of a record:", err)
		return 1
	}
	s.rec, s.err = sqlitefile.OpenFile(path)
	c := newCodec(os.Stdout, os.Stdin)
	c.spare = s.spare
	server.ServeCodec(c) // until the parent closes the pipe, or is gone
	stop()
	if s.rec != nil {
		_ = s.rec.Close() // nobody is there to be told
	}
	return 0
}

// A service answers the parent, whose first question is Open and, if that fails,
// the last. net/rpc calls its methods, concurrently. They return no error but put
// it into the answer, where it keeps what it is.
type service struct {
	ctx   context.Context    // ends with the process
	rec   *sqlitefile.Record // static after the first question
	err   error              // why there is no rec
	spare *spares

	mu   sync.Mutex // guards what follows
	next *ahead     // nil if there is none
}

// An ahead is the answer to a question that will be asked next, if the parent goes
// on as it began.
type ahead struct {
	q    ask
	stop context.CancelFunc // nobody will ask
	done chan struct{}      // closed once the rest is set
	to   answer
	last sessionlog.Seq // of what is answered; 0 if there is nothing
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
	fill(s.ctx, s, to, q, s.rec.Read, (*packed).event)
	return nil
}

// Outline answers events without output.
func (s *service) Outline(q ask, to *answer) error {
	fill(s.ctx, s, to, q, s.rec.Outline, (*packed).event)
	return nil
}

// Rows answers rows. Of those who read from the first row on, it reads what comes
// after while the answer crosses the pipe and is used.
func (s *service) Rows(q ask, to *answer) error {
	a, goesOn := s.claim(q)
	if a == nil {
		a = s.start(q)
	}
	<-a.done
	a.stop()
	*to = a.to
	if (goesOn || q.From <= 1) && a.last > 0 && a.last < s.rec.Head().Seq {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.next == nil {
			s.next = s.start(ask{From: a.last + 1, Limit: q.Limit})
		}
	}
	return nil
}

// claim returns the answer that is being read ahead, if it is to q.
func (s *service) claim(q ask) (a *ahead, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, s.next = s.next, nil
	if a != nil && a.q != q {
		a.stop()
		a = nil
	}
	return a, a != nil
}

// start begins to read rows.
func (s *service) start(q ask) *ahead {
	ctx, stop := context.WithCancel(s.ctx)
	a := &ahead{q: q, stop: stop, done: make(chan struct{})}
	go func() { // until the rows are read, or nobody wants them
		defer close(a.done)
		if rows := fill(ctx, s, &a.to, q, s.rec.Rows, (*packed).row); len(rows) > 0 {
			a.last = rows[len(rows)-1].Seq
		}
	}()
	return a
}

// Marks answers checkpoints.
func (s *service) Marks(q ask, to *answer) error {
	q.From-- // of more events than
	fill(s.ctx, s, to, q, s.rec.Marks, (*packed).mark)
	return nil
}

// usual is about what the bytes of an answer are, where there is enough to answer.
const usual = 5 << 18

// fill puts into an answer what get gets, and returns it. The parent kills whom it
// does not want to wait for.
func fill[T any](ctx context.Context, s *service, to *answer, q ask,
	get func(context.Context, sessionlog.Seq, int) ([]T, error), pack func(*packed, T),
) []T {
	all, err := get(ctx, q.From, q.Limit)
	if err != nil {
		to.Fault = newFault(err)
		return nil
	}
	to.Packed = s.spare.take()
	to.Packed.num(uint64(len(all)))
	for _, v := range all {
		pack(&to.Packed, v)
	}
	return all
}
