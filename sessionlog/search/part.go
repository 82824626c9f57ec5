package search

import "fmt"

// Words are kept in parts, each of the blocks that came one after the other: a
// frequent word, or one only begun, is found in the newest part without a look
// at the others, filling one part never rewrites another, and a part whose
// records are all forgotten is dropped with its words.

// newPart makes a part, and the table of its words.
func (c *conn) newPart() (int64, error) {
	id, err := c.exec("INSERT INTO part(blocks, bytes, first, last) VALUES(0, 0, 1 << 62, 0)")
	if err != nil {
		return 0, err
	}
	return id, c.script(fmt.Sprintf(
		`CREATE VIRTUAL TABLE word%d USING fts4(text, content="", order=desc, matchinfo=fts3, tokenize=simple)`, id))
}

// partFor returns the part that the next block goes to.
func (c *conn) partFor(maxBytes int64) (int64, error) {
	vals, err := c.row("SELECT id, bytes FROM part ORDER BY id DESC LIMIT 1")
	if err != nil {
		return 0, err
	}
	if vals == nil {
		return c.newPart()
	}
	id := number(vals[0])
	if number(vals[1]) < maxBytes {
		return id, nil
	}
	// A full part is looked into ever after, so that it is worth to be one tree.
	if _, err := c.exec(fmt.Sprintf("INSERT INTO word%[1]d(word%[1]d) VALUES('optimize')", id)); err != nil {
		return 0, err
	}
	return c.newPart()
}

// enter puts the words of a block into a part.
func (c *conn) enter(part, id int64, b *block, first, last int64, words []byte) error {
	if _, err := c.exec(fmt.Sprintf("INSERT INTO word%d(docid, text) VALUES(?, ?)", part), id, words); err != nil {
		return err
	}
	_, err := c.exec("UPDATE part SET blocks = blocks + 1, bytes = bytes + ?, first = min(first, ?), last = max(last, ?) WHERE id = ?",
		int64(len(b.text)), first, last, part)
	return err
}

// dropEmpty drops a part if nothing in it can be found any more.
func (c *conn) dropEmpty(part int64) error {
	kept, err := c.number("SELECT EXISTS (SELECT 1 FROM block WHERE part = ?)", part)
	if err != nil || kept != 0 {
		return err
	}
	if _, err := c.exec("DELETE FROM part WHERE id = ?", part); err != nil {
		return err
	}
	return c.script(fmt.Sprintf("DROP TABLE word%d", part))
}

// partsWithin returns the parts that have events of a time, newest first.
func (c *conn) partsWithin(since, until int64) ([]partRange, error) {
	vals, err := c.rows("SELECT id, last FROM part WHERE last >= ? AND first <= ? ORDER BY last DESC", since, until)
	if err != nil {
		return nil, err
	}
	var parts []partRange
	for _, v := range vals {
		parts = append(parts, partRange{number(v[0]), number(v[1])})
	}
	return parts, nil
}

// A partRange is a part and its newest event's time.
type partRange struct{ id, last int64 }
