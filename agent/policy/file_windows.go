package policy

import (
	"io/fs"
	"os"
)

func openFile(path string) (*os.File, error) { return os.Open(path) }

// ownerOnly does nothing: who may write a file is in its access list here, which
// its administrator sets.
func ownerOnly(string, fs.FileInfo) error { return nil }
