package probe

import (
	"fmt"
	"net/netip"

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

// The codes of "destination unreachable" that say that something is forbidden.
const (
	unreachable4      = 3 // the type in IPv4
	netProhibited     = 9 // RFC 1122, section 3.2.2.1
	hostProhibited    = 10
	communication     = 13 // RFC 1812, section 5.2.7.1
	unreachable6      = 1  // the type in IPv6
	prohibited6       = 1  // RFC 4443, section 3.1, as the two below
	policyFailed6     = 5
	rejectRoute6      = 6
	prohibitedMessage = "administratively prohibited"
)

// prohibits reports whether e says that the communication is administratively
// prohibited.
func (e *icmpError) prohibits() bool {
	switch {
	case e == nil:
	case e.family == check.IPv4:
		return e.kind == unreachable4 && (e.code == netProhibited || e.code == hostProhibited || e.code == communication)
	case e.family == check.IPv6:
		return e.kind == unreachable6 && (e.code == prohibited6 || e.code == policyFailed6 || e.code == rejectRoute6)
	}
	return false
}

// String returns what to add to the text of an error: nothing for no ICMP error.
func (e *icmpError) String() string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("ICMP type %d, code %d", e.kind, e.code)
	if e.prohibits() {
		text = prohibitedMessage + ", " + text
	}
	if !e.sender.IsValid() {
		return " (" + text + ")"
	}
	if e.local {
		return fmt.Sprintf(" (%s, from this machine, %s)", text, e.sender)
	}
	return fmt.Sprintf(" (%s, from %s)", text, e.sender)
}
