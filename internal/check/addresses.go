package check

import (
	"net/netip"
	"slices"
)

// Addresses say which addresses may be dialled: those that are in one of Allowed, or any if there
// is none, and in none of Denied. The zero value is all.
type Addresses struct {
	Allowed, Denied []netip.Prefix // of IPv4 and of IPv6 addresses; none of IPv4-mapped ones
}

// Permit reports whether an address may be dialled; nil permits all. Neither its zone nor whether
// it is written as an IPv4-mapped one makes a difference.
func (a *Addresses) Permit(address netip.Addr) bool {
	if a == nil {
		return true
	}
	address = address.Unmap().WithZone("")
	has := func(p netip.Prefix) bool { return p.Contains(address) }
	return !slices.ContainsFunc(a.Denied, has) && (len(a.Allowed) == 0 || slices.ContainsFunc(a.Allowed, has))
}
