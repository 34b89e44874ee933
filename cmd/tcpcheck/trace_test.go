package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
	"example.com/tcpcheckreceiver/internal/trace"
)

func TestTraceFlags(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"resolve alone":           {[]string{"--resolve"}, "--resolve: it is for --trace; write both\n"},
		"local port alone":        {[]string{"--local-port", "40000"}, "--local-port: it is for --trace; write both\n"},
		"no port":                 {[]string{"--trace", "--local-port", "0"}, "--local-port: 0 is not between 1 and 65535\n"},
		"less than a port":        {[]string{"--trace", "--local-port", "-1"}, "--local-port: -1 is not between 1 and 65535\n"},
		"more than a port":        {[]string{"--trace", "--local-port", "65536"}, "--local-port: 65536 is not between 1 and 65535\n"},
		"a word":                  {[]string{"--trace", "--local-port", "http"}, `invalid argument "http" for "--local-port" flag: strconv.ParseInt: parsing "http": invalid syntax` + "\n"},
		"as a test suite":         {[]string{"--trace", "-o", "junit"}, "--trace: junit has no place for it; table and json have\n"},
		"as a plugin":             {[]string{"--trace", "-o", "nagios"}, "--trace: nagios has no place for it; table and json have\n"},
		"several times":           {[]string{"--trace", "--count", "2"}, "--trace: it is for one check; leave --count and --interval out\n"},
		"again and again":         {[]string{"--trace", "--interval", "1s"}, "--trace: it is for one check; leave --count and --interval out\n"},
		"several things":          {[]string{"--resolve", "--local-port", "0"}, "--local-port: 0 is not between 1 and 65535\n--local-port: it is for --trace; write both\n--resolve: it is for --trace; write both\n"},
		"with what else is wrong": {[]string{"--trace", "-o", "yaml"}, `--output: "yaml" is no format; they are json, junit, nagios, table` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(context.Background(), append(test.args, "127.0.0.1:1")...)
			assert.Equal(t, ran{statusUnknown, "", test.says + "See tcpcheck --help.\n"}, got)
		})
	}
}

// On loopback, the target is the first hop. The ways through routers are those of e2e/trace.
func TestTrace(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0").String()
	got := runWith(context.Background(), "--trace", up)
	assert.Equal(t, statusOK, got.status, got)
	if runtime.GOOS != "linux" {
		assert.Contains(t, got.out, "\n\n"+up+": over ipv4 the way is not known: "+trace.ErrUnavailable.Error()+".\n")
		return
	}
	assert.Regexp(t, `(?s)^TARGET .* up .*\n\nThe way to `+up+`:\nHOP     IPV4                  TIME\n1       127\.0\.0\.1, connected  [\d.]+[nµm]?s\n`+up+`: the flow is from 127\.0\.0\.1:\d+\.\n$`, got.out)

	got = runWith(context.Background(), "--trace", "nowhere.invalid:80", "--timeout", "1s")
	assert.Equal(t, statusUnknown, got.status, got)
	assert.NotContains(t, got.out, "way", "there is no address")
}

// hops returns hops by their addresses; "*" is one that did not answer.
func hops(said string, addresses ...string) []trace.Hop {
	var all []trace.Hop
	for _, address := range addresses {
		hop := trace.Hop{Time: 1500 * time.Microsecond}
		if address == unanswered {
			hop = trace.Hop{}
		} else {
			hop.Address = netip.MustParseAddr(address)
		}
		all = append(all, hop)
	}
	if said != "" {
		all[len(all)-1].Said = said
	}
	return all
}

func TestWays(t *testing.T) {
	target4, target6 := netip.MustParseAddrPort("192.0.2.9:80"), netip.MustParseAddrPort("[2001:db8::9]:80")
	local4, local6 := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("[2001:db8::1]:40000")
	named := map[netip.Addr]string{netip.MustParseAddr("192.0.2.2"): "gw"}
	for name, test := range map[string]struct {
		ways []*trace.Way
		want string
	}{
		"both silent, one of them interrupted": {
			[]*trace.Way{
				{Target: target4, Local: local4, Hops: hops("", "192.0.2.2", "*", "*", "*", "*"), Err: context.Canceled},
				{Target: target6, Local: local6, Hops: hops("", "2001:db8::2", "*", "2001:db8::3", "*", "*", "*", "*")},
			},
			`HOP     IPV4            TIME    IPV6         TIME
1       gw (192.0.2.2)  1.5ms   2001:db8::2  1.5ms
2       *                       *            
3       *                       2001:db8::3  1.5ms
4-5     *                       *            
6-7                             *            
h:80: over ipv4 the way is not known to its end: it was interrupted.
h:80: over ipv6 nothing answers behind 2001:db8::3.
h:80: the flow is from 192.0.2.1:40000, and from [2001:db8::1]:40000.
`,
		},
		"a loop, and a router that prohibits": {
			[]*trace.Way{
				{Target: target4, Local: local4, Hops: hops("", "192.0.2.2", "192.0.2.3"), Loop: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}},
				{Target: target6, Local: local6, Hops: hops("administratively prohibited", "2001:db8::2")},
			},
			`HOP     IPV4            TIME    IPV6                                      TIME
1       gw (192.0.2.2)  1.5ms   2001:db8::2, administratively prohibited  1.5ms
2       192.0.2.3       1.5ms                                             
h:80: over ipv4 the way is a loop: gw (192.0.2.2), 192.0.2.3, and again.
h:80: over ipv6 the way ends at 2001:db8::2: administratively prohibited.
h:80: the flow is from 192.0.2.1:40000, and from [2001:db8::1]:40000.
`,
		},
		"nothing, and nothing of one": {
			[]*trace.Way{{Target: target4, Local: local4, Hops: hops("", "*", "*")}, {Target: target6, Err: errors.New("connect: network is unreachable")}},
			`HOP     IPV4    TIME    IPV6    TIME
1-2     *                       
h:80: over ipv4 nothing answers.
h:80: over ipv6 the way is not known: connect: network is unreachable.
h:80: the flow is from 192.0.2.1:40000.
`,
		},
		"a long way": {
			[]*trace.Way{{Target: target4, Local: local4, Hops: hops("", "192.0.2.4", "192.0.2.3")}}, // as if it had as many as there may be
			`HOP     IPV4       TIME
1       192.0.2.4  1.5ms
2       192.0.2.3  1.5ms
h:80: over ipv4 the way has more than 30 hops.
h:80: the flow is from 192.0.2.1:40000.
`,
		},
		"refused": {
			[]*trace.Way{{Target: target4, Local: local4, Hops: hops(trace.Refused, "192.0.2.9")}},
			`HOP     IPV4                           TIME
1       192.0.2.9, connection refused  1.5ms
h:80: the flow is from 192.0.2.1:40000.
`,
		},
		"this machine": {
			[]*trace.Way{{Target: target6, Local: local6, Hops: hops("administratively prohibited", "2001:db8::1")}},
			`HOP     IPV6                                      TIME
1       2001:db8::1, administratively prohibited  1.5ms
h:80: over ipv6 the way ends on this machine: administratively prohibited.
h:80: the flow is from [2001:db8::1]:40000.
`,
		},
		"unavailable": {
			[]*trace.Way{{Target: target4, Local: local4, Err: trace.ErrUnavailable}},
			"h:80: over ipv4 the way is not known: this system does not tell which router answered: Linux 6.0 or later is needed.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &ways{ways: test.ways, names: named}
			assert.Equal(t, test.want, w.table()+w.notes("h:80"))
		})
	}
}

func TestWaysInJSON(t *testing.T) {
	w := &ways{
		ways: []*trace.Way{
			{Target: netip.MustParseAddrPort("192.0.2.9:80"), Local: netip.MustParseAddrPort("192.0.2.1:40000"), Hops: hops(trace.Connected, "192.0.2.2", "*", "192.0.2.9")},
			{Target: netip.MustParseAddrPort("[2001:db8::9]:80"), Err: trace.ErrUnavailable},
		},
		names: map[netip.Addr]string{netip.MustParseAddr("192.0.2.2"): "gw"},
	}
	text, err := json.Marshal(w.json())
	require.NoError(t, err)
	assert.JSONEq(t, `[
  {"network_type": "ipv4", "network_peer_address": "192.0.2.9", "network_local_address": "192.0.2.1", "network_local_port": 40000, "hops": [
    {"hop": 1, "address": "192.0.2.2", "name": "gw", "time_seconds": 0.0015}, {"hop": 2}, {"hop": 3, "address": "192.0.2.9", "time_seconds": 0.0015, "said": "connected"}
  ]},
  {"network_type": "ipv6", "network_peer_address": "2001:db8::9", "hops": [], "note": "the way is not known: this system does not tell which router answered: Linux 6.0 or later is needed"}
]`, string(text))
}

// The way to the first address of each family is walked, wherever it stands.
func TestDialled(t *testing.T) {
	result := func(address string) check.Result { return check.Result{Address: netip.MustParseAddr(address)} }
	for name, test := range map[string]struct {
		results []check.Result
		want    []string
	}{
		"none":          {},
		"no address":    {results: []check.Result{{Family: check.IPv4}}},
		"both families": {results: []check.Result{{Family: check.IPv4}, result("192.0.2.1"), result("192.0.2.2"), result("2001:db8::1"), result("2001:db8::2")}, want: []string{"192.0.2.1", "2001:db8::1"}},
		"one family":    {results: []check.Result{result("2001:db8::2"), result("2001:db8::1")}, want: []string{"2001:db8::2"}},
	} {
		var got []string
		for _, r := range dialled(&check.Report{Results: test.results}) {
			got = append(got, r.Address.String())
		}
		assert.Equal(t, test.want, got, name)
	}
}

// A target that is far is given more time.
func TestRoundTrip(t *testing.T) {
	assert.Equal(t, time.Second, roundTrip(&check.Result{Status: check.Up, HandshakeTime: time.Second, SYNRetransmits: check.UnknownRetransmits}))
	assert.Zero(t, roundTrip(&check.Result{Status: check.Up, HandshakeTime: time.Second, SYNRetransmits: 1}))
	assert.Zero(t, roundTrip(&check.Result{Status: check.Down}))
}
