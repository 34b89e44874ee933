package source

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// Which addresses are dialled, of the targets of each source.
func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		yaml       string
		written    *check.Addresses
		discovered []string // that are denied
	}{
		{"", nil, []string{"169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "192.0.0.192"}},
		{"denied_addresses: []", nil, nil},
		{"denied_addresses: 10.0.0.1", &check.Addresses{Denied: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}}, []string{"10.0.0.1"}},
		{
			"allowed_addresses: ['10.1.2.3/8', '::ffff:192.0.2.0/120']",
			&check.Addresses{Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}},
			[]string{"11.0.0.1", "169.254.1.1", "::1"},
		},
	} {
		options, err := load(t, test.yaml+"\ninstances: [{name: a, host: h, port: 1}]\nscrape_configs: [{job_name: j, static_configs: [{targets: ['b:1']}]}]")
		require.NoError(t, err)
		list := newLists(t, options).await(has(2))
		assert.Equal(t, test.written, list.Targets[0].Addresses, test.yaml)
		for _, address := range test.discovered {
			assert.False(t, list.Targets[1].Addresses.Permit(netip.MustParseAddr(address)), "%s: %s", test.yaml, address)
		}
		assert.True(t, list.Targets[1].Addresses.Permit(netip.MustParseAddr("10.2.0.1")), test.yaml)
	}
	_, err := load(t, "{allowed_addresses: [10.0.0.0/33], denied_addresses: [a, {b: c}], instances: [{name: a, host: h, port: 1}]}")
	require.EqualError(t, err, `allowed_addresses[0]: "10.0.0.0/33" is no prefix of addresses, such as 10.0.0.0/8, and no address
denied_addresses[0]: "a" is no prefix of addresses, such as 10.0.0.0/8, and no address
denied_addresses[1]: a mapping is not a prefix of addresses, such as 10.0.0.0/8`)
}
