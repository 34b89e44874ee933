package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"example.com/tcpcheckreceiver/internal/check"
)

// connectErrorType names the reason for a failed connection attempt.
func connectErrorType(err error) check.ErrorType {
	if failed, ok := err.(*dialError); ok && failed.icmp.prohibits() { //nolint:errorlint // it is never wrapped
		if failed.icmp.local {
			return check.PermissionDenied
		}
		return check.AdministrativelyProhibited
	}
	if errorType, ok := errnoTypes[errnoOf(err)]; ok {
		return errorType
	}
	if isTimeout(err) {
		return check.Timeout
	}
	return check.Other
}

// errnoOf returns the error number in err, or 0 if there is none.
func errnoOf(err error) syscall.Errno {
	if failed, ok := err.(*dialError); ok { //nolint:errorlint // as a rule; errors.As takes an allocation
		errno, _ := failed.err.(syscall.Errno) //nolint:errorlint // it is as the system call returned it
		return errno
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// lookupErrorType names the reason for a failed name resolution. DNSNotFound
// then means that this family has no address: Go's resolver does not tell a
// name that does not exist from one without an address of the family asked for.
func lookupErrorType(err error) check.ErrorType {
	var dnsError *net.DNSError
	var addrError *net.AddrError // a hosts file has the name, but not in this family
	switch {
	case errors.As(err, &dnsError) && dnsError.IsNotFound, errors.As(err, &addrError):
		return check.DNSNotFound
	case isTimeout(err):
		return check.DNSTimeout
	}
	return check.DNSFailure
}

func isTimeout(err error) bool {
	var netError net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netError) && netError.Timeout()
}

// dialError is the error of a connection attempt. It says what the *net.OpError of
// a net.Dialer says, without making it: for a target that refuses, that would be a
// third of all allocations.
type dialError struct {
	address netip.AddrPort
	call    string // the system call that failed, or empty
	err     error
	icmp    *icmpError        // that ended the attempt, if known
	local   bool              // the SYN or its answer was lost on this machine
	source  check.ErrorSource // who ended the attempt, if known
	from    netip.AddrPort    // the local address of the flow; invalid if it is not known
}

func newDialError(address netip.AddrPort, call string, err error) *dialError {
	return &dialError{address: address, call: call, err: err}
}

func (e *dialError) Error() string {
	text := "dial tcp " + e.address.String() + ": "
	if e.call != "" {
		text += e.call + ": "
	}
	return text + e.err.Error() + e.icmp.String()
}

func (e *dialError) Unwrap() error { return e.err }

// Source returns who ended the attempt.
func (e *dialError) Source() check.ErrorSource { return e.source }

// Message returns the words of the ICMP error that ended the attempt, if there was one that has some.
func (e *dialError) Message() string {
	if e.icmp == nil {
		return ""
	}
	return e.icmp.words()
}

// LocalAddress returns from where the attempt was made, or is invalid.
func (e *dialError) LocalAddress() netip.AddrPort { return e.from }

// Sender returns who sent the ICMP error that ended the attempt, or is invalid.
func (e *dialError) Sender() netip.Addr {
	if e.icmp == nil {
		return netip.Addr{}
	}
	return e.icmp.sender
}

// Is reports that the attempt had no answer until its timeout also where that is this
// machine's own doing.
func (e *dialError) Is(target error) bool { return e.local && target == os.ErrDeadlineExceeded }

// icmpError is the ICMP error that ended a connection attempt. A nil one is none.
type icmpError struct {
	family check.Family
	kind   uint8 // the type: RFC 792 for IPv4, RFC 4443 for IPv6
	code   uint8
	sender netip.Addr // that it came from, or invalid if that is not known
	local  bool       // the sender is an address of this machine
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

// messages are what the other errors say, by family, type and code.
var messages = map[icmpError]string{
	{family: check.IPv4, kind: 3, code: 0}:  "no route", // RFC 792
	{family: check.IPv4, kind: 3, code: 1}:  "host unreachable",
	{family: check.IPv4, kind: 3, code: 2}:  "protocol unreachable",
	{family: check.IPv4, kind: 3, code: 3}:  "port unreachable",
	{family: check.IPv4, kind: 3, code: 4}:  "packet too big",
	{family: check.IPv4, kind: 3, code: 5}:  "source route failed",
	{family: check.IPv4, kind: 3, code: 6}:  "destination network unknown", // RFC 1122, section 3.2.2.1
	{family: check.IPv4, kind: 3, code: 7}:  "destination host unknown",
	{family: check.IPv4, kind: 3, code: 11}: "network unreachable for the type of service",
	{family: check.IPv4, kind: 3, code: 12}: "host unreachable for the type of service",
	{family: check.IPv4, kind: 3, code: 14}: "host precedence violation",
	{family: check.IPv4, kind: 3, code: 15}: "precedence cutoff in effect",
	{family: check.IPv4, kind: 11, code: 0}: "TTL exceeded in transit", // RFC 792
	{family: check.IPv6, kind: 1, code: 0}:  "no route",                // RFC 4443, section 3.1
	{family: check.IPv6, kind: 1, code: 2}:  "beyond the scope of the source address",
	{family: check.IPv6, kind: 1, code: 3}:  "address unreachable",
	{family: check.IPv6, kind: 1, code: 4}:  "port unreachable",
	{family: check.IPv6, kind: 2, code: 0}:  "packet too big",                // section 3.2
	{family: check.IPv6, kind: 3, code: 0}:  "hop limit exceeded in transit", // section 3.3
}

// words returns what e says, or where that is not known, its type and code.
func (e *icmpError) words() string {
	if e.prohibits() {
		return check.AdministrativelyProhibited.Words()
	}
	if words := messages[icmpError{family: e.family, kind: e.kind, code: e.code}]; words != "" {
		return words
	}
	return fmt.Sprintf("ICMP type %d, code %d", e.kind, e.code)
}

// String returns what to add to the text of an error: nothing for no ICMP error.
func (e *icmpError) String() string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("ICMP type %d, code %d", e.kind, e.code)
	if words := e.words(); words != text {
		text = words + ", " + text
	}
	switch {
	case e.local:
		text += ", from this machine, " + e.sender.String()
	case e.sender.IsValid():
		text += ", from " + e.sender.String()
	}
	return " (" + text + ")"
}

// connectCalls are the names under which Go's net reports a failed connect: the second
// one is that of Windows.
var connectCalls = []string{"connect", "connectex"}

// lackOf returns what this machine lacked where a connection attempt failed for that, which
// says nothing about the target; empty where it failed for something else. Another call
// than connect fails for nothing else.
func lackOf(err error) check.Lack {
	if lack := lacks[errnoOf(err)]; lack != "" {
		return lack
	}
	if failed, ok := err.(*dialError); ok { //nolint:errorlint // as a rule; errors.As takes an allocation
		switch {
		case failed.err == check.ErrConntrackFull: //nolint:errorlint // it is never wrapped
			return check.LacksConnectionTracking
		case failed.local || failed.call != "" && !slices.Contains(connectCalls, failed.call):
			return check.LacksOther
		}
		return ""
	}
	var call *os.SyscallError
	var zoneError *unknownZoneError
	if errors.As(err, &call) && !slices.Contains(connectCalls, call.Syscall) || errors.As(err, &zoneError) {
		return check.LacksOther
	}
	return ""
}
