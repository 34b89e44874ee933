//go:build linux

package main

import (
	"fmt"
	"maps"
	"net/netip"
)

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
func compare(targets []*target, found collection) comparison {
	var c comparison
	reported := make(map[string]map[netip.Addr]bool)
	for r, connected := range found.results {
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
