//go:build linux

package main

import (
	"cmp"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// contender is a way to check targets.
type contender struct {
	name string
	// check checks them all and returns how long that took by the clock.
	check func(targets []netip.AddrPort) (time.Duration, error)
}

// cost is what the checks of one round took, per check but for the wall time.
type cost struct {
	cpu    time.Duration
	wall   time.Duration
	allocs float64
	bytes  float64
}

func measureCost(c contender, targets []netip.AddrPort) (cost, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime()
	wall, err := c.check(targets)
	used := cpuTime() - began
	runtime.ReadMemStats(&after)
	n := len(targets)
	return cost{
		cpu: used / time.Duration(n), wall: wall,
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}, err
}

// cpuTime is what this process has used, in user mode and in the kernel.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// median returns the median of each figure.
func median(costs []cost) cost {
	return cost{
		cpu: middle(costs, func(c cost) time.Duration { return c.cpu }), wall: middle(costs, func(c cost) time.Duration { return c.wall }),
		allocs: middle(costs, func(c cost) float64 { return c.allocs }), bytes: middle(costs, func(c cost) float64 { return c.bytes }),
	}
}

func middle[T cmp.Ordered](costs []cost, figure func(cost) T) T {
	figures := make([]T, len(costs))
	for i, c := range costs {
		figures[i] = figure(c)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}
