package probe

import (
	"syscall"

	"golang.org/x/sys/windows"

	"example.com/tcpcheckreceiver/internal/check"
)

// errnoTypes names the errors of ConnectEx and connect (Windows Sockets error codes).
var errnoTypes = map[syscall.Errno]check.ErrorType{
	windows.WSAECONNREFUSED:           check.ConnectionRefused,
	windows.ERROR_CONNECTION_REFUSED:  check.ConnectionRefused,
	windows.WSAETIMEDOUT:              check.Timeout,
	windows.ERROR_SEM_TIMEOUT:         check.Timeout,
	windows.WSAECONNRESET:             check.ConnectionReset,
	windows.WSAECONNABORTED:           check.ConnectionReset,
	windows.ERROR_NETNAME_DELETED:     check.ConnectionReset,
	windows.WSAEHOSTUNREACH:           check.HostUnreachable,
	windows.WSAEHOSTDOWN:              check.HostUnreachable,
	windows.ERROR_HOST_UNREACHABLE:    check.HostUnreachable,
	windows.WSAENETUNREACH:            check.NetworkUnreachable,
	windows.WSAENETDOWN:               check.NetworkUnreachable,
	windows.ERROR_NETWORK_UNREACHABLE: check.NetworkUnreachable,
	windows.WSAEACCES:                 check.PermissionDenied,
	windows.ERROR_ACCESS_DENIED:       check.PermissionDenied,
}

// lacks names the errors that are this machine's own.
var lacks = map[syscall.Errno]check.Lack{
	windows.WSAEMFILE:          check.LacksFileDescriptors,
	windows.WSAENOBUFS:         check.LacksMemory,
	windows.WSAEADDRINUSE:      check.LacksPorts,
	windows.WSAEADDRNOTAVAIL:   check.LacksPorts,
	windows.WSAEAFNOSUPPORT:    check.LacksAddressFamily,
	windows.WSAEPROTONOSUPPORT: check.LacksAddressFamily,
}

// descriptorLimit returns how many sockets the process may have open. Windows has
// no limit for a process but that of its memory.
func descriptorLimit() int64 { return 1 << 16 }
