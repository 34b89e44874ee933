package probe

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
)

// newDialers returns what makes the dialers of this system.
func newDialers() newDialer {
	lowest := lowestEphemeralPort("/proc")
	return func(address netip.AddrPort, t *check.Target) dialer {
		return &linuxDialer{
			address: address, timeout: t.Timeout, quiet: t.Quiet, outgoing: t.Outgoing, retries: t.Retry.Attempts, mayBeSelf: address.Port() >= lowest, heed: true, tables: processTables,
		}
	}
}

// linuxDialer is the dialer that asks the kernel what happened and when, instead
// of the clock when it came to hear of it: under load, this machine notices an
// answer long after it arrived.
type linuxDialer struct {
	address   netip.AddrPort
	timeout   time.Duration
	outgoing  *check.Outgoing
	quiet     bool
	mayBeSelf bool // the kernel may choose the port as the local one
	tables    *tables
	sockaddr  unix.Sockaddr
	domain    int
	fd        int         // of the attempt that is pending
	start     time.Time   // when the SYN of the last attempt was sent
	before    *tableState // of the tables, when it was sent
	// refusedBy is who refused when ICMP errors were heeded the last time, and assumed how often it has
	// been taken to be the same one since then.
	refusedBy *socket.ICMPError
	assumed   uint8
	refusals  uint8 // at once, in a row, as far as this can count
	retries   uint8 // of a failure, until it is told
	heed      bool  // the ICMP errors of the next attempt from its SYN on
	heeds     bool  // those of this attempt
}

// lowestEphemeralPort returns the lower end of net.ipv4.ip_local_port_range (ip(7)) below a
// folder such as /proc, which holds for IPv6 as well, or 0 if it cannot be read.
func lowestEphemeralPort(proc string) uint16 {
	text, _ := os.ReadFile(proc + "/sys/net/ipv4/ip_local_port_range")
	var lowest, highest uint16
	if _, err := fmt.Sscan(string(text), &lowest, &highest); err != nil {
		return 0
	}
	return lowest
}

func (d *linuxDialer) begin() (handshake, error) {
	if err := d.setSockaddr(); err != nil {
		return handshake{}, err
	}
	fd, err := unix.Socket(d.domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return handshake{}, d.failed("socket", err)
	}
	if err := socket.Bind(uintptr(fd), check.FamilyOf(d.address.Addr()), d.outgoing); err != nil {
		_ = unix.Close(fd)
		return handshake{}, d.failed("bind", err)
	}
	if d.quiet {
		if err := socket.Hush(fd); err != nil {
			_ = unix.Close(fd)
			return handshake{}, d.failed("setsockopt", err)
		}
	}
	if d.heeds = d.heed; d.heeds {
		socket.HeedICMP(fd, d.domain)
	}
	d.start = time.Now()
	d.before = d.tables.at(d.start, stale)
	if err := unix.Connect(fd, d.sockaddr); err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		_ = unix.Close(fd)
		failed := newDialError(d.address, "connect", err)
		failed.source = check.Local // there was no SYN that anyone could have answered
		return handshake{}, failed
	}
	// On loopback, all has happened by now.
	shake, err := d.pollFirst(fd)
	if err == errPending { //nolint:errorlint // it is never wrapped
		if !d.heeds {
			socket.HeedICMP(fd, d.domain)
		}
		d.heed, d.heeds, d.fd = true, true, fd
		return shake, err
	}
	// A target that has answered at once is spared the system call the next time.
	d.heed = err != nil && (d.refusals == 0 || d.assumed >= mostAssumed)
	_ = unix.Close(fd)
	return shake, err
}

// mostAssumed is how often a target that refuses at once is taken to be refused by the same one as
// before. It is on this machine, so that is a service which is down or a rule against it.
const mostAssumed = 16

func (d *linuxDialer) failed(call string, err error) error { return newDialError(d.address, call, err) }

// refusal returns the error of an attempt that was refused, by a reset or by an ICMP error that says
// so.
func (d *linuxDialer) refusal(fd int) error {
	if d.heeds {
		d.refusedBy, d.assumed = readICMP(fd), 0
	} else {
		d.assumed++
	}
	err := newDialError(d.address, "connect", unix.ECONNREFUSED)
	err.icmp, err.source = d.refusedBy, sourceOf(d.refusedBy)
	if d.refusals <= d.retries {
		// Later ones are not told, and are spared this system call.
		err.from = socket.LocalAddress(fd)
	}
	return err
}

// sourceOf returns who ended an attempt that was answered by an ICMP error, or if that is nil, by a
// reset.
func sourceOf(icmp *socket.ICMPError) check.ErrorSource {
	switch {
	case icmp != nil && icmp.Local:
		return check.Local
	case icmp != nil:
		return check.ICMP
	case socket.KeepsICMP():
		return check.Peer
	}
	return 0
}

// initialRTO is when the first SYN is sent again, if there is no answer (RFC 6298,
// section 2.1).
const initialRTO = time.Second

// pollFirst is poll for an attempt that has just begun. A target that refused the last
// time usually refuses again, so SO_ERROR is read first: that saves one system call, a
// tenth of what a refused check costs.
func (d *linuxDialer) pollFirst(fd int) (shake handshake, err error) {
	errno := unix.Errno(0)
	if d.refusals > 0 && time.Since(d.start) < initialRTO { // no SYN was sent again
		errno, err = d.socketError(fd)
	}
	if errno == unix.ECONNREFUSED {
		err = d.refusal(fd)
	} else if err == nil {
		// Of another error, the state says whether it has ended the attempt.
		shake, err = d.pollAfter(fd, errno)
	}
	if isRefused(err) {
		d.refusals = min(d.refusals, math.MaxUint8-1) + 1
	} else {
		d.refusals = 0
	}
	return shake, err
}

// isRefused reports whether err says that nothing listens.
func isRefused(err error) bool {
	failed, ok := err.(*dialError)               //nolint:errorlint // it is never wrapped
	return ok && failed.err == unix.ECONNREFUSED //nolint:errorlint // it is as the system call returned it
}

// poll asks the kernel for the state of the attempt.
func (d *linuxDialer) poll(fd int) (handshake, error) { return d.pollAfter(fd, 0) }

// pollAfter is poll, once the error of the socket has been read: it can be read once.
func (d *linuxDialer) pollAfter(fd int, read unix.Errno) (handshake, error) {
	info, errno := socket.Info(fd)
	if errno != 0 {
		return handshake{}, d.failed("getsockopt", errno)
	}
	shake := synsOf(&info)
	if info.State == unix.BPF_TCP_CLOSE && read == 0 {
		var err error
		if read, err = d.socketError(fd); err != nil {
			return shake, err
		}
	}
	switch socket.PhaseOf(info.State, read) {
	case socket.Pending:
		return shake, errPending
	case socket.Ended:
		return shake, d.ended(fd, read, shake)
	case socket.Connected:
	}
	if d.mayBeSelf && isSelf(fd) {
		return shake, d.refusal(fd)
	}
	shake.unsent = false
	shake.noticed = d.quiet && isAcknowledged(&info)
	shake.time = handshakeTime(&info, time.Since(d.start))
	return shake, nil
}

// ended returns the error of an attempt that ended with errno.
func (d *linuxDialer) ended(fd int, errno unix.Errno, shake handshake) error {
	if errno == unix.ETIMEDOUT {
		// The kernel gave up before the timeout (tcp_syn_retries in tcp(7)).
		return d.timedOut(fd, time.Now(), shake)
	}
	if errno == unix.ECONNREFUSED {
		return d.refusal(fd)
	}
	err := newDialError(d.address, "connect", errno)
	err.icmp, err.from = readICMP(fd), socket.LocalAddress(fd)
	if err.icmp != nil || isReset(errno) {
		err.source = sourceOf(err.icmp)
	}
	return err
}

// isReset reports whether errno says that the peer broke the attempt off.
func isReset(errno unix.Errno) bool { return errnoTypes[errno] == check.ConnectionReset }

// socketError returns the pending error of the socket, or 0 for none.
func (d *linuxDialer) socketError(fd int) (unix.Errno, error) {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return 0, d.failed("getsockopt", err)
	}
	return unix.Errno(errno), nil
}

// isSelf reports whether the socket connected to itself, by the simultaneous open
// of RFC 9293, section 3.5: nothing listens on the port then, which the kernel
// had just chosen as the local one.
func isSelf(fd int) bool {
	local, _ := unix.Getsockname(fd)
	peer, _ := unix.Getpeername(fd) // nil, if it is closed already, by a peer
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
func (d *linuxDialer) await(ctx context.Context) (shake handshake, err error) {
	file := os.NewFile(uintptr(d.fd), "")
	defer func() { _ = file.Close() }()
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetWriteDeadline(d.start.Add(d.timeout))
	}
	if err != nil {
		return handshake{}, d.failed("epoll_ctl", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(d.start) })
	defer stop()

	polled := raw.Write(func(fd uintptr) bool {
		shake, err = d.poll(int(fd))
		return err != errPending //nolint:errorlint // it is never wrapped
	})
	if ctx.Err() != nil {
		return handshake{}, ctx.Err()
	}
	if polled != nil {
		// Time is up. Whether the answer is there is the kernel's to say: the
		// poller may not have come to tell.
		if err := raw.Control(func(fd uintptr) { shake, err = d.poll(int(fd)) }); err != nil {
			return handshake{}, d.failed("epoll_wait", err)
		}
	}
	if err == errPending || err == nil && shake.time > d.timeout { //nolint:errorlint // it is never wrapped
		shake.time, err = 0, d.timedOut(d.fd, d.start.Add(d.timeout), shake)
	}
	return shake, err
}

// timedOut returns the error of an attempt that had no answer until end, or one that came
// later, of which shake is known: that of this machine where the SYN was lost here.
func (d *linuxDialer) timedOut(fd int, end time.Time, shake handshake) error {
	err := newDialError(d.address, "", os.ErrDeadlineExceeded)
	err.from = socket.LocalAddress(fd)
	after := d.tables.at(end, min(stale, d.timeout/4))
	if lost := lostHere(d.before, after, shake, d.address.Addr().Is6()); lost != nil {
		err.err, err.local = lost, true
	}
	return err
}

// setSockaddr sets the address as the kernel takes it. That of an interface may
// change from one attempt to the next.
func (d *linuxDialer) setSockaddr() (err error) {
	if d.sockaddr == nil || d.address.Addr().Zone() != "" {
		d.sockaddr, d.domain, err = socket.Sockaddr(d.address)
	}
	return err
}

// synsOf returns what is known of the SYNs of an attempt that had no answer yet.
func synsOf(info *unix.TCPInfo) handshake {
	return handshake{retransmits: int(info.Total_retrans), unsent: info.Total_retrans > 0 && info.Retrans == 0}
}

// isAcknowledged reports whether the kernel has acknowledged the SYN-ACK: more segments have left
// than the SYNs.
func isAcknowledged(info *unix.TCPInfo) bool { return info.Segs_out > 1+info.Total_retrans }

// handshakeTime returns how long the handshake took, where the clock says that elapsed
// has passed since the SYN was sent.
func handshakeTime(info *unix.TCPInfo, elapsed time.Duration) time.Duration {
	switch {
	case info.Total_retrans > 0:
		// The wait for the lost SYNs was real, and is not in the round-trip time. It ended
		// when the answer came (tcpi_last_ack_recv, in ms), not when we ask.
		return elapsed - time.Duration(info.Last_ack_recv)*time.Millisecond
	case info.Rtt == 0:
		return elapsed // gVisor measures no round-trip time before there is data
	}
	return time.Duration(info.Rtt) * time.Microsecond
}
