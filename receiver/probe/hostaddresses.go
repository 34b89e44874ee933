package probe

import (
	"net"
	"net/netip"

	"example.com/tcpcheckreceiver/receiver/target"
)

// scope is how far an address reaches. A family is usable for an address if
// this machine has an address of the same family and scope.
type scope uint8

const (
	loopback scope = iota
	linkLocal
	beyondLink
)

func scopeOf(addr netip.Addr) scope {
	switch {
	case addr.IsLoopback():
		return loopback
	case addr.IsLinkLocalUnicast():
		return linkLocal
	}
	return beyondLink
}

type familyScope struct {
	family target.Family
	scope  scope
}

// HostAddresses says for which families and scopes this machine has an address.
// The zero value knows nothing and rules nothing out.
type HostAddresses struct {
	has map[familyScope]bool
}

// ReadHostAddresses reads the addresses of this machine's interfaces. Where
// they cannot be read it returns the zero value.
func ReadHostAddresses() HostAddresses {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return HostAddresses{}
	}
	has := make(map[familyScope]bool)
	for _, addr := range addrs {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil {
			ip := prefix.Addr().Unmap()
			has[familyScope{target.FamilyOf(ip), scopeOf(ip)}] = true
		}
	}
	return HostAddresses{has: has}
}

// Reaches reports whether this machine has an address from which it could reach
// addr: one of its family, and for an address beyond the link one that is not
// merely link-local. That is what AI_ADDRCONFIG means (RFC 3493, section 6.1),
// but for loopback addresses, which need only a loopback address.
func (h HostAddresses) Reaches(addr netip.Addr) bool {
	return h.has == nil || h.has[familyScope{target.FamilyOf(addr), scopeOf(addr)}]
}
