// Package journal reads records of the system's journal, and of the kernel's ring
// where there is no journal.
package journal
