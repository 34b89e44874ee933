package socket

import (
	"fmt"
	"net/netip"
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

// ICMPError is an ICMP error that a connection attempt got. A nil one is none.
type ICMPError struct {
	Family check.Family
	Type   uint8 // RFC 792 for IPv4, RFC 4443 for IPv6
	Code   uint8
	Sender netip.Addr // that it came from, or invalid if that is not known
	Local  bool       // the sender is an address of this machine
}

// kind is the type and the code of an ICMP error of a family.
type kind struct {
	family     check.Family
	kind, code uint8
}

// messages are what the errors say, by family, type and code.
var messages = map[kind]string{
	{check.IPv4, 3, 0}:  "no route", // RFC 792
	{check.IPv4, 3, 1}:  "host unreachable",
	{check.IPv4, 3, 2}:  "protocol unreachable",
	{check.IPv4, 3, 3}:  "port unreachable",
	{check.IPv4, 3, 4}:  "packet too big",
	{check.IPv4, 3, 5}:  "source route failed",
	{check.IPv4, 3, 6}:  "destination network unknown", // RFC 1122, section 3.2.2.1
	{check.IPv4, 3, 7}:  "destination host unknown",
	{check.IPv4, 3, 9}:  prohibited, // the network
	{check.IPv4, 3, 10}: prohibited, // the host
	{check.IPv4, 3, 11}: "network unreachable for the type of service",
	{check.IPv4, 3, 12}: "host unreachable for the type of service",
	{check.IPv4, 3, 13}: prohibited, // the communication (RFC 1812, section 5.2.7.1)
	{check.IPv4, 3, 14}: "host precedence violation",
	{check.IPv4, 3, 15}: "precedence cutoff in effect",
	{check.IPv4, 11, 0}: "TTL exceeded in transit", // RFC 792
	{check.IPv6, 1, 0}:  "no route",                // RFC 4443, section 3.1
	{check.IPv6, 1, 1}:  prohibited,                // the communication
	{check.IPv6, 1, 2}:  "beyond the scope of the source address",
	{check.IPv6, 1, 3}:  "address unreachable",
	{check.IPv6, 1, 4}:  "port unreachable",
	{check.IPv6, 1, 5}:  prohibited,                      // the source address, by a policy
	{check.IPv6, 1, 6}:  prohibited,                      // the route
	{check.IPv6, 2, 0}:  "packet too big",                // section 3.2
	{check.IPv6, 3, 0}:  "hop limit exceeded in transit", // section 3.3
}

var prohibited = check.AdministrativelyProhibited.Words()

// timeExceeded are the errors of a router that had to discard a packet since its hop limit, or time to
// live, was used up (RFC 792, page 6; RFC 4443, section 3.3).
var timeExceeded = []kind{{check.IPv4, 11, 0}, {check.IPv6, 3, 0}}

func (e *ICMPError) kind() kind { return kind{e.Family, e.Type, e.Code} }

// Words returns what the error says, such as "no route", or where that is not known, which one it is,
// such as "ICMP type 12, code 0".
func (e *ICMPError) Words() string {
	if said := messages[e.kind()]; said != "" {
		return said
	}
	return fmt.Sprintf("ICMP type %d, code %d", e.Type, e.Code)
}

// Prohibits reports whether e says that the communication is administratively prohibited.
func (e *ICMPError) Prohibits() bool { return e != nil && messages[e.kind()] == prohibited }

// TimeExceeded reports whether e says that the hop limit was used up on the way.
func (e *ICMPError) TimeExceeded() bool {
	return e != nil && slices.Contains(timeExceeded, e.kind())
}

// String returns what to add to the text of an error: nothing for no ICMP error.
func (e *ICMPError) String() string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("ICMP type %d, code %d", e.Type, e.Code)
	if words := e.Words(); words != text {
		text = words + ", " + text
	}
	switch {
	case e.Local:
		text += ", from this machine, " + e.Sender.String()
	case e.Sender.IsValid():
		text += ", from " + e.Sender.String()
	}
	return " (" + text + ")"
}
