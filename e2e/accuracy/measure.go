//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// collect measures by one collection of the receiver.
func collect(targets []netip.AddrPort) (map[netip.AddrPort]time.Duration, error) {
	instances := make([]any, len(targets))
	for i, target := range targets {
		instances[i] = map[string]any{"name": fmt.Sprint(i), "endpoint": target.String(), "collect_response_time": true, "min_collection_interval": "1h"}
	}
	config := confmap.NewFromStringMap(map[string]any{"initial_delay": 0, "instances": instances})
	collected := make(chan pmetric.Metrics, 1)
	receiver, err := harness.StartReceiver(config, zap.NewNop(), func(_ context.Context, metrics pmetric.Metrics) error {
		collected <- metrics
		return nil
	})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	select {
	case metrics := <-collected:
		return responseTimes(metrics), receiver.Shutdown(ctx)
	case <-time.After(harness.Patience):
		return nil, errors.Join(errors.New("no collection"), receiver.Shutdown(ctx))
	}
}

// responseTimes returns those of a collection, by address.
func responseTimes(metrics pmetric.Metrics) map[netip.AddrPort]time.Duration {
	times := make(map[netip.AddrPort]time.Duration)
	for _, point := range harness.Points(metrics, "network.tcp.response_time") {
		address, _ := point.Attributes().Get("network.peer.address")
		port, _ := point.Attributes().Get("server.port")
		target := netip.AddrPortFrom(netip.MustParseAddr(address.Str()), uint16(port.Int()))
		times[target] = time.Duration(point.DoubleValue() * float64(time.Second))
	}
	return times
}

// dial measures by the clock around a net.Dialer's dials.
func dial(targets []netip.AddrPort) (map[netip.AddrPort]time.Duration, error) {
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
	byTarget := make(map[netip.AddrPort]time.Duration, len(targets))
	for i, target := range targets {
		byTarget[target] = times[i]
	}
	return byTarget, errors.Join(errs...)
}
