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

// lacks names the errors of socket(2) and connect(2) that are this machine's own.
var lacks = map[syscall.Errno]check.Lack{
	syscall.EMFILE:          check.LacksFileDescriptors,
	syscall.ENFILE:          check.LacksFileDescriptors,
	syscall.ENOBUFS:         check.LacksMemory,
	syscall.ENOMEM:          check.LacksMemory,
	syscall.EAGAIN:          check.LacksPorts,
	syscall.EADDRINUSE:      check.LacksPorts,
	syscall.EADDRNOTAVAIL:   check.LacksPorts,
	syscall.EAFNOSUPPORT:    check.LacksAddressFamily,
	syscall.EPROTONOSUPPORT: check.LacksAddressFamily,
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
