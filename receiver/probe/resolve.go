package probe

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/receiver/target"
)

// nameCache holds what is known of a name from earlier checks.
type nameCache struct {
	// last has the addresses that each family had when it last had any: a
	// series keeps its attributes when its name no longer resolves.
	last map[target.Family][]netip.Addr
	// answers are those of the last complete resolution, at resolved.
	answers  []answer
	resolved time.Time
	// failed says that a check since then found an address down.
	failed bool
}

// answer is what the resolver said about one family of a name.
type answer struct {
	family    target.Family
	addresses []netip.Addr // those to check
	err       error        // nil if and only if there are addresses
	errorType ErrorType
	// localFault says that this machine was unable to ask, and err why.
	localFault bool
	time       time.Duration
}

func (a *answer) found() bool    { return a.err == nil }
func (a *answer) notFound() bool { return a.errorType == DNSNotFound }

// fresh reports whether the answers may be used for another check.
func (c *nameCache) fresh(duration time.Duration) bool {
	switch {
	case c.answers == nil:
		return false
	case duration == target.UntilError:
		return !c.failed
	}
	return time.Since(c.resolved) < duration
}

// store keeps answers for later checks, unless they are only half of the truth:
// no family has addresses, or the resolver failed for one.
func (c *nameCache) store(answers []answer) {
	c.answers, c.failed = nil, false
	if !slices.ContainsFunc(answers, func(a answer) bool { return a.found() }) ||
		slices.ContainsFunc(answers, func(a answer) bool { return !a.found() && !a.notFound() }) {
		return
	}
	c.answers, c.resolved = answers, time.Now()
}

// observe takes note of what a check found.
func (c *nameCache) observe(results []Result) {
	if slices.ContainsFunc(results, func(r Result) bool { return !r.Connected() && !r.LocalFault }) {
		c.failed = true
	}
}

// resolve sets the results to one for each address that is to be dialled, and a
// failed one for each family that has none but should. It returns the resolutions
// that took place.
func (p *Probe) resolve(ctx context.Context, host HostAddresses, waiting func()) []Lookup {
	answers := p.names.answers
	var lookups []Lookup
	if !p.names.fresh(p.target.CacheDuration) {
		waiting()
		answers = p.lookUp(ctx)
		if ctx.Err() != nil {
			p.results = p.results[:0]
			return nil // the answers say nothing about the name
		}
		p.names.store(answers)
		for _, a := range answers {
			lookups = append(lookups, Lookup{Family: a.family, Time: a.time})
		}
	}
	if len(p.target.Families) > 0 {
		p.results = p.required(answers)
	} else {
		p.results = p.automatic(answers, host)
	}
	return lookups
}

// lookUp asks the resolver for the families of the target at the same time.
// Where the only family asked for has no address, it asks for the other one as
// well, to tell a name without such an address from one that does not exist.
func (p *Probe) lookUp(ctx context.Context) []answer {
	families := p.target.Families
	if len(families) == 0 {
		families = target.Families
	}
	answers := make([]answer, len(families))
	var lookups sync.WaitGroup
	for i, family := range families {
		lookups.Go(func() { answers[i] = p.lookUpFamily(ctx, family) })
	}
	lookups.Wait()

	if len(answers) == 1 && answers[0].notFound() {
		answers = append(answers, p.lookUpFamily(ctx, families[0].Other()))
	}
	slices.SortFunc(answers, func(a, b answer) int { return int(a.family) - int(b.family) })
	return answers
}

// lookUpFamily asks the resolver for the addresses of one family, and returns
// those that are to be checked.
func (p *Probe) lookUpFamily(ctx context.Context, family target.Family) answer {
	a := p.resolver.lookUp(ctx, family, p.target.Host, p.target.Timeout)
	if a.found() && !p.target.MultipleIPs {
		a.addresses = a.addresses[:1]
	}
	return a
}

// required returns the results of the families that the target asks for, in the
// place of the last ones: a family without an address is down.
func (p *Probe) required(answers []answer) []Result {
	results := p.results[:0]
	exists := slices.ContainsFunc(answers, func(a answer) bool { return !a.notFound() })
	for _, a := range answers {
		if !slices.Contains(p.target.Families, a.family) {
			continue
		}
		if a.notFound() && exists {
			a.errorType = NoAddress
		}
		results = p.appendFamily(results, a)
	}
	return results
}

// automatic returns the results of the families that the name resolves to and
// that this machine has an address for, in the place of the last ones. Where that
// leaves none, all that the name resolves to are dialled, since something is to be
// said about it.
func (p *Probe) automatic(answers []answer, host HostAddresses) []Result {
	isFound := func(a answer) bool { return a.found() }
	isUsable := func(a answer) bool { return a.found() && slices.ContainsFunc(a.addresses, host.Reaches) }
	found, usable := slices.ContainsFunc(answers, isFound), slices.ContainsFunc(answers, isUsable)

	results := p.results[:0]
	for _, a := range answers {
		switch {
		case found && a.notFound():
			delete(p.names.last, a.family) // the name no longer has this family, if it ever had
		case usable && a.found() && !isUsable(a):
			// This machine has no address of this family.
		case len(p.names.last[a.family]) > 0 || a.found():
			results = p.appendFamily(results, a)
		case found:
			results = append(results, Result{Family: a.family, Err: a.err, ErrorType: a.errorType, LocalFault: a.localFault, Speculative: true})
		}
	}
	if len(results) > 0 {
		return results
	}
	// The name never resolved. An answer that failed weighs more than one that
	// says that there is nothing.
	reason := answers[0]
	if reason.notFound() {
		reason = answers[1]
	}
	return append(results, Result{Err: reason.err, ErrorType: reason.errorType, LocalFault: reason.localFault})
}

// appendFamily appends a result for each address of a, and where it has none, a
// failed one for each address that the family had last, or one without address.
func (p *Probe) appendFamily(results []Result, a answer) []Result {
	if a.found() {
		if p.names.last == nil {
			p.names.last = make(map[target.Family][]netip.Addr, len(target.Families))
		}
		p.names.last[a.family] = a.addresses
	}
	result := Result{Family: a.family, Err: a.err, ErrorType: a.errorType, LocalFault: a.localFault}
	addresses := p.names.last[a.family]
	if len(addresses) == 0 {
		return append(results, result)
	}
	for _, addr := range addresses {
		result.Address = addr
		results = append(results, result)
	}
	return results
}
