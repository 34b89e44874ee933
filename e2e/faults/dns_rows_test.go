package faults

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// named is an instance that has the row's name.
const named = "host: $name, port: 80"

// zone is records with the addresses of a row.
type zone func(a addresses) dnsserver.Zone

// addrs has addresses, as texts in which $4 and $6 stand for the row's.
func addrs(texts ...string) zone {
	return func(a addresses) dnsserver.Zone {
		parsed := make([]netip.Addr, len(texts))
		for i, text := range texts {
			parsed[i] = netip.MustParseAddr(a.fill(text))
		}
		return dnsserver.Addresses(parsed...)
	}
}

var both, only4, only6 = addrs("$4", "$6"), addrs("$4"), addrs("$6")

func unanswered(addresses) dnsserver.Zone { return dnsserver.Both(silent) }

func answered(code dnsserver.Code) zone {
	return func(addresses) dnsserver.Zone { return dnsserver.Both(dnsserver.Answer{Code: code}) }
}

// in4 and in6 have an address of the row in one family, and the answer in the other.
func in4(other dnsserver.Answer) zone {
	return func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4}}, AAAA: other}
	}
}

func in6(other dnsserver.Answer) zone {
	return func(a addresses) dnsserver.Zone {
		return dnsserver.Zone{A: other, AAAA: dnsserver.Answer{Addrs: []netip.Addr{a.v6}}}
	}
}

// answeredWith has the answer with both addresses of the row.
func answeredWith(answer dnsserver.Answer) zone {
	return func(a addresses) dnsserver.Zone {
		answer.Addrs = []netip.Addr{a.v4, a.v6}
		return dnsserver.Both(answer)
	}
}

var (
	servFail = dnsserver.Answer{Code: dnsserver.ServFail}
	silent   = dnsserver.Answer{Silent: true}
)

// resolve gives the row's name these records.
func resolve(records zone) change {
	return func(w *world, a addresses) { w.dns.Set(a.name, records(a)) }
}

// unresolvable is the first step of a row whose name has no address for a reason.
func unresolvable(errorType string) step {
	return now("- - 0", "- "+errorType+" 1").logs(unresolved + words(errorType))
}

// dns is a row in which the row's name has these records.
func dns(text string, records zone, options string, s step) row {
	return situation("Name resolution", text, resolve(records), options, s)
}

const (
	unresolved     = `cannot connect to "x" ($name:80): `
	unresolved4    = `cannot connect to "x" ($name:80) over ipv4: `
	unresolved6    = `cannot connect to "x" ($name:80) over ipv6: `
	hundredChecked = `checking only the first 64 of 100 addresses of "x" ($name:80) over ipv4`
)

var hundredAddrs, hundredPoints = hundred()

var dnsRows = []row{
	dns("the name has both families", both, named, now("ipv4 $4 1", "ipv6 $6 1")),
	dns("it has IPv4 only", only4, named, now("ipv4 $4 1")),
	dns("it has IPv6 only", only6, named, now("ipv6 $6 1")),
	dns("it has IPv4 only, and both are asked for", only4, named+", address_families: [ipv4, ipv6]",
		now("ipv4 $4 1", "ipv6 - 0", "ipv6 no_address 1").
			logs(unresolved6+"no address (It connects over ipv4 and not over ipv6, in which its name has no address)")),
	dns("it has IPv4 only, and IPv6 is asked for", only4, named+", address_families: [ipv6]",
		now("ipv6 - 0", "ipv6 no_address 1").logs(unresolved6+"no address")),
	dns("it has both families, and IPv4 is asked for", both, named+", ipv4_only: true", now("ipv4 $4 1")),
	dns("it has neither", addrs(), named, unresolvable("dns_not_found")),
	dns("it does not exist (NXDOMAIN)", answered(dnsserver.NXDomain), named, unresolvable("dns_not_found")),
	dns("it does not exist, and both families are asked for", answered(dnsserver.NXDomain), named+", address_families: [ipv4, ipv6]",
		now("ipv4 - 0", "ipv4 dns_not_found 1", "ipv6 - 0", "ipv6 dns_not_found 1").logs(unresolved4+"dns not found", unresolved6+"dns not found")),
	dns("the server fails (SERVFAIL)", answered(dnsserver.ServFail), named, unresolvable("dns_failure")),
	dns("the server refuses (REFUSED)", answered(dnsserver.Refused), named, unresolvable("dns_failure")),
	dns("the server fails for one family only", in4(servFail), named, now("ipv4 $4 1", "ipv6 dns_failure 1").logs(unresolved6+"dns failure")),
	dns("the server is silent for one family only", in6(silent), named+brief, now("ipv4 dns_timeout 1", "ipv6 $6 1").logs(unresolved4+"dns timeout")),
	dns("answers are truncated over UDP", answeredWith(dnsserver.Answer{Truncate: true}), named, now("ipv4 $4 1", "ipv6 $6 1")),
	dns("answers are late, within the timeout", answeredWith(dnsserver.Answer{Delay: 100 * time.Millisecond}), named, now("ipv4 $4 1", "ipv6 $6 1")),
	dns("answers are later than the timeout", answeredWith(dnsserver.Answer{Delay: time.Second}), named+brief, unresolvable("dns_timeout")),
	dns("the server is silent", unanswered, named+brief, unresolvable("dns_timeout")),
	situation("Name resolution", "no server listens", func(w *world, _ addresses) {
		closed := testnet.ClosedPort(w.t, "127.0.0.1")
		setNameServer(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", closed.String())
		})
	}, named, unresolvable("dns_failure")),
	dns("a hundred addresses, of which the first is checked", addrs(hundredAddrs...), named, now("ipv4 198.18.100.1 1")),
	dns("a hundred addresses, and all are asked for", addrs(hundredAddrs...), named+", multiple_ips: true", now(hundredPoints...).logs(hundredChecked)),
	dns("the only address is the unspecified one, as block lists answer", addrs("0.0.0.0", "::"), named, unresolvable("no_address")),
	dns("the address of one family is the unspecified one, and it is asked for",
		addrs("0.0.0.0", "$6"), named+", address_families: [ipv4, ipv6]",
		now("ipv4 - 0", "ipv4 no_address 1", "ipv6 $6 1").
			logs(unresolved4+"no address (It connects over ipv6 and not over ipv4, in which its name has no address)")),
	dnsByOwn("the machine's name server says that it does not exist, and a name server of its own has it", answered(dnsserver.NXDomain), both, "127.0.0.1",
		now("ipv4 $4 1", "ipv6 $6 1")),
	dnsByOwn("the machine's name server has it, and a name server of its own says that it does not exist", both, answered(dnsserver.NXDomain), "127.0.0.1",
		unresolvable("dns_not_found")),
	dnsByOwn("nothing listens at the first of two name servers of its own", unanswered, both, "127.0.0.9 127.0.0.1", now("ipv4 $4 1", "ipv6 $6 1")),
	dnsByOwn("a name server of its own is silent", both, unanswered, "127.0.0.1", unresolvable("dns_timeout")),
	dnsByOwn("nothing listens at a name server of its own", both, both, "127.0.0.9", unresolvable("dns_failure")),
}

// dnsByOwn is a row in which the row's name has some records at the machine's name server, and others at
// one at 127.0.0.1 of its own; at which addresses it is asked for is told with spaces between them.
func dnsByOwn(text string, machines, own zone, servers string, s step) row {
	return situation("Name resolution", text, func(w *world, a addresses) {
		resolve(machines)(w, a)
		server := dnsserver.New(w.t, "127.0.0.1:0")
		server.Set(a.name, own(a))
		w.port = netip.MustParseAddrPort(server.Addr()).Port()
	}, named+brief+`, resolver: {servers: ["`+strings.Join(strings.Fields(servers), `:$port", "`)+`:$port"]}`, s)
}

// Names that are not rooted, with "search corp.test wild.test" in resolv.conf.
const (
	search   = "Names that are searched for (search corp.test wild.test)"
	searched = "host: $short, port: 80"
	anew     = searched + always
)

// domains gives the row's name these records in each domain; nil is NXDOMAIN.
func domains(corp, wild zone) change {
	return func(w *world, a addresses) {
		for domain, records := range map[string]zone{".corp.test.": corp, ".wild.test.": wild} {
			if records == nil {
				records = answered(dnsserver.NXDomain)
			}
			w.dns.Set(a.short+domain, records(a))
		}
	}
}

// searching is a row in which the row's name has these records in each domain.
func searching(text string, corp, wild zone, options string, steps ...step) row {
	return situation(search, text, domains(corp, wild), options, steps...)
}

const (
	searched4 = `cannot connect to "x" ($short:80) over ipv4: `
	searched6 = `cannot connect to "x" ($short:80) over ipv6: `
	again4    = `"x" ($short:80) over ipv4 resolves again, or has no such address`
	again6    = `"x" ($short:80) over ipv6 resolves again, or has no such address`
)

var searchRows = []row{
	searching("the first domain has both families", both, nil, searched, now("ipv4 $4 1", "ipv6 $6 1")),
	searching("the second domain has both families", nil, both, searched, now("ipv4 $4 1", "ipv6 $6 1")),
	searching("the first domain has IPv4 and the second one IPv6, of another host", only4, only6, searched, now("ipv4 $4 1")),
	searching("the same, and IPv6 is asked for", only4, only6, searched+", address_families: [ipv6]",
		now("ipv6 - 0", "ipv6 no_address 1").logs(searched6+"no address")),
	searching("no domain has it", nil, nil, searched, now("- - 0", "- dns_not_found 1").logs(`cannot connect to "x" ($short:80): dns not found`)),
	searching("the server fails for one family of the first domain", in4(servFail), nil, anew,
		now("ipv4 $4 1", "ipv6 dns_failure 1").logs(searched6+"dns failure"),
		then("it has that family", domains(both, nil), "ipv4 $4 1", "ipv6 $6 1", "ipv6 dns_failure 1").logs(again6)),
	searching("one family of the first domain has no answer", in6(silent), nil, anew,
		now("ipv4 dns_timeout 1", "ipv6 $6 1").logs(searched4+"dns timeout"),
		then("it has that family", domains(both, nil), "ipv4 $4 1", "ipv4 dns_timeout 1", "ipv6 $6 1").logs(again4)),
	searching("the server fails for one family that the first domain has not, and then no longer", in4(servFail), nil, searched+often,
		now("ipv4 $4 1", "ipv6 dns_failure 1").logs(searched6+"dns failure"),
		then("it answers, and is asked although IPv4 connects", domains(only4, nil), "ipv4 $4 1", "ipv6 dns_failure 1").logs(again6)),
	searching("the first domain's server begins to fail, and the second one has another host", only4, nil, anew,
		now("ipv4 $4 1"),
		then("it fails", domains(answered(dnsserver.ServFail), only6), "ipv4 $4 0", "ipv4 dns_failure 1").logs(down4+"dns failure"),
		then("it answers", domains(only4, only6), "ipv4 $4 1", "ipv4 dns_failure 1").logs(up4)),
	searching("the name moves to the second domain", only4, nil, anew,
		now("ipv4 $4 1"),
		then("it has moved", domains(nil, only4), "ipv4 $4 1")),
	situation(search, "with a dot in it, it is asked for as it is first", func(w *world, a addresses) {
		w.dns.Set(a.short+".dotted.", only4(a))
		w.dns.Set(a.short+".dotted.corp.test.", only6(a))
	}, "host: $short.dotted, port: 80", now("ipv4 $4 1")),
}

// families is a group, and elsewhere an address that is nobody's (RFC 3849).
const (
	families  = "Families of a name and of this machine"
	elsewhere = "2001:db8:ffff::7"
)

var familyRows = []row{
	situation(families, "a cloud's metadata address (IPv4 link-local) beside an IPv6 address",
		all(command("ip route add 169.254.169.254/32 dev peer0", "ip route del 169.254.169.254/32 dev peer0"), resolve(addrs("169.254.169.254", "$6"))),
		named, now("ipv4 169.254.169.254 1", "ipv6 $6 1")),
	situation(families, "this machine reaches the IPv6 address of a public name from a unique local one (ULA) only", uniqueLocal, named,
		now("ipv4 $4 1").logs(notOver6)),
	situation(families, "the same, and IPv6 is asked for", uniqueLocal, named+", address_families: [ipv4, ipv6]"+brief,
		now("ipv4 $4 1", "ipv6 "+elsewhere+" 0", "ipv6 timeout 1").
			logs(`cannot connect to "x" ([`+elsewhere+`]:80) over ipv6: timeout (It connects over ipv4 and not over ipv6)`)),
	{
		group: families, situation: "the addresses of a name change, and the old ones connect", receiver: "max_ip_cache_duration: 100ms",
		set: resolve(only4), options: named + often,
		steps: []step{
			now("ipv4 $4 1"),
			then("at max_ip_cache_duration, it has other ones", resolve(addrs("198.18.200.4", "$6")), "ipv4 198.18.200.4 1", "ipv6 $6 1"),
		},
	},
	situation(families, "no name server can be asked, since this machine has no address for it",
		all(resolve(both), unreachable(firstServer, secondServer)), named, now().logs(unchecked("cannot assign requested address"))),
	situation(families, "one name server cannot be asked for that reason, and the other one fails (SERVFAIL)",
		all(resolve(answered(dnsserver.ServFail)), unreachable(firstServer)), named, unresolvable("dns_failure")),
	situation(families, "one name server cannot be asked for that reason, and the other one answers",
		all(resolve(both), unreachable(firstServer)), named, now("ipv4 $4 1", "ipv6 $6 1")),
}

// uniqueLocal has this machine take a unique local address (RFC 4193) to the name's IPv6
// address.
func uniqueLocal(w *world, a addresses) {
	command("ip address add fd00::7/128 dev lo; ip route add "+elsewhere+" dev peer0 src fd00::7",
		"ip route del "+elsewhere+" dev peer0; ip address del fd00::7/128 dev lo")(w, a)
	resolve(addrs("$4", elsewhere))(w, a)
	w.hosts.Set(netip.AddrPortFrom(netip.MustParseAddr(elsewhere), 80), silence)
}

// unreachable has those name servers of resolv.conf fail as where this machine has no
// address for them: the socket is bound to an address that it does not have.
func unreachable(servers ...string) change {
	return func(w *world, _ addresses) {
		setNameServer(func(ctx context.Context, network, address string) (net.Conn, error) {
			for _, server := range servers {
				if strings.Contains(address, server) {
					d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 77)}}
					return d.DialContext(ctx, "udp4", "127.0.0.1:53")
				}
			}
			return w.dns.Dial(ctx, network, address)
		})
	}
}
