package scrape

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/receiver/probe"
)

// collection is one round of checks.
//
// One worker makes them, one after the other, as long as each is done at once. Where
// one has to wait for its answer, another worker takes over: there are as many
// goroutines as answers are awaited, and the next SYN is sent when the one before
// it has been, never ten thousand at once. A goroutine for each target took 3 µs more
// per check, and a worker for each core a tenth more for the same system calls, which
// then compete for the kernel's locks.
type collection struct {
	ctx      context.Context
	probes   []*probe.Probe
	host     probe.HostAddresses
	outcomes []probe.Outcome
	// order has the indices of the probes in the order in which their checks
	// start, and next how many have.
	order []int
	next  int
	// places limits the checks under way, unless it is nil.
	places  *semaphore.Weighted
	workers sync.WaitGroup
}

// run makes the checks. Where ctx ends before one of them does, its outcome is
// empty.
func (c *collection) run() {
	c.workers.Go(c.work)
	c.workers.Wait()
}

// work makes checks until none is left, or until another worker takes over. Only
// the latest worker starts any.
func (c *collection) work() {
	relieved := false
	relieve := func() {
		if !relieved {
			relieved = true
			c.workers.Go(c.work)
		}
	}
	for !relieved && c.next < len(c.order) && c.ctx.Err() == nil {
		i := c.order[c.next]
		c.next++
		c.check(i, relieve)
	}
}

func (c *collection) check(i int, waiting func()) {
	if c.places != nil {
		if c.places.Acquire(c.ctx, 1) != nil {
			return // ctx ended
		}
		defer c.places.Release(1)
	}
	// The only error is that of ctx: nothing is known then.
	c.outcomes[i], _ = c.probes[i].Check(c.ctx, c.host, waiting)
}
