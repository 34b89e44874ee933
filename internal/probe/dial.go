package probe

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
)

// dialer connects to one address again and again, and closes each connection at
// once. Its attempts must not overlap. Its errors are *net.OpError or *dialError,
// or ctx's error where ctx ended first.
//
// An attempt has two halves, since on a fast network the first one is all there is:
// a goroutine of its own for each attempt, which would have to wait for the answer,
// cost 2 to 3 µs of the 24 µs that the system calls take.
type dialer interface {
	// begin sends the first SYN, from which the timeout runs. The error is
	// errPending if there is no answer yet: then await is to be called.
	begin() (handshake, error)
	// await waits for the answer.
	await(ctx context.Context) (handshake, error)
}

// newDialer returns a dialer to an address of a target.
type newDialer func(address netip.AddrPort, target *check.Target) dialer

// errPending says that an attempt has not ended.
var errPending = errors.New("no answer yet")

// handshake is what is known of an attempt to connect, also of a failed one.
type handshake struct {
	time        time.Duration // from the SYN to the SYN-ACK; zero without one
	retransmits int           // how many SYNs were sent again, or check.UnknownRetransmits
	unsent      bool          // the last of these never left this machine
	noticed     bool          // the check is to be quiet, and the connection was acknowledged before it was closed
}

// netDialer is the portable dialer. Its times are those of the wall clock around
// the dial, so they hold the time that this machine took to schedule it.
type netDialer struct {
	address netip.AddrPort
	timeout time.Duration
	leaves  *check.Outgoing
}

func newNetDialer(address netip.AddrPort, target *check.Target) dialer {
	return netDialer{address: address, timeout: target.Timeout, leaves: target.Outgoing}
}

// begin leaves it all to await: net.Dialer has no halves.
func (d netDialer) begin() (handshake, error) { return handshake{}, errPending }

func (d netDialer) await(ctx context.Context) (handshake, error) {
	shake := handshake{retransmits: check.UnknownRetransmits}
	// The dialer would drop a zone that it does not know.
	if _, err := socket.ZoneIndex(d.address.Addr()); err != nil {
		return shake, err
	}
	start := time.Now()
	conn, err := open(ctx, d.address, d.timeout, d.leaves)
	if err != nil {
		return shake, cmp.Or(ctx.Err(), err)
	}
	shake.time = time.Since(start)
	// The connection was made, whatever closing says.
	_ = conn.Close()
	return shake, nil
}

// open returns a connection to an address that leaves this machine as o says, by package net.
func open(ctx context.Context, address netip.AddrPort, timeout time.Duration, o *check.Outgoing) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
	family := check.FamilyOf(address.Addr())
	source := o.Source(family)
	if source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	if o != nil {
		dialer.Control = controlOf(family, &check.Outgoing{Interface: o.Interface, DSCP: o.DSCP})
	}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if call := (*os.SyscallError)(nil); errors.As(err, &call) && call.Syscall == "bind" {
		return nil, newDialError(address, call.Syscall, check.LacksSourceError{Address: source})
	}
	return conn, err
}

// controlOf returns the Control of a net.Dialer whose sockets leave this machine as o says.
func controlOf(family check.Family, o *check.Outgoing) func(network, address string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = socket.Bind(fd, family, o) }); err != nil {
			return err
		}
		return failed
	}
}
