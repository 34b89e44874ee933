package faults

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

// The response time is the network's, within a fifth at low load, and with lost
// SYNs the whole wait; how true it is under load, make accuracy shows.
func TestResponseTime(t *testing.T) {
	w := newWorld(t)
	late := func(delay time.Duration) peers.Behaviour { return peers.Behaviour{Delay: delay} }
	reset := peers.Behaviour{Delay: 150 * time.Millisecond, After: peers.RSTAtOnce}
	lost := peers.Behaviour{LoseSYNs: 1}
	for _, test := range []struct {
		name        string
		address     string
		behaviour   peers.Behaviour
		retransmits int64
		want        time.Duration // zero: what the peer recorded
	}{
		{name: "IPv4, 20 ms", address: "198.18.3.1:80", behaviour: late(20 * time.Millisecond)},
		{name: "IPv6, 20 ms", address: "[2001:db8:1::301]:80", behaviour: late(20 * time.Millisecond)},
		{name: "IPv4, 150 ms", address: "198.18.3.2:80", behaviour: late(150 * time.Millisecond)},
		{name: "IPv4, 150 ms and reset at once", address: "198.18.3.3:80", behaviour: reset},
		// The kernel sends the second SYN after 1 s (RFC 6298, section 2).
		{name: "IPv4, a lost SYN", address: "198.18.3.4:80", behaviour: lost, retransmits: 1, want: time.Second},
		{name: "IPv6, a lost SYN", address: "[2001:db8:1::302]:80", behaviour: lost, retransmits: 1, want: time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := netip.MustParseAddrPort(test.address)
			w.hosts.Set(address, test.behaviour)
			w.hosts.Handshakes() // those of other tests
			seconds, retransmits := measureOnce(t, address)
			want := test.want
			if want == 0 {
				handshakes := w.hosts.Handshakes()
				require.Len(t, handshakes, 1)
				want = handshakes[0].Delay
			}
			assert.InEpsilon(t, want.Seconds(), seconds, 0.2)
			assert.Equal(t, test.retransmits, retransmits)
		})
	}
}

// measureOnce returns the response time and the number of SYNs sent again of one
// collection.
func measureOnce(t *testing.T, address netip.AddrPort) (seconds float64, retransmits int64) {
	t.Helper()
	metrics := start(t, fmt.Sprintf(`
initial_delay: 0
instances: [{name: x, endpoint: %q, collect_response_time: true}]
metrics: {tcpcheck.syn_retransmits: {enabled: true}}
`, address), func() {}).collection()
	for _, point := range harness.Points(metrics, "network.tcp.response_time") {
		seconds = point.DoubleValue()
	}
	retransmits = -1
	for _, point := range harness.Points(metrics, "tcpcheck.syn_retransmits") {
		retransmits = point.IntValue()
	}
	return seconds, retransmits
}
