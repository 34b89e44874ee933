package socket

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/check"
)

func TestICMPErrors(t *testing.T) {
	router := netip.MustParseAddr("192.0.2.9")
	for _, test := range []struct {
		icmp     *ICMPError
		words    string
		exceeded bool
		text     string
	}{
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 0}, "no route", false, " (no route, ICMP type 3, code 0)"},
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 1, Sender: router}, "host unreachable", false, " (host unreachable, ICMP type 3, code 1, from 192.0.2.9)"},
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 2}, "protocol unreachable", false, " (protocol unreachable, ICMP type 3, code 2)"},
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 3}, "port unreachable", false, " (port unreachable, ICMP type 3, code 3)"},
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 9}, prohibited, false, " (administratively prohibited, ICMP type 3, code 9)"},
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 10}, prohibited, false, " (administratively prohibited, ICMP type 3, code 10)"},
		{&ICMPError{Family: check.IPv4, Type: 3, Code: 13, Sender: router, Local: true}, prohibited, false, " (administratively prohibited, ICMP type 3, code 13, from this machine, 192.0.2.9)"},
		{&ICMPError{Family: check.IPv4, Type: 11, Code: 0}, "TTL exceeded in transit", true, " (TTL exceeded in transit, ICMP type 11, code 0)"},
		{&ICMPError{Family: check.IPv4, Type: 11, Code: 1}, "ICMP type 11, code 1", false, " (ICMP type 11, code 1)"},
		{&ICMPError{Family: check.IPv4, Type: 11, Code: 13}, "ICMP type 11, code 13", false, " (ICMP type 11, code 13)"},
		{&ICMPError{Family: check.IPv6, Type: 1, Code: 0}, "no route", false, " (no route, ICMP type 1, code 0)"},
		{&ICMPError{Family: check.IPv6, Type: 1, Code: 1}, prohibited, false, " (administratively prohibited, ICMP type 1, code 1)"},
		{&ICMPError{Family: check.IPv6, Type: 1, Code: 3}, "address unreachable", false, " (address unreachable, ICMP type 1, code 3)"},
		{&ICMPError{Family: check.IPv6, Type: 1, Code: 4}, "port unreachable", false, " (port unreachable, ICMP type 1, code 4)"},
		{&ICMPError{Family: check.IPv6, Type: 1, Code: 5}, prohibited, false, " (administratively prohibited, ICMP type 1, code 5)"},
		{&ICMPError{Family: check.IPv6, Type: 1, Code: 6}, prohibited, false, " (administratively prohibited, ICMP type 1, code 6)"},
		{&ICMPError{Family: check.IPv6, Type: 3, Code: 0}, "hop limit exceeded in transit", true, " (hop limit exceeded in transit, ICMP type 3, code 0)"},
		{&ICMPError{Family: check.IPv6, Type: 3, Code: 1}, "ICMP type 3, code 1", false, " (ICMP type 3, code 1)"},
	} {
		t.Run(test.text, func(t *testing.T) {
			assert.Equal(t, test.words, test.icmp.Words())
			assert.Equal(t, test.words == prohibited, test.icmp.Prohibits())
			assert.Equal(t, test.exceeded, test.icmp.TimeExceeded())
			assert.Equal(t, test.text, test.icmp.String())
		})
	}
	var none *ICMPError
	assert.False(t, none.Prohibits())
	assert.False(t, none.TimeExceeded())
	assert.Empty(t, none.String())
}
