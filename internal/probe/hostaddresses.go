package probe

import (
	"net"
	"net/netip"
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

// scope is how far an address reaches.
type scope uint8

const (
	loopback scope = iota
	linkLocal
	beyondLink
)

// labels are those of RFC 6724, section 2.1, from the longest prefix to the shortest:
// a source and a destination of different labels are of networks that seldom reach each
// other.
var labels = []struct {
	prefix netip.Prefix
	label  uint8
}{
	{netip.MustParsePrefix("0.0.0.0/0"), 4},
	{netip.MustParsePrefix("::1/128"), 0},
	{netip.MustParsePrefix("::/96"), 3},
	{netip.MustParsePrefix("2001::/32"), 5}, // Teredo
	{netip.MustParsePrefix("2002::/16"), 2}, // 6to4
	{netip.MustParsePrefix("3ffe::/16"), 12},
	{netip.MustParsePrefix("fec0::/10"), 11},
	{netip.MustParsePrefix("fc00::/7"), uniqueLocal},
}

// uniqueLocal is the label of the addresses of a site (RFC 4193).
const uniqueLocal = 13

func labelOf(addr netip.Addr) uint8 {
	for _, l := range labels {
		if l.prefix.Contains(addr.WithZone("")) {
			return l.label
		}
	}
	return 1 // all other addresses
}

// addressKind is what tells whether one address reaches another.
type addressKind struct {
	family check.Family
	scope  scope
	label  uint8
}

func kindOf(addr netip.Addr) addressKind {
	kind := addressKind{family: check.FamilyOf(addr), scope: beyondLink, label: labelOf(addr)}
	switch {
	case addr.IsLoopback():
		kind.scope = loopback
	case addr.IsLinkLocalUnicast():
		kind.scope = linkLocal
	}
	return kind
}

// reaches reports whether a source of kind k fits a destination of kind d: it is of
// the same family, its scope is as wide (RFC 6724, section 5, rule 2) and its label is
// the same (rule 5).
//
// Two exceptions: an IPv4 address of any scope reaches a link-local one, as that of a
// cloud's metadata service; and the unique local addresses of a site are reached from
// its global ones.
func (k addressKind) reaches(d addressKind) bool {
	switch {
	case k.family != d.family || (k.scope == loopback) != (d.scope == loopback):
		return false
	case k.family == check.IPv4:
		return k.scope >= d.scope
	case d.scope == linkLocal:
		return k.scope == linkLocal
	}
	return k.scope >= d.scope && (k.label == d.label || d.label == uniqueLocal)
}

// HostAddresses says which kinds of addresses this machine has. A nil one knows nothing
// and rules nothing out.
type HostAddresses struct {
	kinds []addressKind
	// source returns the address that this machine takes to another one, or false
	// where it has no route.
	source func(netip.Addr) (netip.Addr, bool)
}

// ReadHostAddresses reads the addresses of this machine's interfaces. It returns before
// where they are of the same kinds, or cannot be read.
func ReadHostAddresses(before *HostAddresses) *HostAddresses {
	addresses, err := interfaceAddresses()
	if err != nil {
		return before
	}
	var kinds []addressKind
	for _, addr := range addresses {
		kinds = appendKind(kinds, kindOf(addr))
	}
	if before != nil && slices.Equal(before.kinds, kinds) {
		return before
	}
	return &HostAddresses{kinds: kinds, source: sourceFor}
}

// appendKind appends a kind that is not there yet.
func appendKind(kinds []addressKind, kind addressKind) []addressKind {
	if slices.Contains(kinds, kind) {
		return kinds
	}
	return append(kinds, kind)
}

// interfaceAddresses returns the addresses of this machine's interfaces.
func interfaceAddresses() ([]netip.Addr, error) {
	found, err := net.InterfaceAddrs()
	return addressesIn(found), err
}

// addressesIn returns the addresses of interfaces, which package net has as prefixes.
func addressesIn(found []net.Addr) []netip.Addr {
	addresses := make([]netip.Addr, 0, len(found))
	for _, a := range found {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addresses = append(addresses, prefix.Addr().Unmap())
		}
	}
	return addresses
}

// Has reports whether this machine has an address of a family by which it could reach
// others beyond the link. That is what AI_ADDRCONFIG means (RFC 3493, section 6.1).
func (h *HostAddresses) Has(family check.Family) bool {
	return h == nil || slices.ContainsFunc(h.kinds, func(k addressKind) bool { return k.family == family && k.scope == beyondLink })
}

// Reaches reports whether this machine has an address from which it could reach addr.
// It asks the system which one it would take, by a UDP socket that sends nothing; where
// the system has no route, it is enough that there is an address that fits: the missing
// route is then for the check to find.
func (h *HostAddresses) Reaches(addr netip.Addr) bool {
	switch {
	case h == nil:
		return true
	case !h.fits(addr):
		return false
	}
	source, ok := h.source(addr)
	return !ok || kindOf(source).reaches(kindOf(addr))
}

// fits reports whether this machine has an address of a kind that reaches addr.
func (h *HostAddresses) fits(addr netip.Addr) bool {
	to := kindOf(addr)
	return h == nil || slices.ContainsFunc(h.kinds, func(k addressKind) bool { return k.reaches(to) })
}

// sourceFor returns the source address that this machine takes to addr (connect(2) of a
// datagram socket).
func sourceFor(addr netip.Addr) (netip.Addr, bool) { return sourceBy(&net.Dialer{}, addr) }

// sourceBy is sourceFor, of the sockets of a dialer.
func sourceBy(dialer *net.Dialer, addr netip.Addr) (netip.Addr, bool) {
	const discard = "9" // the port does not matter
	conn, err := dialer.Dial("udp", net.JoinHostPort(addr.String(), discard))
	if err != nil {
		return netip.Addr{}, false
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true
}
