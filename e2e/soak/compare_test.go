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

// results are the points of network.tcp.can_connect of a collection, by instance and
// address: whether it connected.
type results map[string]map[netip.Addr]bool

// history is the results of all collections, by their time. It is safe for concurrent use.
type history struct {
	mu          sync.Mutex
	collections map[int64]results // by nanoseconds
}

// add adds a result, of an address that is invalid where there is none.
func (h *history) add(at time.Time, instance, address string, connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.collections == nil {
		h.collections = make(map[int64]results)
	}
	collection := h.collections[at.UnixNano()]
	if collection == nil {
		collection = make(results)
		h.collections[at.UnixNano()] = collection
	}
	if collection[instance] == nil {
		collection[instance] = make(map[netip.Addr]bool)
	}
	addr, _ := netip.ParseAddr(address)
	collection[instance][addr] = connected
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

// compare compares the collection that began at a time with the real state of targets.
func (h *history) compare(began time.Time, targets []*target) comparison {
	h.mu.Lock()
	defer h.mu.Unlock()
	return compare(targets, h.collections[began.UnixNano()])
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
func compare(targets []*target, found results) comparison {
	var c comparison
	others := maps.Clone(found)
	for _, t := range targets {
		c.count(t.instance, t.truth(), found[t.instance])
		delete(others, t.instance)
	}
	for instance, reported := range others {
		c.count(instance, nil, reported)
	}
	return c
}

// count counts a target as right or wrong, and its points.
func (c *comparison) count(instance string, truth, reported map[netip.Addr]bool) {
	for _, connected := range reported {
		if connected {
			c.up++
		} else {
			c.down++
		}
	}
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
		found  results
		wrong  int
	}{
		{named, results{"x": {a: true, b: false}}, 0},
		{named, results{"x": {a: true}}, 1},
		{named, results{"x": {a: true, b: true}}, 1},
		{named, results{"x": {a: true, b: false, netip.Addr{}: false}}, 1},
		{named, results{"x": {a: true, b: false}, "y": {a: false}}, 1},
		{&first, results{"x": {a: true}}, 0},
	} {
		assert.Equal(t, test.wrong, compare([]*target{test.target}, test.found).wrong, "%v", test.found)
	}
}
