//go:build linux

package soak

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// result names a point of network.tcp.can_connect within a collection.
type result struct {
	instance string
	address  netip.Addr
}

// history is the results of all collections, by their time: for each, whether it
// connected. It is safe for concurrent use.
type history struct {
	mu          sync.Mutex
	collections map[int64]map[result]bool // by nanoseconds
}

func (h *history) add(at time.Time, r result, connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.collections == nil {
		h.collections = make(map[int64]map[result]bool)
	}
	if h.collections[at.UnixNano()] == nil {
		h.collections[at.UnixNano()] = make(map[result]bool)
	}
	h.collections[at.UnixNano()][r] = connected
}

// between returns when the collections began that began in a time.
func (h *history) between(from, until time.Time) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []time.Time
	for _, nanoseconds := range slices.Sorted(maps.Keys(h.collections)) {
		if at := time.Unix(0, nanoseconds); at.After(from) && at.Before(until) {
			found = append(found, at)
		}
	}
	return found
}

// at returns the results of a collection.
func (h *history) at(began time.Time) map[result]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.collections[began.UnixNano()])
}

// comparison says of how many targets a collection has the truth: a point for
// each address that was to be checked, with the right value, and no other point.
type comparison struct {
	right, wrong int // targets
	up, down     int // points
	examples     []string
}

const maxExamples = 10

// compare compares a collection with the real state of the targets that are
// configured. A target that is reported without being configured is wrong.
func compare(targets []*target, found map[result]bool) comparison {
	var c comparison
	reported := make(map[string]map[netip.Addr]bool)
	for r, connected := range found {
		if reported[r.instance] == nil {
			reported[r.instance] = make(map[netip.Addr]bool)
		}
		reported[r.instance][r.address] = connected
		if connected {
			c.up++
		} else {
			c.down++
		}
	}
	for _, t := range targets {
		c.count(t.instance, t.truth(), reported[t.instance])
		delete(reported, t.instance)
	}
	for instance, results := range reported {
		c.count(instance, nil, results)
	}
	return c
}

// count counts a target as right or wrong.
func (c *comparison) count(instance string, truth, reported map[netip.Addr]bool) {
	if maps.Equal(truth, reported) {
		c.right++
		return
	}
	c.wrong++
	if len(c.examples) < maxExamples {
		c.examples = append(c.examples, fmt.Sprintf("%s is %v, reported as %v", instance, truth, reported))
	}
}

func (c comparison) String() string {
	return fmt.Sprintf("%d right, %d wrong (%d addresses connect, %d do not)", c.right, c.wrong, c.up, c.down)
}

// A target is wrong if an address is missing, has the wrong value or is one too
// many, and if it is not configured at all.
func TestCompare(t *testing.T) {
	a, b := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	named := &target{
		instance: "x", host: "x.test", multiple: true, addresses: []netip.Addr{a, b},
		peers: []*peer{{addr: netip.AddrPortFrom(a, 1), state: listening}, {addr: netip.AddrPortFrom(b, 1), state: silent}},
	}
	first := *named
	first.multiple = false
	for _, test := range []struct {
		target *target
		found  map[result]bool
		wrong  int
	}{
		{named, map[result]bool{{"x", a}: true, {"x", b}: false}, 0},
		{named, map[result]bool{{"x", a}: true}, 1},
		{named, map[result]bool{{"x", a}: true, {"x", b}: true}, 1},
		{named, map[result]bool{{"x", a}: true, {"x", b}: false, {"x", netip.Addr{}}: false}, 1},
		{named, map[result]bool{{"x", a}: true, {"x", b}: false, {"y", a}: false}, 1},
		{&first, map[result]bool{{"x", a}: true}, 0},
	} {
		assert.Equal(t, test.wrong, compare([]*target{test.target}, test.found).wrong, "%v", test.found)
	}
}
