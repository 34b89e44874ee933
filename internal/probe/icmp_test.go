package probe

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/check"
)

func TestICMPErrors(t *testing.T) {
	router := netip.MustParseAddr("192.0.2.9")
	for _, test := range []struct {
		icmp      *icmpError
		prohibits bool
		text      string
	}{
		{nil, false, ""},
		{&icmpError{family: check.IPv4, kind: 3, code: 1, sender: router}, false, " (host unreachable, ICMP type 3, code 1, from 192.0.2.9)"},
		{&icmpError{family: check.IPv4, kind: 3, code: 9}, true, " (administratively prohibited, ICMP type 3, code 9)"},
		{&icmpError{family: check.IPv4, kind: 3, code: 10}, true, " (administratively prohibited, ICMP type 3, code 10)"},
		{&icmpError{family: check.IPv4, kind: 3, code: 13, sender: router, local: true}, true, " (administratively prohibited, ICMP type 3, code 13, from this machine, 192.0.2.9)"},
		{&icmpError{family: check.IPv4, kind: 11, code: 13}, false, " (ICMP type 11, code 13)"},
		{&icmpError{family: check.IPv6, kind: 1, code: 0}, false, " (no route, ICMP type 1, code 0)"},
		{&icmpError{family: check.IPv6, kind: 1, code: 1}, true, " (administratively prohibited, ICMP type 1, code 1)"},
		{&icmpError{family: check.IPv6, kind: 1, code: 5}, true, " (administratively prohibited, ICMP type 1, code 5)"},
		{&icmpError{family: check.IPv6, kind: 1, code: 6}, true, " (administratively prohibited, ICMP type 1, code 6)"},
		{&icmpError{family: check.IPv6, kind: 3, code: 1}, false, " (ICMP type 3, code 1)"},
	} {
		t.Run(test.text, func(t *testing.T) {
			assert.Equal(t, test.prohibits, test.icmp.prohibits())
			assert.Equal(t, test.text, test.icmp.String())
			want := netip.Addr{}
			if test.icmp != nil {
				want = test.icmp.sender
			}
			result := check.Result{Err: &dialError{icmp: test.icmp}}
			assert.Equal(t, want, result.Sender())
		})
	}
}
