// Package check has the values that the other packages speak of: what is to be
// checked and how it is labelled, and what a check found. It knows neither the
// configuration's syntax nor the network.
package check

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// UntilError as a Target's CacheDuration keeps resolved addresses until a
// check of one of them fails, but not longer than its MaxCacheDuration.
const UntilError time.Duration = -1

// Target is one thing to check: a port of a host.
type Target struct {
	// Host is a host name or an IP literal without brackets, possibly with a
	// zone.
	Host string
	// Port is the TCP port, from 1.
	Port uint16
	// Families are those that must connect. Empty means automatic: the families
	// that the name resolves to and that this machine has an address for.
	Families []Family
	// MultipleIPs checks every address of a family, not only the first.
	MultipleIPs bool
	// Timeout bounds each name resolution and, apart from it, each connection
	// attempt. It is positive.
	Timeout time.Duration
	// Interval is the time between two checks. It is positive.
	Interval time.Duration
	// CacheDuration is how long resolved addresses are used; 0 resolves at
	// every check, UntilError keeps them while they connect.
	CacheDuration time.Duration
	// MaxCacheDuration bounds UntilError, and is how long it may take until a
	// family that the name had no address in is asked for again. It is positive.
	MaxCacheDuration time.Duration
	// Labels say how the reports on it are labelled.
	Labels Labels
}

// HostPort returns the target as host:port, an IPv6 literal in brackets.
func (t *Target) HostPort() string {
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Literal returns the address where the host is an IP literal. An IPv4-mapped
// IPv6 address comes as the IPv4 address that is dialled.
func (t *Target) Literal() (netip.Addr, bool) {
	addr, err := netip.ParseAddr(t.Host)
	return addr.Unmap(), err == nil
}
