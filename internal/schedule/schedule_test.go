package schedule

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pass lets time pass, in a bubble of synctest.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // it is not waited for anything

// run runs a Schedule of targets with a check on this machine's clock, until end is called,
// which waits for its checks.
func run(t *testing.T, settings Settings, targets int, check Checker[int]) (s *Schedule[int], end func()) {
	t.Helper()
	settings.Clock = SystemClock()
	s = New(settings, check)
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
	_, end := run(t, Settings{Slots: targets * 2}, targets, func(_ context.Context, target int, late time.Duration, handOff func()) Outcome {
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
	_, end := run(t, Settings{Slots: 4}, 50, func(_ context.Context, _ int, _ time.Duration, handOff func()) Outcome {
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
	s, end := run(t, Settings{Slots: 1}, 10, func(ctx context.Context, _ int, _ time.Duration, handOff func()) Outcome {
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
	s, end := run(t, Settings{Slots: 10}, 0, func(_ context.Context, target int, _ time.Duration, _ func()) Outcome {
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

// A check that waited for its answer wakes the others, for the one that waits for its slot, and for
// the one that is to follow it.
func TestEndsWake(t *testing.T) {
	for _, test := range []struct {
		name    string
		targets int
		outcome Outcome
		want    []int
	}{
		{"for one that waits", 2, Outcome{Dials: 1}, []int{0, 1}},
		{"for one that waits, of another line", 2, Outcome{Dials: 1, Silent: true}, []int{0, 1}},
		{"to be checked again", 1, Outcome{Dials: 1, Again: 5 * time.Second}, []int{0, 0, 0}},
		{"to be checked again, urgently", 1, Outcome{Dials: 1, Again: 5 * time.Second, Urgent: true}, []int{0, 0, 0}},
		{"not to be checked again", 1, Outcome{Dials: 1}, []int{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var checked []int
				_, end := run(t, Settings{Slots: 1}, test.targets, func(_ context.Context, target int, _ time.Duration, handOff func()) Outcome {
					mu.Lock()
					checked = append(checked, target)
					mu.Unlock()
					handOff()
					pass(time.Second)
					return test.outcome
				})
				pass(14 * time.Second)
				end()
				assert.Equal(t, test.want, checked)
			})
		})
	}
}

// The slots that a check of a target may take that did not answer the last time.
func TestForOthers(t *testing.T) {
	for _, test := range []struct{ all, heaviest, want int32 }{
		{1, 0, 1}, {2, 0, 1}, {4, 0, 3}, {5, 0, 3}, {8, 0, 6}, {8, 4, 4}, {8, 8, 1}, {9, 1, 6},
	} {
		s := slots{all: test.all, heaviest: test.heaviest}
		assert.Equal(t, test.want, s.forOthers(), "%+v", test)
	}
	s := slots{all: 8}
	assert.True(t, s.free(others, 8), "more than there are for its line, of which none is taken")
	s.take(others, 4)
	assert.True(t, s.free(others, 2))
	assert.False(t, s.free(others, 3))
	assert.True(t, s.free(answered, 4))
	assert.False(t, s.free(answered, 5))
}

func TestPace(t *testing.T) {
	p := pace{credit: 1}
	assert.True(t, p.allows(0, 1))
	p.count()
	assert.False(t, p.allows(0, 1))
	assert.True(t, p.allows(time.Second, 1))
}

// One worker starts checks as long as it keeps up, and as many as there may be while it does
// not.
func TestWorkers(t *testing.T) {
	for _, test := range []struct {
		name             string
		targets, workers int // a check takes 7 ms, and one worker has 5 s for all
		most             int64
		leavesOut        bool
	}{
		{"one keeps up", 100, 2, 1, false},
		{"one does not", 1000, 1, 1, true},
		{"two do", 1000, 2, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var underWay, most atomic.Int64
				s, end := run(t, Settings{Slots: 10, Workers: test.workers}, 0, func(context.Context, int, time.Duration, func()) Outcome {
					n := underWay.Add(1)
					most.Store(max(most.Load(), n))
					pass(7 * time.Millisecond)
					underWay.Add(-1)
					return Outcome{Dials: 1}
				})
				entries := make([]*Entry[int], test.targets)
				for n := range entries {
					entries[n] = s.Add(n, fmt.Sprint(n), 5*time.Second)
				}
				pass(5 * time.Second) // the first checks come faster than that
				most.Store(0)
				before := s.Stats().LeftOut
				pass(time.Minute)
				assert.Equal(t, test.most, most.Load())
				assert.Equal(t, test.leavesOut, s.Stats().LeftOut > before)
				for _, e := range entries {
					s.Remove(e)
				}
				pass(time.Second)
				assert.Equal(t, 1, s.starting, "the others have ended")
				end()
			})
		})
	}
}
