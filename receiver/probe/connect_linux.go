package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func newConnector() connector { return kernel{lowestEphemeral: lowestEphemeralPort()} }

// kernel is the connector that asks the kernel what happened and when, instead
// of the clock when it came to hear of it: under load, this machine notices an
// answer long after it arrived.
type kernel struct {
	// lowestEphemeral is the lowest port that the kernel chooses as a local one.
	lowestEphemeral uint16
}

// lowestEphemeralPort returns the lower end of net.ipv4.ip_local_port_range
// (ip(7)), which holds for IPv6 as well, or 0 if it cannot be read.
func lowestEphemeralPort() uint16 {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	var lowest, highest uint16
	if _, err := fmt.Sscan(string(text), &lowest, &highest); err != nil {
		return 0
	}
	return lowest
}

func (k kernel) connect(ctx context.Context, address netip.AddrPort, timeout time.Duration) (handshake, error) {
	sockaddr, domain, err := toSockaddr(address)
	if err != nil {
		return handshake{}, err
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return handshake{}, newDialError(address, "socket", err)
	}
	a := attempt{address: address, mayBeSelf: address.Port() >= k.lowestEphemeral, start: time.Now()}
	if err := unix.Connect(fd, sockaddr); err != nil && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EINTR) {
		_ = unix.Close(fd)
		return handshake{}, newDialError(address, "connect", err)
	}
	// On loopback, all has happened by now.
	if a.ask(fd); a.pending {
		a.wait(ctx, fd, timeout)
	} else {
		_ = unix.Close(fd)
	}
	return a.handshake, a.err
}

// attempt is one attempt to connect, and what is known of it.
type attempt struct {
	address   netip.AddrPort
	mayBeSelf bool      // the kernel may choose the port as the local one
	start     time.Time // when the SYN was sent
	pending   bool      // there is no answer yet
	handshake handshake
	err       error
}

// ask asks the kernel for the state of the attempt.
func (a *attempt) ask(fd int) {
	info, errno := tcpInfo(fd)
	if errno != 0 {
		a.pending, a.err = false, newDialError(a.address, "getsockopt", errno)
		return
	}
	elapsed := time.Since(a.start)
	a.handshake = handshake{retransmits: int(info.Total_retrans)}
	switch info.State {
	case unix.BPF_TCP_SYN_SENT, unix.BPF_TCP_SYN_RECV:
		a.pending = true
		return
	case unix.BPF_TCP_CLOSE:
		// A reset in answer to the SYN is ECONNREFUSED. The other two come
		// after the handshake (tcp_reset in the kernel's tcp_input.c), when
		// the connection was made.
		errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			a.pending, a.err = false, newDialError(a.address, "getsockopt", err)
			return
		}
		if errno := unix.Errno(errno); errno != unix.ECONNRESET && errno != unix.EPIPE {
			a.pending, a.err = false, newDialError(a.address, "connect", errno)
			return
		}
	}
	a.pending = false
	if a.mayBeSelf && isSelf(fd) {
		a.err = newDialError(a.address, "connect", unix.ECONNREFUSED)
		return
	}
	a.handshake.time = time.Duration(info.Rtt) * time.Microsecond
	if info.Total_retrans > 0 {
		// The wait for the lost SYNs was real, and is not in the round-trip
		// time. It ended when the answer came (tcpi_last_ack_recv, in ms), not
		// when we ask.
		a.handshake.time = elapsed - time.Duration(info.Last_ack_recv)*time.Millisecond
	}
}

// tcpInfo is unix.GetsockoptTCPInfo with the result on the stack: that one
// allocates a quarter of a kilobyte for each check.
func tcpInfo(fd int) (info unix.TCPInfo, errno unix.Errno) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, errno
}

// isSelf reports whether the socket connected to itself, by the simultaneous open
// of RFC 9293, section 3.5: nothing listens on the port then, which the kernel
// had just chosen as the local one.
func isSelf(fd int) bool {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return false // it is closed already, by a peer
	}
	switch l := local.(type) {
	case *unix.SockaddrInet4:
		p, ok := peer.(*unix.SockaddrInet4)
		return ok && l.Port == p.Port && l.Addr == p.Addr
	case *unix.SockaddrInet6:
		p, ok := peer.(*unix.SockaddrInet6)
		return ok && l.Port == p.Port && l.Addr == p.Addr
	}
	return false
}

// wait waits for the answer, in the runtime's poller, and closes fd.
func (a *attempt) wait(ctx context.Context, fd int, timeout time.Duration) {
	file := os.NewFile(uintptr(fd), "")
	defer func() { _ = file.Close() }()
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetWriteDeadline(a.start.Add(timeout))
	}
	if err != nil {
		a.err = newDialError(a.address, "epoll_ctl", err)
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(a.start) })
	defer stop()

	err = raw.Write(func(fd uintptr) bool {
		a.ask(int(fd))
		return !a.pending
	})
	if ctx.Err() != nil {
		a.err = ctx.Err()
		return
	}
	if err != nil {
		// Time is up. Whether the answer is there is the kernel's to say: the
		// poller may not have come to tell.
		if err := raw.Control(func(fd uintptr) { a.ask(int(fd)) }); err != nil {
			a.err = newDialError(a.address, "epoll_wait", err)
			return
		}
	}
	if a.pending || a.err == nil && a.handshake.time > timeout {
		a.handshake.time = 0
		a.err = newDialError(a.address, "", os.ErrDeadlineExceeded)
	}
}

// toSockaddr returns address as the kernel takes it, with its domain.
func toSockaddr(address netip.AddrPort) (unix.Sockaddr, int, error) {
	if address.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}, unix.AF_INET, nil
	}
	zone, err := zoneIndex(address.Addr())
	return &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16(), ZoneId: zone}, unix.AF_INET6, err
}
