package schedule

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Those that were silent start last the next time, so that nobody waits behind them.
func TestSilentTargetsStartLast(t *testing.T) {
	g := NewGroup([]string{"silent 0", "up 1", "silent 2", "up 3"}, semaphore.NewWeighted(1))
	for _, want := range [][]string{
		{"silent 0", "up 1", "silent 2", "up 3"},
		{"up 1", "up 3", "silent 0", "silent 2"},
		{"up 1", "up 3", "silent 0", "silent 2"},
	} {
		var order []string
		g.Collect(t.Context(), func(_ context.Context, target string, handOff func()) bool {
			order = append(order, target) // there is one slot
			silent := strings.HasPrefix(target, "silent")
			if silent {
				handOff()
			}
			return silent
		})
		assert.Equal(t, want, order)
	}
}

// A target that waits for its answer holds up none of the others, and each is checked
// once, however often it hands off.
func TestHandOff(t *testing.T) {
	const targets = 100
	numbers := make([]int, targets)
	for i := range numbers {
		numbers[i] = i
	}
	g := NewGroup(numbers, nil)
	var waiting sync.WaitGroup
	waiting.Add(targets)
	var mu sync.Mutex
	var checked []int
	g.Collect(t.Context(), func(_ context.Context, target int, handOff func()) bool {
		handOff()
		handOff()
		waiting.Done()
		waiting.Wait() // for all others to wait as well
		mu.Lock()
		defer mu.Unlock()
		checked = append(checked, target)
		return false
	})
	slices.Sort(checked)
	assert.Equal(t, numbers, checked)
}

// So many checks as there are slots are under way at the same time.
func TestSlots(t *testing.T) {
	g := NewGroup(make([]int, 50), semaphore.NewWeighted(3))
	var underWay, most atomic.Int64
	g.Collect(t.Context(), func(_ context.Context, _ int, handOff func()) bool {
		now := underWay.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		handOff()
		underWay.Add(-1)
		return false
	})
	assert.LessOrEqual(t, most.Load(), int64(3))
}

// A collection that is ended starts no more checks, and waits for no slot.
func TestCollectEnded(t *testing.T) {
	for name, slots := range map[string]*semaphore.Weighted{"as many as there are": nil, "one": semaphore.NewWeighted(1)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			g := NewGroup(make([]int, 10), slots)
			var checks atomic.Int64
			g.Collect(ctx, func(ctx context.Context, _ int, handOff func()) bool {
				checks.Add(1)
				cancel()
				handOff()
				<-ctx.Done()
				return true
			})
			assert.Equal(t, int64(1), checks.Load())
		})
	}
}
