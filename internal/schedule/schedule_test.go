package schedule

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a Schedule of targets with a check on this machine's clock, until end is called,
// which waits for its checks.
func run(t *testing.T, slots, targets int, check Checker[int]) (s *Schedule[int], end func()) {
	t.Helper()
	s = New(Settings{Clock: SystemClock(), Slots: slots}, check)
	for n := range targets {
		s.Add(n, fmt.Sprint(n), time.Hour)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	return s, func() { cancel(); running.Wait() }
}

// A target that waits for its answer holds up none of the others, and each is checked
// once, however often it hands off.
func TestHandOff(t *testing.T) {
	const targets = 100
	var waiting sync.WaitGroup
	waiting.Add(targets)
	var checks [targets]atomic.Int64
	_, end := run(t, targets*2, targets, func(_ context.Context, target int, late time.Duration, handOff func()) Outcome {
		assert.GreaterOrEqual(t, late, time.Duration(0))
		handOff()
		handOff()
		checks[target].Add(1)
		waiting.Done()
		waiting.Wait() // for all others to wait as well
		return Outcome{Dials: 1}
	})
	waiting.Wait()
	end()
	for n := range checks {
		assert.Equal(t, int64(1), checks[n].Load())
	}
}

// So many checks as there are slots are under way at the same time.
func TestSlots(t *testing.T) {
	var underWay, most atomic.Int64
	var done sync.WaitGroup
	done.Add(50)
	_, end := run(t, 4, 50, func(_ context.Context, _ int, _ time.Duration, handOff func()) Outcome {
		now := underWay.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		handOff()
		underWay.Add(-1)
		done.Done()
		return Outcome{Dials: 1}
	})
	done.Wait()
	end()
	assert.LessOrEqual(t, most.Load(), int64(3), "one is kept for those that answered")
}

// A Schedule that is ended starts no more checks, and waits for those under way.
func TestRunEnds(t *testing.T) {
	begun := make(chan struct{}, 10)
	s, end := run(t, 1, 10, func(ctx context.Context, _ int, _ time.Duration, handOff func()) Outcome {
		begun <- struct{}{}
		handOff()
		<-ctx.Done()
		return Outcome{Silent: true}
	})
	<-begun
	end()
	assert.Empty(t, begun)
	assert.Zero(t, s.Stats().UnderWay)
}

// What is done to a Schedule that has nothing to do takes effect at once.
func TestChangesWake(t *testing.T) {
	checked := make(chan int)
	s, end := run(t, 10, 0, func(_ context.Context, target int, _ time.Duration, _ func()) Outcome {
		checked <- target
		return Outcome{}
	})
	e := s.Add(1, "one", time.Hour)
	assert.Equal(t, 1, <-checked)
	s.CheckNow(e)
	assert.Equal(t, 1, <-checked)
	s.Replace(e, 2, 100*time.Millisecond, "one")
	assert.Equal(t, 2, <-checked)
	s.Remove(e)
	end()
}
