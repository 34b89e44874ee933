package probe

import (
	"context"
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/receiver/target"
)

// nameCache holds what is known of a name from earlier checks.
type nameCache struct {
	// name is the rooted name that the host stood for when it last resolved.
	name string
	// last has the addresses that each family had when it last had any: a
	// series keeps its attributes when its name no longer resolves.
	last map[target.Family][]netip.Addr
	// answers are those of the last complete resolution, at resolved.
	answers  []answer
	resolved time.Time
	// failed says that a check since then found an address down.
	failed bool
	// cutOff are the families in which the name has an address that this machine
	// does not reach.
	cutOff []target.Family
	// reached are the addresses of which it is known whether host reaches them.
	host    HostAddresses
	reached []reach
}

// reach is whether this machine reaches an address.
type reach struct {
	address netip.Addr
	ok      bool
}

// answer is what the resolver said about one family of a name.
type answer struct {
	family    target.Family
	addresses []netip.Addr // those to check
	// count is how many addresses there were, and unspecified says that one of them
	// was the unspecified address, which does not count.
	count       int
	unspecified bool
	err         error // nil if and only if there are addresses
	errorType   ErrorType
	// localFault says that this machine was unable to ask, and err why.
	localFault bool
	time       time.Duration // that it took; 0 if this family was not asked for
}

func (a *answer) found() bool { return a.err == nil }

// exists reports whether the name has something in this family.
func (a *answer) exists() bool { return a.found() || a.unspecified }

// notFound reports whether it is known that there is no address.
func (a *answer) notFound() bool { return a.errorType == DNSNotFound || a.errorType == NoAddress }

// fresh reports whether the answers may be used for another check of a target.
func (c *nameCache) fresh(t *target.Target) bool {
	if c.answers == nil {
		return false
	}
	age := time.Since(c.resolved)
	if t.CacheDuration == target.UntilError {
		return !c.failed && age < spread(t)
	}
	if slices.ContainsFunc(c.answers, func(a answer) bool { return a.notFound() }) && age >= spread(t) {
		return false // a family may have come since
	}
	return age < t.CacheDuration
}

// spread returns how long addresses of a target are used at most: between half of its
// MaxCacheDuration and all of it, so that targets that were resolved at the same time
// are not resolved at the same time ever after.
func spread(t *target.Target) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(t.Name + "\x00" + t.Host))
	half := t.MaxCacheDuration / 2
	return half + time.Duration(float64(half)*float64(hash.Sum32())/(1<<32))
}

// store keeps a resolution for later checks, unless it is only half of the truth: no
// family has addresses, or something failed.
func (c *nameCache) store(r resolution) {
	c.answers, c.failed, c.reached = nil, false, nil
	if r.name != "" {
		c.name = r.name
	}
	if r.complete && slices.ContainsFunc(r.answers, func(a answer) bool { return a.found() }) {
		c.answers, c.resolved = r.answers, time.Now()
	}
}

// observe takes note of what a check found.
func (c *nameCache) observe(results []Result) {
	if slices.ContainsFunc(results, func(r Result) bool { return !r.Connected() && !r.LocalFault }) {
		c.failed = true
	}
}

// reaches reports whether host reaches an address. The system is asked once for each
// resolution, and anew when the addresses of this machine have changed.
func (c *nameCache) reaches(host HostAddresses, addr netip.Addr) bool {
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

// resolve sets the results to one for each address that is to be dialled, and a
// failed one for each family that has none but should. It returns what is to be said
// about the name, without the results.
func (p *Probe) resolve(ctx context.Context, host HostAddresses, waiting func()) Outcome {
	answers := p.names.answers
	var outcome Outcome
	if !p.names.fresh(p.target) {
		waiting()
		resolved := p.lookUp(ctx)
		if ctx.Err() != nil {
			p.results = p.results[:0]
			return Outcome{} // the answers say nothing about the name
		}
		answers = resolved.answers
		p.names.store(resolved)
		for _, a := range answers {
			if a.time > 0 {
				outcome.Lookups = append(outcome.Lookups, Lookup{Family: a.family, Time: a.time})
			}
		}
	}
	if len(p.target.Families) > 0 {
		p.results = p.required(answers)
	} else {
		p.results, outcome.Omissions = p.automatic(answers, host)
	}
	if p.target.MultipleIPs {
		for _, a := range answers {
			if a.count > len(a.addresses) {
				outcome.Excesses = append(outcome.Excesses, Excess{Family: a.family, Found: a.count, Checked: len(a.addresses)})
			}
		}
	}
	return outcome
}

// lookUp asks the resolver for the families of the target, and returns those addresses
// that are to be checked.
func (p *Probe) lookUp(ctx context.Context) resolution {
	families := p.target.Families
	if len(families) == 0 {
		families = target.Families
	}
	r := p.resolver.resolve(ctx, p.target.Host, families, p.target.Timeout, p.names.name)
	if !p.target.MultipleIPs {
		for i := range r.answers {
			if a := &r.answers[i]; a.found() {
				a.addresses = a.addresses[:1]
			}
		}
	}
	return r
}

// required returns the results of the families that the target asks for, in the
// place of the last ones: a family without an address is down.
func (p *Probe) required(answers []answer) []Result {
	results := p.results[:0]
	exists := slices.ContainsFunc(answers, func(a answer) bool { return a.exists() })
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

// automatic returns the results of the families that the name resolves to and from
// which this machine reaches it, in the place of the last ones, and the families that it
// leaves out. Where that leaves none, all that the name resolves to are dialled, since
// something is to be said about it.
func (p *Probe) automatic(answers []answer, host HostAddresses) ([]Result, []Omission) {
	omissions, usable := p.omissions[:0], make([]answer, 0, len(answers))
	for _, a := range answers {
		isUsable := p.isUsable(a, host)
		p.names.setCutOff(a, isUsable)
		if isUsable {
			usable = append(usable, a)
			continue
		}
		delete(p.names.last, a.family)
		if slices.Contains(p.names.cutOff, a.family) {
			omissions = append(omissions, Omission{Family: a.family, Reason: MachineLacksFamily})
		}
	}
	found := slices.ContainsFunc(usable, func(a answer) bool { return a.found() })

	results := p.results[:0]
	for _, a := range usable {
		switch {
		case found && a.notFound():
			delete(p.names.last, a.family) // the name no longer has this family, if it ever had
			omissions = append(omissions, Omission{Family: a.family, Reason: NameLacksFamily})
		case len(p.names.last[a.family]) > 0 || a.found():
			results = p.appendFamily(results, a)
		case found:
			results = append(results, Result{Family: a.family, Err: a.err, ErrorType: a.errorType, LocalFault: a.localFault, Speculative: true})
		}
	}
	if len(results) == 0 {
		results, omissions = p.lastResort(answers, usable, host, results, omissions)
	}
	p.omissions = omissions
	return results, omissions
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
		c.cutOff = slices.DeleteFunc(c.cutOff, func(f target.Family) bool { return f == a.family })
	}
}

// isUsable reports whether this machine reaches the addresses of an answer, or if it has
// none, those that its family had last, or if there are none, any of that family.
func (p *Probe) isUsable(a answer, host HostAddresses) bool {
	addresses := a.addresses
	if !a.found() {
		addresses = p.names.last[a.family]
	}
	if len(addresses) == 0 {
		return host.Has(a.family)
	}
	return slices.ContainsFunc(addresses, func(addr netip.Addr) bool { return p.names.reaches(host, addr) })
}

// lastResort appends a result where there is no family to check: of the addresses from
// which this machine is cut off, if the name has no other ones, which are then not left
// out; or of the failure to resolve it. Of two families it is the one in which this
// machine has an address, if it has one in one of them only.
func (p *Probe) lastResort(answers, usable []answer, host HostAddresses, results []Result, omissions []Omission) ([]Result, []Omission) {
	failed := slices.IndexFunc(usable, func(a answer) bool { return !a.notFound() })
	if failed >= 0 {
		return append(results, failure(usable[failed])), omissions
	}
	has := func(a answer) bool { return a.found() && host.Has(a.family) }
	hasAny := slices.ContainsFunc(answers, has)
	for _, a := range answers {
		if a.found() && (has(a) || !hasAny) {
			results = p.appendFamily(results, a)
			omissions = slices.DeleteFunc(omissions, func(o Omission) bool { return o.Family == a.family })
		}
	}
	if len(results) > 0 {
		return results, omissions
	}
	// An answer that failed weighs more than one that says that there is nothing.
	reason := answers[0]
	if k := slices.IndexFunc(answers, func(a answer) bool { return a.errorType != DNSNotFound }); k >= 0 {
		reason = answers[k]
	}
	return append(results, failure(reason)), omissions
}

// failure returns the result of a name that has no address to check, of no family.
func failure(a answer) Result {
	return Result{Err: a.err, ErrorType: a.errorType, LocalFault: a.localFault}
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
