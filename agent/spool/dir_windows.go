package spool

// syncDir does nothing: directories can not be synced here.
func syncDir(string) error { return nil }
