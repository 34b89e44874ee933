//go:build unix

package probe

import (
	"math"
	"syscall"
)

// descriptorLimit returns how many descriptors the process may have open: its
// soft limit, which Go has raised to the hard one at start.
func descriptorLimit() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256 // what every system allows
	}
	return int64(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // the type is int64 on FreeBSD
}
