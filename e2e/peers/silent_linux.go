package peers

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fillPatience bounds the wait for a connection that is made at once, if it is
// made at all.
const fillPatience = 100 * time.Millisecond

// KeepSilent listens at an address, of which the port may be 0, with a queue for one
// connection (listen(2), backlog 0), and fills that: the kernel then drops all SYNs.
// It returns the address that it really has, and a function that ends that.
func KeepSilent(addr netip.AddrPort) (netip.AddrPort, func() error, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	if err := shrinkQueue(listener); err != nil {
		return netip.AddrPort{}, nil, errors.Join(err, listener.Close())
	}
	addr = netip.AddrPortFrom(addr.Addr(), listener.Addr().(*net.TCPAddr).AddrPort().Port())
	filler, err := net.DialTimeout("tcp", addr.String(), fillPatience)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return addr, listener.Close, nil // the connection of whoever checks it has filled the queue
	case err != nil:
		return netip.AddrPort{}, nil, errors.Join(err, listener.Close())
	}
	return addr, func() error { return errors.Join(listener.Close(), filler.Close()) }, nil
}

// shrinkQueue gives a listener the queue of a backlog of 0.
func shrinkQueue(listener *net.TCPListener) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), 0) }); err != nil {
		return err
	}
	return os.NewSyscallError("listen", failed)
}
