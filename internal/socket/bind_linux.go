package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
)

// Bind has a socket of a family, which is not bound yet, connect as o says; nil says nothing. The error is
// a check.LacksSourceError or a check.LacksInterfaceError where this machine has no such address or
// interface.
func Bind(fd uintptr, family check.Family, o *check.Outgoing) error {
	if o == nil {
		return nil
	}
	if o.Interface != "" {
		switch err := unix.BindToDevice(int(fd), o.Interface); err {
		case nil:
		case unix.ENODEV:
			return check.LacksInterfaceError{Name: o.Interface}
		default:
			return err
		}
	}
	if o.DSCP != 0 {
		if err := setDSCP(int(fd), family, o.DSCP); err != nil {
			return err
		}
	}
	source := o.Source(family)
	if !source.IsValid() {
		return nil
	}
	// The kernel chooses the port in connect(2), by the peer: in bind(2) it would take one from all peers.
	if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	name, _, err := Sockaddr(netip.AddrPortFrom(source, 0))
	if err != nil {
		return err
	}
	switch err := unix.Bind(int(fd), name); err {
	case unix.EADDRNOTAVAIL, unix.ENODEV: // the latter is of the number of a zone
		return check.LacksSourceError{Address: source}
	default:
		return err
	}
}

// setDSCP sets the code point, which is the upper six bits of a byte (RFC 2474, section 3).
func setDSCP(fd int, family check.Family, dscp uint8) error {
	if family == check.IPv4 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, int(dscp)<<2)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(dscp)<<2)
}
