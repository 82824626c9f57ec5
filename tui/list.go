package tui

// A list is a cursor over rows of which some are in sight, and a filter.
type list struct {
	cursor int // row under the cursor
	top    int // first row in sight
	page   int // rows in sight at the last look
	filter editor
	typing bool // the filter takes the keys
}

// move moves the cursor by d of n rows.
func (l *list) move(d, n int) { l.cursor = min(max(l.cursor+d, 0), max(n-1, 0)) }

// window returns which of n rows are in sight where there is room for height.
func (l *list) window(n, height int) (from, to int) {
	l.page = max(height, 1)
	l.move(0, n)
	l.top = min(l.top, l.cursor, max(0, n-l.page))
	l.top = max(l.top, l.cursor-l.page+1)
	return l.top, min(n, l.top+l.page)
}
