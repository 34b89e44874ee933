package report

import (
	"net/netip"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// Hint says what is known, and where to look, where by its results one family of a target
// connects and the other one does not. It is empty otherwise. Of several addresses that
// fail it is about the result that is given, if that failed, or else about one that is
// refused, if any is.
func Hint(target *check.Target, results []check.Result, about *check.Result) string {
	connected := make(map[check.Family]bool)
	failed := make(map[check.Family]*check.Result)
	local := false // an address of loopback connects or is refused
	for i := range results {
		r := &results[i]
		if r.Status != check.Up && r.Status != check.Down {
			continue
		}
		local = local || r.Address.IsLoopback()
		switch before := failed[r.Family]; {
		case r.Status == check.Up:
			connected[r.Family] = true
		case before == nil || r == about || before != about && r.ErrorType == check.ConnectionRefused:
			failed[r.Family] = r
		}
	}
	for _, up := range check.Families {
		down := up.Other()
		if !connected[up] || connected[down] || failed[down] == nil {
			continue
		}
		known, look := causes(target, up, failed[down], local)
		return strings.Join([]string{known, look, "If " + up.String() + " alone is meant, write address_families: [" + up.String() + "]."}, " ")
	}
	return ""
}

// causes says what is known of a family that failed while the other one, up, connects,
// and where to look for the cause.
func causes(target *check.Target, up check.Family, failed *check.Result, local bool) (known, look string) {
	down := failed.Family
	servers, records := "the name servers that /etc/resolv.conf names", "in DNS and the hosts file"
	if len(target.Servers) > 0 {
		servers = "the name servers of its resolver, " + listOf(target.Servers)
		records = "at " + servers
	}
	known = "It connects over " + up.String() + " and not over " + down.String()
	switch failed.ErrorType {
	case check.ConnectionRefused:
		known = "It connects over " + up.String() + " and is refused over " + down.String() + ": nothing listens there, or a firewall answers in its place."
		return known, "See what the service is bound to (ss -ltn on its host): " + binding(up, local)
	case check.NoAddress, check.DNSNotFound:
		return known + ", in which its name has no address.", "See its records " + records + "."
	case check.DNSTimeout, check.DNSFailure:
		return known + ", in which its name was not resolved.", "See " + servers + "."
	default:
	}
	return known + ".", "See whether " + failed.Address.String() + " is still an address of the host, and the route and the firewalls on the way."
}

// listOf returns name servers as a sentence has them.
func listOf(servers []netip.AddrPort) string {
	texts := make([]string, len(servers))
	for i, server := range servers {
		texts[i] = server.String()
	}
	return strings.Join(texts, ", ")
}

// binding says which wildcard and loopback addresses serve one family only, and how
// both are served: for a service that may be for this machine alone, without opening it
// to the network.
func binding(up check.Family, local bool) string {
	switch {
	case up == check.IPv4 && local:
		return "127.0.0.1 and 0.0.0.0 are ipv4 only, and 127.0.0.1 together with ::1 is both."
	case up == check.IPv4:
		return "0.0.0.0 is ipv4 only, and [::] in its place is both on most systems."
	case local:
		return "::1 is ipv6 only, and so is [::] with IPV6_V6ONLY; ::1 together with 127.0.0.1 is both."
	}
	return "[::] with IPV6_V6ONLY is ipv6 only, and without it both."
}
