package dnsserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
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

// lookup asks for the addresses of name that are of the network "ip", "ip4" or
// "ip6".
func lookup(t *testing.T, s *Server, network string) ([]netip.Addr, error) {
	t.Helper()
	return s.Resolver().LookupNetIP(t.Context(), network, name)
}

func dnsError(t *testing.T, err error) *net.DNSError {
	t.Helper()
	var dnsErr *net.DNSError
	require.ErrorAs(t, err, &dnsErr)
	return dnsErr
}

func TestAddresses(t *testing.T) {
	s := New(t)
	v4, v6 := addrs("192.0.2.1", 3), addrs("2001:db8::1", 2)
	s.Set(name, Zone{A: Answer{Addrs: v4}, AAAA: Answer{Addrs: v6}})

	got, err := lookup(t, s, "ip4")
	require.NoError(t, err)
	assert.Equal(t, v4, got)
	assert.Equal(t, 1, s.Queries(name, dns.TypeA))
	assert.Equal(t, 0, s.Queries(name, dns.TypeAAAA))

	got, err = lookup(t, s, "ip6")
	require.NoError(t, err)
	assert.Equal(t, v6, got)

	got, err = lookup(t, s, "ip")
	require.NoError(t, err)
	assert.ElementsMatch(t, append(v4, v6...), got)
	assert.Equal(t, 2, s.Queries(name, dns.TypeA))
	assert.Equal(t, 2, s.Queries(name, dns.TypeAAAA))
}

func TestBothPicksFamily(t *testing.T) {
	s := New(t)
	s.Set(name, Both(Answer{Addrs: []netip.Addr{
		netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("::ffff:192.0.2.1"),
	}}))
	got, err := lookup(t, s, "ip4")
	require.NoError(t, err)
	assert.Equal(t, addrs("192.0.2.1", 1), got)
	got, err = lookup(t, s, "ip6")
	require.NoError(t, err)
	assert.Equal(t, addrs("2001:db8::1", 1), got)
}

func TestNamesAreCaseInsensitive(t *testing.T) {
	s := New(t)
	s.Set("WWW.Example.TEST", Both(Answer{Addrs: addrs("192.0.2.1", 1)}))
	_, err := s.Resolver().LookupNetIP(t.Context(), "ip4", "www.EXAMPLE.test.")
	require.NoError(t, err)
	assert.Equal(t, 1, s.Queries("wwW.eXample.test", dns.TypeA))
}

func TestNotFound(t *testing.T) {
	for what, zone := range map[string]Zone{
		"NODATA":   {},
		"NXDOMAIN": Both(Answer{Code: NXDomain}),
	} {
		t.Run(what, func(t *testing.T) {
			s := New(t)
			s.Set(name, zone)
			_, err := lookup(t, s, "ip")
			assert.True(t, dnsError(t, err).IsNotFound)
			assert.Equal(t, 1, s.Queries(name, dns.TypeA), "no reason to ask again")
		})
	}
	t.Run("not set", func(t *testing.T) {
		_, err := lookup(t, New(t), "ip")
		assert.True(t, dnsError(t, err).IsNotFound)
	})
}

func TestNODATAOfOneFamily(t *testing.T) {
	s := New(t)
	s.Set(name, Zone{AAAA: Answer{Addrs: addrs("2001:db8::1", 1)}})
	_, err := lookup(t, s, "ip4")
	assert.True(t, dnsError(t, err).IsNotFound)
	got, err := lookup(t, s, "ip")
	require.NoError(t, err)
	assert.Equal(t, addrs("2001:db8::1", 1), got)
}

// TestCodes looks at the codes themselves, which a net.Resolver does not tell.
func TestCodes(t *testing.T) {
	s := New(t)
	for _, tt := range []struct {
		zone  Zone
		qtype uint16
		want  int
	}{
		{Zone{}, dns.TypeA, dns.RcodeSuccess},
		{Zone{}, dns.TypeMX, dns.RcodeSuccess},
		{Both(Answer{Code: NXDomain}), dns.TypeA, dns.RcodeNameError},
		{Both(Answer{Code: ServFail}), dns.TypeA, dns.RcodeServerFailure},
		{Both(Answer{Code: Refused}), dns.TypeAAAA, dns.RcodeRefused},
	} {
		s.Set(name, tt.zone)
		reply, err := dns.Exchange(new(dns.Msg).SetQuestion(name, tt.qtype), s.Addr().String())
		require.NoError(t, err)
		assert.Equal(t, tt.want, reply.Rcode)
		assert.Empty(t, reply.Answer)
	}
	reply, err := dns.Exchange(new(dns.Msg).SetQuestion("not.set.", dns.TypeA), s.Addr().String())
	require.NoError(t, err)
	assert.Equal(t, dns.RcodeNameError, reply.Rcode)
}

func TestServerErrors(t *testing.T) {
	for _, tt := range []struct {
		what      string
		code      Code
		temporary bool // as the Go runtime has it
	}{
		{"SERVFAIL", ServFail, true},
		{"REFUSED", Refused, false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			s := New(t)
			s.Set(name, Both(Answer{Code: tt.code}))
			_, err := lookup(t, s, "ip4")
			dnsErr := dnsError(t, err)
			assert.False(t, dnsErr.IsNotFound)
			assert.Equal(t, tt.temporary, dnsErr.IsTemporary)
			assert.NotZero(t, s.Queries(name, dns.TypeA))
		})
	}
}

func TestRotate(t *testing.T) {
	s := New(t)
	a := addrs("192.0.2.1", 3)
	s.Set(name, Both(Answer{Addrs: a, Rotate: true}))
	for _, want := range [][]netip.Addr{
		{a[0], a[1], a[2]},
		{a[1], a[2], a[0]},
		{a[2], a[0], a[1]},
		{a[0], a[1], a[2]},
	} {
		got, err := lookup(t, s, "ip4")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	assert.Equal(t, addrs("192.0.2.1", 3), a, "the caller's list")
}

func TestDelay(t *testing.T) {
	const delay = 50 * time.Millisecond
	s := New(t)
	s.Set(name, Both(Answer{Addrs: addrs("192.0.2.1", 1), Delay: delay}))
	start := time.Now()
	_, err := lookup(t, s, "ip4")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(start), delay)
}

func TestSilent(t *testing.T) {
	s := New(t)
	s.Set(name, Both(Answer{Silent: true}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Resolver().LookupNetIP(ctx, "ip4", name)
	assert.True(t, dnsError(t, err).IsTimeout)
	assert.Equal(t, 1, s.Queries(name, dns.TypeA))

	client := dns.Client{Net: "tcp", Timeout: 50 * time.Millisecond}
	_, _, err = client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), s.Addr().String())
	var netErr net.Error
	require.ErrorAs(t, err, &netErr)
	assert.True(t, netErr.Timeout(), "over TCP: %v", err)
	assert.Equal(t, 2, s.Queries(name, dns.TypeA))
}

func TestSetWhileRunning(t *testing.T) {
	s := New(t)
	a := addrs("192.0.2.1", 3)
	s.Set(name, Both(Answer{Addrs: a}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				_, err := s.Resolver().LookupNetIP(t.Context(), "ip4", name)
				assert.NoError(t, err)
			}
		})
	}
	for i := range 200 {
		s.Set(name, Both(Answer{Addrs: a, Rotate: i%2 == 0}))
		s.Set(fmt.Sprintf("%d.example.test", i), Zone{})
		s.Queries(name, dns.TypeA)
	}
	wg.Wait()
	assert.Equal(t, 200, s.Queries(name, dns.TypeA))
}

// TestClose closes the server while it has queries that wait.
func TestClose(t *testing.T) {
	s, err := Start()
	require.NoError(t, err)
	s.Set("delayed.test", Both(Answer{Delay: time.Hour}))
	s.Set("silent.test", Both(Answer{Silent: true}))

	for _, name := range []string{"delayed.test.", "silent.test."} {
		for _, network := range []string{"udp", "tcp"} {
			conn, err := dns.Dial(network, s.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.WriteMsg(new(dns.Msg).SetQuestion(name, dns.TypeA)))
		}
	}
	require.Eventually(t, func() bool {
		return s.Queries("delayed.test", dns.TypeA) == 2 && s.Queries("silent.test", dns.TypeA) == 2
	}, 10*time.Second, time.Millisecond)

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "once more")
	goleak.VerifyNone(t)
	_, err = net.Dial("tcp", s.Addr().String())
	require.Error(t, err)
}

// TestCloseEndsLookups has a lookup cancelled that the runtime goes on with.
func TestCloseEndsLookups(t *testing.T) {
	s, err := Start()
	require.NoError(t, err)
	s.Set(name, Both(Answer{Silent: true}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Resolver().LookupNetIP(ctx, "ip4", name)
	require.Error(t, err)
	require.NoError(t, s.Close())
	goleak.VerifyNone(t)
	_, err = lookup(t, s, "ip4")
	require.ErrorContains(t, err, net.ErrClosed.Error())
}
