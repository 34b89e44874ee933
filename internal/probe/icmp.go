package probe

import (
	"fmt"
	"net/netip"
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

// icmpError is the ICMP error that ended a connection attempt. A nil one is none.
type icmpError struct {
	family check.Family
	kind   uint8 // the type: RFC 792 for IPv4, RFC 4443 for IPv6
	code   uint8
	// sender is the address that it came from, and local says that it is one of
	// this machine.
	sender netip.Addr
	local  bool
}

// prohibitions are the errors "destination unreachable" that say that the communication
// is administratively prohibited.
var prohibitions = []icmpError{
	{family: check.IPv4, kind: 3, code: 9},  // the network (RFC 1122, section 3.2.2.1)
	{family: check.IPv4, kind: 3, code: 10}, // the host
	{family: check.IPv4, kind: 3, code: 13}, // the communication (RFC 1812, section 5.2.7.1)
	{family: check.IPv6, kind: 1, code: 1},  // the communication (RFC 4443, section 3.1)
	{family: check.IPv6, kind: 1, code: 5},  // the source address, by a policy
	{family: check.IPv6, kind: 1, code: 6},  // the route
}

// prohibits reports whether e is one of the prohibitions.
func (e *icmpError) prohibits() bool {
	return e != nil && slices.Contains(prohibitions, icmpError{family: e.family, kind: e.kind, code: e.code})
}

// String returns what to add to the text of an error: nothing for no ICMP error.
func (e *icmpError) String() string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("ICMP type %d, code %d", e.kind, e.code)
	if e.prohibits() {
		text = "administratively prohibited, " + text
	}
	switch {
	case e.local:
		text += ", from this machine, " + e.sender.String()
	case e.sender.IsValid():
		text += ", from " + e.sender.String()
	}
	return " (" + text + ")"
}
