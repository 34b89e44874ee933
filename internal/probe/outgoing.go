package probe

import (
	"net"
	"net/netip"
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

// outgoingHost is what is known of this machine for a target whose connections do not leave it as its
// routes say.
type outgoingHost struct {
	*check.Outgoing
	host *HostAddresses // as it was the last time; nil before
}

// of returns what machine knows, but for the families of the source addresses, and of the addresses of
// other interfaces. It returns the same pointer as long as that stays what it is.
func (h *outgoingHost) of(machine *HostAddresses) *HostAddresses {
	var kinds []addressKind
	for _, source := range h.Sources {
		kinds = appendKind(kinds, kindOf(source))
	}
	others := func(kind addressKind) {
		if !h.Source(kind.family).IsValid() {
			kinds = appendKind(kinds, kind)
		}
	}
	switch {
	case h.Interface != "":
		for _, address := range addressesOf(h.Interface) {
			others(kindOf(address))
		}
	case machine == nil:
		return nil
	default:
		for _, kind := range machine.kinds {
			others(kind)
		}
	}
	if h.host == nil || !slices.Equal(h.host.kinds, kinds) {
		h.host = &HostAddresses{kinds: kinds, source: h.sourceFor}
	}
	return h.host
}

// addressesOf returns the addresses of an interface: none, if there is no such interface.
func addressesOf(name string) []netip.Addr {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	found, err := device.Addrs()
	if err != nil {
		return nil
	}
	return addressesIn(found)
}

// sourceFor is the function of that name, over the interface and from the source addresses.
func (h *outgoingHost) sourceFor(addr netip.Addr) (netip.Addr, bool) {
	family := check.FamilyOf(addr)
	if source := h.Source(family); source.IsValid() {
		return source, true
	}
	return sourceBy(&net.Dialer{Control: controlOf(family, h.Outgoing)}, addr)
}
