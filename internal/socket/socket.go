// Package socket has what a TCP socket is asked for beyond package net: how far a connection attempt
// has come, and which ICMP error ended it. The probe and the trace share it.
package socket

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// ZoneIndex returns the interface that the zone of addr names, or is the number of (RFC 4007,
// section 11.2), and 0 without a zone. The error is an *UnknownZoneError.
func ZoneIndex(addr netip.Addr) (uint32, error) {
	zone := addr.Zone()
	if zone == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 31); err == nil && index > 0 {
		return uint32(index), nil
	}
	named, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, &UnknownZoneError{Address: addr, Err: err}
	}
	return uint32(named.Index), nil
}

// UnknownZoneError is the error of an address whose zone names no interface of this machine.
type UnknownZoneError struct {
	Address netip.Addr
	Err     error // why it was not found
}

func (e *UnknownZoneError) Error() string {
	return fmt.Sprintf("%s: this machine has no interface %q: %v", e.Address, e.Address.Zone(), e.Err)
}

// Unwrap returns Err.
func (e *UnknownZoneError) Unwrap() error { return e.Err }
