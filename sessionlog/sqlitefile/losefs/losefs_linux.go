package losefs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A server is a mounted file system. Its methods may be called concurrently.
type server struct {
	// Static after Mount.
	mount, backing string
	fuse           *fuse.Server
	served         chan struct{} // closed when the server has ended

	mu     sync.Mutex // guards what follows, and all inodes
	nodes  map[uint64]*inode
	root   *inode
	dirs   map[uint64][]fuse.DirEntry // open directories, by handle
	handle uint64                     // the newest
	ops    int                        // changes and syncs that came until now
	cutAt  int                        // the one that the cut comes in; 0 if none
	seed   uint64                     // of that cut
	rng    *rand.Rand                 // of the cut that was
	dead   bool                       // the cut was
	closed bool
}

// An inode is a file or a directory.
type inode struct {
	id    uint64
	mode  uint32 // with the type
	file  file
	names names // of a directory
}

func (n *inode) isDir() bool { return n.mode&unix.S_IFMT == unix.S_IFDIR }

// Check says why Mount cannot work here, if it cannot.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("mounting a file system takes root")
	}
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		return fmt.Errorf("the kernel offers no /dev/fuse: %w", err)
	}
	return nil
}

// serve serves the content of the directory backing at the directory mount,
// which is empty. It takes root and /dev/fuse.
func serve(mount, backing string) (*server, error) {
	fs := &server{
		mount: mount, backing: backing,
		nodes: map[uint64]*inode{}, dirs: map[uint64][]fuse.DirEntry{},
		served: make(chan struct{}),
	}
	var err error
	if fs.root, err = fs.load(backing); err != nil {
		return nil, fmt.Errorf("load %s: %w", backing, err)
	}
	fs.fuse, err = fuse.NewServer(&door{RawFileSystem: fuse.NewDefaultRawFileSystem(), fs: fs}, mount, &fuse.MountOptions{
		FsName: "losefs", Name: "losefs", DirectMountStrict: true, DisableXAttrs: true, DisableReadDirPlus: true,
	})
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", mount, err)
	}
	go func() {
		defer close(fs.served)
		fs.fuse.Serve()
	}()
	if err := fs.fuse.WaitMount(); err != nil {
		return nil, fmt.Errorf("mount %s: %w", mount, errors.Join(err, fs.unmount()))
	}
	return fs, nil
}

// Cut cuts the power now. Every change and every sync fails from here on. What is
// there can still be read: a program that has mapped a file would otherwise die of
// it, and take the test with it.
func (fs *server) Cut(seed uint64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.die(seed)
}

// CutAt cuts the power in the middle of the n-th change or sync from now.
func (fs *server) CutAt(n int, seed uint64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.cutAt, fs.seed = fs.ops+n, seed
}

func (fs *server) isDead() bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.dead
}

// die is the cut. fs.mu is held.
func (fs *server) die(seed uint64) {
	if fs.dead {
		return
	}
	fs.dead, fs.rng = true, rand.New(rand.NewPCG(seed, sector))
}

// Close unmounts, and puts into the backing directory what the cut left, or
// everything if there was none. If files are still open, the mount point is
// freed and Close returns an error.
func (fs *server) Close() error {
	fs.mu.Lock()
	closed := fs.closed
	fs.closed = true
	fs.mu.Unlock()
	if closed {
		return nil
	}
	return errors.Join(fs.unmount(), fs.store())
}

func (fs *server) unmount() error {
	err := unix.Unmount(fs.mount, unix.UMOUNT_NOFOLLOW)
	if err == nil {
		<-fs.served
		return nil
	}
	err = fmt.Errorf("unmount %s: %w", fs.mount, err)
	return errors.Join(err, unix.Unmount(fs.mount, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
}

// add returns a new inode. fs.mu is held, or nobody else has fs.
func (fs *server) add(mode uint32) *inode {
	n := &inode{id: uint64(len(fs.nodes)) + fuse.FUSE_ROOT_ID, mode: mode}
	if n.isDir() {
		n.names = newNames()
	}
	fs.nodes[n.id] = n
	return n
}

// load reads what is at path. The first call makes the root.
func (fs *server) load(path string) (*inode, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		n := fs.add(unix.S_IFREG | uint32(st.Mode().Perm()))
		n.file.disk, err = os.ReadFile(path)
		n.file.live = append([]byte(nil), n.file.disk...)
		return n, err
	}
	n := fs.add(unix.S_IFDIR | uint32(st.Mode().Perm()))
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		child, err := fs.load(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		n.names.live[e.Name()], n.names.disk[e.Name()] = child, child
	}
	return n, nil
}
