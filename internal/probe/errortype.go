package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
)

// connectErrorType names the reason for a failed connection attempt.
func connectErrorType(err error) check.ErrorType {
	if failed, ok := err.(*dialError); ok && failed.icmp.Prohibits() { //nolint:errorlint // it is never wrapped
		if failed.icmp.Local {
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
	icmp    *socket.ICMPError // that ended the attempt, if known
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
	return e.icmp.Words()
}

// LocalAddress returns from where the attempt was made, or is invalid.
func (e *dialError) LocalAddress() netip.AddrPort { return e.from }

// Sender returns who sent the ICMP error that ended the attempt, or is invalid.
func (e *dialError) Sender() netip.Addr {
	if e.icmp == nil {
		return netip.Addr{}
	}
	return e.icmp.Sender
}

// Is reports that the attempt had no answer until its timeout also where that is this
// machine's own doing.
func (e *dialError) Is(target error) bool { return e.local && target == os.ErrDeadlineExceeded }

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
		lacking, known := failed.err.(interface{ Lack() check.Lack }) //nolint:errorlint // it is never wrapped
		switch {
		case known:
			return lacking.Lack()
		case failed.err == check.ErrConntrackFull: //nolint:errorlint // it is never wrapped
			return check.LacksConnectionTracking
		case failed.local || failed.call != "" && !slices.Contains(connectCalls, failed.call):
			return check.LacksOther
		}
		return ""
	}
	var call *os.SyscallError
	var zoneError *socket.UnknownZoneError
	if errors.As(err, &call) && !slices.Contains(connectCalls, call.Syscall) || errors.As(err, &zoneError) {
		return check.LacksOther
	}
	return ""
}
