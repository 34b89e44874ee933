//go:build unix

package probe

import "syscall"

// errnoTypes names the errors of connect(2), and those that SO_ERROR holds
// after a connection attempt failed (socket(7), icmp(7)).
var errnoTypes = map[syscall.Errno]ErrorType{
	syscall.ECONNREFUSED: ConnectionRefused,
	syscall.ENOPROTOOPT:  ConnectionRefused, // ICMP protocol unreachable: the host has no TCP
	syscall.ETIMEDOUT:    Timeout,
	syscall.ECONNRESET:   ConnectionReset,
	syscall.ECONNABORTED: ConnectionReset,
	syscall.EPIPE:        ConnectionReset,
	syscall.EHOSTUNREACH: HostUnreachable,
	syscall.EHOSTDOWN:    HostUnreachable,
	syscall.ENETUNREACH:  NetworkUnreachable,
	syscall.ENETDOWN:     NetworkUnreachable,
	syscall.EINVAL:       NetworkUnreachable, // a blackhole route of this machine (ip-route(8))
	syscall.EACCES:       PermissionDenied,
	syscall.EPERM:        PermissionDenied,
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

// connectCalls are the names under which Go's net reports a failed connect.
var connectCalls = map[string]bool{"connect": true}
