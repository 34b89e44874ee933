package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// dialers are those that this system has: all pass the same tests.
var dialers = map[string]newDialer{"of this system": newDialers(), "portable": newNetDialer}

// connect makes an attempt, both halves of it.
func connect(ctx context.Context, c dialer) (handshake, error) {
	shake, err := c.begin()
	if errors.Is(err, errPending) {
		return c.await(ctx)
	}
	return shake, err
}

// The dialers agree on what they find.
func TestConnect(t *testing.T) {
	for _, test := range []struct {
		name      string
		address   func(t *testing.T) netip.AddrPort
		timeout   time.Duration
		errorType check.ErrorType
	}{
		{
			name:    "IPv4 listener",
			address: func(t *testing.T) netip.AddrPort { return testnet.Listen(t, "tcp4", "127.0.0.1:0") },
		},
		{
			name:    "IPv6 listener",
			address: func(t *testing.T) netip.AddrPort { return testnet.Listen(t, "tcp6", "[::1]:0") },
		},
		{
			name: "listener that never accepts",
			address: func(t *testing.T) netip.AddrPort {
				listener, err := net.Listen("tcp4", "127.0.0.1:0")
				require.NoError(t, err)
				t.Cleanup(func() { _ = listener.Close() })
				return netip.MustParseAddrPort(listener.Addr().String())
			},
		},
		{
			name:      "closed IPv4 port",
			address:   func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "127.0.0.1") },
			errorType: check.ConnectionRefused,
		},
		{
			name:      "closed IPv6 port",
			address:   func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "::1") },
			errorType: check.ConnectionRefused,
		},
		{
			name:      "full accept queue",
			address:   func(t *testing.T) netip.AddrPort { return testnet.BlackHole(t) },
			timeout:   20 * time.Millisecond,
			errorType: check.Timeout,
		},
	} {
		for kind, newDialer := range dialers {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				timeout := test.timeout
				if timeout == 0 {
					timeout = time.Minute
				}
				address := test.address(t)
				handshake, err := connect(context.Background(), newDialer(address, &check.Target{Timeout: timeout}))
				if test.errorType == "" {
					require.NoError(t, err)
					assert.Positive(t, handshake.time)
					return
				}
				require.Error(t, err)
				assert.Equal(t, test.errorType, connectErrorType(err))
				assert.Empty(t, lackOf(err))
				assert.Zero(t, handshake.time)
				assert.Contains(t, []string{"dial tcp " + address.String() + ": connect: connection refused", "dial tcp " + address.String() + ": i/o timeout"}, err.Error())
			})
		}
	}
}

// An attempt that is ended returns its context's error, and leaves nothing behind.
func TestConnectEnded(t *testing.T) {
	for kind, newDialer := range dialers {
		t.Run(kind, func(t *testing.T) {
			silent := testnet.BlackHole(t)
			ctx, cancel := context.WithCancel(context.Background())
			connecting := make(chan error)
			go func() {
				_, err := connect(ctx, newDialer(silent, &check.Target{Timeout: time.Minute}))
				connecting <- err
			}()
			cancel()
			assert.ErrorIs(t, <-connecting, context.Canceled)
		})
	}
}
