package main

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/probe"
)

// checker checks targets, again and again.
type checker struct {
	system   *probe.System
	probes   []*probe.Probe   // of each
	sessions []*probe.Session // of each; nil if it has none
	errs     io.Writer        // which shows the progress if it is a terminal
}

// prefixPatience is how long results wait for the network to say which addresses are behind NAT64.
const prefixPatience = time.Second

func newChecker(targets []*check.Target, errs io.Writer) *checker {
	c := &checker{system: probe.NewSystem(prefixPatience), errs: errs}
	for _, target := range targets {
		var session *probe.Session
		if target.SessionInterval() != 0 {
			session = c.system.Session(target)
		}
		c.probes, c.sessions = append(c.probes, c.system.Probe(target)), append(c.sessions, session)
	}
	return c
}

// close ends what the checker does in the background.
func (c *checker) close() { c.system.Close() }

// check checks each target once, all at the same time.
func (c *checker) check(ctx context.Context) []check.Report {
	host := sync.OnceValue(func() *probe.HostAddresses { return probe.ReadHostAddresses(nil) })
	reports := make([]check.Report, len(c.probes))
	progress := showProgress(c.errs, len(c.probes))
	defer progress.end()
	var running sync.WaitGroup
	for i, p := range c.probes {
		running.Go(func() {
			var holding sync.WaitGroup
			var held *check.SessionReport
			if c.sessions[i] != nil {
				holding.Go(func() {
					found := c.sessions[i].Check(ctx, time.Now, host)
					held = &found
				})
			}
			reports[i] = p.Check(ctx, time.Now, host, func() {})
			holding.Wait()
			reports[i].Session = held
			progress.add(&reports[i])
		})
	}
	running.Wait()
	return reports
}

// repeat checks each target count times, or if that is 0, until ctx ends; an interval after each
// other, or as soon as the slowest one is done if that takes longer. Of a check that is cut short
// nothing is told.
func (c *checker) repeat(ctx context.Context, count int, interval time.Duration, tell func([]check.Report) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		done := slices.DeleteFunc(c.check(ctx), func(r check.Report) bool { return !r.Done() || ctx.Err() != nil && lacksSessions(&r) })
		if err := tell(done); err != nil || n == count {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
