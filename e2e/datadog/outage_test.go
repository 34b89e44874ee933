package datadog

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// An intake that is down for a while: what was measured meanwhile arrives
// afterwards, with the times of the checks, and nothing twice.
func TestIntakeOutage(t *testing.T) {
	assertArrives := func(t *testing.T, down, up func(*intake), more ...string) {
		t.Helper()
		in, target := newIntake(t), newTarget(t)
		start(t, in, target.check(), more...)
		in.await(canConnect, "up", 1)

		down(in)
		made := target.awaitChecks(4)
		require.Less(t, len(in.arrived(canConnect)), made-1, "the intake is not down")
		up(in)

		arrived := in.await(canConnect, "up", made)
		seconds := make(map[int64]bool)
		for _, p := range arrived {
			seconds[p.seconds] = true
		}
		assert.Len(t, seconds, len(arrived), "a check has arrived twice")
	}
	refuse := func(i *intake) {
		i.refuseWith(http.StatusServiceUnavailable)
		i.awaitRefused(1)
	}
	accept := func(i *intake) { i.refuseWith(0) }

	t.Run("refuses_connections", func(t *testing.T) {
		t.Parallel()
		assertArrives(t, (*intake).close, (*intake).open)
	})
	t.Run("answers_with_an_error", func(t *testing.T) {
		t.Parallel()
		assertArrives(t, refuse, accept)
	})
	t.Run("sending_queue", func(t *testing.T) {
		// Neither this queue nor these retries are what keeps the data.
		t.Parallel()
		assertArrives(t, refuse, accept,
			"--config", "yaml:exporters::datadog::sending_queue::enabled: false",
			"--config", "yaml:exporters::datadog::retry_on_failure::enabled: false")
	})
	t.Run("full", func(t *testing.T) {
		// Room for a few payloads only: the oldest are given up.
		t.Parallel()
		in, target := newIntake(t), newTarget(t)
		command := command(t, in, target.check())
		command.Env = append(slices.Clone(environment), "DD_FORWARDER_RETRY_QUEUE_PAYLOADS_MAX_SIZE=1000")
		harness.Start(t, command, harness.CollectorReady)
		in.await(canConnect, "up", 1)
		refuse(in)
		made := target.awaitChecks(8)
		last := time.Now().Unix()
		accept(in)
		arrived := in.awaitThat(canConnect, "up", func(points []point) bool {
			return slices.ContainsFunc(points, func(p point) bool { return p.seconds > last })
		})
		inOutage := only(arrived, func(p point) bool { return p.seconds <= last })
		assert.Less(t, len(inOutage), made-2, "nothing was given up")
	})
}

// target accepts connections and counts them.
type target struct {
	t       *testing.T
	address netip.AddrPort
	checks  atomic.Int64
}

func newTarget(t *testing.T) *target {
	t.Helper()
	c := &target{t: t}
	c.address = testnet.ListenFunc(t, "tcp4", "127.0.0.1:0", func() { c.checks.Add(1) })
	return c
}

// check returns the options of a receiver that checks the target, in no second twice.
func (c *target) check() string {
	return fmt.Sprintf("collection_interval: 3s\ninstances: [{name: up, endpoint: %q}]", c.address)
}

// awaitChecks returns how many checks there have been, once there are so many more.
func (c *target) awaitChecks(more int64) int {
	c.t.Helper()
	enough := c.checks.Load() + more
	require.Eventually(c.t, func() bool { return c.checks.Load() >= enough }, harness.Patience, 10*time.Millisecond)
	return int(c.checks.Load())
}
