package probe

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func literal(address netip.AddrPort) check.Target {
	return check.Target{Host: address.Addr().String(), Port: address.Port(), Timeout: 10 * time.Second, CacheDuration: check.UntilError}
}

func noHandOff() {}

func unknownHost() *HostAddresses { return nil }

func newProbe(checked check.Target) *Probe { return NewSystem(0).Probe(&checked) }

// What a check of an IP literal finds.
func TestCheckLiteral(t *testing.T) {
	for _, test := range []struct {
		name      string
		address   func(t *testing.T) netip.AddrPort
		timeout   time.Duration
		family    check.Family
		errorType check.ErrorType
	}{
		{
			name:    "IPv4 listener",
			address: func(t *testing.T) netip.AddrPort { return testnet.Listen(t, "tcp4", "127.0.0.1:0") },
			family:  check.IPv4,
		},
		{
			name:    "IPv6 listener",
			address: func(t *testing.T) netip.AddrPort { return testnet.Listen(t, "tcp6", "[::1]:0") },
			family:  check.IPv6,
		},
		{
			name:      "closed IPv4 port",
			address:   func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "127.0.0.1") },
			family:    check.IPv4,
			errorType: check.ConnectionRefused,
		},
		{
			name:      "closed IPv6 port",
			address:   func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "::1") },
			family:    check.IPv6,
			errorType: check.ConnectionRefused,
		},
		{
			name: "IPv6 address of an IPv4-only listener",
			address: func(t *testing.T) netip.AddrPort {
				testnet.RequireIPv6(t)
				return netip.AddrPortFrom(netip.IPv6Loopback(), testnet.Listen(t, "tcp4", "0.0.0.0:0").Port())
			},
			family:    check.IPv6,
			errorType: check.ConnectionRefused,
		},
		{
			name: "IPv4 address of a listener on both families",
			address: func(t *testing.T) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), testnet.Listen(t, "tcp", "[::]:0").Port())
			},
			family: check.IPv4,
		},
		{
			name:      "full accept queue",
			address:   func(t *testing.T) netip.AddrPort { return testnet.BlackHole(t) },
			timeout:   20 * time.Millisecond,
			family:    check.IPv4,
			errorType: check.Timeout,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := test.address(t)
			checked := literal(address)
			if test.timeout > 0 {
				checked.Timeout = test.timeout
			}
			report := newProbe(checked).Check(context.Background(), time.Now, unknownHost, noHandOff)
			assert.Empty(t, report.Lookups)
			require.Len(t, report.Results, 1)
			result := report.Results[0]
			assert.Equal(t, test.family, result.Family)
			assert.Equal(t, address.Addr(), result.Address)
			assert.NotEqual(t, check.Unchecked, result.Status)
			assert.Equal(t, test.errorType, result.ErrorType, "%v", result.Err)
			assert.Equal(t, test.errorType == "", result.Status == check.Up)
			assert.Equal(t, result.Status == check.Up, result.HandshakeTime > 0)
		})
	}
}

// An IPv4-mapped address is dialled over IPv4, and is reported so.
func TestCheckMappedAddress(t *testing.T) {
	address := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	checked := literal(address)
	checked.Host = "::ffff:127.0.0.1"
	report := newProbe(checked).Check(context.Background(), time.Now, unknownHost, noHandOff)
	require.Len(t, report.Results, 1)
	assert.Equal(t, check.Up, report.Results[0].Status)
	assert.Equal(t, check.IPv4, report.Results[0].Family)
	assert.Equal(t, address.Addr(), report.Results[0].Address)
}

func TestCheckUnknownZone(t *testing.T) {
	checked := literal(netip.MustParseAddrPort("[fe80::1%nosuchif]:80"))
	report := newProbe(checked).Check(context.Background(), time.Now, unknownHost, noHandOff)
	require.Len(t, report.Results, 1)
	assert.Equal(t, check.Unchecked, report.Results[0].Status)
	assert.Empty(t, report.Results[0].ErrorType)
	assert.ErrorContains(t, report.Results[0].Err, `fe80::1%nosuchif: this machine has no interface "nosuchif"`)
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
		p := newProbe(check.Target{Host: "name.test", Port: silent.Port(), Timeout: 10 * time.Millisecond, CacheDuration: time.Hour, MaxCacheDuration: time.Hour})
		p.names.store(resolution{answers: []answer{found(check.IPv4, silent.Addr(), silent.Addr(), silent.Addr()), notFound(check.IPv6)}, complete: true}, time.Now())
		checks.Go(func() {
			report := p.Check(context.Background(), time.Now, unknownHost, noHandOff)
			assert.Len(t, report.Results, 3)
			for _, result := range report.Results {
				assert.Equal(t, check.Timeout, result.ErrorType)
			}
		})
	}
	checks.Wait()
	assert.True(t, few.TryAcquire(2), "all descriptors are free again")
}

// A check hands off before it waits for an answer.
func TestCheckHandsOff(t *testing.T) {
	for name, test := range map[string]struct {
		checked check.Target
		want    bool
	}{
		"silent":       {literal(testnet.BlackHole(t)), true},
		"a name":       {check.Target{Host: "localhost", Port: testnet.ClosedPort(t, "127.0.0.1").Port(), Timeout: time.Minute}, true},
		"unknown zone": {literal(netip.MustParseAddrPort("[fe80::1%nosuchif]:80")), runtime.GOOS != "linux"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			waited := false
			report := newProbe(test.checked).Check(ctx, time.Now, unknownHost, func() {
				waited = true
				cancel() // the silent one would take its time
			})
			assert.Equal(t, test.want, waited)
			assert.Equal(t, test.want, len(report.Results) == 0, "it was ended")
		})
	}
}

// A target that refuses again and again, and then no longer does, is what it is
// each time: the dialer expects what it found the last time.
func TestRefusedThenUp(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	p := newProbe(literal(closed))
	dial := func() check.Result {
		report := p.Check(context.Background(), time.Now, unknownHost, noHandOff)
		return report.Results[0]
	}
	for range 3 {
		assert.Equal(t, check.ConnectionRefused, dial().ErrorType)
	}
	listener, err := net.Listen("tcp4", closed.String())
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, dial().Err)
	}
	require.NoError(t, listener.Close())
	for range 3 {
		assert.Equal(t, check.ConnectionRefused, dial().ErrorType)
	}
}

// A check that is ended says nothing, and leaves nothing behind.
func TestCheckEnded(t *testing.T) {
	silent := testnet.BlackHole(t)
	ctx, cancel := context.WithCancel(context.Background())
	reports := make(chan check.Report)
	go func() { reports <- newProbe(literal(silent)).Check(ctx, time.Now, unknownHost, noHandOff) }()
	cancel()
	assert.Empty(t, (<-reports).Results)
}

// fakeDialer is a dialer of which a test says what it finds, and when.
type fakeDialer struct {
	start func() (handshake, error)
	wait  func() (handshake, error)
}

func (f fakeDialer) begin() (handshake, error)                { return f.start() }
func (f fakeDialer) await(context.Context) (handshake, error) { return f.wait() }

// All addresses are dialled before the answer of any is awaited, and results that have
// failed are not dialled.
func TestAllAreDialledAtOnce(t *testing.T) {
	var begun sync.WaitGroup
	begun.Add(2)
	dialled := 0
	p := &Probe{target: &check.Target{Timeout: time.Minute}, newDialer: func(netip.AddrPort, *check.Target) dialer {
		return fakeDialer{
			func() (handshake, error) {
				dialled++
				begun.Done()
				return handshake{}, errPending
			},
			func() (handshake, error) {
				begun.Wait()
				return handshake{time: time.Second, retransmits: 1}, nil
			},
		}
	}}
	failed := check.Result{Family: check.IPv6, Status: check.Down, Err: errTimeout, ErrorType: check.DNSTimeout}
	p.results = []check.Result{{Family: check.IPv4, Address: v4}, failed, {Family: check.IPv4, Address: v4Later}}
	handedOff := false
	p.connect(t.Context(), func() { handedOff = true })
	assert.True(t, handedOff)
	assert.Equal(t, 2, dialled)
	failed.SYNRetransmits = check.UnknownRetransmits
	up := check.Result{Family: check.IPv4, Address: v4, Status: check.Up, HandshakeTime: time.Second, SYNRetransmits: 1}
	upLater := up
	upLater.Address = v4Later
	assert.Equal(t, []check.Result{up, failed, upLater}, p.results)
}

// An address keeps its dialer while it is the same.
func TestDialersAreKept(t *testing.T) {
	var made []netip.AddrPort
	p := &Probe{target: &check.Target{Port: 443}, newDialer: func(address netip.AddrPort, _ *check.Target) dialer {
		made = append(made, address)
		return fakeDialer{start: func() (handshake, error) { return handshake{}, nil }}
	}}
	for n, test := range []struct {
		addresses, want []netip.Addr
	}{
		{[]netip.Addr{v4, v6}, []netip.Addr{v4, v6}},
		{[]netip.Addr{v4, v6}, nil},
		{[]netip.Addr{v4Later, v6}, []netip.Addr{v4Later}},
		{[]netip.Addr{v4Later}, nil},
		{[]netip.Addr{v4Later, v6, v4}, []netip.Addr{v4}},
	} {
		made, p.results = nil, nil
		for _, address := range test.addresses {
			p.results = append(p.results, check.Result{Family: check.FamilyOf(address), Address: address})
		}
		p.connect(t.Context(), noHandOff)
		var want []netip.AddrPort
		for _, address := range test.want {
			want = append(want, netip.AddrPortFrom(address, 443))
		}
		assert.Equal(t, want, made, "%d", n)
	}
}

// Where this machine has no address for one that is not checked, that is what is said.
func TestExplain(t *testing.T) {
	ipv4Only := hostWith("192.0.2.9")
	failedBy := func(errno syscall.Errno) error { return newDialError(netip.AddrPort{}, "connect", errno) }
	const lacks = "this machine has no ipv6 address from which it could reach them"
	for _, test := range []struct {
		name   string
		result check.Result
		host   *HostAddresses
		want   string
	}{
		{"no address", check.Result{Family: check.IPv6, Address: v6, Status: check.Unchecked, Lack: check.LacksPorts, Err: failedBy(syscall.EADDRNOTAVAIL)}, ipv4Only, lacks},
		{"no family", check.Result{Family: check.IPv6, Address: v6, Status: check.Unchecked, Lack: check.LacksAddressFamily, Err: failedBy(syscall.EAFNOSUPPORT)}, ipv4Only, lacks},
		{"no descriptor", check.Result{Family: check.IPv6, Address: v6, Status: check.Unchecked, Lack: check.LacksFileDescriptors, Err: failedBy(syscall.EMFILE)}, ipv4Only, ""},
		{"no port", check.Result{Family: check.IPv4, Address: v4, Status: check.Unchecked, Lack: check.LacksPorts, Err: failedBy(syscall.EADDRNOTAVAIL)}, ipv4Only, ""},
		{"nothing is known of this machine", check.Result{Family: check.IPv6, Address: v6, Status: check.Unchecked, Lack: check.LacksPorts, Err: failedBy(syscall.EADDRNOTAVAIL)}, nil, ""},
		{"no address is known", check.Result{Family: check.IPv6, Status: check.Unchecked, Lack: check.LacksPorts, Err: failedBy(syscall.EADDRNOTAVAIL)}, ipv4Only, ""},
		{"it is down", check.Result{Family: check.IPv6, Address: v6, Status: check.Down, Err: failedBy(syscall.EADDRNOTAVAIL)}, ipv4Only, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &Probe{results: []check.Result{test.result}}
			p.explain(func() *HostAddresses { return test.host })
			if test.want == "" {
				assert.Equal(t, test.result.Err, p.results[0].Err)
			} else {
				assert.Equal(t, check.LacksFamilyError{Family: check.IPv6}, p.results[0].Err)
				assert.Equal(t, check.LacksAddressFamily, p.results[0].Lack)
				assert.EqualError(t, p.results[0].Err, test.want)
			}
		})
	}
}

// An address that is denied is not dialled, whether it is written or a name has it.
func TestDeniedAddresses(t *testing.T) {
	accepted := make(chan struct{}, 10)
	up := testnet.ListenFunc(t, "tcp4", "127.0.0.1:0", func() { accepted <- struct{}{} })
	for _, test := range []struct {
		host    string
		rules   *check.Addresses
		results int
	}{
		{"127.0.0.1", &check.Addresses{Denied: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, 0},
		{"::ffff:127.0.0.1", &check.Addresses{Denied: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, 0},
		{"localhost", &check.Addresses{Denied: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, 0},
		{"127.0.0.1", &check.Addresses{Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, 0},
		{"127.0.0.1", &check.Addresses{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, 1},
	} {
		target := literal(up)
		target.Host, target.Families, target.Addresses, target.MaxCacheDuration = test.host, []check.Family{check.IPv4}, test.rules, time.Hour
		p := newProbe(target)
		report := p.Check(context.Background(), time.Now, func() *HostAddresses { return ReadHostAddresses(nil) }, noHandOff)
		assert.Len(t, report.Results, test.results, "%+v", test)
		assert.Len(t, report.Denied, 1-test.results, "%+v", test)
		assert.True(t, report.Done())
		assert.True(t, report.Complete())
		if test.results == 1 {
			<-accepted
		}
	}
	assert.Empty(t, accepted)
}
