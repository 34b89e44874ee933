package socket

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
)

// HeedICMP asks the kernel to keep the ICMP errors of a socket of a domain (IP_RECVERR in ip(7),
// IPV6_RECVERR in ipv6(7)). Linux keeps those of connection attempts from 6.0 on.
func HeedICMP(fd, domain int) {
	// Where it cannot, the error number of the socket has to do.
	if domain == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	} else {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
}

// KeepsICMP reports whether the kernel keeps the ICMP errors of a TCP socket: Linux does from 6.0
// on (tcp_v4_err in the kernel's tcp_ipv4.c). gVisor calls itself 4.4.0.
var KeepsICMP = sync.OnceValue(func() bool {
	var name unix.Utsname
	err := unix.Uname(&name)
	return err == nil && isRecent(unix.ByteSliceToString(name.Release[:]))
})

// isRecent reports whether a release of Linux, such as 5.14.0-503.el9.x86_64, is 6.0 or later.
func isRecent(release string) bool {
	major, _, _ := strings.Cut(release, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 6
}

// ReadICMP returns the last ICMP error that the kernel kept for a socket, or nil; whether it is Local
// is not looked up. The error number of the socket is to be read before: this takes it away.
func ReadICMP(fd int) *ICMPError {
	var last *ICMPError
	control := make([]byte, 256)
	packet := make([]byte, 64) // of the SYN, which is of no interest
	for {
		_, n, _, _, err := unix.Recvmsg(fd, packet, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return last
		}
		last = cmp.Or(parseICMP(control[:n]), last)
	}
}

// parseICMP returns the ICMP error in the control message of an error queue, or nil: a
// struct sock_extended_err, and the address of the sender behind it (ip(7)).
func parseICMP(control []byte) *ICMPError {
	messages, _ := unix.ParseSocketControlMessage(control) // none, if it is cut short
	for _, m := range messages {
		const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
		if len(m.Data) < size {
			continue
		}
		e := &ICMPError{Type: m.Data[5], Code: m.Data[6], Sender: parseSockaddr(m.Data[size:])}
		switch origin := m.Data[4]; {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR && origin == unix.SO_EE_ORIGIN_ICMP:
			e.Family = check.IPv4
			return e
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR && origin == unix.SO_EE_ORIGIN_ICMP6:
			e.Family = check.IPv6
			return e
		}
	}
	return nil
}

// parseSockaddr returns the address in a struct sockaddr_in or sockaddr_in6, or the
// zero value.
func parseSockaddr(b []byte) netip.Addr {
	if len(b) < 8 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24]))
	}
	return netip.Addr{}
}
