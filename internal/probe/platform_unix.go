//go:build unix

package probe

import (
	"math"
	"syscall"

	"example.com/tcpcheckreceiver/internal/check"
)

// errnoTypes names the errors of connect(2), and those that SO_ERROR holds
// after a connection attempt failed (socket(7), icmp(7)).
var errnoTypes = map[syscall.Errno]check.ErrorType{
	syscall.ECONNREFUSED: check.ConnectionRefused,
	syscall.ENOPROTOOPT:  check.ConnectionRefused, // ICMP protocol unreachable: the host has no TCP
	syscall.ETIMEDOUT:    check.Timeout,
	syscall.ECONNRESET:   check.ConnectionReset,
	syscall.ECONNABORTED: check.ConnectionReset,
	syscall.EPIPE:        check.ConnectionReset,
	syscall.EHOSTUNREACH: check.HostUnreachable,
	syscall.EHOSTDOWN:    check.HostUnreachable,
	syscall.ENETUNREACH:  check.NetworkUnreachable,
	syscall.ENETDOWN:     check.NetworkUnreachable,
	syscall.EINVAL:       check.NetworkUnreachable, // a blackhole route of this machine (ip-route(8))
	syscall.EACCES:       check.PermissionDenied,
	syscall.EPERM:        check.PermissionDenied,
}

// localFaults are the errors of connect(2) that are this machine's own: no
// descriptor, memory or ephemeral port left, or no address of the family.
var localFaults = map[syscall.Errno]bool{
	syscall.EMFILE:          true,
	syscall.ENFILE:          true,
	syscall.ENOBUFS:         true,
	syscall.ENOMEM:          true,
	syscall.EAGAIN:          true,
	syscall.EADDRINUSE:      true,
	syscall.EADDRNOTAVAIL:   true,
	syscall.EAFNOSUPPORT:    true,
	syscall.EPROTONOSUPPORT: true,
}

// descriptorLimit returns how many descriptors the process may have open: its
// soft limit, which Go has raised to the hard one at start.
func descriptorLimit() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256 // what every system allows
	}
	return int64(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // the type is int64 on FreeBSD
}
