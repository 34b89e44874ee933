//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

func printHeader() {
	fmt.Printf("%-8s %7s  %-10s  %10s  %8s %8s  %9s  %7s %8s  %9s %9s\n",
		"targets", "number", "by", "CPU/check", "to bare", "to Dialer", "wall", "allocs", "bytes", "held", "peak")
}

// results are the medians by state, number and contender.
var results = map[string]cost{}

func key(state string, n int, by string) string { return fmt.Sprint(state, n, by) }

func printLines(state string, n int, contenders []contender, runs [][]cost, r *receiver) {
	floor, dialer := median(runs[0]), median(runs[1])
	for i, c := range contenders {
		m := median(runs[i])
		results[key(state, n, c.name)] = m
		fmt.Printf("%-8s %7d  %-10s  %10v  %8.2f %8.2f  %9v  %7.1f %8.0f", state, n, c.name,
			m.cpu.Round(10*time.Nanosecond), ratio(m.cpu, floor.cpu), ratio(m.cpu, dialer.cpu), m.wall.Round(time.Millisecond), m.allocs, m.bytes)
		if c.name == "receiver" {
			fmt.Printf("  %7d B %9s", r.held, peak())
			if n == 10_000 {
				addGoal(fmt.Sprintf("bytes held per target, 10,000 %s", state), float64(r.held), 2048)
			}
		}
		fmt.Println()
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// peak returns the largest resident memory of this process so far.
func peak() string {
	process, err := procfs.Self()
	if err != nil {
		return "?"
	}
	status, err := process.NewStatus()
	if err != nil {
		return "?"
	}
	return fmt.Sprintf("%d kB", status.VmHWM>>10)
}

// goal is a figure that is to be at most limit.
type goal struct {
	what         string
	value, limit float64
}

// goals are those that have been measured.
var goals []goal

func addGoal(what string, value, limit float64) { goals = append(goals, goal{what, value, limit}) }

// printGoals prints whether the goals are met, or by how much they are missed.
func printGoals() {
	fmt.Println()
	for _, state := range []struct {
		name  string
		limit float64
	}{{"up", 1.3}, {"refused", 1.5}} {
		receiver, ok := results[key(state.name, 10_000, "receiver")]
		if !ok {
			continue
		}
		floor := results[key(state.name, 10_000, "bare calls")]
		addGoal(fmt.Sprintf("CPU per check, 10,000 %s, to the bare calls", state.name), ratio(receiver.cpu, floor.cpu), state.limit)
		addGoal(fmt.Sprintf("allocations per check, 10,000 %s", state.name), receiver.allocs, 9.99)
		if many, ok := results[key(state.name, 100_000, "receiver")]; ok {
			addGoal(fmt.Sprintf("CPU per check, 100,000 %s, to that at 10,000", state.name), ratio(many.cpu, receiver.cpu), 1.15)
		}
	}
	for _, g := range goals {
		outcome := "met"
		if g.value > g.limit {
			outcome = fmt.Sprintf("missed by %.2f", g.value-g.limit)
		}
		fmt.Printf("%-55s %7.2f, goal at most %6.2f: %s\n", g.what, g.value, g.limit, outcome)
	}
}
