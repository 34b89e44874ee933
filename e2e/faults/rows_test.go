package faults

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// row is a situation, and what is reported and logged of it. In its texts, $4 and $6
// stand for the row's own addresses among the hosts, $name and $short for names that
// are the row's own, and $port for the world's port.
type row struct {
	group     string
	situation string
	receiver  string // options of the receiver
	set       change // makes the situation
	options   string // of the instance
	steps     []step // what follows, a check each
}

// change is something that happens.
type change func(w *world, a addresses)

// step is a check, and what happens before it.
type step struct {
	then   string
	change change
	points []string
	log    []string
}

// situation is a row.
func situation(group, text string, set change, options string, steps ...step) row {
	return row{group: group, situation: text, set: set, options: options, steps: steps}
}

// now is the first step of a row, or one before which nothing happens.
func now(points ...string) step { return step{points: points} }

// then is a step before which something happens.
func then(what string, change change, points ...string) step {
	return step{then: what, change: change, points: points}
}

// logs is the step with what is logged.
func (s step) logs(messages ...string) step {
	s.log = messages
	return s
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

// words are what a line of the log says of an error.type.
func words(errorType string) string { return strings.ReplaceAll(errorType, "_", " ") }

const (
	dial4  = `endpoint: "$4:80"`
	dial6  = `endpoint: "[$6]:80"`
	down4  = `cannot connect to "x" ($4:80) over ipv4: `
	down6  = `cannot connect to "x" ([$6]:80) over ipv6: `
	up4    = `connected again to "x" ($4:80) over ipv4`
	up6    = `connected again to "x" ([$6]:80) over ipv6`
	brief  = ", timeout: 300ms"
	often  = ", timeout: 300ms, min_collection_interval: 300ms"
	always = often + ", ip_cache_duration: 0"
)

// nothing happens.
func nothing(*world, addresses) {}

// behave has both addresses of the row behave so.
func behave(b peers.Behaviour) change {
	return func(w *world, a addresses) {
		w.hosts.Set(a.port4(), b)
		w.hosts.Set(a.port6(), b)
	}
}

// listen lets this machine listen on the world's port.
func listen(network, address string) change {
	return func(w *world, _ addresses) { w.port = testnet.Listen(w.t, network, address).Port() }
}

// command runs a command that sets the network up, and undo at the end of the row.
func command(run, undo string) change {
	return func(w *world, a addresses) {
		shell(run)(w, a)
		w.t.Cleanup(func() { shell(undo)(w, a) })
	}
}

// shell runs a command.
func shell(run string) change {
	return func(w *world, a addresses) {
		output, err := exec.Command("sh", "-ec", a.fill(run)).CombinedOutput()
		require.NoError(w.t, err, "%s: %s", run, output)
	}
}

// sysctl sets a parameter of the namespace until the end of the row.
func sysctl(name, value string) change {
	return func(w *world, _ addresses) {
		file := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
		before := harness.Read(w.t, file)
		harness.Write(w.t, file, value)
		w.t.Cleanup(func() { harness.Write(w.t, file, before) })
	}
}

// nft loads a chain of a firewall until the end of the row.
func nft(chain string) change {
	return command("nft -f - <<'EOF'\ntable inet test {\nchain test { "+chain+"; }\n}\nEOF", "nft delete table inet test")
}

// all is changes, one after the other.
func all(changes ...change) change {
	return func(w *world, a addresses) {
		for _, change := range changes {
			change(w, a)
		}
	}
}

var rows = slices.Concat(peerRows, quietRows, retryRows, icmpRows, localRows, dnsRows, searchRows, familyRows, changingRows, ownFaultRows, tableRows, withoutIPv6Rows)

var (
	refuse  = peers.Behaviour{Answer: peers.Refuse}
	silence = peers.Behaviour{Answer: peers.Silence}
)

// peer is a row in which both addresses of the row behave so.
func peer(text string, b peers.Behaviour, options string, s step) row {
	return situation("The peer", text, behave(b), options, s)
}

// dialled are the options of an instance that has the row's own address of a family.
var dialled = map[string]string{"ipv4": dial4, "ipv6": dial6}

// fails is the first step of a row whose own address of a family does not connect.
func fails(family, errorType string) step {
	address, down := "$4", down4
	if family == "ipv6" {
		address, down = "$6", down6
	}
	return now(family+" "+address+" 0", family+" "+errorType+" 1").logs(down + words(errorType))
}

// failsBy is fails, where a source says so that is not the host itself; said is what the log has behind
// the reason, if anything.
func failsBy(family, errorType, source, said string) step {
	failed := fails(family, errorType+" by "+source)
	failed.log = []string{strings.Replace(failed.log[0], " by "+source, said, 1)}
	return failed
}

var peerRows = []row{
	peer("it accepts, over IPv4", peers.Behaviour{}, dial4, now("ipv4 $4 1")),
	peer("it accepts, over IPv6", peers.Behaviour{}, dial6, now("ipv6 $6 1")),
	peer("it accepts, and closes at once (the socket is in CLOSE_WAIT)", peers.Behaviour{After: peers.FINAtOnce}, dial4, now("ipv4 $4 1")),
	peer("it accepts, and resets right behind the SYN-ACK", peers.Behaviour{After: peers.RSTAtOnce}, dial4, now("ipv4 $4 1")),
	peer("it accepts, and resets in answer to the handshake's last ACK", peers.Behaviour{After: peers.RSTOnACK}, dial6, now("ipv6 $6 1")),
	peer("it refuses, over IPv4", refuse, dial4, fails("ipv4", "connection_refused")),
	peer("it refuses, over IPv6", refuse, dial6, fails("ipv6", "connection_refused")),
	peer("it refuses late, within the timeout", peers.Behaviour{Answer: peers.Refuse, Delay: 50 * time.Millisecond}, dial4,
		fails("ipv4", "connection_refused")),
	peer("it is silent, over IPv4", silence, dial4+brief, fails("ipv4", "timeout")),
	peer("it is silent, over IPv6", silence, dial6+brief, fails("ipv6", "timeout")),
	peer("it answers late, within the timeout", peers.Behaviour{Delay: 150 * time.Millisecond}, dial4, now("ipv4 $4 1")),
	peer("it answers after the timeout", peers.Behaviour{Delay: 600 * time.Millisecond}, dial4+brief, fails("ipv4", "timeout")),
	peer("the first SYN is lost", peers.Behaviour{LoseSYNs: 1}, dial4, now("ipv4 $4 1")),
	peer("the first three SYNs are lost", peers.Behaviour{LoseSYNs: 3}, dial6, now("ipv6 $6 1")),
	peer("all SYNs are lost", peers.Behaviour{LoseSYNs: 100}, dial4+", timeout: 1500ms", fails("ipv4", "timeout")),
	situation("The peer", "its accept queue is full", func(w *world, _ addresses) { w.port = testnet.BlackHole(w.t).Port() },
		"host: 127.0.0.1, port: $port"+brief,
		now("ipv4 127.0.0.1 0", "ipv4 timeout 1").logs(`cannot connect to "x" (127.0.0.1:$port) over ipv4: timeout`)),
}

// icmp is a row in which the SYN gets an ICMP error. That is not to arrive while the
// kernel is still sending the SYN: it would take it for a transient one.
func icmp(text, family string, icmpType, code uint8, errorType, message string) row {
	said, sender := "", "$4"
	if family == "ipv6" {
		sender = "$6"
	}
	if message != "" {
		said = ": " + message
	}
	b := peers.Behaviour{Answer: peers.ICMPError, ICMPType: icmpType, ICMPCode: code, Delay: time.Millisecond}
	return situation("ICMP", text, behave(b), dialled[family], failsBy(family, errorType, "icmp", said+", said by "+sender))
}

var icmpRows = []row{
	icmp("network unreachable", "ipv4", 3, 0, "network_unreachable", "no route"),
	icmp("host unreachable", "ipv4", 3, 1, "host_unreachable", ""),
	icmp("protocol unreachable", "ipv4", 3, 2, "connection_refused", "protocol unreachable"),
	icmp("port unreachable", "ipv4", 3, 3, "connection_refused", "port unreachable"),
	icmp("network prohibited", "ipv4", 3, 9, "administratively_prohibited", ""),
	icmp("host prohibited", "ipv4", 3, 10, "administratively_prohibited", ""),
	icmp("communication prohibited", "ipv4", 3, 13, "administratively_prohibited", ""),
	icmp("ICMPv6: no route", "ipv6", 1, 0, "network_unreachable", "no route"),
	icmp("ICMPv6: prohibited", "ipv6", 1, 1, "administratively_prohibited", ""),
	icmp("ICMPv6: address unreachable", "ipv6", 1, 3, "host_unreachable", "address unreachable"),
	icmp("ICMPv6: port unreachable", "ipv6", 1, 4, "connection_refused", "port unreachable"),
	icmp("ICMPv6: source address failed a policy", "ipv6", 1, 5, "administratively_prohibited", ""),
	icmp("ICMPv6: reject route", "ipv6", 1, 6, "administratively_prohibited", ""),
}

const (
	routes   = "Routes and interfaces of this machine"
	firewall = "Firewall of this machine (nftables)"
)

// route is a row in which this machine has a route of a kind to an address of the row.
func route(kind, family, errorType string) row {
	ip, name, rest := "ip", "IPv4", kind+" $4"
	if family == "ipv6" {
		ip, name, rest = "ip -6", "IPv6", kind+" $6"
	}
	return situation(routes, kind+" route, "+name, command(ip+" route add "+rest, ip+" route del "+rest), dialled[family], failsBy(family, errorType, "local", ""))
}

// cable is a link of this machine whose other end has no address.
const cable = "ip link add v0 type veth peer name v1; ip link set v1 up; "

// filtered is a row in which the peer would accept, but for a rule of this machine. The
// kernel heeds an ICMP error of its own at the second SYN only.
func filtered(text, chain string, fails step) row {
	return situation(firewall, text, nft(chain), dial4+", timeout: 2500ms", fails)
}

const onOutput = "type filter hook output priority 0; "

var localRows = []row{
	route("unreachable", "ipv4", "host_unreachable"),
	route("prohibit", "ipv4", "permission_denied"),
	route("blackhole", "ipv4", "network_unreachable"),
	route("throw", "ipv4", "network_unreachable"),
	route("unreachable", "ipv6", "host_unreachable"),
	route("prohibit", "ipv6", "permission_denied"),
	route("blackhole", "ipv6", "network_unreachable"),
	situation(routes, "no route for one family of a name", resolve(addrs("$4", "2001:db8:ffff::1")), named,
		now("ipv4 $4 1", "ipv6 2001:db8:ffff::1 0", "ipv6 network_unreachable by local 1").
			logs(`cannot connect to "x" ([2001:db8:ffff::1]:80) over ipv6: network unreachable (It connects over ipv4 and not over ipv6)`)),
	situation(routes, "the neighbour does not answer (ARP)",
		command(cable+"ip address add 192.0.2.1/24 dev v0; ip link set v0 up", "ip link del v0"), `endpoint: "192.0.2.2:80"`,
		now("ipv4 192.0.2.2 0", "ipv4 host_unreachable by local 1").
			logs(`cannot connect to "x" (192.0.2.2:80) over ipv4: host unreachable, said by this machine`)),
	situation(routes, "the interface is down",
		command(cable+"ip address add 192.0.2.1/24 dev v0; ip link set v0 up; ip link set v0 down", "ip link del v0"), `endpoint: "192.0.2.2:80"`,
		now("ipv4 192.0.2.2 0", "ipv4 network_unreachable by local 1").logs(`cannot connect to "x" (192.0.2.2:80) over ipv4: network unreachable`)),
	situation(routes, "the address is this machine's, and is removed and added again",
		all(command("ip address add 192.0.2.7/32 dev lo", "ip address del 192.0.2.7/32 dev lo"), listen("tcp4", "0.0.0.0:0")),
		`endpoint: "192.0.2.7:$port"`+often,
		now("ipv4 192.0.2.7 1"),
		then("it is removed", shell("ip address del 192.0.2.7/32 dev lo"), "ipv4 192.0.2.7 0", "ipv4 network_unreachable by local 1").
			logs(`cannot connect to "x" (192.0.2.7:$port) over ipv4: network unreachable`),
		then("it is back", shell("ip address add 192.0.2.7/32 dev lo"), "ipv4 192.0.2.7 1", "ipv4 network_unreachable by local 1").
			logs(`connected again to "x" (192.0.2.7:$port) over ipv4`)),
	situation(routes, "a link-local address with its zone",
		all(command(cable+"ip link set v0 up; ip address add fe80::7/64 dev v0 nodad", "ip link del v0"), listen("tcp6", "[fe80::7%v0]:0")),
		`endpoint: "[fe80::7%v0]:$port"`, now("ipv6 fe80::7%v0 1")),
	situation(routes, "the port is the one that the kernel chooses as the local one (a connection to itself)",
		all(sysctl("net.ipv4.ip_local_port_range", "40000 40000"), func(w *world, _ addresses) { w.port = 40000 }), `endpoint: "127.0.0.1:$port"`,
		now("ipv4 127.0.0.1 0", "ipv4 connection_refused 1").logs(`cannot connect to "x" (127.0.0.1:$port) over ipv4: connection refused`)),
	situation(firewall, "drop on output, with time for a second SYN", nft(onOutput+"ip daddr $4 drop"), dial4+", timeout: 1500ms",
		now().logs(unchecked(unsent))),
	situation(firewall, "drop on output, over IPv6", nft(onOutput+"ip6 daddr $6 drop"), dial6+", timeout: 1500ms",
		now().logs(unchecked(unsent))),
	situation(firewall, "drop on output, and the timeout is shorter than the second SYN takes (1 s): it cannot be told",
		nft(onOutput+"ip daddr $4 drop"), dial4+brief, fails("ipv4", "timeout")),
	filtered("drop on input", "type filter hook input priority 0; ip saddr $4 drop", fails("ipv4", "timeout")),
	filtered("reject with a TCP reset", onOutput+"ip daddr $4 tcp dport 80 reject with tcp reset", fails("ipv4", "connection_refused")),
	filtered("reject with port unreachable", onOutput+"ip daddr $4 reject with icmp port-unreachable",
		failsBy("ipv4", "connection_refused", "local", ": port unreachable, said by this machine")),
	filtered("reject with prohibited", onOutput+"ip daddr $4 reject with icmp admin-prohibited",
		failsBy("ipv4", "permission_denied", "local", ": administratively prohibited, said by this machine")),
}

const changing = "Changes from one check to the next"

var changingRows = []row{
	situation(changing, "the peer goes down and up", nothing, dial4+often,
		now("ipv4 $4 1"),
		then("it refuses", behave(refuse), "ipv4 $4 0", "ipv4 connection_refused 1").logs(down4+"connection refused"),
		then("it is silent", behave(silence), "ipv4 $4 0", "ipv4 connection_refused 1", "ipv4 timeout 1").
			logs(down4+"timeout, no longer connection refused"),
		then("it accepts", behave(peers.Behaviour{}), "ipv4 $4 1", "ipv4 connection_refused 1", "ipv4 timeout 1").logs(up4)),
	situation(changing, "one family of a name refuses",
		all(resolve(both), func(w *world, a addresses) { w.hosts.Set(a.port6(), refuse) }), named+often,
		now("ipv4 $4 1", "ipv6 $6 0", "ipv6 connection_refused 1").
			logs(down6+"connection refused (It connects over ipv4 and is refused over ipv6: nothing listens there, or a firewall answers in its place)"),
		then("it still does", nothing, "ipv4 $4 1", "ipv6 $6 0", "ipv6 connection_refused 2")),
	situation(changing, "the addresses of a name change, resolved at every check", resolve(both), named+always,
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("it has another IPv4 address", resolve(addrs("198.18.200.1", "$6")), "ipv4 198.18.200.1 1", "ipv6 $6 1")),
	situation(changing, "the address of a name changes, resolved after an error", resolve(only4), named+often,
		now("ipv4 $4 1"),
		then("the old address refuses", all(resolve(addrs("198.18.200.2")), behave(refuse)), "ipv4 $4 0", "ipv4 connection_refused 1").
			logs(down4+"connection refused"),
		then("it has been resolved again", nothing, "ipv4 198.18.200.2 1", "ipv4 connection_refused 1").
			logs(`"x" ($4:80) over ipv4 is no longer an address of the target`)),
	situation(changing, "answers rotate, resolved at every check", func(w *world, a addresses) {
		w.dns.Set(a.name, dnsserver.Zone{A: dnsserver.Answer{Addrs: []netip.Addr{a.v4, netip.MustParseAddr("198.18.200.3")}, Rotate: true}})
	}, named+always,
		now("ipv4 $4 1"),
		then("the other one is first", nothing, "ipv4 198.18.200.3 1"),
		then("the first one is first", nothing, "ipv4 $4 1")),
	situation(changing, "a family disappears from DNS", resolve(both), named+always,
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("it has no IPv6 address", resolve(only4), "ipv4 $4 1").
			logs(`no longer checking "x" ($name:80) over ipv6: the name has no such address any more`),
		then("it still has none", nothing, "ipv4 $4 1"),
		then("it has one again", resolve(both), "ipv4 $4 1", "ipv6 $6 1").logs(`checking "x" ($name:80) over ipv6 again`)),
	situation(changing, "a family that is asked for disappears from DNS", resolve(both), named+", address_families: [ipv4, ipv6]"+always,
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("it has no IPv6 address", resolve(only4), "ipv4 $4 1", "ipv6 $6 0", "ipv6 no_address 1").
			logs(down6+"no address (It connects over ipv4 and not over ipv6, in which its name has no address)")),
	situation(changing, "a name disappears from DNS and comes back", resolve(both), named+always,
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("it does not exist", resolve(answered(dnsserver.NXDomain)), "ipv4 $4 0", "ipv4 dns_not_found 1", "ipv6 $6 0", "ipv6 dns_not_found 1").
			logs(down4+"dns not found", down6+"dns not found"),
		then("it is back", resolve(both), "ipv4 $4 1", "ipv4 dns_not_found 1", "ipv6 $6 1", "ipv6 dns_not_found 1").logs(up4, up6)),
	situation(changing, "the name server fails for a while", resolve(both), named+always,
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("it is silent", resolve(unanswered), "ipv4 $4 0", "ipv4 dns_timeout 1", "ipv6 $6 0", "ipv6 dns_timeout 1").
			logs(down4+"dns timeout", down6+"dns timeout"),
		then("it answers", resolve(both), "ipv4 $4 1", "ipv4 dns_timeout 1", "ipv6 $6 1", "ipv6 dns_timeout 1").logs(up4, up6)),
}

// hundred returns a hundred addresses, and the points of those that are checked.
func hundred() (addrs, points []string) {
	for i := range 100 {
		addrs = append(addrs, fmt.Sprintf("198.18.100.%d", i+1))
		points = append(points, "ipv4 "+addrs[i]+" 1")
	}
	return addrs, points[:64]
}
