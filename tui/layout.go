package tui

// A rect is a part of the screen.
type rect struct{ x, y, w, h int }

// A layout says how panes share the screen.
type layout int

const (
	layoutAuto  layout = iota // grid where there is room for columns
	layoutGrid                // columns
	layoutStack               // full width, the focused pane takes the spare rows
	layouts
)

func (l layout) String() string { return [...]string{"auto", "grid", "stack"}[l] }

const (
	minColumn = 50 // cells of a column of the grid
	minRows   = 3  // rows of a pane beside others
)

// arrange returns where each of n panes is; a pane that finds no place has no
// height. The pane with the focus always has one.
func arrange(l layout, zoom bool, n, focus int, area rect) []rect {
	out := make([]rect, n)
	cols := min(area.w/minColumn, squareSide(n))
	switch {
	case n == 0:
	case zoom || n == 1:
		out[focus] = area
	case l == layoutStack || l == layoutAuto && area.w < 2*minColumn || cols < 2 || area.h < 2*minRows:
		stack(out, focus, area)
	default:
		grid(out, focus, cols, area)
	}
	return out
}

// squareSide returns how many columns make n panes about square.
func squareSide(n int) int {
	side := 1
	for side*side < n {
		side++
	}
	return side
}

// stack gives every pane the least rows and the focused one all that are left.
func stack(out []rect, focus int, area rect) {
	others := min(len(out)-1, max(0, area.h-2*minRows)/minRows)
	first := min(max(0, focus-others/2), len(out)-others-1)
	y := area.y
	for i := first; i <= first+others; i++ {
		h := minRows
		if i == focus {
			h = area.h - others*minRows
		}
		out[i] = rect{area.x, y, area.w, h}
		y += h
	}
}

// grid shares the area among columns, and the rows that have the focus in sight.
func grid(out []rect, focus, cols int, area rect) {
	rows := (len(out) + cols - 1) / cols
	seen := min(rows, area.h/minRows)
	first := min(max(0, focus/cols-seen/2), rows-seen)
	for r := first; r < first+seen; r++ {
		y0, y1 := area.y+(r-first)*area.h/seen, area.y+(r-first+1)*area.h/seen
		inRow := min(cols, len(out)-r*cols)
		for c := range inRow {
			x0, x1 := c*area.w/inRow, (c+1)*area.w/inRow
			w := x1 - x0
			if c < inRow-1 {
				w-- // a wall
			}
			out[r*cols+c] = rect{area.x + x0, y0, w, y1 - y0}
		}
	}
}
