//go:build linux

// Command accuracy measures how true the receiver's response times are under
// load, beside those of a plain net.Dialer timed by the clock, in one run: on
// loopback, where a packet capture has the truth, and against a test peer that
// answers after programmed delays and records the real ones.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	"example.com/tcpcheckreceiver/e2e/loopback"
	"example.com/tcpcheckreceiver/e2e/tunpeer"
)

func main() { os.Exit(tunpeer.InNamespace(run)) }

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
	flag.Parse()
	if *serve != "" {
		return report(loopback.Serve(*serve))
	}
	if err := tunpeer.Available(); err != nil {
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
	server, err := loopback.Start("-serve", "0.0.0.0:0")
	if err != nil {
		return err
	}
	defer server.Stop()
	targets := server.Targets(n)
	for _, m := range methods {
		capture, err := newCapture("lo")
		if err != nil {
			return err
		}
		reported, err := m.measure(targets)
		truth, captureErr := capture.handshakes()
		if err := errors.Join(err, captureErr); err != nil {
			return err
		}
		if err := compare("loopback", m.name, n, truth, reported, 100*time.Microsecond); err != nil {
			return err
		}
	}
	return nil
}

// measurePeer measures n targets behind a peer for each of its delays.
func measurePeer(n int) error {
	peer, err := tunpeer.Open("peer0", netip.MustParsePrefix("198.18.0.0/16"))
	if err != nil {
		return err
	}
	defer func() { _ = peer.Close() }()
	targets := make([]netip.AddrPort, n)
	for i := range targets {
		targets[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(1 + i>>8), byte(i)}), 80)
	}
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond} {
		peer.SetDefault(tunpeer.Behaviour{Delay: delay})
		for _, m := range methods {
			peer.ResetHandshakes()
			reported, err := m.measure(targets)
			if err != nil {
				return err
			}
			truth := make(map[netip.AddrPort]time.Duration)
			for _, handshake := range peer.Handshakes() {
				if handshake.SYNs == 1 { // of others the peer does not know when the first one was sent
					truth[handshake.Peer] = handshake.Delay
				}
			}
			if err := compare(fmt.Sprintf("peer, %v", delay), m.name, n, truth, reported, max(time.Millisecond, delay/100)); err != nil {
				return err
			}
		}
	}
	return nil
}
