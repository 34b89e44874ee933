package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// nameServer starts a name server on loopback, for the time of a test, and returns its address. All
// names below internal are those of 127.0.0.1, and there are no others.
func nameServer(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	started, ended := make(chan struct{}), make(chan error, 1)
	server := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(started) }}
	server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply, asked := new(dns.Msg).SetReply(query), query.Question[0]
		switch {
		case !dns.IsSubDomain("internal.", asked.Name):
			reply.Rcode = dns.RcodeNameError
		case asked.Qtype == dns.TypeA:
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		reply.Authoritative = true
		_ = w.WriteMsg(reply) // it fails for a client that has gone
	})
	go func() { ended <- server.ActivateAndServe() }()
	select {
	case <-started:
	case err := <-ended:
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		assert.NoError(t, server.Shutdown())
		assert.NoError(t, <-ended)
	})
	return packets.LocalAddr().String()
}

// Names are resolved by the name servers of --resolver, and it is said by which.
func TestResolver(t *testing.T) {
	server, closed := nameServer(t), testnet.ClosedPort(t, "127.0.0.1").String()
	port := testnet.Listen(t, "tcp4", "127.0.0.1:0").Port()
	web, db, gone := fmt.Sprintf("web.internal:%d", port), fmt.Sprintf("db.internal:%d", port), fmt.Sprintf("web.external:%d", port)
	checkBy := func(args ...string) ran {
		return runWith(context.Background(), append([]string{"--resolver"}, args...)...)
	}

	got := checkBy(closed+","+server, web)
	assert.Equal(t, statusOK, got.status, got)
	assert.Regexp(t, web+` +ipv4 +127\.0\.0\.1 +up `, got.out)
	assert.Contains(t, got.out, "\n"+web+": resolved by "+server+".\n")

	got = checkBy(server, web, db, fmt.Sprintf("127.0.0.1:%d", port))
	assert.Equal(t, statusOK, got.status, got)
	assert.True(t, strings.HasSuffix(got.out, "\n2 targets: resolved by "+server+".\n"), got.out)

	got = checkBy(server, gone)
	assert.Equal(t, statusUnknown, got.status, got)
	assert.Contains(t, got.out, "\n"+gone+": the name does not exist: lookup web.external. on "+server+": no such host.\n")
	assert.NotContains(t, got.out, "resolved by")

	got = checkBy(closed, "--timeout", "1s", web)
	assert.Equal(t, statusUnknown, got.status, got)
	assert.Contains(t, got.out, "\n"+web+": the name servers do not resolve the name: lookup web.internal. on "+closed+": connection refused.\n")

	for target, want := range map[string][]string{web: {server}, gone: {server}, fmt.Sprintf("localhost:%d", port): nil} {
		var targets []jsonTarget
		got = checkBy(server, "-o", "json", "--family", "ipv4", target)
		require.NoError(t, json.Unmarshal([]byte(got.out), &targets), got)
		require.Len(t, targets, 1)
		assert.Equal(t, want, targets[0].Servers, target)
	}

	got = checkBy(server, "-c", "3", "-i", "1ms", web)
	assert.Equal(t, 1, strings.Count(got.out, "resolved by"), got.out)
	assert.LessOrEqual(t, strings.Count(got.out, "the other family only"), 1, "a machine without IPv6 does not say it: %s", got.out)
}

// Who resolved the names is said in a line for each of them.
func TestResolvers(t *testing.T) {
	server := func(n byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 53) }
	of := func(host string, servers ...netip.AddrPort) check.Report {
		r := check.Report{Target: &check.Target{Host: host, Port: 1}, Results: []check.Result{{Family: check.IPv4, Address: netip.MustParseAddr("192.0.2.9"), Status: check.Up}}}
		for _, s := range servers {
			r.Lookups = append(r.Lookups, check.Lookup{Time: time.Second, Server: s})
		}
		return r
	}
	unnamed := of("d", server(1), server(1))
	unnamed.Results[0].Status, unnamed.Results[0].ErrorType, unnamed.Results[0].Err = check.Down, check.DNSNotFound, assert.AnError
	assert.Equal(t, "d:1: the name does not exist: "+assert.AnError.Error()+".\n2 targets: resolved by 192.0.2.2:53.\na:1: resolved by 192.0.2.1:53, 192.0.2.2:53.\n", notesOf([]check.Report{
		of("b", server(2), server(2)), of("a", server(1), server(2)), of("c", server(2), netip.AddrPort{}), unnamed, of("e", netip.AddrPort{}), of("192.0.2.9"),
	}))
}
