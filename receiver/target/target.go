// Package target says in plain values what is to be checked and how the
// results are to be labelled. It knows neither the configuration's syntax nor
// the network.
package target

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Family is an address family, named as OpenTelemetry's network.type names it.
// The zero value stands for a family that is not known.
type Family uint8

// The address families of TCP.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Families are all address families, in the order in which they are reported.
var Families = []Family{IPv4, IPv6}

// FamilyOf returns the family that a connection to addr uses. An IPv4-mapped
// IPv6 address (RFC 4291, section 2.5.5.2) is dialled over IPv4.
func FamilyOf(addr netip.Addr) Family {
	if addr.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// Other returns the other address family.
func (f Family) Other() Family {
	if f == IPv4 {
		return IPv6
	}
	return IPv4
}

// String returns "ipv4" or "ipv6", and "" for the zero value.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return ""
}

// UntilError as a Target's CacheDuration keeps resolved addresses until a
// check of one of them fails, but not longer than its MaxCacheDuration.
const UntilError time.Duration = -1

// Tag is an attribute that the user puts on every point of a target.
type Tag struct {
	Key, Value string // both not empty
}

// Target is one thing to check: a port of a host, and how to report it.
type Target struct {
	// Name is the instance's name. Names need not be unique.
	Name string
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
	// CollectResponseTime reports how long the handshake took.
	CollectResponseTime bool
	// Tags go onto every point.
	Tags []Tag
	// Service becomes service.name of the resource, unless empty.
	Service string
	// EmptyHostname makes the Datadog exporter send the points without a host.
	EmptyHostname bool
	// Metrics selects the metrics by name. The zero value selects all.
	Metrics Patterns
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
