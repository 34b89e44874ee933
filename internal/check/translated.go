package check

import "net/netip"

// Translated is the IPv4 address for which an IPv6 one stands, which leads to a translator (NAT64: RFC 6052,
// RFC 7915). The zero value is none: 0.0.0.0 is no address of a host.
type Translated [4]byte

// Addr returns the address. It is invalid if there is none.
func (t Translated) Addr() netip.Addr {
	if t == (Translated{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom4(t)
}

// String returns the address as text, which is empty if there is none.
func (t Translated) String() string {
	if addr := t.Addr(); addr.IsValid() {
		return addr.String()
	}
	return ""
}
