package service

// text returns a cell: null if s is empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// number returns a cell: null if n is 0.
func number(n int) any {
	if n == 0 {
		return nil
	}
	return n
}
