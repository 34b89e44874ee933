package probe

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// A connection comes from the source address, and has a port of the system's choice.
func TestSourceAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux, to which all of 127.0.0.0/8 is its own")
	}
	const source = "127.0.0.77"
	for kind, newDialer := range dialers {
		t.Run(kind, func(t *testing.T) {
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { _ = listener.Close() }()
			target := check.Target{Timeout: time.Minute, Outgoing: &check.Outgoing{Sources: []netip.Addr{netip.MustParseAddr(source)}}}
			dialer := newDialer(netip.MustParseAddrPort(listener.Addr().String()), &target)
			for range 3 {
				_, err = connect(context.Background(), dialer)
				require.NoError(t, err)
				conn, err := listener.Accept()
				require.NoError(t, err)
				assert.Equal(t, source, netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().String())
				require.NoError(t, conn.Close())
			}
		})
	}
}

// A source address or an interface that this machine does not have says nothing about the target.
func TestMissingOutgoing(t *testing.T) {
	missing := netip.MustParseAddr("192.0.2.99") // of documentation (RFC 5737)
	for _, test := range []struct {
		name     string
		outgoing check.Outgoing
		lack     check.Lack
		err      string
		only     string // the system that has it
	}{
		{"source address", check.Outgoing{Sources: []netip.Addr{missing}}, check.LacksSourceAddress, "this machine has no address 192.0.2.99 from which it could connect", ""},
		{"zone of a source address", check.Outgoing{Sources: []netip.Addr{netip.MustParseAddr("fe80::1%nosuchif")}}, check.LacksOther, "", "linux"},
		{"interface", check.Outgoing{Interface: "nosuchif"}, check.LacksInterface, `this machine has no interface "nosuchif"`, "linux"},
		{"both", check.Outgoing{Interface: "nosuchif", Sources: []netip.Addr{missing}}, check.LacksInterface, `this machine has no interface "nosuchif"`, "linux"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.only != "" && test.only != runtime.GOOS {
				t.Skip("needs " + test.only)
			}
			host := "127.0.0.1"
			if len(test.outgoing.Sources) > 0 && test.outgoing.Sources[0].Is6() {
				host = "::1"
			}
			checked := literal(netip.AddrPortFrom(netip.MustParseAddr(host), 9))
			checked.Outgoing = &test.outgoing
			probed := newProbe(checked)
			for range 2 {
				report := probed.Check(context.Background(), time.Now, func() *HostAddresses { return ReadHostAddresses(nil) }, noHandOff)
				require.Len(t, report.Results, 1)
				result := report.Results[0]
				assert.Equal(t, check.Unchecked, result.Status, "%v", result.Err)
				assert.Equal(t, test.lack, result.Lack)
				assert.Empty(t, result.ErrorType)
				assert.ErrorContains(t, result.Err, test.err)
			}
		})
	}
	t.Run("portable", func(t *testing.T) {
		_, err := connect(context.Background(), newNetDialer(netip.MustParseAddrPort("127.0.0.1:9"), &check.Target{
			Timeout: time.Minute, Outgoing: &check.Outgoing{Sources: []netip.Addr{missing}},
		}))
		assert.Equal(t, check.LacksSourceAddress, lackOf(err), "%v", err)
	})
}

// Of a target with an interface, the automatic families are those in which that interface has an address;
// and a source address is of a family that there is.
func TestFamiliesOfOutgoing(t *testing.T) {
	machine := &HostAddresses{kinds: []addressKind{kindOf(netip.MustParseAddr("192.0.2.1")), kindOf(netip.MustParseAddr("2001:db8::1"))}}
	remote4, remote6 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::2")
	loopback4 := netip.MustParseAddr("127.0.0.1")
	for _, test := range []struct {
		name     string
		outgoing check.Outgoing
		machine  *HostAddresses
		reaches  map[netip.Addr]bool
		only     string
	}{
		{"DSCP", check.Outgoing{DSCP: 8}, machine, map[netip.Addr]bool{loopback4: false}, ""},
		{"source addresses", check.Outgoing{Sources: []netip.Addr{remote4, remote6}}, machine, map[netip.Addr]bool{remote4: true, remote6: true, loopback4: false}, ""},
		{"source address of loopback", check.Outgoing{Sources: []netip.Addr{loopback4}}, machine, map[netip.Addr]bool{remote4: false, loopback4: true}, ""},
		{"nothing is known", check.Outgoing{DSCP: 8}, nil, map[netip.Addr]bool{remote4: true, remote6: true, loopback4: true}, ""},
		{"interface of loopback", check.Outgoing{Interface: "lo"}, machine, map[netip.Addr]bool{remote4: false, remote6: false, loopback4: true}, "linux"},
		{"no such interface", check.Outgoing{Interface: "nosuchif"}, machine, map[netip.Addr]bool{remote4: false, remote6: false, loopback4: false}, "linux"},
		{"no such interface, and a source address", check.Outgoing{Interface: "nosuchif", Sources: []netip.Addr{remote6}}, machine, map[netip.Addr]bool{remote4: false, remote6: true}, "linux"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.only != "" && test.only != runtime.GOOS {
				t.Skip("needs " + test.only)
			}
			outgoing := outgoingHost{Outgoing: &test.outgoing}
			host := outgoing.of(test.machine)
			for address, want := range test.reaches {
				assert.Equal(t, want, host.Reaches(address), "%v", address)
			}
			assert.Same(t, host, outgoing.of(test.machine), "nothing has changed")
		})
	}
}

// Where nothing is said of how it leaves, a check is what it was, and takes no memory for that.
func TestNoOutgoing(t *testing.T) {
	checked := literal(testnet.Listen(t, "tcp4", "127.0.0.1:0"))
	assert.Nil(t, newProbe(checked).outgoing)
}
