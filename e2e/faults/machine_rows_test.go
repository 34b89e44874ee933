package faults

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

const own = "Faults of this machine"

// unchecked is what is logged when this machine begins to be unable to check, for a reason.
func unchecked(reason string) string {
	return "this machine is unable to check some instances, which says nothing about them: " + reason
}

// What is logged of this machine's faults.
const (
	unsent        = "this machine did not send the SYN: a rule of its own firewall drops it, or one of its tables is full"
	conntrackFull = "the connection tracking table of this machine is full (nf_conntrack_max)"
	full          = "the connection tracking table of this machine is full, so it drops what the checks send, " +
		"and targets that do not answer are left unchecked: ENTRIES"
	able     = "this machine is able to check all of its instances again"
	filling  = "the connection tracking table of this machine is filling: ENTRIES"
	notOver6 = "1 of 1 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"
)

var ownFaultRows = []row{
	situation(own, "no descriptor is free", nothing, dial4+often,
		now("ipv4 $4 1"),
		then("all are in use", descriptors(none)).logs(unchecked("too many open files")),
		then("some are free again", descriptors(some), "ipv4 $4 1").logs(able)),
	situation(own, "no descriptor is free for name resolution", resolve(both), named+always,
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("all are in use", descriptors(none)).logs(unchecked("too many open files")),
		then("some are free again", descriptors(some), "ipv4 $4 1", "ipv6 $6 1").logs(able)),
	situation(own, "no ephemeral port is free", all(sysctl("net.ipv4.ip_local_port_range", "50000 50001"), func(w *world, a addresses) {
		for range 2 {
			conn, err := net.Dial("tcp", a.port4().String())
			require.NoError(w.t, err)
			w.t.Cleanup(func() { _ = conn.Close() })
		}
	}), dial4, now().logs(unchecked("cannot assign requested address"))),
	situation(own, "the source address is none of this machine", nothing, dial4+often+`, source_address: 198.19.77.77`,
		now().logs(unchecked("this machine has no address 198.19.77.77 from which it could connect")),
		then("it is one", command("ip address add 198.19.77.77/32 dev lo", "ip address del 198.19.77.77/32 dev lo"), "ipv4 $4 1").logs(able)),
	situation(own, "the interface is none of this machine", nothing, dial6+often+`, interface: nosuchif`,
		now().logs(unchecked(`this machine has no interface "nosuchif"`)),
		then("it still is none", nothing)),
	situation(own, "the zone of a link-local address is no interface", nothing, `endpoint: "[fe80::1%nosuchif]:80"`,
		now().logs(unchecked("no such network interface"))),
}

// The limits of descriptors: those of standard input, output and error are taken, and
// all others are not below the lower one.
const (
	none = 3
	some = 4096
)

// descriptors has the process open no more descriptors than that.
func descriptors(limit uint64) change {
	return func(w *world, _ addresses) {
		var current syscall.Rlimit
		require.NoError(w.t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &current))
		require.NoError(w.t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: current.Max}))
	}
}

// fewSYNs has the kernel give up after two SYNs, before the timeout.
var fewSYNs = all(sysctl("net.ipv4.tcp_syn_retries", "1"), sysctl("net.ipv4.tcp_syn_linear_timeouts", "0"))

// The tables of this machine in which a connection needs room.
var tableRows = []row{
	situation(own, "the connection tracking table is full, and the peer accepts", trackConnections, dial4+often,
		now("ipv4 $4 1"),
		then("it is nearly full", fillConntrack(0, 0.95), "ipv4 $4 1").logs(filling),
		then("it is full", fillConntrack(0.95, 1)).logs(unchecked(conntrackFull), full),
		then("it still is", nothing),
		then("it has room again", flushConntrack, "ipv4 $4 1").
			logs("the connection tracking table of this machine has room again: ENTRIES", able),
		then("the peer is silent", behave(silence), "ipv4 $4 0", "ipv4 timeout 1").logs(down4+"timeout")),
	situation(own, "the connection tracking table is full, and the kernel gives up before the timeout (tcp_syn_retries)",
		all(fewSYNs, trackConnections, fillConntrack(0, 1)), dial4, now().logs(filling, unchecked(conntrackFull), full)),
	situation(own, "the peer is silent, and the kernel gives up before the timeout (tcp_syn_retries)",
		all(fewSYNs, behave(silence)), dial4, fails("ipv4", "timeout")),
	situation(own, "connections are tracked, and the peer is silent", all(trackConnections, behave(silence)), dial6+brief, fails("ipv6", "timeout")),
	situation(own, "the connection tracking table is nearly full, and the peer is silent",
		all(trackConnections, fillConntrack(0, 0.95), behave(silence)), dial4+often,
		now("ipv4 $4 0", "ipv4 timeout 1").logs(down4+"timeout", filling),
		then("it still is", nothing, "ipv4 $4 0", "ipv4 timeout 2")),
	situation(own, "the neighbour table is full, with time for a second SYN",
		all(command(cable+"ip address add 198.19.0.1/16 dev v0; ip link set v0 up", "ip link del v0"), fillNeighbours),
		`endpoint: "198.19.250.1:80", timeout: 1500ms`, now().logs(unchecked(unsent))),
}

// trackConnections has the kernel track the connections of this namespace, in which it
// does so where a rule asks for it.
func trackConnections(w *world, a addresses) {
	nft(onOutput+"ct state invalid drop")(w, a)
	flushConntrack(w, a)
	w.t.Cleanup(func() { flushConntrack(w, a) })
}

func flushConntrack(w *world, _ addresses) { harness.FlushConntrack(w.t) }

// fillConntrack fills the connection tracking table from one share to another. It takes
// a few seconds for the usual 262,144 entries.
func fillConntrack(from, to float64) change {
	return func(w *world, _ addresses) {
		room := float64(harness.ConntrackMax(w.t))
		harness.FillConntrack(w.t, int(from*room), int(to*room))
	}
}

// fillNeighbours fills the kernel's table of neighbours (gc_thresh3, 1,024 as a rule)
// with those that are looked for, which it keeps for 5 seconds at least. The table is
// one for all namespaces; the link's end empties it.
func fillNeighbours(w *world, _ addresses) {
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

// These come last: the hosts' IPv6 address does not come back.
var withoutIPv6Rows = []row{
	situation(own, "IPv6 is disabled, and an IPv6 address is to be checked", disableIPv6, `endpoint: "[::1]:80"`,
		now().logs(unchecked("this machine has no ipv6 address from which it could reach them"))),
	situation(own, "IPv6 is disabled, and a name has both families", all(disableIPv6, loopbackName, listen("tcp4", "127.0.0.1:0")), ofLoopback,
		now("ipv4 127.0.0.1 1").logs(notOver6)),
	situation(own, "this machine loses its IPv6 addresses", all(loopbackName, listen("tcp", "[::]:0")), ofLoopback+often,
		now("ipv4 127.0.0.1 1", "ipv6 ::1 1"),
		then("it has none", all(disableIPv6, addressesRead), "ipv4 127.0.0.1 1").logs(notOver6),
		then("it still has none", nothing, "ipv4 127.0.0.1 1"),
		then("they are back", all(shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0"), addressesRead),
			"ipv4 127.0.0.1 1", "ipv6 ::1 1").
			logs("all instances that have an ipv6 address are checked over ipv6 again")),
	situation(own, "IPv6 is disabled, and the name server fails for IPv4", all(disableIPv6, resolve(in6(servFail))), named+always,
		now("- - 0", "- dns_failure 1").logs(unresolved+"dns failure", notOver6),
		then("it answers", resolve(both), "ipv4 $4 1", "- dns_failure 1").logs(`"x" ($name:80) resolves again, or has no such address`),
		then("it fails for IPv6", resolve(in4(servFail)), "ipv4 $4 1", "- dns_failure 1")),
}

// addressesRead waits until the receiver reads the addresses of this machine again, which
// it does where that was a second ago.
func addressesRead(*world, addresses) { <-time.After(time.Second) }

var disableIPv6 = sysctl("net.ipv6.conf.all.disable_ipv6", "1")

// ofLoopback is an instance that has the row's name, and the world's port.
const ofLoopback = "host: $name, port: $port"

// loopbackName gives the row's name both loopback addresses.
var loopbackName = resolve(addrs("127.0.0.1", "::1"))
