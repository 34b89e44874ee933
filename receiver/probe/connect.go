package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// unknownZoneError is the error of an address whose zone (RFC 4007, section 11)
// names no interface of this machine.
type unknownZoneError struct {
	address netip.Addr
	err     error
}

func (e *unknownZoneError) Error() string {
	return fmt.Sprintf("%s: this machine has no interface %q: %v", e.address, e.address.Zone(), e.err)
}

func (e *unknownZoneError) Unwrap() error { return e.err }

// connect makes a TCP connection to address within timeout, closes it, and
// returns how long the connecting took by the wall clock.
func connect(ctx context.Context, address netip.AddrPort, timeout time.Duration) (time.Duration, error) {
	if err := checkZone(address.Addr()); err != nil {
		return 0, err
	}
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
	start := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	elapsed := time.Since(start)
	if err != nil {
		return 0, err
	}
	// The handshake was made, whatever closing says.
	_ = conn.Close()
	return elapsed, nil
}

// checkZone returns an error for a zone that is not an interface here: without
// it the kernel would be asked for a link-local address of no link, and blame
// the address.
func checkZone(addr netip.Addr) error {
	zone := addr.Zone()
	if zone == "" {
		return nil
	}
	if _, err := net.InterfaceByName(zone); err != nil {
		return &unknownZoneError{address: addr, err: err}
	}
	return nil
}
