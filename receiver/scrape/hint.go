package scrape

import (
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// familyHint says what it usually means, and what to do, where one family of a
// target connects and the other one does not. It is empty otherwise.
func familyHint(results []probe.Result) string {
	connected := make(map[target.Family]bool)
	refused := make(map[target.Family]bool)
	failed := make(map[target.Family]bool)
	for _, r := range results {
		switch {
		case r.LocalFault || r.Speculative:
		case r.Connected():
			connected[r.Family] = true
		default:
			failed[r.Family] = true
			refused[r.Family] = refused[r.Family] || r.ErrorType == probe.ConnectionRefused
		}
	}
	for _, up := range target.Families {
		down := up.Other()
		if !connected[up] || connected[down] || !failed[down] {
			continue
		}
		remedy := " If it is meant to be so, ask only for that family: " + familyOption[up] + "."
		if refused[down] {
			return "The service listens on " + up.String() + " only. To serve both families, bind it to " + bindAddress[down] + " as well." + remedy
		}
		return "The host is reached over " + up.String() + " only: look at its " + down.String() + " address in DNS, its route and its firewall." + remedy
	}
	return ""
}

// familyOption is what to write to check one family only.
var familyOption = map[target.Family]string{
	target.IPv4: "address_families: [ipv4], or ipv4_only: true",
	target.IPv6: "address_families: [ipv6]",
}

// bindAddress is the wildcard address of a family.
var bindAddress = map[target.Family]string{target.IPv4: "0.0.0.0", target.IPv6: "[::]"}
