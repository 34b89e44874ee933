package probe

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/testnet"
)

// BenchmarkCheck checks a target on loopback, of which another goroutine accepts the
// connections. What the receiver adds to the system calls is for make bench to tell,
// whose server is another process.
func BenchmarkCheck(b *testing.B) {
	for name, address := range map[string]netip.AddrPort{
		"up":      testnet.Listen(b, "tcp4", "127.0.0.1:0"),
		"refused": testnet.ClosedPort(b, "127.0.0.1"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			p := newProbe(literal(address))
			for b.Loop() {
				outcome, err := p.Check(context.Background(), HostAddresses{}, notWaiting)
				if err != nil || outcome.Results[0].Connected() != (name == "up") {
					b.Fatal(err, outcome)
				}
			}
		})
	}
}

// BenchmarkErrorType names the reason for a refused connection.
func BenchmarkErrorType(b *testing.B) {
	address := testnet.ClosedPort(b, "127.0.0.1")
	_, err := connect(context.Background(), newConnectors()(address, 1e9))
	require.Error(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if isLocalFault(err) || connectErrorType(err) != ConnectionRefused {
			b.Fatal(err)
		}
	}
}
