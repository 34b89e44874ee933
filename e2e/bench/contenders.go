//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/inprocess"
)

// bare makes the system calls of a check and nothing else, one after the other.
// It does not wait for an answer: on loopback there is none to wait for.
func bare(targets []netip.AddrPort) (time.Duration, error) {
	began := time.Now()
	for _, target := range targets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return 0, os.NewSyscallError("socket", err)
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()})
		if err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return 0, os.NewSyscallError("connect", err)
		}
		if err := unix.Close(fd); err != nil {
			return 0, os.NewSyscallError("close", err)
		}
	}
	return time.Since(began), nil
}

// dialsAtOnce is how many dials of a net.Dialer are under way at a time, within
// the usual limits of descriptors.
const dialsAtOnce = 8192

func dial(targets []netip.AddrPort) (time.Duration, error) {
	began := time.Now()
	var dials sync.WaitGroup
	places := make(chan struct{}, dialsAtOnce)
	for _, target := range targets {
		places <- struct{}{}
		dials.Go(func() {
			dialer := net.Dialer{Timeout: timeout}
			if conn, err := dialer.Dial("tcp", target.String()); err == nil {
				_ = conn.Close()
			}
			<-places
		})
	}
	dials.Wait()
	return time.Since(began), nil
}

// receiver is the receiver, whose collections are held back between rounds.
type receiver struct {
	metrics   collector.Metrics
	collected chan collection
	release   chan struct{}
	stopped   chan struct{}
	held      uint64 // bytes of memory held between collections, per target
	profiled  int    // collections
}

// collection is what there is to know of one.
type collection struct {
	points int
	wall   time.Duration
}

// newReceiver returns a receiver of targets, made by its factory, that has made
// its first collection.
func newReceiver(targets []netip.AddrPort) (*receiver, error) {
	before := heap()
	instances := make([]any, len(targets))
	for i, target := range targets {
		instances[i] = map[string]any{"name": fmt.Sprint("target ", i), "endpoint": target.String()}
	}
	r := &receiver{collected: make(chan collection), release: make(chan struct{}), stopped: make(chan struct{})}
	var err error
	r.metrics, err = inprocess.Start(map[string]any{"initial_delay": 0, "collection_interval": timeout.String(), "instances": instances}, r.consume)
	if err != nil {
		return nil, err
	}
	<-r.collected
	if after := heap(); after > before {
		r.held = (after - before) / uint64(len(targets))
	}
	return r, nil
}

// heap returns the bytes of live objects and of stacks.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// consume tells of a collection, and holds the receiver back until it is released.
func (r *receiver) consume(_ context.Context, metrics pmetric.Metrics) error {
	c := collection{points: metrics.DataPointCount()}
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			if metric.Type() == pmetric.MetricTypeGauge { // its points bear the time at which the collection began
				c.wall = time.Since(metric.Gauge().DataPoints().At(0).Timestamp().AsTime())
			}
		}
	}
	select {
	case r.collected <- c:
	case <-r.stopped:
		return nil
	}
	select {
	case <-r.release:
	case <-r.stopped:
	}
	return nil
}

// collect makes one collection. Its wall time is from its beginning to its
// delivery; the wait for the next interval is not in it.
func (r *receiver) collect(targets []netip.AddrPort) (time.Duration, error) {
	if profile != "" {
		r.profiled++
		file, err := os.Create(fmt.Sprint(profile, ".", r.profiled))
		if err != nil {
			return 0, err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return 0, err
		}
		defer pprof.StopCPUProfile()
	}
	r.release <- struct{}{}
	c := <-r.collected
	if c.points < len(targets) {
		return 0, fmt.Errorf("%d points of %d targets", c.points, len(targets))
	}
	return c.wall, nil
}

func (r *receiver) stop() {
	close(r.stopped)
	_ = r.metrics.Shutdown(context.Background())
}

// blackHole returns a port of all of 127.0.0.0/8 that never answers a SYN: its
// listener's queue, which has room for one (listen(2), backlog 0), is full.
func blackHole() (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		return 0, os.NewSyscallError("listen", err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	port := bound.(*unix.SockaddrInet4).Port
	_, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	return uint16(port), err
}
