// Package losefs is a file system for tests that loses what a power cut would
// lose.
//
// It serves the content of a backing directory on a mount point, through FUSE.
// What is changed there and not yet synced is remembered: a write or truncation
// until its file is synced, a name that is made, moved or removed until its
// directory is. [FS.Cut] ends all, and undoes some of that: a seed decides what.
// After [FS.Close] the backing directory holds what is left.
//
// The model is as strict as POSIX, and stricter than any one real file system:
//
//   - Syncing a file says nothing about its name, and syncing a directory
//     nothing about what is in its files.
//   - Files and directories do not wait for each other: one may have all of its
//     unsynced changes and another none.
//   - A file keeps none of them, or the first few and a part of the next, or each
//     of its sectors of 512 bytes has a past of its own. A sector is never torn,
//     and never has a later change without an earlier one: it is one place in a
//     cache.
//   - A directory keeps none of them, or the first few, or any. Moving a name
//     within a directory is one change; it cannot be moved to another directory.
//
// Modes, owners and times are not part of the model. Everything is held in
// memory.
package losefs
