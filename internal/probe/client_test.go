package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// behaviour is how a name server answers a query over a network, udp or tcp.
type behaviour func(network string, query *dns.Msg, write func(*dns.Msg))

// nameServer is a name server on loopback, over UDP and TCP at the same port.
type nameServer struct {
	netip.AddrPort
	asked atomic.Int32
}

// serveDNS starts a name server at an address, for the time of a test.
func serveDNS(t *testing.T, host string, behave behaviour) *nameServer {
	t.Helper()
	if host == "::1" {
		testnet.RequireIPv6(t)
	}
	packets, listener := listenDNS(t, host)
	s := &nameServer{AddrPort: packets.LocalAddr().(*net.UDPAddr).AddrPort()}
	for network, server := range map[string]*dns.Server{"udp": {PacketConn: packets}, "tcp": {Listener: listener}} {
		server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
			s.asked.Add(1)
			behave(network, query, func(reply *dns.Msg) { _ = w.WriteMsg(reply) }) // it fails for a client that has gone
		})
		started, ended := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- server.ActivateAndServe() }()
		select {
		case <-started:
		case err := <-ended:
			require.NoError(t, err)
		}
		t.Cleanup(func() { assert.NoError(t, errors.Join(server.Shutdown(), <-ended)) })
	}
	return s
}

// listenDNS listens at a port that is free of UDP and of TCP.
func listenDNS(t *testing.T, host string) (net.PacketConn, net.Listener) {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		require.NoError(t, err)
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err == nil {
			return packets, listener
		}
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.NoError(t, listener.Close())
	}
}

// with answers with records, in which name stands for the one that is asked for.
func with(records ...string) behaviour {
	return func(_ string, query *dns.Msg, write func(*dns.Msg)) { write(replyWith(query, records...)) }
}

func replyWith(query *dns.Msg, records ...string) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	asked := query.Question[0]
	for _, text := range records {
		record, err := dns.NewRR(strings.ReplaceAll(text, "name", asked.Name))
		if err != nil {
			panic(err)
		}
		if kind := record.Header().Rrtype; kind == asked.Qtype || kind == dns.TypeCNAME {
			reply.Answer = append(reply.Answer, record)
		}
	}
	return reply
}

// code answers with a code.
func code(code int) behaviour {
	return func(_ string, query *dns.Msg, write func(*dns.Msg)) { write(new(dns.Msg).SetRcode(query, code)) }
}

// silence does not answer.
func silence(string, *dns.Msg, func(*dns.Msg)) {}

// The answers of name servers of one's own, over real sockets: which server's it is, and what
// each family has.
func TestOwnServers(t *testing.T) {
	t.Parallel()
	const a, aaaa, later = "name 1 A 192.0.2.1", "name 1 AAAA 2001:db8::1", "name 1 A 192.0.2.2"
	over := func(udp, tcp behaviour) behaviour {
		return func(network string, query *dns.Msg, write func(*dns.Msg)) {
			map[string]behaviour{"udp": udp, "tcp": tcp}[network](network, query, write)
		}
	}
	truncated := func(_ string, query *dns.Msg, write func(*dns.Msg)) {
		reply := replyWith(query)
		reply.Truncated = true
		write(reply)
	}
	referral := func(_ string, query *dns.Msg, write func(*dns.Msg)) {
		reply := new(dns.Msg).SetReply(query)
		reply.Ns = append(reply.Ns, &dns.NS{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "ns.test."})
		write(reply)
	}
	changed := func(change func(*dns.Msg)) behaviour {
		return func(network string, query *dns.Msg, write func(*dns.Msg)) {
			reply := replyWith(query, later)
			change(reply)
			write(reply)
			if network == "udp" {
				write(replyWith(query, a, aaaa))
			}
		}
	}
	otherID := changed(func(m *dns.Msg) { m.Id++ })
	both := with(a, aaaa)
	for _, test := range []struct {
		name    string
		servers []behaviour // nil: nothing listens there
		want    string      // what each family has, and the server that says so; $0 is the first one
	}{
		{"one answers", []behaviour{both}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"the first answers", []behaviour{both, with(later)}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"nothing listens at the first", []behaviour{nil, both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"nothing listens at the first two", []behaviour{nil, nil, both}, "192.0.2.1 by $2, 2001:db8::1 by $2"},
		{"the first fails", []behaviour{code(dns.RcodeServerFailure), both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"the first refuses", []behaviour{code(dns.RcodeRefused), both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"the first refers to others", []behaviour{referral, both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"the first is silent", []behaviour{silence, both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"the first says that there is no such name", []behaviour{code(dns.RcodeNameError), both}, "dns_not_found by $0: lookup web.test. on $0: no such host, dns_not_found by $0: lookup web.test. on $0: no such host"},
		{"the first has one family", []behaviour{with(a), both}, "192.0.2.1 by $0, dns_not_found by $0: lookup web.test. on $0: no ipv6 address"},
		{"the address is the unspecified one", []behaviour{with("name 1 A 0.0.0.0"), both}, "no_address by $0: lookup web.test. on $0: the ipv4 address is the unspecified one, to which nothing can connect, dns_not_found by $0: lookup web.test. on $0: no ipv6 address"},
		{"an alias", []behaviour{with("name 1 CNAME alias.test.", "alias.test. 1 A 192.0.2.1", "alias.test. 1 AAAA 2001:db8::1")}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"an alias that leads out of what the server knows", []behaviour{with("name 1 CNAME alias.test.")}, "dns_not_found by $0: lookup web.test. on $0: no ipv4 address, dns_not_found by $0: lookup web.test. on $0: no ipv6 address"},
		{"answers are truncated over UDP", []behaviour{over(truncated, both)}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"answers are truncated over UDP, and there is none over TCP", []behaviour{over(truncated, silence), both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"answers are truncated over UDP, and something else comes over TCP", []behaviour{over(truncated, otherID), both}, "192.0.2.1 by $1, 2001:db8::1 by $1"},
		{"a reply to another query comes first", []behaviour{otherID}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"a query comes first", []behaviour{changed(func(m *dns.Msg) { m.Response = false })}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"a reply about another name comes first", []behaviour{changed(func(m *dns.Msg) { m.Question[0].Name = "other.test." })}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"a reply about another type comes first", []behaviour{changed(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX })}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"a reply about another class comes first", []behaviour{changed(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"a reply about nothing comes first", []behaviour{changed(func(m *dns.Msg) { m.Question = nil })}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"the name in capitals", []behaviour{changed(func(m *dns.Msg) { m.Question[0].Name, m.Answer = "WEB.test.", replyWith(m, a, aaaa).Answer })}, "192.0.2.1 by $0, 2001:db8::1 by $0"},
		{"all fail", []behaviour{nil, code(dns.RcodeServerFailure), code(12)}, "dns_failure: lookup web.test. on $0: connection refused; on $1: it answers SERVFAIL; on $2: it answers the code 12, dns_failure: lookup web.test. on $0: connection refused; on $1: it answers SERVFAIL; on $2: it answers the code 12"},
		{"one fails, and one is silent", []behaviour{silence, code(dns.RcodeRefused)}, "dns_failure: lookup web.test. on $0: i/o timeout; on $1: it answers REFUSED, dns_failure: lookup web.test. on $0: i/o timeout; on $1: it answers REFUSED"},
		{"all are silent", []behaviour{silence, silence}, "dns_timeout: lookup web.test. on $0: i/o timeout; on $1: i/o timeout, dns_timeout: lookup web.test. on $0: i/o timeout; on $1: i/o timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			servers := make([]netip.AddrPort, len(test.servers))
			for i, behave := range test.servers {
				if behave == nil {
					servers[i] = testnet.ClosedPort(t, "127.0.0.1")
				} else {
					servers[i] = serveDNS(t, "127.0.0.1", behave).AddrPort
				}
			}
			resolved := newResolverBy(servers).resolve(t.Context(), "web.test", check.Families, 4*time.Second, "")
			var got []string
			for _, a := range resolved.answers {
				text := string(a.errorType)
				if a.found() {
					text = a.addresses[0].String()
				}
				if a.server.IsValid() {
					text += " by " + a.server.String()
				}
				if !a.found() {
					text += ": " + a.err.Error()
				}
				got = append(got, text)
			}
			text := strings.Join(got, ", ")
			for i, server := range servers {
				text = strings.ReplaceAll(text, server.String(), fmt.Sprintf("$%d", i))
			}
			assert.Equal(t, test.want, text)
		})
	}
}

// A server at an IPv6 address is asked as well.
func TestOwnServerOverIPv6(t *testing.T) {
	server := serveDNS(t, "::1", with("name 1 A 192.0.2.1"))
	found := newResolverBy([]netip.AddrPort{server.AddrPort}).resolve(t.Context(), "web", check.Families[:1], 10*time.Second, "")
	require.Len(t, found.answers, 1)
	assert.Equal(t, []netip.Addr{v4}, found.answers[0].addresses)
	assert.Equal(t, server.AddrPort, found.answers[0].server)
}

// Checks of a target that has name servers of its own: the name is asked for as it is written,
// whatever this system's files have. localhost is not for name servers to say (RFC 6761, section
// 6.3), and who checks an IP literal asks nobody.
func TestCheckByOwnServers(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	names := make(chan string, 10)
	server := serveDNS(t, "127.0.0.1", func(_ string, query *dns.Msg, write func(*dns.Msg)) {
		names <- query.Question[0].Name
		write(replyWith(query, "name 1 A 127.0.0.1"))
	})
	system := NewSystem(0)
	for _, test := range []struct {
		host, asked string
		by          netip.AddrPort
	}{
		{"web", "web.", server.AddrPort},
		{"web.internal", "web.internal.", server.AddrPort},
		{"Web.Internal.", "Web.Internal.", server.AddrPort},
		{"localhost", "", netip.AddrPort{}},
		{"web.LocalHost.", "", netip.AddrPort{}},
		{"127.0.0.1", "", netip.AddrPort{}},
	} {
		target := &check.Target{Host: test.host, Port: up.Port(), Timeout: 10 * time.Second, Families: check.Families[:1], Servers: []netip.AddrPort{server.AddrPort}}
		report := system.Probe(target).Check(t.Context(), time.Now, unknownHost, noHandOff)
		require.Len(t, report.Results, 1, test.host)
		require.NoError(t, report.Results[0].Err, test.host)
		assert.Equal(t, up.Addr(), report.Results[0].Address, test.host)
		if test.asked == "" {
			assert.Empty(t, names, test.host)
		} else {
			assert.Equal(t, test.asked, <-names)
		}
		for _, lookup := range report.Lookups {
			assert.Equal(t, test.by, lookup.Server, test.host)
		}
	}
}

// The turns of servers that do not answer: each is asked twice, all of them before the first one
// again, and they share the time. The others have their turns by what is left of it.
func TestTurns(t *testing.T) {
	const name = "web.test."
	answer := with("name 1 A 192.0.2.1")
	late := func() behaviour { // it answers when it is asked for the second time
		var asked atomic.Int32
		return func(network string, query *dns.Msg, write func(*dns.Msg)) {
			if asked.Add(1) == 2 {
				answer(network, query, write)
			}
		}
	}
	for _, test := range []struct {
		name    string
		servers []behaviour // nil: it cannot be dialled
		want    string      // the turns, each with its second
		found   bool
		timeout bool
	}{
		{"one that is silent", []behaviour{silence}, "0@0s 0@6s end@12s", false, true},
		{"one that lost a packet", []behaviour{late()}, "0@0s 0@6s end@6s", true, false},
		{"two that are silent", []behaviour{silence, silence}, "0@0s 1@3s 0@6s 1@9s end@12s", false, true},
		{"three that are silent", []behaviour{silence, silence, silence}, "0@0s 1@2s 2@4s 0@6s 1@8s 2@10s end@12s", false, true},
		{"the last one answers", []behaviour{silence, silence, answer}, "0@0s 1@2s 2@4s end@4s", true, false},
		{"the first one lost a packet", []behaviour{late(), silence, silence}, "0@0s 1@2s 2@4s 0@6s end@6s", true, false},
		{"one that fails has one turn", []behaviour{code(dns.RcodeServerFailure)}, "0@0s end@0s", false, false},
		{"one that cannot be asked has one turn", []behaviour{nil}, "0@0s end@0s", false, false},
		{"one fails, and leaves its time to the other", []behaviour{nil, silence}, "0@0s 1@0s 1@6s end@12s", false, false},
		{"one fails behind a silent one", []behaviour{silence, code(dns.RcodeServerFailure)}, "0@0s 1@3s 0@3s end@12s", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var turns []string
				start := time.Now()
				turn := func(of string) { turns = append(turns, fmt.Sprintf("%s@%v", of, time.Since(start))) }
				c := &client{servers: make([]netip.AddrPort, len(test.servers))}
				for i := range c.servers {
					c.servers[i] = netip.AddrPortFrom(v4, uint16(i)) //nolint:gosec // there are three at most
				}
				c.dial = func(_ context.Context, _, address string) (net.Conn, error) {
					i := netip.MustParseAddrPort(address).Port()
					turn(fmt.Sprint(i))
					if test.servers[i] == nil {
						return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
					}
					client, server := net.Pipe()
					go serveOnce(server, test.servers[i])
					return client, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
				defer cancel()
				addresses, err := c.lookUp(ctx, name, check.IPv4)
				turn("end")
				assert.Equal(t, test.want, strings.Join(turns, " "))
				if test.found {
					require.NoError(t, err)
					assert.Equal(t, []netip.Addr{v4}, addresses)
				} else {
					assert.Equal(t, test.timeout, isTimeout(err), err)
				}
			})
		})
	}
}

// serveOnce answers a query over a stream, or waits for its end.
func serveOnce(conn net.Conn, behave behaviour) {
	defer func() { _ = conn.Close() }()
	through := &dns.Conn{Conn: conn}
	if query, err := through.ReadMsg(); err == nil {
		behave("udp", query, func(reply *dns.Msg) { _ = through.WriteMsg(reply) })
	}
	_, _ = conn.Read(make([]byte, 1))
}

// A lookup ends with its context, and leaves nothing behind.
func TestLookupIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := serveDNS(t, "127.0.0.1", func(string, *dns.Msg, func(*dns.Msg)) { cancel() })
	c := &client{servers: []netip.AddrPort{server.AddrPort, server.AddrPort}, dial: (&net.Dialer{}).DialContext}
	_, err := c.lookUp(ctx, "web.test.", check.IPv4)
	require.Error(t, err)
	assert.EqualValues(t, 1, server.asked.Load())
}

// A server to which the connection is made too late was silent.
func TestServerThatIsDialledForTooLong(t *testing.T) {
	r := newResolverBy([]netip.AddrPort{netip.AddrPortFrom(v4, 53)})
	r.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		client, _ := net.Pipe()
		return client, nil
	}
	resolved := r.resolve(t.Context(), "web", check.Families[:1], 20*time.Millisecond, "")
	require.Len(t, resolved.answers, 1)
	assert.Equal(t, check.DNSTimeout, resolved.answers[0].errorType)
	require.EqualError(t, resolved.answers[0].err, "lookup web. on 192.0.2.1:53: i/o timeout")
}

// A zone that is no interface of this machine is its fault.
func TestOwnServerOfAnUnknownZone(t *testing.T) {
	a := newResolverBy([]netip.AddrPort{netip.MustParseAddrPort("[fe80::1%nowhere]:53")}).lookUp(t.Context(), "web.test.", check.IPv4)
	assert.Equal(t, check.LacksOther, a.lack, a.err)
}

// Where this machine can ask none of the servers, it is this machine's fault.
func TestOwnServersOutOfReach(t *testing.T) {
	local := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for name, test := range map[string]struct {
		dials []error
		lack  check.Lack
	}{
		"none can be asked": {[]error{local, local}, check.LacksFileDescriptors},
		"one refuses":       {[]error{local, refused}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResolverBy([]netip.AddrPort{netip.AddrPortFrom(v4, 53), netip.AddrPortFrom(v4Later, 53)})
			dials := test.dials
			r.dial = func(context.Context, string, string) (net.Conn, error) {
				err := dials[0]
				dials = dials[1:]
				return nil, err
			}
			a := r.lookUp(t.Context(), "web.test.", check.IPv4)
			assert.Equal(t, test.lack, a.lack)
			assert.False(t, a.server.IsValid())
			if test.lack == "" {
				assert.EqualError(t, a.err, "lookup web.test. on 192.0.2.1:53: too many open files; on 192.0.2.2:53: connection refused")
			} else {
				assert.ErrorIs(t, a.err, syscall.EMFILE)
			}
		})
	}
}
