package probe

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
)

// heedICMP asks the kernel to keep the ICMP errors of a socket (IP_RECVERR in ip(7),
// IPV6_RECVERR in ipv6(7)). Where it cannot, the error number has to do.
func (d *linuxDialer) heedICMP(fd int) {
	if d.domain == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	} else {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
}

// keepsICMP reports whether the kernel keeps the ICMP errors of a TCP socket: Linux does from 6.0
// on (tcp_v4_err in the kernel's tcp_ipv4.c).
var keepsICMP = sync.OnceValue(func() bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false
	}
	major, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 6
})

// readICMP returns the last ICMP error that the kernel kept for a socket, or nil. The
// error number of the socket is to be read before: this takes it away.
func readICMP(fd int) *icmpError {
	var last *icmpError
	control := make([]byte, 256)
	packet := make([]byte, 64) // of the SYN, which is of no interest
	for {
		_, n, _, _, err := unix.Recvmsg(fd, packet, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		last = cmp.Or(parseICMP(control[:n]), last)
	}
	if last != nil {
		last.local = ownAddresses.has(last.sender)
	}
	return last
}

// parseICMP returns the ICMP error in the control message of an error queue, or nil: a
// struct sock_extended_err, and the address of the sender behind it (ip(7)).
func parseICMP(control []byte) *icmpError {
	messages, _ := unix.ParseSocketControlMessage(control) // none, if it is cut short
	for _, m := range messages {
		const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
		if len(m.Data) < size {
			continue
		}
		e := &icmpError{kind: m.Data[5], code: m.Data[6], sender: parseSockaddr(m.Data[size:])}
		switch origin := m.Data[4]; {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR && origin == unix.SO_EE_ORIGIN_ICMP:
			e.family = check.IPv4
			return e
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR && origin == unix.SO_EE_ORIGIN_ICMP6:
			e.family = check.IPv6
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

// ownAddresses are those of this machine's interfaces.
var ownAddresses addressList

// addressList is a list of addresses that is read again when it is a second old.
type addressList struct {
	mu        sync.Mutex
	addresses []netip.Addr
	read      time.Time
}

func (l *addressList) has(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.read) > time.Second {
		l.read = time.Now()
		l.addresses, _ = interfaceAddresses() // none, where they cannot be read
	}
	return slices.Contains(l.addresses, addr)
}
