package dnsserver

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Code is a response code (RFC 1035, section 4.1.1).
type Code int

const (
	// NoError is the code of an answer, and of one without records (NODATA).
	// It is the zero value.
	NoError Code = dns.RcodeSuccess
	// ServFail tells that the server could not process the query.
	ServFail Code = dns.RcodeServerFailure
	// NXDomain tells that the name does not exist. It is the code for names
	// that have not been Set.
	NXDomain Code = dns.RcodeNameError
	// Refused tells that the server does not want to answer.
	Refused Code = dns.RcodeRefused
)

// Zone is what a name has. A query for another type than A and AAAA gets NODATA.
// The zero value is NODATA for these as well.
type Zone struct {
	A, AAAA Answer
}

// Both is the Zone with the same Answer for A and AAAA; each type gets the
// addresses of its own family.
func Both(a Answer) Zone { return Zone{A: a, AAAA: a} }

// Addresses is the Zone with addresses of either family.
func Addresses(addrs ...netip.Addr) Zone { return Both(Answer{Addrs: addrs}) }

// Answer is how the queries for one name and type are answered. The zero value
// is NODATA (RFC 2308, section 2.2): NoError without records.
type Answer struct {
	// Code is the response code.
	Code Code
	// Addrs are the addresses to answer with, in this order. Those that are
	// not of the type asked for are left out; IPv4-mapped ones are IPv4. Over
	// UDP, an answer longer than 1,232 bytes, or than what the client takes if
	// that is less, is truncated (RFC 2181, section 9).
	Addrs []netip.Addr
	// Rotate moves Addrs on by one for each query: the first gets them as they
	// are, the second gets the first of them last.
	Rotate bool
	// Truncate has every answer over UDP truncated, without records.
	Truncate bool
	// Delay is the time from a query to its answer.
	Delay time.Duration
	// Silent has queries never answered. Over TCP, the connection is left
	// open.
	Silent bool
}

// of returns the answer with the addresses of a type only, in a list of its own.
func (a Answer) of(qtype uint16) *Answer {
	addrs := a.Addrs
	a.Addrs = nil
	for _, addr := range addrs {
		if addr = addr.Unmap(); addr.Is4() == (qtype == dns.TypeA) {
			a.Addrs = append(a.Addrs, addr)
		}
	}
	return &a
}

// next returns the answer to the next query.
func (a *Answer) next() Answer {
	answer := *a
	if a.Rotate && len(a.Addrs) > 0 {
		a.Addrs = append(a.Addrs[1:len(a.Addrs):len(a.Addrs)], a.Addrs[0])
	}
	return answer
}
