package probe

// descriptorLimit returns how many sockets the process may have open. Windows has
// no limit for a process but that of its memory.
func descriptorLimit() int64 { return 1 << 16 }
