package foreign

import (
	"reflect"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// Whoever reads rows from the first on is answered with what was read ahead;
// whoever leaps about is answered with what they ask for.
func TestAhead(t *testing.T) {
	rec, err := sqlitefile.OpenFile(write(t, 100, 10, true))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	s := &service{ctx: t.Context(), rec: rec, spare: &spares{}}
	end := rec.Head().Seq
	for i, c := range []struct {
		q, next ask // next is what is read ahead after q
	}{
		{ask{1, 40}, ask{41, 40}},
		{ask{41, 40}, ask{81, 40}},
		{ask{81, 40}, ask{}}, // to the end
		{ask{end + 1, 40}, ask{}},
		{ask{50, 10}, ask{}}, // who knows where they go
		{ask{60, 10}, ask{}},
		{ask{1, 10}, ask{11, 10}},
		{ask{11, 5}, ask{}}, // not what was read
		{ask{1, 0}, ask{}},
		{ask{0, 1}, ask{2, 1}},
		{ask{2, 1}, ask{3, 1}},
	} {
		var got answer
		if err := s.Rows(c.q, &got); err != nil {
			t.Fatal(err)
		}
		want, err := rec.Rows(t.Context(), c.q.From, c.q.Limit)
		if err != nil {
			t.Fatal(err)
		}
		u := got.Packed.unpack()
		rows := make([]sessionlog.Row, 0, len(want))
		for range u.num() {
			rows = append(rows, u.row())
		}
		if err := u.end(); err != nil || len(rows) != len(want) || len(want) > 0 && !reflect.DeepEqual(rows, want) {
			t.Errorf("question %d, %+v: %d rows, want %d (%v)", i, c.q, len(rows), len(want), err)
		}
		next := ask{}
		if s.next != nil {
			next = s.next.q
		}
		if next != c.next {
			t.Errorf("question %d, %+v: %+v is read ahead, want %+v", i, c.q, next, c.next)
		}
		s.spare.put(got.Packed)
	}
	if a, _ := s.claim(ask{3, 1}); a != nil {
		<-a.done
	}
}
