package probe

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errnoTypes names the errors of ConnectEx and connect (Windows Sockets error
// codes).
var errnoTypes = map[syscall.Errno]ErrorType{
	windows.WSAECONNREFUSED:           ConnectionRefused,
	windows.ERROR_CONNECTION_REFUSED:  ConnectionRefused,
	windows.WSAETIMEDOUT:              Timeout,
	windows.ERROR_SEM_TIMEOUT:         Timeout,
	windows.WSAECONNRESET:             ConnectionReset,
	windows.WSAECONNABORTED:           ConnectionReset,
	windows.ERROR_NETNAME_DELETED:     ConnectionReset,
	windows.WSAEHOSTUNREACH:           HostUnreachable,
	windows.WSAEHOSTDOWN:              HostUnreachable,
	windows.ERROR_HOST_UNREACHABLE:    HostUnreachable,
	windows.WSAENETUNREACH:            NetworkUnreachable,
	windows.WSAENETDOWN:               NetworkUnreachable,
	windows.ERROR_NETWORK_UNREACHABLE: NetworkUnreachable,
	windows.WSAEACCES:                 PermissionDenied,
	windows.ERROR_ACCESS_DENIED:       PermissionDenied,
}

// localFaults are the errors that are this machine's own: no socket, memory or
// ephemeral port left, or no address of the family.
var localFaults = map[syscall.Errno]bool{
	windows.WSAEMFILE:          true,
	windows.WSAENOBUFS:         true,
	windows.WSAEADDRINUSE:      true,
	windows.WSAEADDRNOTAVAIL:   true,
	windows.WSAEAFNOSUPPORT:    true,
	windows.WSAEPROTONOSUPPORT: true,
}

// connectCalls are the names under which Go's net reports a failed connect.
var connectCalls = map[string]bool{"connect": true, "connectex": true}
