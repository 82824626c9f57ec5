package losefs

import (
	"maps"
	"math"
	"slices"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A door is what the kernel talks to. Nobody but the kernel changes anything, so
// what it has cached holds for ever.
type door struct {
	fuse.RawFileSystem // answers what is not below: not supported
	fs                 *server
}

const forever = math.MaxInt32 // seconds

// enter locks the file system and returns a node. The caller unlocks it.
func (d *door) enter(id uint64) (*inode, fuse.Status) {
	d.fs.mu.Lock()
	n := d.fs.nodes[id]
	if n == nil {
		return nil, fuse.ENOENT
	}
	return n, fuse.OK
}

// enterToChange is enter for what a cut puts an end to.
func (d *door) enterToChange(id uint64) (*inode, fuse.Status) {
	n, st := d.enter(id)
	if d.fs.dead {
		return nil, fuse.EIO
	}
	return n, st
}

// count counts a change that was done, or a sync that is to be. In the middle of
// it may be the cut. d.fs.mu is held.
func (d *door) count() fuse.Status {
	d.fs.ops++
	if d.fs.ops == d.fs.cutAt {
		d.fs.die(d.fs.seed)
		return fuse.EIO
	}
	return fuse.OK
}

func (n *inode) attr(a *fuse.Attr) {
	a.Ino, a.Mode, a.Nlink, a.Blksize = n.id, n.mode, 1, 4096
	a.Size = uint64(len(n.file.live))
	a.Blocks = (a.Size + sector - 1) / sector
}

func (n *inode) entry(out *fuse.EntryOut) {
	out.NodeId, out.EntryValid, out.AttrValid = n.id, forever, forever
	n.attr(&out.Attr)
}

func (d *door) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir, st := d.enter(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	n := dir.names.live[name]
	if n == nil {
		return fuse.ENOENT
	}
	n.entry(out)
	return fuse.OK
}

func (d *door) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, st := d.enter(in.NodeId)
	defer d.fs.mu.Unlock()
	if st == fuse.OK {
		out.AttrValid = forever
		n.attr(&out.Attr)
	}
	return st
}

func (d *door) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, st := d.enterToChange(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	if in.Valid&fuse.FATTR_MODE != 0 {
		n.mode = n.mode&unix.S_IFMT | in.Mode&^unix.S_IFMT
	}
	if in.Valid&fuse.FATTR_SIZE != 0 {
		n.file.change(change{off: int64(in.Size)})
		st = d.count()
	}
	out.AttrValid = forever
	n.attr(&out.Attr)
	return st
}

// insert gives a node a name that is free. It is called with the lock.
func (d *door) insert(dir *inode, name string, n *inode, out *fuse.EntryOut) fuse.Status {
	if dir.names.live[name] != nil {
		return fuse.Status(unix.EEXIST)
	}
	dir.names.change(rename{name: n})
	n.entry(out)
	return d.count()
}

func (d *door) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	dir, st := d.enterToChange(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return d.insert(dir, name, d.fs.add(unix.S_IFREG|in.Mode&^unix.S_IFMT), &out.EntryOut)
}

func (d *door) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, st := d.enterToChange(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	return d.insert(dir, name, d.fs.add(unix.S_IFDIR|in.Mode&^unix.S_IFMT), out)
}

func (d *door) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, st := d.enterToChange(in.NodeId)
	defer d.fs.mu.Unlock()
	n := d.fs.nodes[in.Oldnodeid]
	if st != fuse.OK || n == nil {
		return fuse.EIO
	}
	return d.insert(dir, name, n, out)
}

func (d *door) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return d.remove(in.NodeId, name)
}

func (d *door) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return d.remove(in.NodeId, name)
}

// remove takes a name away. The kernel has seen to it that it is one of a file
// or of a directory, as asked.
func (d *door) remove(dirID uint64, name string) fuse.Status {
	dir, st := d.enterToChange(dirID)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	switch n := dir.names.live[name]; {
	case n == nil:
		return fuse.ENOENT
	case len(n.names.live) > 0:
		return fuse.Status(unix.ENOTEMPTY)
	}
	dir.names.change(rename{name: nil})
	return d.count()
}

func (d *door) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	dir, st := d.enterToChange(in.NodeId)
	defer d.fs.mu.Unlock()
	switch {
	case st != fuse.OK:
		return st
	case in.Newdir != in.NodeId:
		return fuse.EXDEV
	case in.Flags != 0:
		return fuse.EINVAL
	case dir.names.live[from] == nil:
		return fuse.ENOENT
	case from != to:
		dir.names.change(rename{from: nil, to: dir.names.live[from]})
	}
	return d.count()
}

func (d *door) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	_, st := d.enter(in.NodeId)
	defer d.fs.mu.Unlock()
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE // no direct I/O: that cannot be mapped
	return st
}

func (d *door) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, st := d.enter(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return nil, st
	}
	live := n.file.live
	live = live[min(in.Offset, uint64(len(live))):]
	return fuse.ReadResultData(buf[:copy(buf, live)]), fuse.OK
}

func (d *door) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, st := d.enterToChange(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return 0, st
	}
	if len(data) > 0 {
		n.file.change(change{off: int64(in.Offset), data: data})
	}
	return uint32(len(data)), d.count()
}

func (d *door) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return d.sync(in.NodeId)
}

func (d *door) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return d.sync(in.NodeId)
}

func (d *door) sync(id uint64) fuse.Status {
	n, st := d.enterToChange(id)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	if st := d.count(); st != fuse.OK {
		return st
	}
	n.file.sync()
	n.names.sync()
	return fuse.OK
}

func (d *door) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, st := d.enter(in.NodeId)
	defer d.fs.mu.Unlock()
	if st != fuse.OK {
		return st
	}
	var list []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.names.live)) {
		child := n.names.live[name]
		list = append(list, fuse.DirEntry{Name: name, Ino: child.id, Mode: child.mode})
	}
	d.fs.handle++
	d.fs.dirs[d.fs.handle] = list
	out.Fh = d.fs.handle
	return fuse.OK
}

func (d *door) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	_, st := d.enter(in.NodeId)
	defer d.fs.mu.Unlock()
	list := d.fs.dirs[in.Fh]
	for _, e := range list[min(in.Offset, uint64(len(list))):] {
		if !out.AddDirEntry(e) {
			break
		}
	}
	return st
}

func (d *door) ReleaseDir(in *fuse.ReleaseIn) {
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	delete(d.fs.dirs, in.Fh)
}

func (d *door) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<30, 1<<30, 1<<30
	return fuse.OK
}
