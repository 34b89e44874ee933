package bench

import (
	"cmp"
	"fmt"
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
	check func(targets []netip.AddrPort) time.Duration
}

// cost is what the checks of one round took, per check but for the wall time.
type cost struct {
	cpu    time.Duration
	wall   time.Duration
	allocs float64
	bytes  float64
}

func measureCost(c contender, targets []netip.AddrPort) cost {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime()
	wall := c.check(targets)
	took := cpuTime() - began
	runtime.ReadMemStats(&after)
	n := len(targets)
	return cost{
		cpu: took / time.Duration(n), wall: wall,
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

// used is what this process has used so far.
func used() (usage syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are right
	}
	return usage
}

// cpuTime is the time in user mode and in the kernel.
func cpuTime() time.Duration {
	usage := used()
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

// table is what is printed, and what it says of the goals.
type table struct {
	goals []goal
	// usual is the CPU time of a check by the receiver with 10,000 targets, by their state.
	usual map[string]time.Duration
}

// goal is a figure that is to be at most limit.
type goal struct {
	what         string
	value, limit float64
}

func (t *table) addGoal(what string, value, limit float64) {
	t.goals = append(t.goals, goal{what, value, limit})
}

func (t *table) printHeader() {
	fmt.Printf("%-8s %7s  %-10s  %10s  %8s %8s  %9s  %7s %8s  %9s %9s\n",
		"targets", "number", "by", "CPU/check", "to bare", "to Dialer", "wall", "allocs", "bytes", "held", "peak")
}

// printLines prints a line for each contender, of which the receiver is the last one and
// has held so many bytes per target.
func (t *table) printLines(state string, n int, contenders []contender, runs [][]cost, held uint64) {
	floor, dialer := median(runs[0]), median(runs[1])
	var m cost
	for i, c := range contenders {
		m = median(runs[i])
		if i > 0 {
			fmt.Println()
		}
		fmt.Printf("%-8s %7d  %-10s  %10v  %8.2f %8.2f  %9v  %7.1f %8.0f", state, n, c.name,
			m.cpu.Round(10*time.Nanosecond), ratio(m.cpu, floor.cpu), ratio(m.cpu, dialer.cpu), m.wall.Round(time.Millisecond), m.allocs, m.bytes)
	}
	fmt.Printf("  %7d B %6d kB\n", held, used().Maxrss)
	limit, ok := map[string]float64{"up": 1.3, "refused": 1.5}[state]
	switch {
	case n == 10_000:
		t.addGoal(fmt.Sprintf("bytes held per target, 10,000 %s", state), float64(held), 2048)
		if ok {
			t.addGoal(fmt.Sprintf("CPU per check, 10,000 %s, to the bare calls", state), ratio(m.cpu, floor.cpu), limit)
			t.addGoal(fmt.Sprintf("allocations per check, 10,000 %s", state), m.allocs, 9.99)
		}
		t.usual[state] = m.cpu
	case n == 100_000 && ok && t.usual[state] > 0:
		t.addGoal(fmt.Sprintf("CPU per check, 100,000 %s, to that at 10,000", state), ratio(m.cpu, t.usual[state]), 1.15)
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// printPromises prints a line for each, of those that have connections.
func (t *table) printPromises(promises []promise) {
	fmt.Printf("\n%-8s %7s  %11s  %14s  %32s  %26s\n", "", "", "", "last connected", "from connection to delivery", "response time")
	fmt.Printf("%-8s %7s  %11s  %14s  %10s %10s %10s  %8s %8s %8s\n", "targets", "number", "wall", "after", "shortest", "p50", "longest", "p50", "p99", "longest")
	for _, p := range promises {
		if len(p.lags) == 0 || len(p.times) == 0 {
			continue
		}
		fmt.Printf("%-8s %7d  %11v  %14v  %10v %10v %10v  %8v %8v %8v\n", p.state, p.n, ms(p.wall), ms(p.last),
			ms(p.lags[0]), ms(p.lags[len(p.lags)/2]), ms(p.lags[len(p.lags)-1]),
			quantile(p.times, 0.5), quantile(p.times, 0.99), quantile(p.times, 1))
		if p.state == "silent" && p.n == 10_000 {
			t.addGoal("seconds until all healthy of 10,000 are connected", p.last.Seconds(), 2)
			t.addGoal("seconds of a collection with 1,000 silent", p.wall.Seconds(), timeout.Seconds()+1)
		}
	}
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))].Round(time.Microsecond)
}

// printGoals prints whether the goals are met, or by how much they are missed.
func (t *table) printGoals() {
	fmt.Println()
	for _, g := range t.goals {
		outcome := "met"
		if g.value > g.limit {
			outcome = fmt.Sprintf("missed by %.2f", g.value-g.limit)
		}
		fmt.Printf("%-55s %7.2f, goal at most %6.2f: %s\n", g.what, g.value, g.limit, outcome)
	}
}
