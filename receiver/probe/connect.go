package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// connector makes TCP connections. Its errors are *net.OpError, or ctx's error
// where ctx ended first.
type connector interface {
	// connect connects to address and closes the connection again. The timeout
	// runs from the moment at which the first SYN is sent.
	connect(ctx context.Context, address netip.AddrPort, timeout time.Duration) (handshake, error)
}

// handshake is what is known of an attempt to connect, also of a failed one.
type handshake struct {
	// time is from the SYN to the SYN-ACK; zero without one.
	time time.Duration
	// retransmits is how many SYNs were sent again, or unknownRetransmits.
	retransmits int
}

const unknownRetransmits = -1

// zoneIndex returns the interface that the zone of addr names, or is the number
// of (RFC 4007, section 11.2), and 0 without a zone.
func zoneIndex(addr netip.Addr) (uint32, error) {
	zone := addr.Zone()
	if zone == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 31); err == nil && index > 0 {
		return uint32(index), nil
	}
	named, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, &unknownZoneError{address: addr, err: err}
	}
	return uint32(named.Index), nil
}

// unknownZoneError is the error of an address whose zone names no interface of
// this machine.
type unknownZoneError struct {
	address netip.Addr
	err     error
}

func (e *unknownZoneError) Error() string {
	return fmt.Sprintf("%s: this machine has no interface %q: %v", e.address, e.address.Zone(), e.err)
}

func (e *unknownZoneError) Unwrap() error { return e.err }
