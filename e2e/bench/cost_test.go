package bench

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// cost is what the checks of one round took, per check but for the share of a core.
type cost struct {
	cpu    time.Duration
	core   float64
	allocs float64
	bytes  float64
}

// measureCost measures what checks cost, whose number the function returns.
func measureCost(check func() int) cost {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, used := time.Now(), cpuTime()
	n := max(1, check())
	took, wall := cpuTime()-used, time.Since(began)
	runtime.ReadMemStats(&after)
	return cost{
		cpu: took / time.Duration(n), core: took.Seconds() / wall.Seconds(),
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
		cpu: middle(costs, func(c cost) time.Duration { return c.cpu }), core: middle(costs, func(c cost) float64 { return c.core }),
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
type table struct{ goals []goal }

// toBare is how many times the CPU of the bare calls a check may take, by the state of its target.
var toBare = map[string]float64{"up": 1.25, "refused": 1.35, "quiet": 1.25}

// goal is a figure that is to be at most limit.
type goal struct {
	what         string
	value, limit float64
}

func (t *table) addGoal(what string, value, limit float64) {
	t.goals = append(t.goals, goal{what, value, limit})
}

func (t *table) printHeader() {
	fmt.Printf("%-8s %8s  %-10s  %10s  %8s %8s  %9s  %7s %8s  %9s\n",
		"targets", "number", "by", "CPU/check", "to bare", "to Dialer", "of a core", "allocs", "bytes", "held")
}

// printLines prints a line for each contender, of which the receiver is the last one and
// has held so many bytes per target.
func (t *table) printLines(state string, n int, names []string, runs [][]cost, held uint64) {
	floor, dialer := median(runs[0]), median(runs[1])
	var m cost
	for i, name := range names {
		m = median(runs[i])
		if i > 0 {
			fmt.Println()
		}
		fmt.Printf("%-8s %8d  %-10s  %10v  %8.2f %8.2f  %8.2f%%  %7.1f %8.0f", state, n, name,
			m.cpu.Round(10*time.Nanosecond), ratio(m.cpu, floor.cpu), ratio(m.cpu, dialer.cpu), 100*m.core, m.allocs, m.bytes)
	}
	fmt.Printf("  %7d B\n", held)
	t.addGoal(fmt.Sprintf("CPU per check, %d %s, to the bare calls", n, state), ratio(m.cpu, floor.cpu), toBare[state])
	if n == 10_000 {
		t.addGoal(fmt.Sprintf("per cent of a core, 10,000 %s every %v", state, interval), 100*m.core, 5)
		t.addGoal(fmt.Sprintf("bytes held per target, 10,000 %s", state), float64(held), 2048)
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func (t *table) printTicksHeader() {
	fmt.Printf("\n%-22s  %12s  %12s\n", "667 checks a second", "bare calls", "net.Dialer")
}

// printTick prints what a check of each loop costs at a tick.
func (t *table) printTick(tick time.Duration, bare, dial cost) {
	name := "in ticks of " + tick.String()
	if tick == 0 {
		name = "without a pause"
	}
	fmt.Printf("%-22s  %12v  %12v\n", name, bare.cpu.Round(10*time.Nanosecond), dial.cpu.Round(10*time.Nanosecond))
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func quantile[T any](sorted []T, q float64) T { return sorted[int(q*float64(len(sorted)-1))] }

// printGoals prints whether the goals are met, or by how much they are missed.
func (t *table) printGoals() {
	fmt.Println()
	for _, g := range t.goals {
		outcome := "met"
		if g.value > g.limit {
			outcome = fmt.Sprintf("missed by %.2f", g.value-g.limit)
		}
		fmt.Printf("%-62s %8.2f, goal at most %7.2f: %s\n", g.what, g.value, g.limit, outcome)
	}
}

// pause lets time pass: what is measured is what happens in it.
func pause(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // there is nothing to wait for
