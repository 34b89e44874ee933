package faults

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// row is a situation, and what is reported and logged of it. In what is expected,
// $4 and $6 stand for the row's own addresses behind the peer.
type row struct {
	group     string
	situation string
	receiver  string // options of the receiver
	// set makes the situation, and returns the options of the instance. They
	// may have $4, $6, $name and $short, names that are the row's own.
	set func(w *world, a addresses) string
	// steps are what follows, a collection each. The first one's change is not
	// called.
	steps []step
}

type step struct {
	then   string // what happens before the collection
	change func(w *world, a addresses)
	points []string
	logs   []string
}

// addresses are those of a row alone.
type addresses struct {
	v4, v6 netip.Addr
	name   string // rooted
	short  string // a label, to be searched for
}

func (a addresses) port4() netip.AddrPort { return netip.AddrPortFrom(a.v4, 80) }
func (a addresses) port6() netip.AddrPort { return netip.AddrPortFrom(a.v6, 80) }

// fill puts the addresses into a text.
func (a addresses) fill(text string) string {
	return strings.NewReplacer("$4", a.v4.String(), "$6", a.v6.String(), "$name", a.name, "$short", a.short).Replace(text)
}

// both are the name's records with both addresses.
func (a addresses) both() dnsserver.Zone {
	return dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v4, a.v6}})
}

// words are what a line of the log says of an error.type.
func words(errorType string) string { return strings.ReplaceAll(errorType, "_", " ") }

// once is the steps of a situation that lasts.
func once(points ...string) []step { return []step{{points: points}} }

func (r row) logs(messages ...string) row {
	r.steps[0].logs = messages
	return r
}

const (
	dial4  = `endpoint: "$4:80"`
	dial6  = `endpoint: "[$6]:80"`
	down4  = `cannot connect to "x" ($4:80) over ipv4: `
	down6  = `cannot connect to "x" ([$6]:80) over ipv6: `
	named  = "host: $name, port: 80"
	brief  = ", timeout: 300ms"
	often  = ", timeout: 300ms, min_collection_interval: 300ms"
	always = often + ", ip_cache_duration: 0"
)

// peer is a row in which the peer treats both addresses of the row so.
func peer(situation string, b peers.Behaviour, options string, steps []step) row {
	return row{group: "The peer", situation: situation, steps: steps, set: func(w *world, a addresses) string {
		w.hosts.Set(a.port4(), b)
		w.hosts.Set(a.port6(), b)
		return options
	}}
}

// icmp is a row in which the SYN gets an ICMP error.
func icmp(situation string, family string, icmpType, code uint8, errorType string) row {
	options, down := dial4, down4
	address := "$4"
	if family == "ipv6" {
		options, down, address = dial6, down6, "$6"
	}
	// The error is not to arrive while the kernel is still sending the SYN: it
	// would take it for a transient one.
	b := peers.Behaviour{Answer: peers.ICMPError, ICMPType: icmpType, ICMPCode: code, Delay: time.Millisecond}
	r := peer(situation, b, options, once(family+" "+address+" 0", family+" "+errorType+" 1")).logs(down + words(errorType))
	r.group = "ICMP"
	return r
}

// route is a row in which this machine has a route that a command adds.
func route(situation, command, undo, options string, points ...string) row {
	return row{group: routes, situation: situation, steps: once(points...), set: func(w *world, a addresses) string {
		w.run(a.fill(command), a.fill(undo))
		return options
	}}
}

// dns is a row in which the row's name has these records.
func dns(situation string, zone func(a addresses) dnsserver.Zone, options string, points ...string) row {
	return row{group: "Name resolution", situation: situation, steps: once(points...), set: func(w *world, a addresses) string {
		w.dns.Set(a.name, zone(a))
		return options
	}}
}

func answered(code dnsserver.Code) func(addresses) dnsserver.Zone {
	return func(addresses) dnsserver.Zone { return dnsserver.Both(dnsserver.Answer{Code: code}) }
}

var rows = slices.Concat(peerRows, icmpRows, localRows, dnsRows, searchRows, familyRows, changingRows, ownFaultRows, tableRows, withoutIPv6Rows)

var peerRows = []row{
	peer("it accepts, over IPv4", peers.Behaviour{}, dial4, once("ipv4 $4 1")),
	peer("it accepts, over IPv6", peers.Behaviour{}, dial6, once("ipv6 $6 1")),
	peer("it accepts, and closes at once (the socket is in CLOSE_WAIT)", peers.Behaviour{After: peers.FINAtOnce}, dial4, once("ipv4 $4 1")),
	peer("it accepts, and resets right behind the SYN-ACK", peers.Behaviour{After: peers.RSTAtOnce}, dial4, once("ipv4 $4 1")),
	peer("it accepts, and resets in answer to the handshake's last ACK", peers.Behaviour{After: peers.RSTOnACK}, dial6, once("ipv6 $6 1")),
	peer("it refuses, over IPv4", peers.Behaviour{Answer: peers.Refuse}, dial4, once("ipv4 $4 0", "ipv4 connection_refused 1")).logs(down4 + "connection refused"),
	peer("it refuses, over IPv6", peers.Behaviour{Answer: peers.Refuse}, dial6, once("ipv6 $6 0", "ipv6 connection_refused 1")).logs(down6 + "connection refused"),
	peer("it refuses late, within the timeout", peers.Behaviour{Answer: peers.Refuse, Delay: 50 * time.Millisecond}, dial4, once("ipv4 $4 0", "ipv4 connection_refused 1")).logs(down4 + "connection refused"),
	peer("it is silent, over IPv4", peers.Behaviour{Answer: peers.Silence}, dial4+brief, once("ipv4 $4 0", "ipv4 timeout 1")).logs(down4 + "timeout"),
	peer("it is silent, over IPv6", peers.Behaviour{Answer: peers.Silence}, dial6+brief, once("ipv6 $6 0", "ipv6 timeout 1")).logs(down6 + "timeout"),
	peer("it answers late, within the timeout", peers.Behaviour{Delay: 150 * time.Millisecond}, dial4, once("ipv4 $4 1")),
	peer("it answers after the timeout", peers.Behaviour{Delay: 600 * time.Millisecond}, dial4+brief, once("ipv4 $4 0", "ipv4 timeout 1")).logs(down4 + "timeout"),
	peer("the first SYN is lost", peers.Behaviour{LoseSYNs: 1}, dial4, once("ipv4 $4 1")),
	peer("the first three SYNs are lost", peers.Behaviour{LoseSYNs: 3}, dial6, once("ipv6 $6 1")),
	peer("all SYNs are lost", peers.Behaviour{LoseSYNs: 100}, dial4+", timeout: 1500ms", once("ipv4 $4 0", "ipv4 timeout 1")).logs(down4 + "timeout"),
	{
		group: "The peer", situation: "its accept queue is full",
		set: func(w *world, _ addresses) string {
			return fmt.Sprintf("host: 127.0.0.1, port: %d", testnet.BlackHole(w.t).Port()) + brief
		},
		steps: []step{{points: []string{"ipv4 127.0.0.1 0", "ipv4 timeout 1"}, logs: []string{`cannot connect to "x" (127.0.0.1:$port) over ipv4: timeout`}}},
	},
}

var icmpRows = []row{
	icmp("network unreachable", "ipv4", 3, 0, "network_unreachable"),
	icmp("host unreachable", "ipv4", 3, 1, "host_unreachable"),
	icmp("protocol unreachable", "ipv4", 3, 2, "connection_refused"),
	icmp("port unreachable", "ipv4", 3, 3, "connection_refused"),
	icmp("network prohibited", "ipv4", 3, 9, "administratively_prohibited"),
	icmp("host prohibited", "ipv4", 3, 10, "administratively_prohibited"),
	icmp("communication prohibited", "ipv4", 3, 13, "administratively_prohibited"),
	icmp("ICMPv6: no route", "ipv6", 1, 0, "network_unreachable"),
	icmp("ICMPv6: prohibited", "ipv6", 1, 1, "administratively_prohibited"),
	icmp("ICMPv6: address unreachable", "ipv6", 1, 3, "host_unreachable"),
	icmp("ICMPv6: port unreachable", "ipv6", 1, 4, "connection_refused"),
	icmp("ICMPv6: source address failed a policy", "ipv6", 1, 5, "administratively_prohibited"),
	icmp("ICMPv6: reject route", "ipv6", 1, 6, "administratively_prohibited"),
}

const (
	routes   = "Routes and interfaces of this machine"
	firewall = "Firewall of this machine (nftables)"
)

var localRows = []row{
	route("unreachable route, IPv4", "ip route add unreachable $4", "ip route del unreachable $4", dial4, "ipv4 $4 0", "ipv4 host_unreachable 1").logs(down4 + "host unreachable"),
	route("prohibit route, IPv4", "ip route add prohibit $4", "ip route del prohibit $4", dial4, "ipv4 $4 0", "ipv4 permission_denied 1").logs(down4 + "permission denied"),
	route("blackhole route, IPv4", "ip route add blackhole $4", "ip route del blackhole $4", dial4, "ipv4 $4 0", "ipv4 network_unreachable 1").logs(down4 + "network unreachable"),
	route("throw route, IPv4", "ip route add throw $4", "ip route del throw $4", dial4, "ipv4 $4 0", "ipv4 network_unreachable 1").logs(down4 + "network unreachable"),
	route("unreachable route, IPv6", "ip -6 route add unreachable $6", "ip -6 route del unreachable $6", dial6, "ipv6 $6 0", "ipv6 host_unreachable 1").logs(down6 + "host unreachable"),
	route("prohibit route, IPv6", "ip -6 route add prohibit $6", "ip -6 route del prohibit $6", dial6, "ipv6 $6 0", "ipv6 permission_denied 1").logs(down6 + "permission denied"),
	route("blackhole route, IPv6", "ip -6 route add blackhole $6", "ip -6 route del blackhole $6", dial6, "ipv6 $6 0", "ipv6 network_unreachable 1").logs(down6 + "network unreachable"),
	{
		group: routes, situation: "no route for one family of a name",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v4, netip.MustParseAddr("2001:db8:ffff::1")}}))
			return named
		},
		steps: []step{{
			points: []string{"ipv4 $4 1", "ipv6 2001:db8:ffff::1 0", "ipv6 network_unreachable 1"},
			logs:   []string{`cannot connect to "x" ([2001:db8:ffff::1]:80) over ipv6: network unreachable (It connects over ipv4 and not over ipv6)`},
		}},
	},
	{
		group: routes, situation: "the neighbour does not answer (ARP)",
		set: func(w *world, _ addresses) string {
			w.run("ip link add v0 type veth peer name v1; ip link set v1 up; ip address add 192.0.2.1/24 dev v0; ip link set v0 up", "ip link del v0")
			return "endpoint: \"192.0.2.2:80\""
		},
		steps: []step{{points: []string{"ipv4 192.0.2.2 0", "ipv4 host_unreachable 1"}, logs: []string{`cannot connect to "x" (192.0.2.2:80) over ipv4: host unreachable`}}},
	},
	{
		group: routes, situation: "the interface is down",
		set: func(w *world, _ addresses) string {
			w.run("ip link add v0 type veth peer name v1; ip address add 192.0.2.1/24 dev v0; ip link set v0 up; ip link set v0 down", "ip link del v0")
			return "endpoint: \"192.0.2.2:80\""
		},
		steps: []step{{points: []string{"ipv4 192.0.2.2 0", "ipv4 network_unreachable 1"}, logs: []string{`cannot connect to "x" (192.0.2.2:80) over ipv4: network unreachable`}}},
	},
	{
		group: routes, situation: "the address is this machine's, and is removed and added again",
		set: func(w *world, _ addresses) string {
			w.run("ip address add 192.0.2.7/32 dev lo", "ip address del 192.0.2.7/32 dev lo")
			return fmt.Sprintf("endpoint: \"192.0.2.7:%d\"", testnet.Listen(w.t, "tcp4", "0.0.0.0:0").Port()) + often
		},
		steps: []step{
			{points: []string{"ipv4 192.0.2.7 1"}},
			{
				then:   "it is removed",
				change: func(w *world, _ addresses) { w.shell("ip address del 192.0.2.7/32 dev lo") },
				points: []string{"ipv4 192.0.2.7 0", "ipv4 network_unreachable 1"},
				logs:   []string{`cannot connect to "x" (192.0.2.7:$port) over ipv4: network unreachable`},
			},
			{
				then:   "it is back",
				change: func(w *world, _ addresses) { w.shell("ip address add 192.0.2.7/32 dev lo") },
				points: []string{"ipv4 192.0.2.7 1", "ipv4 network_unreachable 1"},
				logs:   []string{`connected again to "x" (192.0.2.7:$port) over ipv4`},
			},
		},
	},
	{
		group: routes, situation: "a link-local address with its zone",
		set: func(w *world, _ addresses) string {
			w.run("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip address add fe80::7/64 dev v0 nodad", "ip link del v0")
			return fmt.Sprintf("endpoint: \"[fe80::7%%v0]:%d\"", testnet.Listen(w.t, "tcp6", "[fe80::7%v0]:0").Port())
		},
		steps: once("ipv6 fe80::7%v0 1"),
	},
	{
		group: routes, situation: "the port is the one that the kernel chooses as the local one (a connection to itself)",
		set: func(w *world, _ addresses) string {
			w.sysctl("net.ipv4.ip_local_port_range", "40000 40000")
			return "endpoint: \"127.0.0.1:40000\""
		},
		steps: []step{{points: []string{"ipv4 127.0.0.1 0", "ipv4 connection_refused 1"}, logs: []string{`cannot connect to "x" (127.0.0.1:$port) over ipv4: connection refused`}}},
	},
	{
		group: firewall, situation: "drop on output, with time for a second SYN",
		set: func(w *world, a addresses) string {
			w.nft("chain test { type filter hook output priority 0; " + a.fill("ip daddr $4 drop") + "; }")
			return dial4 + ", timeout: 1500ms"
		},
		steps: []step{{logs: []string{unchecked(1, unsent)}}},
	},
	{
		group: firewall, situation: "drop on output, over IPv6",
		set: func(w *world, a addresses) string {
			w.nft("chain test { type filter hook output priority 0; " + a.fill("ip6 daddr $6 drop") + "; }")
			return dial6 + ", timeout: 1500ms"
		},
		steps: []step{{logs: []string{unchecked(1, unsent)}}},
	},
	{
		group: firewall, situation: "drop on output, and the timeout is shorter than the second SYN takes (1 s): it cannot be told",
		set: func(w *world, a addresses) string {
			w.nft("chain test { type filter hook output priority 0; " + a.fill("ip daddr $4 drop") + "; }")
			return dial4 + brief
		},
		steps: []step{{points: []string{"ipv4 $4 0", "ipv4 timeout 1"}, logs: []string{down4 + "timeout"}}},
	},
	nftRow("drop on input", "type filter hook input priority 0; ip saddr $4 drop", "timeout"),
	nftRow("reject with a TCP reset", "type filter hook output priority 0; ip daddr $4 tcp dport 80 reject with tcp reset", "connection_refused"),
	nftRow("reject with port unreachable", "type filter hook output priority 0; ip daddr $4 reject with icmp port-unreachable", "connection_refused"),
	nftRow("reject with prohibited", "type filter hook output priority 0; ip daddr $4 reject with icmp admin-prohibited", "permission_denied"),
}

// nftRow is a row in which the peer would accept, but for a rule of this machine.
func nftRow(situation, chain, errorType string) row {
	return row{
		group: firewall, situation: situation,
		set: func(w *world, a addresses) string {
			w.nft("chain test { " + a.fill(chain) + "; }")
			return dial4 + ", timeout: 2500ms" // the kernel heeds an ICMP error of its own at the second SYN only
		},
		steps: []step{{points: []string{"ipv4 $4 0", "ipv4 " + errorType + " 1"}, logs: []string{down4 + words(errorType)}}},
	}
}

var dnsRows = []row{
	dns("the name has both families", addresses.both, named, "ipv4 $4 1", "ipv6 $6 1"),
	dns("it has IPv4 only", func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}}
	}, named, "ipv4 $4 1"),
	dns("it has IPv6 only", func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{AAAA: dnsserver.Answer{Addrs: []netip.Addr{a.v6}}}
	}, named, "ipv6 $6 1"),
	dns("it has IPv4 only, and both are asked for", func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}}
	},
		named+", address_families: [ipv4, ipv6]", "ipv4 $4 1", "ipv6 - 0", "ipv6 no_address 1").
		logs(`cannot connect to "x" ($name:80) over ipv6: no address (It connects over ipv4 and not over ipv6, in which its name has no address)`),
	dns("it has IPv4 only, and IPv6 is asked for", func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}}
	},
		named+", address_families: [ipv6]", "ipv6 - 0", "ipv6 no_address 1").logs(`cannot connect to "x" ($name:80) over ipv6: no address`),
	dns("it has both families, and IPv4 is asked for", addresses.both, named+", ipv4_only: true", "ipv4 $4 1"),
	dns("it has neither", func(addresses) dnsserver.Zone { return dnsserver.Zone{} }, named, "- - 0", "- dns_not_found 1").logs(`cannot connect to "x" ($name:80): dns not found`),
	dns("it does not exist (NXDOMAIN)", answered(dnsserver.NXDomain), named, "- - 0", "- dns_not_found 1").logs(`cannot connect to "x" ($name:80): dns not found`),
	dns("it does not exist, and both families are asked for", answered(dnsserver.NXDomain), named+", address_families: [ipv4, ipv6]",
		"ipv4 - 0", "ipv4 dns_not_found 1", "ipv6 - 0", "ipv6 dns_not_found 1").logs(`cannot connect to "x" ($name:80) over ipv4: dns not found`, `cannot connect to "x" ($name:80) over ipv6: dns not found`),
	dns("the server fails (SERVFAIL)", answered(dnsserver.ServFail), named, "- - 0", "- dns_failure 1").logs(`cannot connect to "x" ($name:80): dns failure`),
	dns("the server refuses (REFUSED)", answered(dnsserver.Refused), named, "- - 0", "- dns_failure 1").logs(`cannot connect to "x" ($name:80): dns failure`),
	dns("the server fails for one family only", func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}, AAAA: dnsserver.Answer{Code: dnsserver.ServFail}}
	}, named, "ipv4 $4 1", "ipv6 dns_failure 1").logs(`cannot connect to "x" ($name:80) over ipv6: dns failure`),
	dns("the server is silent for one family only", func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Silent: true}, AAAA: dnsserver.Answer{Addrs: []netip.Addr{a.v6}}}
	}, named+brief, "ipv4 dns_timeout 1", "ipv6 $6 1").logs(`cannot connect to "x" ($name:80) over ipv4: dns timeout`),
	dns("answers are truncated over UDP", func(a addresses) dnsserver.Zone {
		return dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v4, a.v6}, Truncate: true})
	}, named, "ipv4 $4 1", "ipv6 $6 1"),
	dns("answers are late, within the timeout", func(a addresses) dnsserver.Zone {
		return dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v4, a.v6}, Delay: 100 * time.Millisecond})
	}, named, "ipv4 $4 1", "ipv6 $6 1"),
	dns("answers are later than the timeout", func(a addresses) dnsserver.Zone {
		return dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v4, a.v6}, Delay: time.Second})
	}, named+brief, "- - 0", "- dns_timeout 1").logs(`cannot connect to "x" ($name:80): dns timeout`),
	dns("the server is silent", func(addresses) dnsserver.Zone { return dnsserver.Both(dnsserver.Answer{Silent: true}) }, named+brief,
		"- - 0", "- dns_timeout 1").logs(`cannot connect to "x" ($name:80): dns timeout`),
	{
		group: "Name resolution", situation: "no server listens",
		set: func(w *world, _ addresses) string {
			closed := testnet.ClosedPort(w.t, "127.0.0.1")
			setNameServer(func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "udp", closed.String())
			})
			w.t.Cleanup(func() { setNameServer(w.dns.Dial) })
			return named
		},
		steps: []step{{points: []string{"- - 0", "- dns_failure 1"}, logs: []string{`cannot connect to "x" ($name:80): dns failure`}}},
	},
	dns("a hundred addresses, of which the first is checked", func(addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: hundred()}}
	}, named, "ipv4 198.18.100.1 1"),
	dns("a hundred addresses, and all are asked for", func(addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: hundred()}}
	}, named+", multiple_ips: true", hundredPoints()[:64]...).logs(`checking only the first 64 of 100 addresses of "x" ($name:80) over ipv4`),
	dns("the only address is the unspecified one, as block lists answer", func(addresses) dnsserver.Zone {
		return dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}})
	}, named, "- - 0", "- no_address 1").logs(`cannot connect to "x" ($name:80): no address`),
	dns("the address of one family is the unspecified one, and it is asked for", func(a addresses) dnsserver.Zone {
		return dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{netip.IPv4Unspecified(), a.v6}})
	}, named+", address_families: [ipv4, ipv6]", "ipv4 - 0", "ipv4 no_address 1", "ipv6 $6 1").
		logs(`cannot connect to "x" ($name:80) over ipv4: no address (It connects over ipv6 and not over ipv4, in which its name has no address)`),
}

func hundred() []netip.Addr {
	addresses := make([]netip.Addr, 100)
	for i := range addresses {
		addresses[i] = netip.AddrFrom4([4]byte{198, 18, 100, byte(i + 1)})
	}
	return addresses
}

func hundredPoints() []string {
	var points []string
	for _, address := range hundred() {
		points = append(points, fmt.Sprintf("ipv4 %s 1", address))
	}
	return points
}

const changing = "Changes from one collection to the next"

var changingRows = []row{
	{
		group: changing, situation: "the peer goes down and up",
		set: func(*world, addresses) string { return dial4 + often },
		steps: []step{
			{points: []string{"ipv4 $4 1"}},
			{
				then:   "it refuses",
				change: func(w *world, a addresses) { w.hosts.Set(a.port4(), peers.Behaviour{Answer: peers.Refuse}) },
				points: []string{"ipv4 $4 0", "ipv4 connection_refused 1"},
				logs:   []string{down4 + "connection refused"},
			},
			{
				then:   "it is silent",
				change: func(w *world, a addresses) { w.hosts.Set(a.port4(), peers.Behaviour{Answer: peers.Silence}) },
				points: []string{"ipv4 $4 0", "ipv4 connection_refused 1", "ipv4 timeout 1"},
				logs:   []string{down4 + "timeout, no longer connection refused"},
			},
			{
				then:   "it accepts",
				change: func(w *world, a addresses) { w.hosts.Set(a.port4(), peers.Behaviour{}) },
				points: []string{"ipv4 $4 1", "ipv4 connection_refused 1", "ipv4 timeout 1"},
				logs:   []string{`connected again to "x" ($4:80) over ipv4`},
			},
		},
	},
	{
		group: changing, situation: "one family of a name refuses",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			w.hosts.Set(a.port6(), peers.Behaviour{Answer: peers.Refuse})
			return named + often
		},
		steps: []step{
			{
				points: []string{"ipv4 $4 1", "ipv6 $6 0", "ipv6 connection_refused 1"},
				logs:   []string{`cannot connect to "x" ([$6]:80) over ipv6: connection refused (It connects over ipv4 and is refused over ipv6: nothing listens there, or a firewall answers in its place)`},
			},
			{then: "it still does", points: []string{"ipv4 $4 1", "ipv6 $6 0", "ipv6 connection_refused 2"}},
		},
	},
	{
		group: changing, situation: "the addresses of a name change, resolved at every check",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			return named + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1", "ipv6 $6 1"}},
			{
				then: "it has another IPv4 address",
				change: func(w *world, a addresses) {
					w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("198.18.200.1"), a.v6}}))
				},
				points: []string{"ipv4 198.18.200.1 1", "ipv6 $6 1"},
			},
		},
	},
	{
		group: changing, situation: "the address of a name changes, resolved after an error",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}})
			return named + often
		},
		steps: []step{
			{points: []string{"ipv4 $4 1"}},
			{
				then: "the old address refuses",
				change: func(w *world, a addresses) {
					w.dns.Set(a.name, dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("198.18.200.2")}}})
					w.hosts.Set(a.port4(), peers.Behaviour{Answer: peers.Refuse})
				},
				points: []string{"ipv4 $4 0", "ipv4 connection_refused 1"},
				logs:   []string{`cannot connect to "x" ($4:80) over ipv4: connection refused`},
			},
			{
				then:   "it has been resolved again",
				points: []string{"ipv4 198.18.200.2 1", "ipv4 connection_refused 1"},
				logs:   []string{`"x" ($4:80) over ipv4 is no longer an address of the target`},
			},
		},
	},
	{
		group: changing, situation: "answers rotate, resolved at every check",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4, netip.MustParseAddr("198.18.200.3")}, Rotate: true}})
			return named + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1"}},
			{then: "the other one is first", points: []string{"ipv4 198.18.200.3 1"}},
			{then: "the first one is first", points: []string{"ipv4 $4 1"}},
		},
	},
	{
		group: changing, situation: "a family disappears from DNS",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			return named + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1", "ipv6 $6 1"}},
			{
				then: "it has no IPv6 address",
				change: func(w *world, a addresses) {
					w.dns.Set(a.name, dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}})
				},
				points: []string{"ipv4 $4 1"},
				logs:   []string{`no longer checking "x" ($name:80) over ipv6: the name has no such address any more`},
			},
			{then: "it still has none", points: []string{"ipv4 $4 1"}},
			{
				then:   "it has one again",
				change: func(w *world, a addresses) { w.dns.Set(a.name, a.both()) },
				points: []string{"ipv4 $4 1", "ipv6 $6 1"},
				logs:   []string{`checking "x" ($name:80) over ipv6 again`},
			},
		},
	},
	{
		group: changing, situation: "a family that is asked for disappears from DNS",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			return named + ", address_families: [ipv4, ipv6]" + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1", "ipv6 $6 1"}},
			{
				then: "it has no IPv6 address",
				change: func(w *world, a addresses) {
					w.dns.Set(a.name, dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}})
				},
				points: []string{"ipv4 $4 1", "ipv6 $6 0", "ipv6 no_address 1"},
				logs:   []string{`cannot connect to "x" ([$6]:80) over ipv6: no address (It connects over ipv4 and not over ipv6, in which its name has no address)`},
			},
		},
	},
	{
		group: changing, situation: "a name disappears from DNS and comes back",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			return named + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1", "ipv6 $6 1"}},
			{
				then:   "it does not exist",
				change: func(w *world, a addresses) { w.dns.Set(a.name, answered(dnsserver.NXDomain)(a)) },
				points: []string{"ipv4 $4 0", "ipv4 dns_not_found 1", "ipv6 $6 0", "ipv6 dns_not_found 1"},
				logs:   []string{`cannot connect to "x" ($4:80) over ipv4: dns not found`, `cannot connect to "x" ([$6]:80) over ipv6: dns not found`},
			},
			{
				then:   "it is back",
				change: func(w *world, a addresses) { w.dns.Set(a.name, a.both()) },
				points: []string{"ipv4 $4 1", "ipv4 dns_not_found 1", "ipv6 $6 1", "ipv6 dns_not_found 1"},
				logs:   []string{`connected again to "x" ($4:80) over ipv4`, `connected again to "x" ([$6]:80) over ipv6`},
			},
		},
	},
	{
		group: changing, situation: "the name server fails for a while",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			return named + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1", "ipv6 $6 1"}},
			{
				then:   "it is silent",
				change: func(w *world, a addresses) { w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Silent: true})) },
				points: []string{"ipv4 $4 0", "ipv4 dns_timeout 1", "ipv6 $6 0", "ipv6 dns_timeout 1"},
				logs:   []string{`cannot connect to "x" ($4:80) over ipv4: dns timeout`, `cannot connect to "x" ([$6]:80) over ipv6: dns timeout`},
			},
			{
				then:   "it answers",
				change: func(w *world, a addresses) { w.dns.Set(a.name, a.both()) },
				points: []string{"ipv4 $4 1", "ipv4 dns_timeout 1", "ipv6 $6 1", "ipv6 dns_timeout 1"},
				logs:   []string{`connected again to "x" ($4:80) over ipv4`, `connected again to "x" ([$6]:80) over ipv6`},
			},
		},
	},
}

const own = "Faults of this machine"

// unchecked is what is logged of an address that this machine was unable to check.
func unchecked(addresses int, reason string) string {
	return fmt.Sprintf("Error scraping metrics: a fault of this machine, and not of its targets, left addresses unchecked (%d): %s", addresses, reason)
}

var ownFaultRows = []row{
	{
		group: own, situation: "no descriptor is free",
		set: func(*world, addresses) string { return dial4 + often },
		steps: []step{
			{points: []string{"ipv4 $4 1"}},
			{
				then:   "all are in use",
				change: func(w *world, _ addresses) { limitDescriptors(w) },
				logs:   []string{unchecked(1, "too many open files")},
			},
			{
				then:   "some are free again",
				change: func(w *world, _ addresses) { unlimitDescriptors(w) },
				points: []string{"ipv4 $4 1"},
			},
		},
	},
	{
		group: own, situation: "no descriptor is free for name resolution",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			return named + always
		},
		steps: []step{
			{points: []string{"ipv4 $4 1", "ipv6 $6 1"}},
			{
				then:   "all are in use",
				change: func(w *world, _ addresses) { limitDescriptors(w) },
				logs:   []string{unchecked(2, "too many open files")},
			},
			{
				then:   "some are free again",
				change: func(w *world, _ addresses) { unlimitDescriptors(w) },
				points: []string{"ipv4 $4 1", "ipv6 $6 1"},
			},
		},
	},
	{
		group: own, situation: "no ephemeral port is free",
		set: func(w *world, a addresses) string {
			w.sysctl("net.ipv4.ip_local_port_range", "50000 50001")
			for range 2 {
				conn, err := net.Dial("tcp", a.port4().String())
				require.NoError(w.t, err)
				w.t.Cleanup(func() { _ = conn.Close() })
			}
			return dial4
		},
		steps: []step{{logs: []string{unchecked(1, "cannot assign requested address")}}},
	},
	{
		group: own, situation: "the zone of a link-local address is no interface",
		set:   func(*world, addresses) string { return "endpoint: \"[fe80::1%nosuchif]:80\"" },
		steps: []step{{logs: []string{unchecked(1, "no such network interface")}}},
	},
}

// limitDescriptors has the process open no more descriptors: those of standard input,
// output and error are taken, and all others are not below the limit.
func limitDescriptors(w *world) { setDescriptorLimit(w, 3) }

func unlimitDescriptors(w *world) { setDescriptorLimit(w, 4096) }

func setDescriptorLimit(w *world, limit uint64) {
	var current syscall.Rlimit
	require.NoError(w.t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &current))
	require.NoError(w.t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: current.Max}))
}
