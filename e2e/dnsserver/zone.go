package dnsserver

import (
	"net/netip"
	"slices"
	"sync"
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
	// Delay is the time from a query to its answer. Negative means zero.
	Delay time.Duration
	// Silent has queries never answered. Over TCP, the connection is left
	// open.
	Silent bool
}

// question names what an Answer is for.
type question struct {
	name  string // canonical
	qtype uint16
}

func newQuestion(name string, qtype uint16) question {
	return question{name: dns.CanonicalName(name), qtype: qtype}
}

// zones holds what is set for the names. It is safe for concurrent use.
type zones struct {
	mu      sync.Mutex
	answers map[question]*Answer // for A and AAAA of each name that is set
	counts  map[question]int     // of queries
}

func newZones() zones {
	return zones{answers: make(map[question]*Answer), counts: make(map[question]int)}
}

func (z *zones) set(name string, zone Zone) {
	z.mu.Lock()
	defer z.mu.Unlock()
	// The lists are going to be rotated, and must not be the caller's.
	zone.A.Addrs, zone.AAAA.Addrs = slices.Clone(zone.A.Addrs), slices.Clone(zone.AAAA.Addrs)
	z.answers[newQuestion(name, dns.TypeA)] = &zone.A
	z.answers[newQuestion(name, dns.TypeAAAA)] = &zone.AAAA
}

func (z *zones) queries(name string, qtype uint16) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.counts[newQuestion(name, qtype)]
}

// query counts a query and returns the answer for it, with the addresses of the
// query's type.
func (z *zones) query(name string, qtype uint16) Answer {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := newQuestion(name, qtype)
	z.counts[q]++
	programmed, ok := z.answers[q]
	if !ok {
		if _, exists := z.answers[question{name: q.name, qtype: dns.TypeA}]; exists {
			return Answer{}
		}
		return Answer{Code: NXDomain}
	}
	answer := *programmed
	answer.Addrs = nil
	for _, addr := range programmed.Addrs {
		if addr = addr.Unmap(); addr.Is4() == (qtype == dns.TypeA) {
			answer.Addrs = append(answer.Addrs, addr)
		}
	}
	if programmed.Rotate && len(programmed.Addrs) > 0 {
		programmed.Addrs = append(programmed.Addrs[1:], programmed.Addrs[0])
	}
	return answer
}
