package socket

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockaddr returns an address as the kernel takes it, and the domain of its sockets. The error is an
// *UnknownZoneError.
func Sockaddr(address netip.AddrPort) (unix.Sockaddr, int, error) {
	addr, port := address.Addr(), int(address.Port())
	if addr.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: addr.As4()}, unix.AF_INET, nil
	}
	zone, err := ZoneIndex(addr)
	if err != nil {
		return nil, 0, err
	}
	return &unix.SockaddrInet6{Port: port, Addr: addr.As16(), ZoneId: zone}, unix.AF_INET6, nil
}

// Hush has the kernel not acknowledge the SYN-ACK at once (TCP_QUICKACK in tcp(7)), and reset
// the connection where it is closed (SO_LINGER in socket(7)): as long as there is no ACK, the
// peer's accept(2) does not return.
func Hush(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0); err != nil {
		return err
	}
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// Info is unix.GetsockoptTCPInfo with the result on the stack: that one
// allocates a quarter of a kilobyte for each check. The error number is 0 for none.
func Info(fd int) (info unix.TCPInfo, errno unix.Errno) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, errno
}

// LocalAddress returns the local address and port of a socket, or is invalid. It is unix.Getsockname
// with the result on the stack.
func LocalAddress(fd int) netip.AddrPort {
	var raw unix.RawSockaddrInet6 // which is longer than one of IPv4
	size := uint32(unsafe.Sizeof(raw))
	if _, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size))); errno != 0 {
		return netip.AddrPort{}
	}
	b := (*[unsafe.Sizeof(raw)]byte)(unsafe.Pointer(&raw))[:size]
	return netip.AddrPortFrom(parseSockaddr(b), binary.BigEndian.Uint16(b[2:]))
}

// Phase is how far a connection attempt has come. The zero value is Pending.
type Phase uint8

// The phases of an attempt.
const (
	Pending   Phase = iota // there is no answer
	Connected              // the SYN-ACK came, whatever came after it
	Ended                  // by an error
)

// PhaseOf returns the phase of an attempt of which the kernel gives the state of the
// socket (RFC 9293, section 3.3.2), and where that is CLOSE, the error.
//
// A closed socket without an error has not been connected yet: Linux has none, but
// gVisor reports its own states before SYN_SENT so.
func PhaseOf(state uint8, err unix.Errno) Phase {
	switch state {
	case unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_CLOSE_WAIT, unix.BPF_TCP_LAST_ACK,
		unix.BPF_TCP_FIN_WAIT1, unix.BPF_TCP_FIN_WAIT2, unix.BPF_TCP_CLOSING, unix.BPF_TCP_TIME_WAIT:
		return Connected
	case unix.BPF_TCP_CLOSE:
		switch err {
		case 0:
		case unix.ECONNRESET, unix.EPIPE:
			// A reset in answer to the SYN is ECONNREFUSED; these two come after the
			// handshake (tcp_reset in the kernel's tcp_input.c).
			return Connected
		default:
			return Ended
		}
	}
	return Pending
}
