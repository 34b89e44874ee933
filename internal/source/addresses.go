package source

import (
	"fmt"
	"net/netip"

	"example.com/tcpcheckreceiver/internal/check"
)

// deniedByDefault are the addresses that a target that is discovered may not have, unless the
// user says otherwise: those of links, at which clouds have their metadata (RFC 3927 and RFC
// 4291, section 2.5.6), and those of metadata that are elsewhere.
var deniedByDefault = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::254/128"),  // of Amazon
	netip.MustParsePrefix("100.100.100.200/32"), // of Alibaba
	netip.MustParsePrefix("192.0.0.192/32"),     // of Oracle
}

// checkPrefixes adds a problem for each text that is no prefix.
func (p *Problems) checkPrefixes(option string, texts []string) {
	for i, text := range texts {
		if _, err := parsePrefix(text); err != nil {
			p.Add(fmt.Sprintf("%s[%d]", option, i), "%q is no prefix of addresses, such as 10.0.0.0/8, and no address", text)
		}
	}
}

// parsePrefix returns a prefix, or that of an address alone. One of IPv4-mapped addresses is that
// of the IPv4 ones.
func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		prefix = netip.PrefixFrom(address.WithZone(""), address.BitLen())
	}
	if address := prefix.Addr(); address.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// addresses returns those that targets may have, of a list that is discovered or is not; nil for
// all.
func (o *Options) addresses(discovered bool) *check.Addresses {
	prefixes := func(texts []string) (prefixes []netip.Prefix) {
		for _, text := range texts {
			if prefix, err := parsePrefix(text); err == nil {
				prefixes = append(prefixes, prefix)
			}
		}
		return prefixes
	}
	a := &check.Addresses{Allowed: prefixes(o.AllowedAddresses), Denied: prefixes(o.DeniedAddresses)}
	if discovered && o.DeniedAddresses == nil {
		a.Denied = deniedByDefault
	}
	if len(a.Allowed)+len(a.Denied) == 0 {
		return nil
	}
	return a
}
