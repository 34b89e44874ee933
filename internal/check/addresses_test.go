package check

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPermit(t *testing.T) {
	prefixes := func(texts ...string) (prefixes []netip.Prefix) {
		for _, text := range texts {
			prefixes = append(prefixes, netip.MustParsePrefix(text))
		}
		return prefixes
	}
	for _, test := range []struct {
		rules   *Addresses
		address string
		want    bool
	}{
		{nil, "10.0.0.1", true},
		{&Addresses{}, "10.0.0.1", true},
		{&Addresses{Denied: prefixes("169.254.0.0/16")}, "169.254.169.254", false},
		{&Addresses{Denied: prefixes("169.254.0.0/16")}, "::ffff:169.254.169.254", false},
		{&Addresses{Denied: prefixes("169.254.0.0/16")}, "169.255.0.1", true},
		{&Addresses{Denied: prefixes("fe80::/10")}, "fe80::1%eth0", false},
		{&Addresses{Allowed: prefixes("10.0.0.0/8")}, "10.1.2.3", true},
		{&Addresses{Allowed: prefixes("10.0.0.0/8")}, "11.1.2.3", false},
		{&Addresses{Allowed: prefixes("10.0.0.0/8")}, "::1", false},
		{&Addresses{Allowed: prefixes("10.0.0.0/8"), Denied: prefixes("10.0.0.1/32")}, "10.0.0.1", false},
	} {
		assert.Equal(t, test.want, test.rules.Permit(netip.MustParseAddr(test.address)), "%+v", test)
	}
}
