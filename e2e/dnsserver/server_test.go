package dnsserver

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const name = "www.example.test."

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// addrs returns n addresses that begin with the given one.
func addrs(first string, n int) []netip.Addr {
	list := make([]netip.Addr, n)
	addr := netip.MustParseAddr(first)
	for i := range list {
		list[i], addr = addr, addr.Next()
	}
	return list
}

// What a resolver gets of what is programmed: the error is part of what it says.
func TestLookup(t *testing.T) {
	v4, v6 := addrs("192.0.2.1", 3), addrs("2001:db8::1", 2)
	mixed := Addresses(v6[0], netip.MustParseAddr("::ffff:192.0.2.1"))
	for _, test := range []struct {
		what    string
		zone    Zone
		network string
		want    []netip.Addr
		err     func(*net.DNSError) bool
	}{
		{what: "IPv4", zone: Addresses(append(v4, v6...)...), network: "ip4", want: v4},
		{what: "IPv6", zone: Addresses(append(v4, v6...)...), network: "ip6", want: v6},
		{what: "mapped", zone: mixed, network: "ip4", want: v4[:1]},
		{what: "of a mixed list", zone: mixed, network: "ip6", want: v6[:1]},
		{what: "one family", zone: Zone{AAAA: Answer{Addrs: v6}}, network: "ip", want: v6},
		{what: "NODATA of one family", zone: Zone{AAAA: Answer{Addrs: v6}}, network: "ip4", err: notFound},
		{what: "NODATA", network: "ip", err: notFound},
		{what: "NXDOMAIN", zone: Both(Answer{Code: NXDomain}), network: "ip", err: notFound},
		{what: "SERVFAIL", zone: Both(Answer{Code: ServFail}), network: "ip4", err: temporary},
		{what: "REFUSED", zone: Both(Answer{Code: Refused}), network: "ip4", err: permanent},
		{what: "delayed", zone: Both(Answer{Addrs: v4, Delay: 20 * time.Millisecond}), network: "ip4", want: v4},
		{what: "silent", zone: Both(Answer{Silent: true}), network: "ip4", err: timeout},
		{what: "truncated", zone: Both(Answer{Addrs: v4, Truncate: true}), network: "ip4", want: v4},
		{what: "a hundred", zone: Addresses(addrs("192.0.2.1", 100)...), network: "ip4", want: addrs("192.0.2.1", 100)},
		{what: "a hundred of IPv6", zone: Addresses(addrs("2001:db8::1", 100)...), network: "ip6", want: addrs("2001:db8::1", 100)},
	} {
		t.Run(test.what, func(t *testing.T) {
			s := New(t, "127.0.0.1:0")
			s.Set("WWW.Example.TEST", test.zone) // the case does not matter, nor the dot
			patience := 10 * time.Second
			if test.zone.A.Silent {
				patience = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			found, err := lookup(ctx, s, test.network)
			if test.err == nil {
				require.NoError(t, err)
				assert.ElementsMatch(t, test.want, found)
				return
			}
			var dnsErr *net.DNSError
			require.ErrorAs(t, err, &dnsErr)
			assert.True(t, test.err(dnsErr), "%+v", dnsErr)
		})
	}
}

// The kinds of errors, as the Go runtime has them.
func notFound(err *net.DNSError) bool  { return err.IsNotFound }
func temporary(err *net.DNSError) bool { return err.IsTemporary && !err.IsNotFound }
func permanent(err *net.DNSError) bool { return !err.IsTemporary && !err.IsNotFound }
func timeout(err *net.DNSError) bool   { return err.IsTimeout }

// lookup asks for the addresses of name that are of the network "ip", "ip4" or
// "ip6". A lookup that ends before its answer leaves the runtime waiting for it,
// for as long as its connection is open.
func lookup(ctx context.Context, s *Server, network string) ([]netip.Addr, error) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(dialling context.Context, network, address string) (net.Conn, error) {
		conn, err := s.Dial(dialling, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}}
	return resolver.LookupNetIP(ctx, network, name)
}

// A name that has IPv4 addresses alone is given IPv6 ones of the prefix (RFC 6052, section 2.4).
func TestSynthesize(t *testing.T) {
	s := New(t, "127.0.0.1:0")
	v4, v6 := netip.MustParseAddr("192.0.2.33"), netip.MustParseAddr("2001:db8::1")
	for prefix, want := range map[string]string{
		"2001:db8::/32":         "2001:db8:c000:221::",
		"2001:db8:100::/40":     "2001:db8:1c0:2:21::",
		"2001:db8:122::/48":     "2001:db8:122:c000:2:2100::",
		"2001:db8:122:300::/56": "2001:db8:122:3c0:0:221::",
		"2001:db8:122:344::/64": "2001:db8:122:344:c0:2:2100::",
		"2001:db8:122:344::/96": "2001:db8:122:344::192.0.2.33",
		"64:ff9b::/96":          "64:ff9b::192.0.2.33",
	} {
		s.Synthesize(netip.MustParsePrefix(prefix))
		s.Set(name, Addresses(v4))
		for range 2 {
			got, err := lookup(t.Context(), s, "ip6")
			require.NoError(t, err)
			assert.Equal(t, []netip.Addr{netip.MustParseAddr(want)}, got, prefix)
		}
		got, err := lookup(t.Context(), s, "ip4")
		require.NoError(t, err)
		assert.Equal(t, []netip.Addr{v4}, got)
	}
	s.Set(name, Addresses(v4, v6))
	got, err := lookup(t.Context(), s, "ip6")
	require.NoError(t, err)
	assert.Equal(t, []netip.Addr{v6}, got, "it has one of its own")
	for code, zone := range map[Code]Zone{NoError: {}, NXDomain: Both(Answer{Code: NXDomain})} {
		s.Set(name, zone)
		assert.Equal(t, Answer{Code: code}, s.answerTo(name, dns.TypeAAAA))
	}
	s.Synthesize(netip.MustParsePrefix("64:ff9b::/96"))
	assert.Equal(t, addrs("64:ff9b::c000:aa", 2), s.answerTo("ipv4only.arpa", dns.TypeAAAA).Addrs)
}

func TestRotate(t *testing.T) {
	s := New(t, "127.0.0.1:0")
	a := addrs("192.0.2.1", 3)
	s.Set(name, Both(Answer{Addrs: a, Rotate: true}))
	for _, want := range [][]netip.Addr{{a[0], a[1], a[2]}, {a[1], a[2], a[0]}, {a[2], a[0], a[1]}, {a[0], a[1], a[2]}} {
		got, err := lookup(t.Context(), s, "ip4")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	assert.Equal(t, addrs("192.0.2.1", 3), a, "the caller's list")
}

// The answers themselves, of which a resolver does not tell the code and the size.
func TestAnswers(t *testing.T) {
	s := New(t, "127.0.0.1:0")
	s.Set("empty.test", Zone{})
	s.Set("no.test", Both(Answer{Code: NXDomain}))
	s.Set("fails.test", Both(Answer{Code: ServFail}))
	s.Set("refuses.test", Both(Answer{Code: Refused}))
	s.Set("hundred.test", Addresses(addrs("192.0.2.1", 100)...))
	s.Set("forty.test", Addresses(addrs("192.0.2.1", 40)...))
	s.Set("truncated.test", Both(Answer{Addrs: addrs("192.0.2.1", 1), Truncate: true}))
	const some = -1 // records, but not all
	for _, test := range []struct {
		name      string
		qtype     uint16
		network   string
		edns      uint16 // size that the client takes; 0 for no EDNS
		code      int
		truncated bool
		records   int
	}{
		{name: "empty.test.", qtype: dns.TypeA},
		{name: "empty.test.", qtype: dns.TypeMX},
		{name: "no.test.", qtype: dns.TypeA, code: dns.RcodeNameError},
		{name: "not.set.", qtype: dns.TypeA, code: dns.RcodeNameError},
		{name: "fails.test.", qtype: dns.TypeA, code: dns.RcodeServerFailure},
		{name: "refuses.test.", qtype: dns.TypeAAAA, code: dns.RcodeRefused},
		{name: "hundred.test.", qtype: dns.TypeA, truncated: true, records: some},
		{name: "hundred.test.", qtype: dns.TypeA, edns: 1232, truncated: true, records: some},
		{name: "hundred.test.", qtype: dns.TypeA, edns: 4096, truncated: true, records: some},
		{name: "hundred.test.", qtype: dns.TypeA, network: "tcp", records: 100},
		{name: "forty.test.", qtype: dns.TypeA, truncated: true, records: some},
		{name: "forty.test.", qtype: dns.TypeA, edns: 100, truncated: true, records: some},
		{name: "forty.test.", qtype: dns.TypeA, edns: 1232, records: 40},
		{name: "truncated.test.", qtype: dns.TypeA, edns: 1232, truncated: true},
		{name: "truncated.test.", qtype: dns.TypeA, network: "tcp", edns: 1232, records: 1},
	} {
		query := new(dns.Msg).SetQuestion(test.name, test.qtype)
		if test.edns != 0 {
			query.SetEdns0(test.edns, false)
		}
		client := dns.Client{Net: test.network, UDPSize: dns.MaxMsgSize}
		reply, _, err := client.Exchange(query, s.addrs[cmp.Or(test.network, "udp")])
		require.NoError(t, err, "%+v", test)
		assert.Equal(t, test.code, reply.Rcode, "%+v", test)
		assert.Equal(t, test.truncated, reply.Truncated, "%+v", test)
		assert.Equal(t, test.edns != 0, reply.IsEdns0() != nil, "%+v", test)
		if test.records == some {
			assert.NotEmpty(t, reply.Answer, "%+v", test)
		} else {
			assert.Len(t, reply.Answer, test.records, "%+v", test)
		}
		if test.network == "" {
			reply.Compress = true // as it came
			assert.LessOrEqual(t, reply.Len(), max(dns.MinMsgSize, min(int(test.edns), maxUDPSize)), "%+v", test)
		}
	}
}

// A server ends while it has queries that wait, and leaves nothing.
func TestEnd(t *testing.T) {
	t.Run("with queries", func(t *testing.T) {
		s := New(t, "127.0.0.1:0")
		s.Set("delayed.test", Both(Answer{Delay: time.Hour}))
		s.Set("silent.test", Both(Answer{Silent: true}))
		s.Set(name, Addresses(addrs("192.0.2.1", 1)...))
		for _, asked := range []string{"delayed.test.", "silent.test."} {
			for _, network := range []string{"udp", "tcp"} {
				conn, err := dns.Dial(network, s.addrs[network])
				require.NoError(t, err)
				defer conn.Close()
				require.NoError(t, conn.WriteMsg(new(dns.Msg).SetQuestion(asked, dns.TypeA)))
				_, err = lookup(t.Context(), s, "ip4") // by then the server has the query over UDP
				require.NoError(t, err)
			}
		}
	})
	goleak.VerifyNone(t)
}
