// Package accuracy measures how true the receiver's response times are under
// load, beside those of a plain net.Dialer timed by the clock, in one run: on
// loopback, and against a test peer that answers after programmed delays. A packet
// capture has the truth.
package accuracy

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

var (
	onLoopback = flag.Int("loopback", 0, "targets on loopback; 0 is not to run")
	behindPeer = flag.Int("peer", 2_000, "targets behind the test peer")
	withPage   = flag.Bool("page", false, "show the receiver on a status page that is fetched ten times a second meanwhile")
	serve      = flag.String("serve", "", "serve connections to this address, for the measuring process")
	delayed    = flag.Duration("delay", 0, "be the test peer, with this delay, for the measuring process")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.InNamespace("", func() int {
		switch {
		case *serve != "":
			log.Fatal(peers.Serve(*serve, ""))
		case *delayed != 0:
			log.Fatal(peers.ServeHosts(peers.Behaviour{Delay: *delayed}))
		}
		return m.Run()
	}))
}

// method measures the handshakes with all of targets at the same time, and
// returns the times that it has of them.
type method struct {
	name    string
	measure func(t *testing.T, targets []netip.AddrPort) map[netip.AddrPort]time.Duration
}

var methods = []method{
	{name: "receiver", measure: collect},
	{name: "net.Dialer", measure: dial},
}

// Targets on loopback are distinct addresses of 127.0.0.0/8. They and the test peer are
// served by other processes.
func TestAccuracy(t *testing.T) {
	if *onLoopback == 0 {
		t.Skip("is a measurement; run it by make accuracy")
	}
	peers.RequireHosts(t)
	fmt.Printf("%-12s %-10s %7s  %29s  %29s  %29s\n", "", "", "", "true time", "reported time", "error")
	fmt.Printf("%-12s %-10s %7s  %9s %9s %9s  %9s %9s %9s  %9s %9s %9s\n", "targets", "by", "checks", "p50", "p99", "max", "p50", "p99", "max", "p50", "p99", "max")
	server := peers.StartServer(t, "-serve", "0.0.0.0:0")
	measure(t, "loopback", "lo", server.Targets(*onLoopback), 100*time.Microsecond)
	targets := make([]netip.AddrPort, *behindPeer)
	for i := range targets {
		targets[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(1 + i>>8), byte(i)}), 80)
	}
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			peers.StartServer(t, "-delay", delay.String())
			measure(t, fmt.Sprintf("peer, %v", delay), peers.Device, targets, max(time.Millisecond, delay/100))
		})
	}
}

// measure prints a line for each method, with the truth as it is on a device.
func measure(t *testing.T, name, device string, targets []netip.AddrPort, goal time.Duration) {
	t.Helper()
	for _, m := range methods {
		capture := newCapture(t, device)
		reported := m.measure(t, targets)
		compare(t, name, m.name, len(targets), capture.handshakes(), reported, goal)
	}
}

// collect measures by the first checks of the receiver, which begin as fast as it starts them.
func collect(t *testing.T, targets []netip.AddrPort) map[netip.AddrPort]time.Duration {
	t.Helper()
	instances := make([]any, len(targets))
	for i, target := range targets {
		instances[i] = map[string]any{"name": fmt.Sprint(i), "endpoint": target.String(), "collect_response_time": true, "min_collection_interval": "1h"}
	}
	configured := map[string]any{"initial_delay": 0, "instances": instances}
	host := componenttest.NewNopHost()
	if *withPage {
		configured["status"] = pageID.String()
		var stop func()
		host, stop = startPage(t)
		defer stop()
	}
	payloads := make(chan pmetric.Metrics, 1000)
	receiver := harness.StartReceiverOn(t, host, confmap.NewFromStringMap(configured), componenttest.NewNopTelemetrySettings(), func(_ context.Context, metrics pmetric.Metrics) error {
		payloads <- metrics
		return nil
	})
	defer func() { require.NoError(t, receiver.Shutdown(context.Background())) }()
	times := make(map[netip.AddrPort]time.Duration)
	for checked := 0; checked < len(targets); {
		select {
		case metrics := <-payloads:
			for range harness.Points(metrics, "network.tcp.can_connect") {
				checked++
			}
			for _, point := range harness.Points(metrics, "network.tcp.response_time") {
				address, _ := point.Attributes().Get("network.peer.address")
				port, _ := point.Attributes().Get("server.port")
				target := netip.AddrPortFrom(netip.MustParseAddr(address.Str()), uint16(port.Int()))
				times[target] = time.Duration(point.DoubleValue() * float64(time.Second))
			}
		case <-time.After(harness.Patience):
			require.FailNow(t, "not all are checked", "%d of %d", checked, len(targets))
		}
	}
	return times
}

// dial measures by the clock around a net.Dialer's dials.
func dial(t *testing.T, targets []netip.AddrPort) map[netip.AddrPort]time.Duration {
	t.Helper()
	times := make([]time.Duration, len(targets))
	errs := make([]error, len(targets))
	var dials sync.WaitGroup
	for i, target := range targets {
		dials.Go(func() {
			dialer := net.Dialer{Timeout: harness.Patience}
			began := time.Now()
			conn, err := dialer.Dial("tcp", target.String())
			times[i] = time.Since(began)
			if err == nil {
				err = conn.Close()
			}
			errs[i] = err
		})
	}
	dials.Wait()
	require.NoError(t, errors.Join(errs...))
	byTarget := make(map[netip.AddrPort]time.Duration, len(targets))
	for i, target := range targets {
		byTarget[target] = times[i]
	}
	return byTarget
}

// compare prints a line of the table: true and reported times and the difference
// of each pair, and for the receiver whether the goal is met. The test fails if there
// are not n of both, or nearly so many of the truth: a capture may lose some.
func compare(t *testing.T, targets, by string, n int, truth, reported map[netip.AddrPort]time.Duration, goal time.Duration) {
	t.Helper()
	var trueTimes, times, errs []time.Duration
	for address, told := range reported {
		if wanted, ok := truth[address]; ok {
			trueTimes, times, errs = append(trueTimes, wanted), append(times, told), append(errs, (told-wanted).Abs())
		}
	}
	if len(reported) != n || len(errs) < n*9/10 {
		t.Fatalf("%s by %s: %d reported times and %d true ones of %d", targets, by, len(reported), len(truth), n)
	}
	fmt.Printf("%-12s %-10s %7d  %s  %s  %s", targets, by, len(errs), quantiles(trueTimes), quantiles(times), quantiles(errs))
	if p99 := quantile(errs, 0.99); by == methods[0].name && p99 <= goal {
		fmt.Printf("  goal met: p99 of the error at most %v", goal)
	} else if by == methods[0].name {
		fmt.Printf("  goal missed by %v: p99 of the error at most %v", short(p99-goal), goal)
	}
	fmt.Println()
}

// quantiles returns p50, p99 and maximum of times, which it sorts.
func quantiles(times []time.Duration) string {
	slices.Sort(times)
	return fmt.Sprintf("%9v %9v %9v", short(quantile(times, 0.5)), short(quantile(times, 0.99)), short(times[len(times)-1]))
}

// quantile returns the nearest rank of sorted times.
func quantile(times []time.Duration, q float64) time.Duration {
	return times[int(q*float64(len(times)-1))]
}

// short returns a duration to three digits or so.
func short(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= 100*unit {
			return d.Round(unit)
		}
		if d >= unit {
			return d.Round(unit / 100)
		}
	}
	return d
}
