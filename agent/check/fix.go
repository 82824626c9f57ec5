package check

import "context"

// A Step is a part of a fix.
type Step func(ctx context.Context, in Input, out *Out) error

// Fixing returns the Run of a fix: it looks before, changes, and looks after, by
// itself. The fix declares the tables "before" and "after", of which the parts fill
// one each; it does not change anything if before returns an error. What after finds
// wrong is a finding.
func Fixing(before, change, after Step) func(context.Context, Input, *Out) error {
	return func(ctx context.Context, in Input, out *Out) error {
		out.Table("before")
		if err := before(ctx, in, out); err != nil {
			return err
		}
		if err := change(ctx, in, out); err != nil {
			out.Find(Finding{Severity: Crit, Text: "the change failed: " + oneLine(err.Error())})
			// What is so now matters all the more.
		}
		out.Table("after")
		return after(ctx, in, out)
	}
}
