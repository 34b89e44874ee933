package report

import (
	"net/netip"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// Hint says what is known, and where to look, where by its results one family of a target
// connects and the other one does not, or where an address fails that leads to a translator
// (NAT64). It is empty otherwise. Of several addresses that fail it is about the result that
// is given, if that failed, or else about one that is refused, if any is.
func Hint(target *check.Target, results []check.Result, about *check.Result) string {
	connected := make(map[check.Family]*check.Result)
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
			if other := connected[r.Family]; other == nil || leadsToTranslator(other) {
				connected[r.Family] = r // one of the service itself, if there is one
			}
		case before == nil || r == about || before != about && r.ErrorType == check.ConnectionRefused:
			failed[r.Family] = r
		}
	}
	for _, family := range check.Families {
		up, down := connected[family], failed[family.Other()]
		if up != nil && down != nil && connected[family.Other()] == nil {
			return compare(target, up, down, local)
		}
	}
	down := failed[check.IPv6]
	if down == nil || about != nil && about != down || !isDialled(down) || !leadsToTranslator(down) {
		return ""
	}
	return Behind(down) + " See whether the service works at " + down.Translated.String() + ", and the translator on the way to it."
}

// Behind says of a result whose address leads to a translator what is behind that, and what the result
// says nothing about. It is empty of any other result.
func Behind(r *check.Result) string {
	if !leadsToTranslator(r) {
		return ""
	}
	return r.Address.String() + " is " + r.Translated.String() + " behind NAT64, so " + r.Family.String() + " says nothing about an IPv6 address of the service."
}

func leadsToTranslator(r *check.Result) bool { return r.Translated != check.Translated{} }

// isDialled reports whether the address of a result that failed was dialled: it may be the one that a name
// had last.
func isDialled(failed *check.Result) bool {
	switch failed.ErrorType {
	case check.NoAddress, check.DNSNotFound, check.DNSTimeout, check.DNSFailure:
		return false
	default:
		return true
	}
}

// compare returns the hint where the family of a result failed while that of the other one, up, connects.
func compare(target *check.Target, up, failed *check.Result, local bool) string {
	known, look := causes(target, up, failed, local)
	said := []string{known}
	if isDialled(failed) && leadsToTranslator(failed) {
		said = append(said, Behind(failed))
	}
	if leadsToTranslator(up) {
		return strings.Join(append(said, Behind(up), look), " ")
	}
	return strings.Join(append(said, look, "If "+up.Family.String()+" alone is meant, write address_families: ["+up.Family.String()+"]."), " ")
}

// causes says what is known of a family that failed while the other one connects,
// and where to look for the cause.
func causes(target *check.Target, up, failed *check.Result, local bool) (known, look string) {
	servers, records := "the name servers that /etc/resolv.conf names", "in DNS and the hosts file"
	if len(target.Servers) > 0 {
		servers = "the name servers of its resolver, " + listOf(target.Servers)
		records = "at " + servers
	}
	connects, down := "It connects over "+up.Family.String(), failed.Family.String()
	known = connects + " and not over " + down
	switch failed.ErrorType {
	case check.ConnectionRefused:
		known = connects + " and is refused over " + down
		if leadsToTranslator(up) || leadsToTranslator(failed) {
			break
		}
		return known + ": nothing listens there, or a firewall answers in its place.", "See what the service is bound to (ss -ltn on its host): " + binding(up.Family, local)
	case check.NoAddress, check.DNSNotFound:
		return known + ", in which its name has no address.", "See its records " + records + "."
	case check.DNSTimeout, check.DNSFailure:
		return known + ", in which its name was not resolved.", "See " + servers + "."
	default:
	}
	if leadsToTranslator(failed) {
		return known + ".", "See the translator, and the route and the firewalls from there to " + failed.Translated.String() + "."
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
