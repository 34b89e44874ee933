package probe

import (
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// nameCache holds what is known of a name from earlier checks.
type nameCache struct {
	// bound is how long the addresses of the target are used at most.
	bound time.Duration
	// name is the rooted name that the host stood for when it last resolved.
	name string
	// last has the addresses that each family had when it last had any: a
	// series keeps its attributes when its name no longer resolves.
	last map[check.Family][]netip.Addr
	// answers are those of the last complete resolution, at resolved.
	answers  []answer
	resolved time.Time
	// failed says that a check since then found an address down.
	failed bool
	// cutOff are the families in which the name has an address that this machine
	// does not reach.
	cutOff []check.Family
	// reached are the addresses of which it is known whether host reaches them.
	host    *HostAddresses
	reached []reach
}

// reach is whether this machine reaches an address.
type reach struct {
	address netip.Addr
	ok      bool
}

// fresh reports whether the answers may be used for a check of a target now.
func (c *nameCache) fresh(t *check.Target, now time.Time) bool {
	if c.answers == nil {
		return false
	}
	age := now.Sub(c.resolved)
	if t.CacheDuration == check.UntilError {
		return !c.failed && age < c.bound
	}
	if slices.ContainsFunc(c.answers, func(a answer) bool { return a.notFound() }) && age >= c.bound {
		return false // a family may have come since
	}
	return age < t.CacheDuration
}

// spread returns how long addresses of a target are used at most: between half of its
// MaxCacheDuration and all of it, so that targets that were resolved at the same time
// are not resolved at the same time ever after.
func spread(t *check.Target) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(t.Labels.Name + "\x00" + t.Host))
	half := t.MaxCacheDuration / 2
	return half + time.Duration(float64(half)*float64(hash.Sum32())/(1<<32))
}

// store keeps a resolution that was made now for later checks, unless it is only half of
// the truth: no family has addresses, or something failed.
func (c *nameCache) store(r resolution, now time.Time) {
	c.answers, c.failed, c.reached = nil, false, nil
	if r.name != "" {
		c.name = r.name
	}
	if r.complete && slices.ContainsFunc(r.answers, func(a answer) bool { return a.found() }) {
		c.answers, c.resolved = r.answers, now
	}
}

// observe takes note of what a check found.
func (c *nameCache) observe(results []check.Result) {
	if slices.ContainsFunc(results, func(r check.Result) bool { return r.Status == check.Down || r.Status == check.Unconfirmed }) {
		c.failed = true
	}
}

// reaches reports whether host reaches an address. The system is asked once for each
// resolution, and anew when the addresses of this machine have changed.
func (c *nameCache) reaches(host *HostAddresses, addr netip.Addr) bool {
	if c.host != host {
		c.host, c.reached = host, nil
	}
	for _, r := range c.reached {
		if r.address == addr {
			return r.ok
		}
	}
	ok := host.Reaches(addr)
	c.reached = append(c.reached, reach{addr, ok})
	return ok
}

// setCutOff takes note of whether this machine is cut off from a family. A lookup that
// failed says nothing about that.
func (c *nameCache) setCutOff(a answer, usable bool) {
	switch {
	case a.found() && !usable:
		if !slices.Contains(c.cutOff, a.family) {
			c.cutOff = append(c.cutOff, a.family)
		}
	case usable || a.notFound():
		c.cutOff = slices.DeleteFunc(c.cutOff, func(f check.Family) bool { return f == a.family })
	}
}
