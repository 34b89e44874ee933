package check

import (
	"fmt"
	"net/netip"
	"slices"
)

// Outgoing says how connections to a target leave this machine. The zero value: as its routes say.
type Outgoing struct {
	// Sources are the addresses from which connections are made, one for a family at most. Over a
	// family that has none the system chooses.
	Sources []netip.Addr
	// Interface is the name of the interface to which the connections are bound, whatever the routes
	// over others say (SO_BINDTODEVICE in socket(7)); empty for none. Only Linux has that.
	Interface string
	// DSCP is the differentiated services code point of what is sent (RFC 2474, section 3): 0 to 63.
	// Only Linux has that.
	DSCP uint8
}

// Source returns the address from which connections over a family are made. It is invalid where the
// system chooses; nil has no address.
func (o *Outgoing) Source(family Family) netip.Addr {
	if o == nil {
		return netip.Addr{}
	}
	if i := slices.IndexFunc(o.Sources, func(a netip.Addr) bool { return FamilyOf(a) == family }); i >= 0 {
		return o.Sources[i]
	}
	return netip.Addr{}
}

// LacksSourceError is why an address could not be checked from a source address that this machine does
// not have.
type LacksSourceError struct{ Address netip.Addr }

// Lack returns LacksSourceAddress.
func (e LacksSourceError) Lack() Lack { return LacksSourceAddress }

func (e LacksSourceError) Error() string {
	return fmt.Sprintf("this machine has no address %s from which it could connect", e.Address)
}

// LacksInterfaceError is why an address could not be checked over an interface that this machine does
// not have.
type LacksInterfaceError struct{ Name string }

// Lack returns LacksInterface.
func (e LacksInterfaceError) Lack() Lack { return LacksInterface }

func (e LacksInterfaceError) Error() string {
	return fmt.Sprintf("this machine has no interface %q", e.Name)
}
