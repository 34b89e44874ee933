package probe

import (
	"cmp"
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
	// cutOff says of each family whether the name has an address in it that this
	// machine does not reach.
	cutOff [check.IPv6 + 1]bool
	// reached says of addresses whether host reaches them.
	host    *HostAddresses
	reached map[netip.Addr]bool
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
	if slices.ContainsFunc(c.answers, answer.notFound) && age >= c.bound {
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
	c.name = cmp.Or(r.name, c.name)
	if r.complete && slices.ContainsFunc(r.answers, answer.found) {
		c.answers, c.resolved = r.answers, now
	}
}

// observe takes note of what a check found.
func (c *nameCache) observe(results []check.Result) {
	c.failed = c.failed || slices.ContainsFunc(results, func(r check.Result) bool { return r.Status == check.Down || r.Status == check.Unconfirmed })
}

// reaches reports whether host reaches an address. The system is asked once for each
// resolution, and anew when the addresses of this machine have changed.
func (c *nameCache) reaches(host *HostAddresses, addr netip.Addr) bool {
	if c.reached == nil || c.host != host {
		c.host, c.reached = host, make(map[netip.Addr]bool)
	}
	ok, asked := c.reached[addr]
	if !asked {
		ok = host.Reaches(addr)
		c.reached[addr] = ok
	}
	return ok
}
