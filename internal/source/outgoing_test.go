package source

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// How connections leave, and which families that narrows a target to.
func TestOutgoing(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, test := range []struct {
		options  string
		want     *check.Outgoing
		families []check.Family
	}{
		{"dscp: 0", nil, nil},
		{"source_address: 192.0.2.1", &check.Outgoing{Sources: []netip.Addr{v4}}, []check.Family{check.IPv4}},
		{"source_address: '::ffff:192.0.2.1'", &check.Outgoing{Sources: []netip.Addr{v4}}, []check.Family{check.IPv4}},
		{"source_address: '[2001:db8::1]'", &check.Outgoing{Sources: []netip.Addr{v6}}, []check.Family{check.IPv6}},
		{"source_address: ['2001:db8::1', 192.0.2.1]", &check.Outgoing{Sources: []netip.Addr{v6, v4}}, nil},
		{"source_address: ['2001:db8::1', 192.0.2.1], ipv4_only: false", &check.Outgoing{Sources: []netip.Addr{v6, v4}}, nil},
		{"source_address: 192.0.2.1, address_families: [ipv4]", &check.Outgoing{Sources: []netip.Addr{v4}}, []check.Family{check.IPv4}},
		{"source_address: 'fe80::1%eth0'", &check.Outgoing{Sources: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}, []check.Family{check.IPv6}},
	} {
		t.Run(test.options, func(t *testing.T) {
			options, err := load(t, "{defaults: {"+test.options+"}, instances: [{name: a, host: h, port: 1}]}")
			require.NoError(t, err)
			target := options.ToCheck(&Problems{}).Targets[0]
			assert.Equal(t, test.want, target.Outgoing)
			assert.Equal(t, test.families, target.Families)
		})
	}
}

// What only Linux has is a mistake elsewhere.
func TestOutgoingElsewhere(t *testing.T) {
	zero, highest := Integer(0), Integer(63)
	for _, test := range []struct {
		system   string
		instance Instance
		want     []string
	}{
		{"linux", Instance{Interface: "eth0", DSCP: &highest}, nil},
		{"darwin", Instance{SourceAddress: Texts{"192.0.2.1"}, DSCP: &zero}, nil},
		{"darwin", Instance{Interface: "en0", DSCP: &highest}, []string{
			"a.dscp: 63 is for Linux alone, and this is darwin: its packets cannot be marked",
			`a.interface: "en0" is for Linux alone, and this is darwin: its connections cannot be bound to an interface`,
		}},
	} {
		var p Problems
		v := instanceValidator{Instance: &test.instance, problems: &p, place: "a"}
		v.checkOutgoingOn(test.system)
		assert.Equal(t, test.want, (&Options{}).sentences(&p))
	}
}
