//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// compare prints a line of the table: true and reported times and the difference
// of each pair, and for the receiver whether the goal is met. It returns an error
// if there are not n of both, or nearly so many of the truth: a capture may lose
// some.
func compare(targets, by string, n int, truth, reported map[netip.AddrPort]time.Duration, goal time.Duration) error {
	var trueTimes, times, errs []time.Duration
	for address, told := range reported {
		if wanted, ok := truth[address]; ok {
			trueTimes, times, errs = append(trueTimes, wanted), append(times, told), append(errs, (told-wanted).Abs())
		}
	}
	if len(reported) != n || len(errs) < n*9/10 {
		return fmt.Errorf("%s by %s: %d reported times and %d true ones of %d", targets, by, len(reported), len(truth), n)
	}
	fmt.Printf("%-12s %-10s %7d  %s  %s  %s", targets, by, len(errs), quantiles(trueTimes), quantiles(times), quantiles(errs))
	if p99 := quantile(errs, 0.99); by == methods[0].name && p99 <= goal {
		fmt.Printf("  goal met: p99 of the error at most %v", goal)
	} else if by == methods[0].name {
		fmt.Printf("  goal missed by %v: p99 of the error at most %v", short(p99-goal), goal)
	}
	fmt.Println()
	return nil
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
