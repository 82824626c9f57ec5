package losefs

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// store makes the backing directory what is left.
func (fs *server) store() error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	entries, err := os.ReadDir(fs.backing)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(fs.backing, e.Name())); err != nil {
			return err
		}
	}
	return fs.storeDir(fs.backing, fs.root, map[*inode]string{})
}

// storeDir writes what is in a directory. stored says where files are that have
// more than one name.
func (fs *server) storeDir(path string, dir *inode, stored map[*inode]string) error {
	left := dir.names.live
	if fs.dead {
		left = dir.names.left(fs.rng)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) { // in order: the seed decides, not the map
		if err := fs.storeNode(filepath.Join(path, name), left[name], stored); err != nil {
			return err
		}
	}
	return nil
}

func (fs *server) storeNode(path string, n *inode, stored map[*inode]string) error {
	if old, ok := stored[n]; ok {
		if n.isDir() { // it was moved twice, and the second move is left alone
			return nil
		}
		return os.Link(old, path)
	}
	stored[n] = path
	perm := os.FileMode(n.mode).Perm()
	if n.isDir() {
		if err := os.Mkdir(path, perm); err != nil {
			return err
		}
		return fs.storeDir(path, n, stored)
	}
	data := n.file.live
	if fs.dead {
		data = n.file.left(fs.rng)
	}
	return errors.Join(os.WriteFile(path, data, 0o600), os.Chmod(path, perm))
}
