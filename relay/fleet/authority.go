package fleet

// PersonGone returns a channel that is closed once the technician of that name is
// let in nowhere, or a key is taken from them: for those whom no key of the catalogue proves, but a certificate
// of an authority that the relay was told to trust.
func (c *Catalogue) PersonGone(name string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.technicians[name]
	return c.goneLocked(person(name), t != nil && !t.Disabled)
}

// KeyRemoved reports whether a key was taken from somebody and given to nobody since:
// it lets nobody in, not even with a certificate over it.
func (c *Catalogue) KeyRemoved(print string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takenKeys[print]
}

// person is what a technician is called among what can be gone; no fingerprint is
// like it.
func person(name string) string { return "technician " + name }

// goneLocked returns the channel that shut(what) closes; one that is closed if what
// lets nobody in already.
func (c *Catalogue) goneLocked(what string, good bool) <-chan struct{} {
	if !good {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	gone := c.gone[what]
	if gone == nil {
		gone = make(chan struct{})
		c.gone[what] = gone
	}
	return gone
}
