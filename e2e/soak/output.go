//go:build linux

package main

import (
	"bytes"
	"strings"
	"sync"
)

// lines is a writer that hands on each line without its end.
type lines struct {
	each func(string)
	rest []byte // of a line that is not complete
}

func (l *lines) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			l.rest = append([]byte(nil), l.rest...) // leave what was handed on to the garbage collector
			return len(text), nil
		}
		l.each(string(line))
		l.rest = rest
	}
}

// tailLines is how many lines of the output are kept, and how many more from a
// panic on.
const tailLines = 40

// output is what a collector has written, as far as it matters. It is safe for
// concurrent use.
type output struct {
	mu      sync.Mutex
	changed chan struct{} // closed when it gets ready once more
	ready   int
	lines   int
	panics  []string
	errors  map[string]int // lines of level error, by message
	last    []string
}

func newOutput() *output {
	return &output{changed: make(chan struct{}), errors: make(map[string]int)}
}

func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines++
	if strings.Contains(line, "panic") || strings.HasPrefix(line, "fatal error:") {
		o.panics = append(o.panics, line)
	}
	o.keep(line)
	// Time, level, caller, message and fields.
	if fields := strings.Split(line, "\t"); len(fields) > 3 && fields[1] == "error" {
		o.errors[fields[3]]++
	}
	if strings.Contains(line, "Everything is ready") {
		o.ready++
		close(o.changed)
		o.changed = make(chan struct{})
	}
}

// keep keeps a line for tail.
func (o *output) keep(line string) {
	switch {
	case len(o.panics) == 0:
		o.last = append(o.last[max(0, len(o.last)-tailLines+1):], line)
	case len(o.last) < 2*tailLines:
		o.last = append(o.last, line)
	}
}

// readiness returns how many times the collector has said that it is ready, and
// a channel that is closed when it says so again.
func (o *output) readiness() (int, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ready, o.changed
}

// tail returns the last lines, or those around the first panic.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last, "\n")
}
