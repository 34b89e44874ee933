package faults

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/peers"
)

// The tables of this machine in which a connection needs room.

// unsent is why an address is unchecked whose SYN did not leave.
const unsent = "this machine did not send the SYN: a rule of its own firewall drops it, or one of its tables is full"

const conntrackFull = "the connection tracking table of this machine is full (nf_conntrack_max)"

var silent = peers.Behaviour{Answer: peers.Silence}

var tableRows = []row{
	{
		group: own, situation: "the connection tracking table is full, and the peer accepts",
		set: func(w *world, _ addresses) string {
			trackConnections(w)
			return dial4 + often
		},
		steps: []step{
			{points: []string{"ipv4 $4 1"}},
			{
				then:   "it is full",
				change: func(w *world, _ addresses) { fillConntrack(w, 1) },
				logs: []string{
					unchecked(1, conntrackFull),
					"the connection tracking table of this machine is full, so it drops what the checks send, and targets that do not answer are left unchecked: ENTRIES",
				},
			},
			{then: "it still is", logs: []string{unchecked(1, conntrackFull)}},
			{
				then:   "it has room again",
				change: func(w *world, _ addresses) { flushConntrack(w) },
				points: []string{"ipv4 $4 1"},
				logs:   []string{"the connection tracking table of this machine has room again: ENTRIES"},
			},
			{
				then:   "the peer is silent",
				change: func(w *world, a addresses) { w.hosts.Set(a.port4(), silent) },
				points: []string{"ipv4 $4 0", "ipv4 timeout 1"},
				logs:   []string{down4 + "timeout"},
			},
		},
	},
	{
		group: own, situation: "the connection tracking table is full, and the kernel gives up before the timeout (tcp_syn_retries)",
		set: func(w *world, _ addresses) string {
			w.sysctl("net.ipv4.tcp_syn_retries", "1")
			w.sysctl("net.ipv4.tcp_syn_linear_timeouts", "0")
			trackConnections(w)
			fillConntrack(w, 1)
			return dial4
		},
		steps: []step{{logs: []string{
			unchecked(1, conntrackFull),
			"the connection tracking table of this machine is full, so it drops what the checks send, and targets that do not answer are left unchecked: ENTRIES",
		}}},
	},
	{
		group: own, situation: "the peer is silent, and the kernel gives up before the timeout (tcp_syn_retries)",
		set: func(w *world, a addresses) string {
			w.sysctl("net.ipv4.tcp_syn_retries", "1")
			w.sysctl("net.ipv4.tcp_syn_linear_timeouts", "0")
			w.hosts.Set(a.port4(), silent)
			return dial4
		},
		steps: []step{{points: []string{"ipv4 $4 0", "ipv4 timeout 1"}, logs: []string{down4 + "timeout"}}},
	},
	{
		group: own, situation: "connections are tracked, and the peer is silent",
		set: func(w *world, a addresses) string {
			trackConnections(w)
			w.hosts.Set(a.port6(), silent)
			return dial6 + brief
		},
		steps: []step{{points: []string{"ipv6 $6 0", "ipv6 timeout 1"}, logs: []string{down6 + "timeout"}}},
	},
	{
		group: own, situation: "the connection tracking table is nearly full, and the peer is silent",
		set: func(w *world, a addresses) string {
			trackConnections(w)
			fillConntrack(w, 0.95)
			w.hosts.Set(a.port4(), silent)
			return dial4 + often
		},
		steps: []step{
			{
				points: []string{"ipv4 $4 0", "ipv4 timeout 1"},
				logs:   []string{down4 + "timeout", "the connection tracking table of this machine is filling: ENTRIES"},
			},
			{then: "it still is", points: []string{"ipv4 $4 0", "ipv4 timeout 2"}},
		},
	},
	{
		group: own, situation: "the neighbour table is full, with time for a second SYN",
		set: func(w *world, _ addresses) string {
			w.run("ip link add v0 type veth peer name v1; ip link set v1 up; ip address add 198.19.0.1/16 dev v0; ip link set v0 up", "ip link del v0")
			fillNeighbours(w)
			return "endpoint: \"198.19.250.1:80\", timeout: 1500ms"
		},
		steps: []step{{logs: []string{unchecked(1, unsent)}}},
	},
}

// trackConnections has the kernel track the connections of this namespace, in which it
// does so where a rule asks for it.
func trackConnections(w *world) {
	w.nft("chain test { type filter hook output priority 0; ct state invalid drop; }")
	flushConntrack(w)
	w.t.Cleanup(func() { flushConntrack(w) })
}

func flushConntrack(w *world) {
	w.t.Helper()
	conn, err := conntrack.Dial(nil)
	require.NoError(w.t, err)
	assert.NoError(w.t, conn.Flush())
	assert.NoError(w.t, conn.Close())
}

// fillConntrack fills a share of the connection tracking table with connections that
// the kernel does not give up for others, as it would those of earlier checks. It takes a few seconds for the usual 262,144
// entries: only root of the machine itself could make the table small.
func fillConntrack(w *world, share float64) {
	w.t.Helper()
	flushConntrack(w)
	conn, err := conntrack.Dial(nil)
	require.NoError(w.t, err)
	defer func() { assert.NoError(w.t, conn.Close()) }()
	entries := int(share * float64(readNumber(w, "nf_conntrack_max")))
	require.LessOrEqual(w.t, entries, 1<<21, "so large a table takes too long to fill")
	for n := range entries {
		from := netip.AddrFrom4([4]byte{203, 0, 113, byte(n >> 16)})
		flow := conntrack.NewFlow(unix.IPPROTO_UDP, conntrack.StatusAssured|conntrack.StatusSeenReply|conntrack.StatusConfirmed,
			from, netip.MustParseAddr("203.0.113.255"), uint16(n), 9, 300, 0)
		require.NoError(w.t, conn.Create(flow), "entry %d", n)
	}
}

// readNumber returns a number of connection tracking.
func readNumber(w *world, name string) int {
	w.t.Helper()
	text, err := os.ReadFile("/proc/sys/net/netfilter/" + name)
	require.NoError(w.t, err)
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(w.t, err)
	return number
}

// fillNeighbours fills the kernel's table of neighbours (gc_thresh3, 1,024 as a rule)
// with those that are looked for, which it keeps for 5 seconds at least. The table is
// one for all namespaces; the link's end empties it.
func fillNeighbours(w *world) {
	w.t.Helper()
	for third := range 40 {
		// The packets wait in the socket's buffer for their neighbour.
		conn, err := net.ListenUDP("udp4", nil)
		require.NoError(w.t, err)
		for fourth := range 100 {
			to := netip.AddrFrom4([4]byte{198, 19, byte(third), byte(fourth + 2)})
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := conn.WriteToUDPAddrPort([]byte("?"), netip.AddrPortFrom(to, 9))
			require.NoError(w.t, err, fmt.Sprint(to))
		}
		w.t.Cleanup(func() { _ = conn.Close() })
	}
}
