package probe

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/testnet"
	"example.com/tcpcheckreceiver/receiver/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func literal(address netip.AddrPort) target.Target {
	return target.Target{Host: address.Addr().String(), Port: address.Port(), Timeout: 10 * time.Second, CacheDuration: target.UntilError}
}

func notWaiting() {}

func newProbe(checked target.Target) *Probe { return New([]target.Target{checked})[0] }

// What a check of an IP literal finds.
func TestCheckLiteral(t *testing.T) {
	for _, test := range []struct {
		name      string
		address   func(t *testing.T) netip.AddrPort
		timeout   time.Duration
		family    target.Family
		errorType ErrorType
	}{
		{
			name:    "IPv4 listener",
			address: func(t *testing.T) netip.AddrPort { return testnet.Listen(t, "tcp4", "127.0.0.1:0") },
			family:  target.IPv4,
		},
		{
			name:    "IPv6 listener",
			address: func(t *testing.T) netip.AddrPort { return testnet.Listen(t, "tcp6", "[::1]:0") },
			family:  target.IPv6,
		},
		{
			name:      "closed IPv4 port",
			address:   func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "127.0.0.1") },
			family:    target.IPv4,
			errorType: ConnectionRefused,
		},
		{
			name:      "closed IPv6 port",
			address:   func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "::1") },
			family:    target.IPv6,
			errorType: ConnectionRefused,
		},
		{
			name: "IPv6 address of an IPv4-only listener",
			address: func(t *testing.T) netip.AddrPort {
				testnet.RequireIPv6(t)
				return netip.AddrPortFrom(netip.IPv6Loopback(), testnet.Listen(t, "tcp4", "0.0.0.0:0").Port())
			},
			family:    target.IPv6,
			errorType: ConnectionRefused,
		},
		{
			name: "IPv4 address of a listener on both families",
			address: func(t *testing.T) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), testnet.Listen(t, "tcp", "[::]:0").Port())
			},
			family: target.IPv4,
		},
		{
			name:      "full accept queue",
			address:   func(t *testing.T) netip.AddrPort { return testnet.BlackHole(t) },
			timeout:   20 * time.Millisecond,
			family:    target.IPv4,
			errorType: Timeout,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := test.address(t)
			checked := literal(address)
			if test.timeout > 0 {
				checked.Timeout = test.timeout
			}
			outcome, err := newProbe(checked).Check(context.Background(), HostAddresses{}, notWaiting)
			require.NoError(t, err)
			assert.Empty(t, outcome.Lookups)
			require.Len(t, outcome.Results, 1)
			result := outcome.Results[0]
			assert.Equal(t, test.family, result.Family)
			assert.Equal(t, address.Addr(), result.Address)
			assert.False(t, result.LocalFault)
			assert.Equal(t, test.errorType, result.ErrorType, "%v", result.Err)
			assert.Equal(t, test.errorType == "", result.Connected())
			assert.Equal(t, result.Connected(), result.HandshakeTime > 0)
		})
	}
}

// An IPv4-mapped address is dialled over IPv4, and is reported so.
func TestCheckMappedAddress(t *testing.T) {
	address := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	checked := literal(address)
	checked.Host = "::ffff:127.0.0.1"
	outcome, err := newProbe(checked).Check(context.Background(), HostAddresses{}, notWaiting)
	require.NoError(t, err)
	require.Len(t, outcome.Results, 1)
	assert.True(t, outcome.Results[0].Connected())
	assert.Equal(t, target.IPv4, outcome.Results[0].Family)
	assert.Equal(t, address.Addr(), outcome.Results[0].Address)
}

func TestCheckUnknownZone(t *testing.T) {
	checked := literal(netip.MustParseAddrPort("[fe80::1%nosuchif]:80"))
	outcome, err := newProbe(checked).Check(context.Background(), HostAddresses{}, notWaiting)
	require.NoError(t, err)
	require.Len(t, outcome.Results, 1)
	assert.True(t, outcome.Results[0].LocalFault)
	assert.Empty(t, outcome.Results[0].ErrorType)
	assert.ErrorContains(t, outcome.Results[0].Err, `fe80::1%nosuchif: this machine has no interface "nosuchif"`)
}

// Names with more addresses than there are descriptors are checked nevertheless,
// also where their checks take each other's descriptors.
func TestFewDescriptors(t *testing.T) {
	before := descriptors
	t.Cleanup(func() { descriptors = before })
	few := semaphore.NewWeighted(2)
	descriptors = func() *semaphore.Weighted { return few }

	silent := testnet.BlackHole(t)
	var checks sync.WaitGroup
	for range 10 {
		p := newProbe(target.Target{Host: "name.test", Port: silent.Port(), Timeout: 10 * time.Millisecond, CacheDuration: time.Hour, MaxCacheDuration: time.Hour})
		p.names.store(resolution{answers: []answer{found(target.IPv4, silent.Addr(), silent.Addr(), silent.Addr()), notFound(target.IPv6)}, complete: true})
		checks.Go(func() {
			outcome, err := p.Check(context.Background(), HostAddresses{}, notWaiting)
			if assert.NoError(t, err) {
				assert.Len(t, outcome.Results, 3)
			}
			for _, result := range outcome.Results {
				assert.Equal(t, Timeout, result.ErrorType)
			}
		})
	}
	checks.Wait()
	assert.True(t, few.TryAcquire(2), "all descriptors are free again")
}

// A check says that it waits, and says so before it does.
func TestCheckWaiting(t *testing.T) {
	for name, test := range map[string]struct {
		checked target.Target
		want    bool
	}{
		"silent":       {literal(testnet.BlackHole(t)), true},
		"a name":       {target.Target{Host: "localhost", Port: testnet.ClosedPort(t, "127.0.0.1").Port(), Timeout: time.Minute}, true},
		"unknown zone": {literal(netip.MustParseAddrPort("[fe80::1%nosuchif]:80")), runtime.GOOS != "linux"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			waited := false
			_, err := newProbe(test.checked).Check(ctx, HostAddresses{}, func() {
				waited = true
				cancel() // the silent one would take its time
			})
			assert.Equal(t, test.want, waited)
			assert.Equal(t, test.want, err != nil)
		})
	}
}

// A target that refuses again and again, and then no longer does, is what it is
// each time: the connector expects what it found the last time.
func TestRefusedThenUp(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	p := newProbe(literal(closed))
	check := func() Result {
		outcome, err := p.Check(context.Background(), HostAddresses{}, notWaiting)
		require.NoError(t, err)
		return outcome.Results[0]
	}
	for range 3 {
		assert.Equal(t, ConnectionRefused, check().ErrorType)
	}
	listener, err := net.Listen("tcp4", closed.String())
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, check().Err)
	}
	require.NoError(t, listener.Close())
	for range 3 {
		assert.Equal(t, ConnectionRefused, check().ErrorType)
	}
}

// A check that is ended says nothing, and leaves nothing behind.
func TestCheckEnded(t *testing.T) {
	silent := testnet.BlackHole(t)
	ctx, cancel := context.WithCancel(context.Background())
	checking := make(chan error)
	go func() {
		outcome, err := newProbe(literal(silent)).Check(ctx, HostAddresses{}, notWaiting)
		assert.Empty(t, outcome)
		checking <- err
	}()
	cancel()
	assert.ErrorIs(t, <-checking, context.Canceled)
}
