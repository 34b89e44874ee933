//go:build linux

package main

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// schedTrace counts the goroutines in the detailed scheduler trace of the Go
// runtime: a line that begins with SCHED, and then one for each processor,
// thread and goroutine that there is or has been.
type schedTrace struct {
	// counted gets the number of goroutines, those of the runtime included, and
	// when the trace that lists them began. It is called when the next one
	// begins.
	counted func(time.Time, int)
	began   time.Time // zero before the first trace
	alive   int
}

var traceLine = regexp.MustCompile(`^  ([PMG])\d+: (?:status=(\d+))?`)

// Goroutine states (runtime2.go of the runtime). A goroutine that is being
// scanned has scanning added to its state.
const (
	unused   = 0
	dead     = 6
	scanning = 0x1000
)

// add takes a line, and reports whether it belongs to a trace.
func (s *schedTrace) add(line string) bool {
	if strings.HasPrefix(line, "SCHED ") {
		if !s.began.IsZero() {
			s.counted(s.began, s.alive)
		}
		s.began, s.alive = time.Now(), 0
		return true
	}
	found := traceLine.FindStringSubmatch(line)
	if found == nil {
		return false
	}
	if found[1] == "G" {
		status, err := strconv.Atoi(found[2])
		if status &^= scanning; err == nil && status != unused && status != dead {
			s.alive++
		}
	}
	return true
}
