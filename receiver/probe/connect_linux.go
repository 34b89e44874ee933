package probe

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newConnectors returns what makes the connectors of this system.
func newConnectors() newConnector {
	lowest := lowestEphemeralPort()
	return func(address netip.AddrPort, timeout time.Duration) connector {
		return &kernel{address: address, timeout: timeout, mayBeSelf: address.Port() >= lowest}
	}
}

// kernel is the connector that asks the kernel what happened and when, instead
// of the clock when it came to hear of it: under load, this machine notices an
// answer long after it arrived.
type kernel struct {
	address   netip.AddrPort
	timeout   time.Duration
	mayBeSelf bool // the kernel may choose the port as the local one
	sockaddr  unix.Sockaddr
	domain    int
	fd        int       // of the attempt that is pending
	start     time.Time // when the SYN of the last attempt was sent
	refused   bool      // it was refused at once
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

func (k *kernel) begin() (handshake, error) {
	if err := k.setSockaddr(); err != nil {
		return handshake{}, err
	}
	fd, err := unix.Socket(k.domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return handshake{}, k.failed("socket", err)
	}
	k.start = time.Now()
	if err := unix.Connect(fd, k.sockaddr); err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		_ = unix.Close(fd)
		return handshake{}, k.failed("connect", err)
	}
	// On loopback, all has happened by now.
	shake, err := k.askFirst(fd)
	if err == errPending { //nolint:errorlint // it is never wrapped
		k.fd = fd
		return shake, err
	}
	_ = unix.Close(fd)
	return shake, err
}

func (k *kernel) failed(call string, err error) error { return newDialError(k.address, call, err) }

// initialRTO is when the first SYN is sent again, if there is no answer (RFC 6298,
// section 2.1).
const initialRTO = time.Second

// askFirst is ask for an attempt that has just begun. Whoever refused the last time
// does so again, as a rule: then one system call says it all, where two took a tenth
// of what a refused check costs.
func (k *kernel) askFirst(fd int) (shake handshake, err error) {
	if k.refused && time.Since(k.start) < initialRTO { // no SYN was sent again
		err = k.socketError(fd)
	}
	if !isRefused(err) {
		// Of another error, the state says whether it has ended the attempt.
		shake, err = k.askAfter(fd, err)
	}
	k.refused = isRefused(err)
	return shake, err
}

// isRefused reports whether err says that nothing listens.
func isRefused(err error) bool {
	failed, ok := err.(*dialError)               //nolint:errorlint // it is never wrapped
	return ok && failed.err == unix.ECONNREFUSED //nolint:errorlint // it is as the system call returned it
}

// ask asks the kernel for the state of the attempt.
func (k *kernel) ask(fd int) (handshake, error) { return k.askAfter(fd, nil) }

// askAfter is ask, once the error of the socket has been read: it can be read once.
func (k *kernel) askAfter(fd int, failure error) (handshake, error) {
	info, errno := tcpInfo(fd)
	if errno != 0 {
		return handshake{}, k.failed("getsockopt", errno)
	}
	shake := handshake{retransmits: int(info.Total_retrans)}
	switch info.State {
	case unix.BPF_TCP_SYN_SENT, unix.BPF_TCP_SYN_RECV:
		return shake, errPending
	case unix.BPF_TCP_CLOSE:
		if failure == nil {
			failure = k.socketError(fd)
		}
		if failure != nil {
			return shake, failure
		}
	}
	if k.mayBeSelf && isSelf(fd) {
		return shake, k.failed("connect", unix.ECONNREFUSED)
	}
	shake.time = time.Duration(info.Rtt) * time.Microsecond
	if info.Total_retrans > 0 {
		// The wait for the lost SYNs was real, and is not in the round-trip
		// time. It ended when the answer came (tcpi_last_ack_recv, in ms), not
		// when we ask.
		shake.time = time.Since(k.start) - time.Duration(info.Last_ack_recv)*time.Millisecond
	}
	return shake, nil
}

// socketError returns the error that ended the attempt, or nil for none and for
// those that only come once the connection was made: a reset in answer to the SYN is
// ECONNREFUSED, and ECONNRESET and EPIPE come after the handshake (tcp_reset in the
// kernel's tcp_input.c).
func (k *kernel) socketError(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return k.failed("getsockopt", err)
	}
	if e := unix.Errno(errno); e != 0 && e != unix.ECONNRESET && e != unix.EPIPE {
		return k.failed("connect", e)
	}
	return nil
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

// await waits for the answer in the runtime's poller.
func (k *kernel) await(ctx context.Context) (shake handshake, err error) {
	file := os.NewFile(uintptr(k.fd), "")
	defer func() { _ = file.Close() }()
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetWriteDeadline(k.start.Add(k.timeout))
	}
	if err != nil {
		return handshake{}, k.failed("epoll_ctl", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(k.start) })
	defer stop()

	polled := raw.Write(func(fd uintptr) bool {
		shake, err = k.ask(int(fd))
		return err != errPending //nolint:errorlint // it is never wrapped
	})
	if ctx.Err() != nil {
		return handshake{}, ctx.Err()
	}
	if polled != nil {
		// Time is up. Whether the answer is there is the kernel's to say: the
		// poller may not have come to tell.
		if err := raw.Control(func(fd uintptr) { shake, err = k.ask(int(fd)) }); err != nil {
			return handshake{}, k.failed("epoll_wait", err)
		}
	}
	if err == errPending || err == nil && shake.time > k.timeout { //nolint:errorlint // it is never wrapped
		shake.time, err = 0, k.failed("", os.ErrDeadlineExceeded)
	}
	return shake, err
}

// setSockaddr sets the address as the kernel takes it. That of an interface may
// change from one attempt to the next.
func (k *kernel) setSockaddr() error {
	address := k.address.Addr()
	switch {
	case k.sockaddr != nil && address.Zone() == "":
	case address.Is4():
		k.sockaddr, k.domain = &unix.SockaddrInet4{Port: int(k.address.Port()), Addr: address.As4()}, unix.AF_INET
	default:
		zone, err := zoneIndex(address)
		if err != nil {
			return err
		}
		k.sockaddr, k.domain = &unix.SockaddrInet6{Port: int(k.address.Port()), Addr: address.As16(), ZoneId: zone}, unix.AF_INET6
	}
	return nil
}
