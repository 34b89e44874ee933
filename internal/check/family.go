package check

import "net/netip"

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
