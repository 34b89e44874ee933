package probe

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
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
				report := p.Check(context.Background(), time.Now, unknownHost, noHandOff)
				if len(report.Results) != 1 || (report.Results[0].Status == check.Up) != (name == "up") {
					b.Fatal(report)
				}
			}
		})
	}
}

// BenchmarkErrorType names the reason for a refused connection.
func BenchmarkErrorType(b *testing.B) {
	address := testnet.ClosedPort(b, "127.0.0.1")
	_, err := connect(context.Background(), newDialers()(address, &check.Target{Timeout: time.Second}))
	require.Error(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if lackOf(err) != "" || connectErrorType(err) != check.ConnectionRefused {
			b.Fatal(err)
		}
	}
}
