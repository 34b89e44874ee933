package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// unableToCheck is what the receiver says of its machine, before the reasons.
const unableToCheck = "this machine is unable to check some instances, which says nothing about them: "

// healthy returns the options of a receiver that checks n targets, all of them
// distinct addresses of 127.0.0.0/8 at which something listens.
func healthy(t *testing.T, n int, options string) string {
	t.Helper()
	// The queue of a listener holds 4,096 connections, so there are several.
	ports := make([]uint16, 1+n/1000)
	for i := range ports {
		ports[i] = testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	}
	var config strings.Builder
	config.WriteString(options + "\ninstances:\n")
	for i := range n {
		address := netip.AddrFrom4([4]byte{127, 1, byte(i / 250), byte(1 + i%250)})
		fmt.Fprintf(&config, "  - {name: t%d, endpoint: %q, timeout: 1s}\n", i, netip.AddrPortFrom(address, ports[i%len(ports)]))
	}
	return config.String()
}

// requireAllUp waits for three results of each of n targets, and requires that none of
// them is down in any.
func requireAllUp(t *testing.T, page reader, n int) {
	t.Helper()
	results := make(map[string]map[time.Time]bool) // when, by the address that was checked
	page.await(t, func(page harness.Page) bool {
		thrice := 0
		for _, result := range page.Of(canConnect) {
			require.InDelta(t, 1, result.Value, 0, result.Labels)
			address := result.Labels["network_peer_address"]
			if results[address] == nil {
				results[address] = make(map[time.Time]bool)
			}
			if results[address][result.At] = true; len(results[address]) >= 3 {
				thrice++
			}
		}
		return thrice == n
	})
}

// With few descriptors all healthy targets are still checked, and none is down.
func TestDescriptorLimit(t *testing.T) {
	config, page := pipeline(t, healthy(t, 1000, "collection_interval: 2s\nflush_interval: 1s"))
	c := harness.Start(t, exec.Command("sh", "-c", `ulimit -n 256 && exec "$@"`, "sh", binary(t), "--config", config), harness.CollectorReady)
	require.Regexp(t, `Max open files +256 +256`, harness.Read(t, fmt.Sprintf("/proc/%d/limits", c.PID())))
	requireAllUp(t, page, 1000)
	assert.NotContains(t, c.Output(), "unable to check")
}

// With all processors busy, no healthy target is down.
func TestBusyMachine(t *testing.T) {
	for range 2 * runtime.NumCPU() {
		work := exec.Command("sh", "-c", "while :; do :; done")
		require.NoError(t, work.Start())
		t.Cleanup(func() {
			_ = work.Process.Kill()
			_ = work.Wait()
		})
	}
	config, page := pipeline(t, healthy(t, 5000, "collection_interval: 3s\nflush_interval: 1s"))
	c := start(t, config)
	requireAllUp(t, page, 5000)
	assert.NotContains(t, c.Output(), "cannot connect")
}
