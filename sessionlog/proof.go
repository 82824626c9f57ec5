package sessionlog

// A Row is an event as a record keeps it, unread: what a verifier looks at.
type Row struct {
	Seq  Seq
	Leaf []byte
	// Salt and Data are those of the output; nil where there is none.
	Salt, Data []byte
}

// A Mark is a checkpoint as a record keeps it, unread. Only Note is signed; the
// rest is there to find what is wrong, and to go on from there.
type Mark struct {
	Size Seq
	Note string
	// Edge is that of the tree of Size leaves: see Tree.Edge.
	Edge []byte
	// Hashes are the leaf hashes of the events after the mark before, end to end.
	Hashes []byte
}
