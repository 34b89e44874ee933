// Package check has the values that the other packages speak of: what is to be
// checked and how it is labelled, and what a check found. It knows neither the
// configuration's syntax nor the network.
package check

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// UntilError as a Target's CacheDuration keeps resolved addresses until a
// check of one of them fails, but not longer than its MaxCacheDuration.
const UntilError time.Duration = -1

// Target is one thing to check: a port of a host.
type Target struct {
	// Host is a host name or an IP literal, without brackets but perhaps with a zone.
	Host string
	// Port is the TCP port, from 1.
	Port uint16
	// MultipleIPs checks every address of a family, not only the first.
	MultipleIPs bool
	// Quiet checks leave no trace: the connection is reset before the server accepts it.
	// Only Linux has them.
	Quiet bool
	// Families are those that must connect. Empty means automatic: the families
	// that the name resolves to and that this machine has an address for.
	Families []Family
	// Servers are the name servers that are asked for the host, in this order, and nobody else:
	// neither the hosts file nor the search list of this system counts then. They are IPv4 or
	// IPv6 addresses, none IPv4-mapped. None are those of this system.
	Servers []netip.AddrPort
	// Addresses say which of its addresses may be dialled; nil is all.
	Addresses *Addresses
	// Outgoing says how connections leave this machine; nil is as its routes say.
	Outgoing *Outgoing
	// Dialog says what is said to the service; nil is nothing.
	Dialog *Dialog
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
	// TLS says how its certificates are checked; nil is not to.
	TLS *TLS
	// Retry says how often a check that fails is repeated before the target is down. The
	// zero value is not to.
	Retry Retry
	// RecheckInterval is the time between two checks while an address is down; 0 is none
	// but the Interval.
	RecheckInterval time.Duration
	// Labels say how the reports on it are labelled.
	Labels Labels
}

// Retry says how a failed check is repeated.
type Retry struct {
	Attempts uint8
	Interval time.Duration // from a failure to the next attempt
}

// HostPort returns the target as host:port, an IPv6 literal in brackets.
func (t *Target) HostPort() string {
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// SessionInterval returns the time between two sessions with an address of the target: of its TLS, its Dialog, or
// both. It is 0 if there are none.
func (t *Target) SessionInterval() time.Duration {
	switch {
	case t.TLS != nil:
		return t.TLS.Interval
	case t.Dialog != nil:
		return t.Dialog.Interval
	}
	return 0
}

// File returns the path of the file with certificates that the target is. It is empty for a server.
func (t *Target) File() string {
	if t.TLS == nil {
		return ""
	}
	return t.TLS.File
}

// Literal returns the address where the host is an IP literal. An IPv4-mapped
// IPv6 address comes as the IPv4 address that is dialled.
func (t *Target) Literal() (netip.Addr, bool) {
	addr, err := netip.ParseAddr(t.Host)
	return addr.Unmap(), err == nil
}

// Labels say how the reports on a target are labelled, and which of them are wanted.
type Labels struct {
	// Name is the instance's name. Names need not be unique.
	Name string
	// Tags go onto every point.
	Tags []Tag
	// Service becomes service.name of the resource, unless empty.
	Service string
	// EmptyHostname makes the Datadog exporter send the points without a host.
	EmptyHostname bool
	// CollectResponseTime reports how long the handshake took.
	CollectResponseTime bool
	// Metrics selects the metrics by name. The zero value selects all.
	Metrics Patterns
}

// Tag is an attribute that the user puts on every point of a target.
type Tag struct {
	Key, Value string // both not empty
}

// Patterns select metrics by name, as the Datadog Agent's metric_patterns do:
// a pattern matches anywhere in the name unless it is anchored. The zero value
// selects every metric.
type Patterns struct {
	Include []*regexp.Regexp // empty: every metric
	Exclude []*regexp.Regexp // wins over Include
}

// Match reports whether the metric of this name is selected.
func (p Patterns) Match(name string) bool {
	matches := func(pattern *regexp.Regexp) bool { return pattern.MatchString(name) }
	return !slices.ContainsFunc(p.Exclude, matches) && (len(p.Include) == 0 || slices.ContainsFunc(p.Include, matches))
}
