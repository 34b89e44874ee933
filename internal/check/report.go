package check

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Status is what a check found out about an address. The zero value: it is not done.
type Status uint8

// The statuses of a Result.
const (
	Up        Status = iota + 1 // the connection was made
	Down                        // it was not
	Unchecked                   // this machine was unable to check, which says nothing about the target
	// Unresolved: it is not known whether the name has addresses of this family, which was
	// not asked for. Its resolution failed, while the other family has addresses.
	Unresolved
	Unconfirmed // it was not made, and that is tried again before it counts as Down
)

// Result is what a check found about one address, or about one family of a
// name where there is no address to dial.
type Result struct {
	// Family is the address family; zero where a name never resolved and no
	// family was asked for.
	Family Family
	// Address is the address that was dialled, or where the name does not resolve now,
	// the one that it had last. It is invalid if none was ever known.
	Address netip.Addr
	// Translated is the IPv4 address behind the translator that Address leads to, as far as its
	// prefix is known.
	Translated Translated
	Status     Status
	// Err says why the status is not Up, and is nil if it is.
	Err error
	// ErrorType is the reason for Err if the status is Down, Unresolved or Unconfirmed,
	// and empty otherwise.
	ErrorType ErrorType
	// Lack is what this machine lacked if the status is Unchecked, and empty otherwise.
	Lack Lack
	// HandshakeTime is how long the TCP handshake took, if it was made: from the
	// SYN to the SYN-ACK as the kernel measured it where it tells (Linux), by the
	// clock around the dial elsewhere.
	HandshakeTime time.Duration
	// SYNRetransmits is how many SYNs were sent again, or UnknownRetransmits.
	SYNRetransmits int
	// Noticed says of a quiet check that the server may have noticed it: this machine came
	// to close the connection after the kernel had acknowledged it.
	Noticed bool
}

// LacksFamilyError is why an address could not be checked where this machine has none from
// which it could reach that one.
type LacksFamilyError struct{ Family Family }

func (e LacksFamilyError) Error() string {
	return fmt.Sprintf("this machine has no %s address from which it could reach them", e.Family)
}

// UnknownRetransmits is the SYNRetransmits of a Result if nothing was dialled, or this
// system does not tell.
const UnknownRetransmits = -1

// Silent reports whether there was no answer until the timeout, of the address or of the
// name servers, whoever is to blame for that.
func (r *Result) Silent() bool {
	if r.Status == Unchecked {
		return errors.Is(r.Err, os.ErrDeadlineExceeded)
	}
	return r.ErrorType == Timeout || r.ErrorType == DNSTimeout
}

// RootCause returns the innermost error of err, which names neither the address nor the port: what wraps it does.
func RootCause(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// failedAttempt is what the error of a failed connection attempt tells, where the system does.
type failedAttempt interface {
	error
	Source() ErrorSource
	Sender() netip.Addr
	Message() string
	LocalAddress() netip.AddrPort
}

// attempt returns that of the result, or nil.
func (r *Result) attempt() failedAttempt {
	if failed, ok := r.Err.(failedAttempt); ok { //nolint:errorlint // as a rule; errors.As takes an allocation
		return failed
	}
	var failed failedAttempt
	errors.As(r.Err, &failed)
	return failed
}

// ErrorSource returns who said that the address cannot be reached. It is 0 if nobody said so, or if
// this system does not tell: Linux does, of ICMP errors from 6.0 on.
func (r *Result) ErrorSource() ErrorSource {
	if failed := r.attempt(); failed != nil {
		return failed.Source()
	}
	return 0
}

// Sender returns who sent the ICMP error (RFC 792, RFC 4443) that says that the address cannot be
// reached. It is invalid if there was none, or if this system does not tell: Linux does from 6.0 on.
func (r *Result) Sender() netip.Addr {
	if failed := r.attempt(); failed != nil {
		return failed.Sender()
	}
	return netip.Addr{}
}

// Reason returns why the check failed, as a sentence has it: the error type, and what the ICMP error
// says more than that, such as "network unreachable: no route". It is empty if the check did not fail.
func (r *Result) Reason() string {
	words := r.ErrorType.Words()
	if failed := r.attempt(); failed != nil {
		if message := failed.Message(); message != "" && message != words {
			words += ": " + message
		}
	}
	return words
}

// SaidBy returns who sent that ICMP error, as a sentence has it: an address, or "this machine". It is
// empty if there was none.
func (r *Result) SaidBy() string {
	sender := r.Sender()
	switch {
	case !sender.IsValid():
		return ""
	case r.ErrorSource() == Local:
		return "this machine"
	}
	return sender.String()
}

// LocalAddress returns the address and port from which this machine sent the SYN of an attempt that
// failed: with those of the target, they are the flow, by which routers choose one of several ways
// (RFC 2992). It is invalid if nothing was sent, if the target had refused already and its retries are
// over, or if this system does not tell: Linux does.
func (r *Result) LocalAddress() netip.AddrPort {
	if failed := r.attempt(); failed != nil {
		return failed.LocalAddress()
	}
	return netip.AddrPort{}
}

// Lookup is one name resolution of a check.
type Lookup struct {
	Family Family
	Time   time.Duration
	// Server is the name server that answered, perhaps that there is no such name. It is invalid
	// where none did, and where it is not known who did, as on systems that resolve themselves.
	Server netip.AddrPort
}

// OmissionReason says why a family of a name is left out.
type OmissionReason uint8

// The reasons for an Omission.
const (
	NameLacksFamily    OmissionReason = iota // the name has an address in the other family only
	MachineLacksFamily                       // this machine has no address from which it could reach that of the name
)

// Omission is a family that is not checked, of a name whose families were not asked for.
type Omission struct {
	Family Family
	Reason OmissionReason
}

// Excess says that a family of a name has more addresses than are checked.
type Excess struct {
	Family         Family
	Found, Checked int
}

// Report is all that one check of a target found. Nobody changes it. The zero value is
// that of a check that was not done.
type Report struct {
	Target *Target
	// Time is when the results were known. Those of a target strictly increase.
	Time    time.Time
	Results []Result // IPv4 before IPv6, then in the resolver's order; empty if it was not done
	Lookups []Lookup // the name resolutions that took place, if any
	// Denied are the addresses that may not be dialled.
	Denied []netip.Addr
	// Omissions and Excesses say what of the name was not checked.
	Omissions []Omission
	Excesses  []Excess
	// Session is what the last check of its sessions found; nil before there was one.
	Session *SessionReport
	// Outages are those of the machine, in its report on itself, whose Target has no host. They are
	// nil in that of a check.
	Outages []Outage
}

// Outage says whether most targets that worked are out of reach over a family.
type Outage struct {
	Family Family
	Lasts  bool
}

// Complete reports whether the target was checked over all its addresses: nothing is
// known of one where that was cut short, or where this machine was unable to. A report of
// the machine on itself is complete.
func (r *Report) Complete() bool {
	return r.Outages != nil || r.Done() && !slices.ContainsFunc(r.Results, func(r Result) bool { return r.Status == Unchecked })
}

// Done reports whether the check was done: it was not cut short before it found anything.
func (r *Report) Done() bool { return len(r.Results)+len(r.Denied) > 0 }

// Silent reports whether one of the results is.
func (r *Report) Silent() bool {
	return slices.ContainsFunc(r.Results, func(r Result) bool { return r.Silent() })
}
