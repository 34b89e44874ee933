//go:build linux

// Command accuracy measures how true the receiver's response times are under
// load, beside those of a plain net.Dialer timed by the clock, in one run: on
// loopback, and against a test peer that answers after programmed delays. A packet
// capture has the truth.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

func main() { os.Exit(harness.InNamespace("", run)) }

// method measures the handshakes with all of targets at the same time, and
// returns the times that it has of them.
type method struct {
	name    string
	measure func(targets []netip.AddrPort) (map[netip.AddrPort]time.Duration, error)
}

var methods = []method{
	{name: "receiver", measure: collect},
	{name: "net.Dialer", measure: dial},
}

func run() int {
	onLoopback := flag.Int("loopback", 10_000, "targets on loopback")
	behindPeer := flag.Int("peer", 2_000, "targets behind the test peer")
	serve := flag.String("serve", "", "serve connections to this address, for the measuring process")
	delay := flag.Duration("delay", 0, "be the test peer, with this delay, for the measuring process")
	flag.Parse()
	switch {
	case *serve != "":
		return report(peers.Serve(*serve))
	case *delay != 0:
		return report(peers.ServeHosts(peers.Behaviour{Delay: *delay}))
	}
	if err := peers.Available(); err != nil {
		return report(err)
	}
	fmt.Printf("%-12s %-10s %7s  %29s  %29s  %29s\n", "", "", "", "true time", "reported time", "error")
	fmt.Printf("%-12s %-10s %7s  %9s %9s %9s  %9s %9s %9s  %9s %9s %9s\n", "targets", "by", "checks", "p50", "p99", "max", "p50", "p99", "max", "p50", "p99", "max")
	return report(errors.Join(measureLoopback(*onLoopback), measurePeer(*behindPeer)))
}

func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		return 1
	}
	return 0
}

// measureLoopback measures n targets, distinct addresses of 127.0.0.0/8 that
// another process serves.
func measureLoopback(n int) error {
	server, err := peers.StartServer("-serve", "0.0.0.0:0")
	if err != nil {
		return err
	}
	defer server.Stop()
	return measure("loopback", "lo", server.Targets(n), 100*time.Microsecond)
}

// measurePeer measures n targets behind a test peer, which is another process, for each
// of its delays.
func measurePeer(n int) error {
	targets := make([]netip.AddrPort, n)
	for i := range targets {
		targets[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(1 + i>>8), byte(i)}), 80)
	}
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond} {
		server, err := peers.StartServer("-delay", delay.String())
		if err != nil {
			return err
		}
		err = measure(fmt.Sprintf("peer, %v", delay), peers.Device, targets, max(time.Millisecond, delay/100))
		server.Stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// measure prints a line for each method, with the truth as it is on a device.
func measure(name, device string, targets []netip.AddrPort, goal time.Duration) error {
	for _, m := range methods {
		capture, err := newCapture(device)
		if err != nil {
			return err
		}
		reported, err := m.measure(targets)
		truth, captureErr := capture.handshakes()
		if err := errors.Join(err, captureErr); err != nil {
			return err
		}
		if err := compare(name, m.name, len(targets), truth, reported, goal); err != nil {
			return err
		}
	}
	return nil
}
