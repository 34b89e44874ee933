package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	progressAfter = time.Second            // what is done sooner needs no progress
	progressEvery = 250 * time.Millisecond // it is written anew
)

// progress is a line on a terminal that says how many targets have been checked.
type progress struct {
	to            io.Writer
	all           int
	checked, down atomic.Int64
	ended         chan struct{}
	shown         sync.WaitGroup
}

// showProgress shows the progress of the checks of so many targets, unless it is not to a terminal.
func showProgress(to io.Writer, all int) *progress {
	p := &progress{to: to, all: all, ended: make(chan struct{})}
	if isTerminal(to) {
		p.shown.Go(p.show)
	}
	return p
}

// add adds a target that has been checked, whose report counts as down if one of its addresses is.
func (p *progress) add(r *check.Report) {
	if slices.ContainsFunc(r.Results, func(r check.Result) bool { return r.Status == check.Down }) {
		p.down.Add(1)
	}
	p.checked.Add(1)
}

// end removes the line.
func (p *progress) end() {
	close(p.ended)
	p.shown.Wait()
}

// show rewrites the line until the end. That a terminal is gone is no error of the checks.
func (p *progress) show() {
	ticker := time.NewTicker(progressAfter)
	defer ticker.Stop()
	written := false
	for {
		select {
		case <-ticker.C:
			ticker.Reset(progressEvery)
			written = true
			_, _ = fmt.Fprintf(p.to, "%schecked %d of %d targets, %d down", eraseLine, p.checked.Load(), p.all, p.down.Load())
		case <-p.ended:
			if written {
				_, _ = io.WriteString(p.to, eraseLine)
			}
			return
		}
	}
}
