//go:build linux

package main

import (
	"slices"
	"sync"
	"time"
)

// series is a figure over the time of a run. It is safe for concurrent use.
type series struct {
	mu     sync.Mutex
	points []point
}

// point is the value of a figure at a time since the start of the run.
type point struct {
	at    time.Duration
	value float64
}

func (s *series) add(at time.Duration, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points = append(s.points, point{at, value})
}

// all returns the points so far.
func (s *series) all() []point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.points)
}

// values returns the values in a window, sorted.
func (s *series) values(w window) []float64 {
	var values []float64
	for _, p := range s.all() {
		if p.at >= w.from && p.at < w.until {
			values = append(values, p.value)
		}
	}
	slices.Sort(values)
	return values
}

// median returns the middle one of sorted values, of which there are some.
func median(values []float64) float64 {
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2
	}
	return values[half]
}
