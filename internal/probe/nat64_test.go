package probe

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

func TestTranslated(t *testing.T) {
	for _, test := range []struct{ prefix, address, want string }{
		// RFC 6052, section 2.4.
		{"2001:db8::/32", "2001:db8:c000:221::", "192.0.2.33"},
		{"2001:db8:100::/40", "2001:db8:1c0:2:21::", "192.0.2.33"},
		{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::", "192.0.2.33"},
		{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::", "192.0.2.33"},
		{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::", "192.0.2.33"},
		{"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33", "192.0.2.33"},
		{"64:ff9b::/96", "64:ff9b::192.0.2.33", "192.0.2.33"},

		{"2001:db8:122::/48", "2001:db8:122:c000:2:2100:0:1", "192.0.2.33"}, // what comes behind is to be ignored: section 2.3
		{"64:ff9b::/96", "64:ff9b::255.255.255.255", "255.255.255.255"},
		{"64:ff9b::/96", "64:ff9b::10.0.0.1", "10.0.0.1"},
		{"64:ff9b::/96", "64:ff9b::", ""},
		{"64:ff9b::/96", "64:ff9b:1::192.0.2.33", ""},
		{"2001:db8:122::/48", "2001:db8:123:c000:2:2100::", ""},
		{"2001:db8:122::/48", "2001:db8:122:c000:102:2100::", ""}, // not 0 in the bits 64 to 71
		{"2001:db8:122:344:100::/96", "2001:db8:122:344:100:0:192.0.2.33", ""},
		{"64:ff9b::/96", "192.0.2.33", ""},
		{"64:ff9b::/96", "::ffff:192.0.2.33", ""},
	} {
		assert.Equal(t, test.want, translated(netip.MustParseAddr(test.address), netip.MustParsePrefix(test.prefix)).String(), "%+v", test)
	}
}

func TestPrefixesOf(t *testing.T) {
	for _, test := range []struct {
		name      string
		addresses []string
		want      []string
	}{
		{"none", nil, nil},
		{"the well-known one", []string{"64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171"}, []string{"64:ff9b::/96"}},
		{"32", []string{"2001:db8:c000:aa::"}, []string{"2001:db8::/32"}},
		{"40", []string{"2001:db8:1c0:0:aa::"}, []string{"2001:db8:100::/40"}},
		{"48", []string{"2001:db8:122:c000:0:aa00::"}, []string{"2001:db8:122::/48"}},
		{"56", []string{"2001:db8:122:3c0:0:ab::"}, []string{"2001:db8:122:300::/56"}},
		{"64", []string{"2001:db8:122:344:c0:0:ab00::"}, []string{"2001:db8:122:344::/64"}},
		{"96, of a site", []string{"fd00:64::192.0.0.171"}, []string{"fd00:64::/96"}},
		{"several", []string{"2001:db8:c000:ab::", "64:ff9b::192.0.0.171", "2001:db8:c000:aa::", "64:ff9b::192.0.0.170"}, []string{"64:ff9b::/96", "2001:db8::/32"}},
		{"another address", []string{"2001:db8::1"}, nil},
		{"another address of IPv4", []string{"64:ff9b::192.0.0.172"}, nil},
		{"one between two octets", []string{"2001:db8:0:c:0:aa::"}, nil},
		{"one around the reserved octet, which is not 0", []string{"2001:db8:122:c000:100:aa00::"}, nil},
		{"another one beside it", []string{"2001:db8::1", "64:ff9b::192.0.0.170"}, []string{"64:ff9b::/96"}},
		// The prefix has 192.0.0.170 in it, at the place of a shorter one: 2001:db8:c000:aa::/96.
		{"one in the prefix", []string{"2001:db8:c000:aa::192.0.0.170", "2001:db8:c000:aa::192.0.0.171"}, []string{"2001:db8:c000:aa::/96"}},
		{"one in the prefix, and the other one is not there", []string{"2001:db8:c000:aa::192.0.0.170"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var addresses []netip.Addr
			for _, text := range test.addresses {
				addresses = append(addresses, netip.MustParseAddr(text))
			}
			var got []string
			for _, prefix := range prefixesOf(addresses) {
				got = append(got, prefix.String())
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// The addresses that are checked here: of a prefix that the network has, and of one that it had, and what an answer
// about the name says of these.
const (
	behind, behindOther = "2001:db8:122:344:c0:2:2100::", "3fff:64:c000:221::"
	arpaAAAA            = arpa + " AAAA"
)

var answers = map[string]string{behind: "2001:db8:122:344:c0:0:aa00::", behindOther: "3fff:64:c000:aa::"}

// connects is a dialer whose attempts connect.
type connects struct{}

func (connects) begin() (handshake, error)                { return handshake{}, nil }
func (connects) await(context.Context) (handshake, error) { return handshake{}, nil }

// network is a System whose targets connect, in a network whose name server the test makes, and how often that was asked.
type network struct {
	*System
	t     *testing.T
	zone  zone
	asked atomic.Int32
}

func newNetwork(t *testing.T, z zone, patience time.Duration) *network {
	t.Helper()
	n := &network{t: t, zone: z}
	r := z.resolver(t, "")
	dial := r.dial
	r.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		n.asked.Add(1)
		return dial(ctx, network, address)
	}
	n.System = &System{resolver: r, newDialer: func(netip.AddrPort, *check.Target) dialer { return connects{} }, nat64: newTranslators(r, patience)}
	t.Cleanup(n.Close)
	return n
}

// check returns what is behind the address of a literal, as a check says.
func (n *network) check(host string) string {
	n.t.Helper()
	p := n.Probe(&check.Target{Host: host, Port: 443, Timeout: time.Minute})
	report := p.Check(n.t.Context(), time.Now, unknownHost, noHandOff)
	require.Len(n.t, report.Results, 1)
	assert.Equal(n.t, check.Up, report.Results[0].Status)
	return report.Results[0].Translated.String()
}

// later has the time pass after which the network is asked again, once the lookup that is under way has ended.
func (n *network) later() {
	n.nat64.running.Wait()
	n.nat64.asked.Store(false)
}

// A check that has patience says what is behind an address from the first one on, and one that has none from
// the one on that comes after the answer.
func TestPrefixOfTheNetwork(t *testing.T) {
	patient := newNetwork(t, zone{arpaAAAA: answers[behind]}, time.Minute)
	assert.Equal(t, "192.0.2.33", patient.check(behind))
	assert.Equal(t, "192.0.2.33", patient.check("64:ff9b::192.0.2.33"))
	assert.Empty(t, patient.check("2001:db8::1"))
	assert.EqualValues(t, 1, patient.asked.Load(), "once for all")

	n := newNetwork(t, zone{arpaAAAA: answers[behind]}, 0)
	n.check(behind)
	n.nat64.running.Wait()
	assert.Equal(t, "192.0.2.33", n.check(behind))
	assert.EqualValues(t, 1, n.asked.Load())
}

// The network is asked for the sake of addresses alone that may be of its prefix.
func TestNothingToAskFor(t *testing.T) {
	n := newNetwork(t, zone{arpaAAAA: answers[behind]}, time.Minute)
	for host, want := range map[string]string{
		"192.0.2.1": "", "::ffff:192.0.2.1": "", "127.0.0.1": "", "::1": "", "fe80::1": "", "64:ff9b::192.0.2.1": "192.0.2.1", "64:ff9b::c000:201": "192.0.2.1",
	} {
		assert.Equal(t, want, n.check(host), host)
	}
	assert.Zero(t, n.asked.Load())
	n.check("fd00::1")
	assert.NotZero(t, n.asked.Load(), "a site may have one of its own")
}

// What the network says replaces what it said before. Where it says nothing, or something else, that stays.
func TestAnswersOfTheNetwork(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		want         []string // of behind and behindOther
	}{
		{"the same", answers[behind], []string{"192.0.2.33", ""}},
		{"another prefix", answers[behindOther], []string{"", "192.0.2.33"}},
		{"none, as it has no translator", "", []string{"", ""}},
		{"the name server fails", "servfail", []string{"192.0.2.33", ""}},
		{"another address, as a portal has it for all names", "2001:db8::1", []string{"192.0.2.33", ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t, zone{arpaAAAA: answers[behind]}, time.Minute)
			assert.Equal(t, "192.0.2.33", n.check(behind))
			n.later()
			n.zone[arpaAAAA] = test.answer
			n.check(behind)
			n.nat64.running.Wait()
			assert.Equal(t, test.want, []string{n.check(behind), n.check(behindOther)})
		})
	}
}

// Nobody waits for a name server that does not answer, but for the patience that there is, and its lookup ends with the System.
func TestSilentNetwork(t *testing.T) {
	n := newNetwork(t, zone{arpaAAAA: "silent"}, time.Millisecond)
	assert.Empty(t, n.check(behind))
	assert.Equal(t, "192.0.2.33", n.check("64:ff9b::192.0.2.33"))
	n.Close()
	require.ErrorIs(t, n.nat64.ctx.Err(), context.Canceled)
	assert.Empty(t, *n.nat64.prefixes.Load())
}

// A check whose context ends waits no longer.
func TestPatienceEnds(t *testing.T) {
	n := newNetwork(t, zone{arpaAAAA: "silent"}, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	p := n.Probe(&check.Target{Host: behind, Port: 443, Timeout: time.Minute})
	handedOff := false
	report := p.Check(ctx, time.Now, unknownHost, func() { handedOff = true; cancel() })
	assert.True(t, handedOff, "it hands off before it waits")
	assert.False(t, report.Done())
}

// What is said of an address takes no memory.
func TestTranslatedTakesNoMemory(t *testing.T) {
	n := newNetwork(t, zone{arpaAAAA: answers[behind]}, time.Minute)
	n.check(behind)
	results := []check.Result{{Family: check.IPv4, Address: v4}, {Family: check.IPv6, Address: netip.MustParseAddr(behind)}}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		n.nat64.ask(results)
		n.nat64.mark(results)
	}))
	assert.Equal(t, check.Translated{192, 0, 2, 33}, results[1].Translated)
	assert.Zero(t, results[0].Translated)
}
