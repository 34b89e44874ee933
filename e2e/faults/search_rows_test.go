package faults

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// Names that are not rooted, with "search corp.test wild.test" in resolv.conf.

const (
	search   = "Names that are searched for (search corp.test wild.test)"
	searched = "host: $short, port: 80"
	anew     = searched + always
)

// in4 and in6 have an address of the row in one family, and the answer in the other.
func in4(a addresses, other dnsserver.Answer) dnsserver.Zone {
	return dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}, AAAA: other}
}

func in6(a addresses, other dnsserver.Answer) dnsserver.Zone {
	return dnsserver.Zone{A: other, AAAA: dnsserver.Answer{Addrs: []netip.Addr{a.v6}}}
}

var (
	nothing  = dnsserver.Answer{}
	servFail = dnsserver.Answer{Code: dnsserver.ServFail}
	silence  = dnsserver.Answer{Silent: true}
)

// searchRow is a row in which the row's name has these records in each domain.
func searchRow(situation string, corp, wild func(a addresses) dnsserver.Zone, options string, steps ...step) row {
	return row{group: search, situation: situation, steps: steps, set: func(w *world, a addresses) string {
		setDomains(w, a, corp, wild)
		return options
	}}
}

func setDomains(w *world, a addresses, corp, wild func(a addresses) dnsserver.Zone) {
	for domain, zone := range map[string]func(addresses) dnsserver.Zone{".corp.test.": corp, ".wild.test.": wild} {
		records := dnsserver.Both(dnsserver.Answer{Code: dnsserver.NXDomain})
		if zone != nil {
			records = zone(a)
		}
		w.dns.Set(a.short+domain, records)
	}
}

func only4(a addresses) dnsserver.Zone { return in4(a, nothing) }
func only6(a addresses) dnsserver.Zone { return in6(a, nothing) }

// change is a step in which the records change.
func change(then string, corp, wild func(a addresses) dnsserver.Zone, points []string, logs ...string) step {
	return step{then: then, points: points, logs: logs, change: func(w *world, a addresses) { setDomains(w, a, corp, wild) }}
}

func found(points ...string) step { return step{points: points} }

const (
	searched4 = `cannot connect to "x" ($short:80) over ipv4: `
	searched6 = `cannot connect to "x" ($short:80) over ipv6: `
)

var searchRows = []row{
	searchRow("the first domain has both families", addresses.both, nil, searched, found("ipv4 $4 1", "ipv6 $6 1")),
	searchRow("the second domain has both families", nil, addresses.both, searched, found("ipv4 $4 1", "ipv6 $6 1")),
	searchRow("the first domain has IPv4 and the second one IPv6, of another host", only4, only6, searched, found("ipv4 $4 1")),
	searchRow("the same, and IPv6 is asked for", only4, only6, searched+", address_families: [ipv6]",
		step{points: []string{"ipv6 - 0", "ipv6 no_address 1"}, logs: []string{searched6 + "no address"}}),
	searchRow("no domain has it", nil, nil, searched,
		step{points: []string{"- - 0", "- dns_not_found 1"}, logs: []string{`cannot connect to "x" ($short:80): dns not found`}}),
	searchRow("the server fails for one family of the first domain",
		func(a addresses) dnsserver.Zone { return in4(a, servFail) }, nil, anew,
		step{points: []string{"ipv4 $4 1", "ipv6 dns_failure 1"}, logs: []string{searched6 + "dns failure"}},
		change("it has that family", addresses.both, nil, []string{"ipv4 $4 1", "ipv6 $6 1", "ipv6 dns_failure 1"},
			`"x" ($short:80) over ipv6 resolves again, or has no such address`),
	),
	searchRow("one family of the first domain has no answer",
		func(a addresses) dnsserver.Zone { return in6(a, silence) }, nil, anew,
		step{points: []string{"ipv4 dns_timeout 1", "ipv6 $6 1"}, logs: []string{searched4 + "dns timeout"}},
		change("it has that family", addresses.both, nil, []string{"ipv4 $4 1", "ipv4 dns_timeout 1", "ipv6 $6 1"},
			`"x" ($short:80) over ipv4 resolves again, or has no such address`),
	),
	searchRow("the server fails for one family that the first domain has not, and then no longer",
		func(a addresses) dnsserver.Zone { return in4(a, servFail) }, nil, searched+often,
		step{points: []string{"ipv4 $4 1", "ipv6 dns_failure 1"}, logs: []string{searched6 + "dns failure"}},
		change("it answers, and is asked although IPv4 connects", only4, nil, []string{"ipv4 $4 1", "ipv6 dns_failure 1"},
			`"x" ($short:80) over ipv6 resolves again, or has no such address`),
	),
	searchRow("the first domain's server begins to fail, and the second one has another host", only4, nil, anew,
		found("ipv4 $4 1"),
		change("it fails", func(addresses) dnsserver.Zone { return dnsserver.Both(servFail) }, only6,
			[]string{"ipv4 $4 0", "ipv4 dns_failure 1"}, down4+"dns failure"),
		change("it answers", only4, only6, []string{"ipv4 $4 1", "ipv4 dns_failure 1"}, `connected again to "x" ($4:80) over ipv4`),
	),
	searchRow("the name moves to the second domain", only4, nil, anew,
		found("ipv4 $4 1"),
		change("it has moved", nil, only4, []string{"ipv4 $4 1"}),
	),
	{
		group: search, situation: "with a dot in it, it is asked for as it is first",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.short+".dotted.", in4(a, nothing))
			w.dns.Set(a.short+".dotted.corp.test.", dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v6}}))
			return "host: $short.dotted, port: 80"
		},
		steps: once("ipv4 $4 1"),
	},
}

const families = "Families of a name and of this machine"

// The group that it is of, and addresses that are nobody's (RFC 3849).
const elsewhere = "2001:db8:ffff::7"

var familyRows = []row{
	{
		group: families, situation: "a cloud's metadata address (IPv4 link-local) beside an IPv6 address",
		set: func(w *world, a addresses) string {
			w.run("ip route add 169.254.169.254/32 dev peer0", "ip route del 169.254.169.254/32 dev peer0")
			w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("169.254.169.254"), a.v6}}))
			return named
		},
		steps: once("ipv4 169.254.169.254 1", "ipv6 $6 1"),
	},
	{
		group: families, situation: "this machine reaches the IPv6 address of a public name from a unique local one (ULA) only",
		set: uniqueLocal(named),
		steps: []step{{
			points: []string{"ipv4 $4 1"},
			logs:   []string{"1 of 1 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"},
		}},
	},
	{
		group: families, situation: "the same, and IPv6 is asked for",
		set: uniqueLocal(named + ", address_families: [ipv4, ipv6]" + brief),
		steps: []step{{
			points: []string{"ipv4 $4 1", "ipv6 " + elsewhere + " 0", "ipv6 timeout 1"},
			logs:   []string{`cannot connect to "x" ([` + elsewhere + `]:80) over ipv6: timeout (It connects over ipv4 and not over ipv6)`},
		}},
	},
	{
		group: families, situation: "the addresses of a name change, and the old ones connect", receiver: "max_ip_cache_duration: 200ms",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, in4(a, nothing))
			return named + often
		},
		steps: []step{
			{points: []string{"ipv4 $4 1"}},
			{
				then: "at max_ip_cache_duration, it has other ones",
				change: func(w *world, a addresses) {
					w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("198.18.200.4"), a.v6}}))
				},
				points: []string{"ipv4 198.18.200.4 1", "ipv6 $6 1"},
			},
		},
	},
	{
		group: families, situation: "no name server can be asked, since this machine has no address for it",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			unreachableServers(w, firstServer, secondServer)
			return named
		},
		steps: []step{{logs: []string{unchecked(1, "cannot assign requested address")}}},
	},
	{
		group: families, situation: "one name server cannot be asked for that reason, and the other one fails (SERVFAIL)",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, dnsserver.Both(servFail))
			unreachableServers(w, firstServer)
			return named
		},
		steps: []step{{points: []string{"- - 0", "- dns_failure 1"}, logs: []string{`cannot connect to "x" ($name:80): dns failure`}}},
	},
	{
		group: families, situation: "one name server cannot be asked for that reason, and the other one answers",
		set: func(w *world, a addresses) string {
			w.dns.Set(a.name, a.both())
			unreachableServers(w, firstServer)
			return named
		},
		steps: once("ipv4 $4 1", "ipv6 $6 1"),
	},
}

// uniqueLocal has this machine take a unique local address (RFC 4193) to a name's IPv6
// address.
func uniqueLocal(options string) func(w *world, a addresses) string {
	return func(w *world, a addresses) string {
		w.run("ip address add fd00::7/128 dev lo; ip route add "+elsewhere+" dev peer0 src fd00::7",
			"ip route del "+elsewhere+" dev peer0; ip address del fd00::7/128 dev lo")
		w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{a.v4, netip.MustParseAddr(elsewhere)}}))
		w.hosts.Set(netip.AddrPortFrom(netip.MustParseAddr(elsewhere), 80), silent)
		return options
	}
}

// unreachableServers has those name servers of resolv.conf fail as where this machine
// has no address for them: the socket is bound to an address that it does not have.
func unreachableServers(w *world, servers ...string) {
	answering := w.dns.Dial
	setNameServer(func(ctx context.Context, network, address string) (net.Conn, error) {
		for _, server := range servers {
			if strings.Contains(address, server) {
				d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 77)}}
				return d.DialContext(ctx, "udp4", "127.0.0.1:53")
			}
		}
		return answering(ctx, network, address)
	})
	w.t.Cleanup(func() { setNameServer(answering) })
}

// These come last: the peer's IPv6 address does not come back.
var withoutIPv6Rows = []row{
	{
		group: own, situation: "IPv6 is disabled, and an IPv6 address is to be checked",
		set: func(w *world, _ addresses) string {
			disableIPv6(w)
			return "endpoint: \"[::1]:80\""
		},
		steps: []step{{logs: []string{unchecked(1, "this machine has no ipv6 address from which it could reach them")}}},
	},
	{
		group: own, situation: "IPv6 is disabled, and a name has both families",
		set: func(w *world, a addresses) string {
			disableIPv6(w)
			return loopbackName(w, a, "tcp4", "127.0.0.1:0")
		},
		steps: []step{{points: []string{"ipv4 127.0.0.1 1"}, logs: []string{notOver6}}},
	},
	{
		group: own, situation: "this machine loses its IPv6 addresses",
		set: func(w *world, a addresses) string { return loopbackName(w, a, "tcp", "[::]:0") + often },
		steps: []step{
			{points: []string{"ipv4 127.0.0.1 1", "ipv6 ::1 1"}},
			{
				then:   "it has none",
				change: func(w *world, _ addresses) { disableIPv6(w) },
				points: []string{"ipv4 127.0.0.1 1"},
				logs:   []string{notOver6},
			},
			{then: "it still has none", points: []string{"ipv4 127.0.0.1 1"}},
			{
				then: "they are back",
				change: func(w *world, _ addresses) {
					w.shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0")
				},
				points: []string{"ipv4 127.0.0.1 1", "ipv6 ::1 1"},
				logs:   []string{"all instances that have an ipv6 address are checked over ipv6 again"},
			},
		},
	},
	{
		group: own, situation: "IPv6 is disabled, and the name server fails for IPv4",
		set: func(w *world, a addresses) string {
			disableIPv6(w)
			w.dns.Set(a.name, in6(a, servFail))
			return named + always
		},
		steps: []step{
			{points: []string{"- - 0", "- dns_failure 1"}, logs: []string{`cannot connect to "x" ($name:80): dns failure`, notOver6}},
			{
				then:   "it answers",
				change: func(w *world, a addresses) { w.dns.Set(a.name, a.both()) },
				points: []string{"ipv4 $4 1", "- dns_failure 1"},
				logs:   []string{`"x" ($name:80) resolves again, or has no such address`},
			},
			{
				then:   "it fails for IPv6",
				change: func(w *world, a addresses) { w.dns.Set(a.name, in4(a, servFail)) },
				points: []string{"ipv4 $4 1", "- dns_failure 1"},
			},
		},
	},
}

const notOver6 = "1 of 1 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"

func disableIPv6(w *world) { w.sysctl("net.ipv6.conf.all.disable_ipv6", "1") }

// loopbackName gives the row's name both loopback addresses, and returns an instance
// with the port of a listener.
func loopbackName(w *world, a addresses, network, address string) string {
	w.dns.Set(a.name, dnsserver.Both(dnsserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}}))
	return fmt.Sprintf("host: $name, port: %d", testnet.Listen(w.t, network, address).Port())
}
