package tunpeer

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connectAll connects to n addresses of the peer at the same time, closes the
// connections by a RST, and tells how long each handshake took its client.
func connectAll(t testing.TB, n int) map[flow]time.Duration {
	t.Helper()
	var (
		mu       sync.Mutex
		elapsed  = make(map[flow]time.Duration, n)
		failures []error
		wg       sync.WaitGroup
	)
	for i := range n {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(1 + i/250), byte(i % 250)}), 443)
		wg.Go(func() {
			conn, took, err := dial(addr, enough)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, err)
				return
			}
			elapsed[flow{client: conn.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort(), peer: addr}] = took
			if err := conn.SetLinger(0); err != nil {
				failures = append(failures, err)
			}
			conn.Close()
		})
	}
	wg.Wait()
	require.Empty(t, failures)
	return elapsed
}

func TestConcurrentHandshakes(t *testing.T) {
	const (
		n     = 500
		delay = 20 * time.Millisecond
	)
	peer := openPeer(t)
	peer.SetDefault(Behaviour{Delay: delay})
	elapsed := connectAll(t, n)

	handshakes := peer.Handshakes()
	require.Len(t, handshakes, n)
	var delays []time.Duration
	for _, h := range handshakes {
		assert.GreaterOrEqual(t, h.Delay, delay)
		took, ok := elapsed[flow{client: h.Client, peer: h.Peer}]
		assert.True(t, ok, "a handshake that no client made: %v", h)
		assert.LessOrEqual(t, h.Delay, took)
		delays = append(delays, h.Delay)
	}
	slices.Sort(delays)
	assert.InEpsilon(t, delay, delays[n/2], 0.2)
}

// TestSetWhileRunning is for the race detector.
func TestSetWhileRunning(t *testing.T) {
	peer := openPeer(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				peer.SetDefault(Behaviour{Delay: time.Duration(i%3) * time.Millisecond})
				peer.Set(families[0].addr, Behaviour{LoseSYNs: i})
				peer.Handshakes()
				peer.ResetHandshakes()
			}
		}
	})
	connectAll(t, 100)
	close(done)
	wg.Wait()
}

// BenchmarkHandshakes tells how late the answers are, in µs, with 2,000
// connections under way.
func BenchmarkHandshakes(b *testing.B) {
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond} {
		b.Run(fmt.Sprint(delay), func(b *testing.B) {
			peer := openPeer(b)
			peer.SetDefault(Behaviour{Delay: delay})
			for b.Loop() {
				connectAll(b, 2000)
			}
			var late []time.Duration
			for _, h := range peer.Handshakes() {
				late = append(late, h.Delay-delay)
			}
			slices.Sort(late)
			for _, percent := range []int{50, 90, 99} {
				us := float64(late[len(late)*percent/100]) / float64(time.Microsecond)
				b.ReportMetric(us, fmt.Sprintf("p%d-late-us", percent))
			}
		})
	}
}
