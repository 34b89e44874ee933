// Package dnsserver is a DNS server for tests: a real one, on the loopback
// interface, over UDP and TCP, that answers queries for addresses exactly as
// programmed for each name.
package dnsserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	// maxUDPSize is how long answers over UDP are at most, whatever the client
	// takes: what passes any network without fragments, and what clients offer.
	maxUDPSize = 1232
	// queryBuffer holds the queries of many clients that ask all at once.
	queryBuffer = 4 << 20
	// tcpIdleTimeout keeps the connections of queries that are never answered
	// for longer than any client waits.
	tcpIdleTimeout = time.Hour
)

// Server is a running DNS server. Its methods are safe for concurrent use.
type Server struct {
	addrs   map[string]string // by network
	closed  chan struct{}     // to end delays
	mu      sync.Mutex
	answers map[question]*Answer
	prefix  netip.Prefix // of Synthesize
}

// question names what an Answer is for.
type question struct {
	name  string // canonical
	qtype uint16
}

// New starts a server for the time of a test. Port 0 is a free one of UDP and a free one
// of TCP; port 53 is the only one that resolv.conf can mean, and takes root. No name
// exists there until it is Set.
func New(t testing.TB, address string) *Server {
	t.Helper()
	config := net.ListenConfig{Control: growBuffer}
	packets, err := config.ListenPacket(context.Background(), "udp", address)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	s := &Server{
		addrs:  map[string]string{"udp": packets.LocalAddr().String(), "tcp": listener.Addr().String()},
		closed: make(chan struct{}), answers: make(map[question]*Answer),
	}
	for _, server := range []*dns.Server{
		{PacketConn: packets},
		{Listener: listener, IdleTimeout: func() time.Duration { return tcpIdleTimeout }, MaxTCPQueries: -1}, // no limit
	} {
		started, ended := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(started) }
		server.Handler = dns.HandlerFunc(s.handle)
		go func() { ended <- server.ActivateAndServe() }()
		select {
		case <-started:
		case err := <-ended:
			require.NoError(t, err)
		}
		t.Cleanup(func() { assert.NoError(t, errors.Join(server.Shutdown(), <-ended)) })
	}
	t.Cleanup(func() { close(s.closed) })
	return s
}

// growBuffer makes room for queries, as root for more than the machine's limit.
func growBuffer(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queryBuffer) // else there is room for fewer
	})
}

// Dial connects to the server over a network, whatever the address is: it is for a
// resolver that would ask one of the system's servers.
func (s *Server) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, s.addrs[network])
}

// Addr returns the address of the server over UDP.
func (s *Server) Addr() string { return s.addrs["udp"] }

// Set sets what a name has. A name is taken as fully qualified, with or without
// the dot at the end, and regardless of case (RFC 4343). What was set for it
// before is replaced, and rotations begin anew.
func (s *Server) Set(name string, z Zone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = dns.CanonicalName(name)
	s.answers[question{name, dns.TypeA}] = z.A.of(dns.TypeA)
	s.answers[question{name, dns.TypeAAAA}] = z.AAAA.of(dns.TypeAAAA)
}

// arpa has the IPv4 addresses that tell the prefix of a network (RFC 7050, section 8.2).
const arpa = "ipv4only.arpa"

var arpaAddresses = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}

// Synthesize has the server be one with DNS64 (RFC 6147) from now on: a name that has IPv4 addresses and no IPv6 ones
// is given an IPv6 one for each, of a prefix whose length is one of RFC 6052, section 2.2. It sets ipv4only.arpa.
func (s *Server) Synthesize(prefix netip.Prefix) {
	s.Set(arpa, Addresses(arpaAddresses...))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prefix = prefix.Masked()
}

// synthesized returns the IPv6 address of a prefix that stands for an IPv4 one: its octets come behind the prefix, but
// for octet 8, which is 0.
func synthesized(prefix netip.Prefix, ipv4 netip.Addr) netip.Addr {
	octets, at := prefix.Addr().As16(), prefix.Bits()/8
	for _, octet := range ipv4.AsSlice() {
		if at == 8 {
			at++
		}
		octets[at] = octet
		at++
	}
	return netip.AddrFrom16(octets)
}

// answerTo returns the answer to a query.
func (s *Server) answerTo(name string, qtype uint16) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = dns.CanonicalName(name)
	if answer, ok := s.answers[question{name, qtype}]; ok {
		if s.prefix.IsValid() && qtype == dns.TypeAAAA && answer.Code == NoError && !answer.Silent && len(answer.Addrs) == 0 {
			made := s.answers[question{name, dns.TypeA}].next()
			made.Addrs = slices.Clone(made.Addrs)
			for i, ipv4 := range made.Addrs {
				made.Addrs[i] = synthesized(s.prefix, ipv4)
			}
			return made
		}
		return answer.next()
	}
	if _, exists := s.answers[question{name, dns.TypeA}]; exists {
		return Answer{}
	}
	return Answer{Code: NXDomain}
}

// handle answers a query. That it has exactly one question is seen to by the
// library.
func (s *Server) handle(w dns.ResponseWriter, query *dns.Msg) {
	asked := query.Question[0]
	answer := s.answerTo(asked.Name, asked.Qtype)
	if answer.Silent {
		return
	}
	select {
	case <-time.After(answer.Delay):
	case <-s.closed:
		return
	}
	reply := new(dns.Msg).SetRcode(query, int(answer.Code))
	reply.Authoritative = true
	reply.Compress = true
	for _, addr := range answer.Addrs {
		// Of no time to live: what is programmed next must not be hidden.
		header := dns.RR_Header{Name: asked.Name, Rrtype: asked.Qtype, Class: dns.ClassINET}
		if addr.Is4() {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.IP(addr.AsSlice())})
		} else {
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header, AAAA: net.IP(addr.AsSlice())})
		}
	}
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil { // RFC 6891, section 6.2.5
		size = min(max(size, int(opt.UDPSize())), maxUDPSize)
		reply.SetEdns0(maxUDPSize, false)
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		if answer.Truncate {
			reply.Answer = nil
			reply.Truncated = true
		} else {
			reply.Truncate(size)
		}
	}
	_ = w.WriteMsg(reply) // fails only for a client that has gone
}

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
