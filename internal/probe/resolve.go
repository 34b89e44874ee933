package probe

import (
	"cmp"
	"context"
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// answer is what the resolver said about one family of a name.
type answer struct {
	family    check.Family
	addresses []netip.Addr // those to check
	// count is how many addresses there were, and unspecified says that one of them
	// was the unspecified address, which does not count.
	count       int
	unspecified bool
	err         error // nil if and only if there are addresses
	errorType   check.ErrorType
	lack        check.Lack     // of this machine, which was unable to ask
	time        time.Duration  // that it took; 0 if this family was not asked for
	server      netip.AddrPort // that gave it; invalid if none did, or if it is not known
}

func (a answer) found() bool { return a.err == nil }

// result returns the result of an address that the answer has, to be dialled, or of its
// failure.
func (a answer) result(address netip.Addr) check.Result {
	r := check.Result{Family: a.family, Address: address, Err: a.err, ErrorType: a.errorType, Lack: a.lack}
	switch {
	case a.lack != "":
		r.Status = check.Unchecked
	case !a.found():
		r.Status = check.Down
	}
	return r
}

// exists reports whether the name has something in this family.
func (a answer) exists() bool { return a.found() || a.unspecified }

// notFound reports whether it is known that there is no address.
func (a answer) notFound() bool {
	return a.errorType == check.DNSNotFound || a.errorType == check.NoAddress
}

// resolve appends a result for each address that is to be dialled, and a failed one for
// each family that has none but should, and puts what else is to be said about the name
// into report.
func (p *Probe) resolve(ctx context.Context, host *HostAddresses, handOff func(), report *check.Report) {
	answers := p.names.answers
	if !p.names.fresh(p.target, time.Now()) {
		handOff()
		resolved := p.lookUp(ctx)
		if ctx.Err() != nil {
			return // the answers say nothing about the name
		}
		answers = resolved.answers
		p.names.store(resolved, time.Now())
		for _, a := range answers {
			if a.time > 0 {
				report.Lookups = append(report.Lookups, check.Lookup{Family: a.family, Time: a.time, Server: a.server})
			}
		}
	}
	if len(p.target.Families) > 0 {
		p.required(answers)
	} else {
		report.Omissions = p.automatic(answers, host)
	}
	for _, a := range answers {
		if p.target.MultipleIPs && a.count > len(a.addresses) {
			report.Excesses = append(report.Excesses, check.Excess{Family: a.family, Found: a.count, Checked: len(a.addresses)})
		}
	}
}

// lookUp asks the resolver for the families of the target, and returns those addresses
// that are to be checked.
func (p *Probe) lookUp(ctx context.Context) resolution {
	families := p.target.Families
	if len(families) == 0 {
		families = check.Families
	}
	r := p.resolver.resolve(ctx, p.target.Host, families, p.target.Timeout, p.names.name)
	if !p.target.MultipleIPs {
		for i, a := range r.answers {
			r.answers[i].addresses = a.addresses[:min(1, len(a.addresses))]
		}
	}
	return r
}

// required appends the results of the families that the target asks for: a family
// without an address is down. Only localhost has one in each family (RFC 6761, section
// 6.3), unless the hosts file has made it another host.
func (p *Probe) required(answers []answer) {
	exists := slices.ContainsFunc(answers, answer.exists)
	for _, a := range answers {
		if !slices.Contains(p.target.Families, a.family) {
			continue
		}
		switch {
		case !a.notFound():
		case isLocalhost(p.target.Host) && !leaveThisMachine(answers):
			a = answer{family: a.family, addresses: []netip.Addr{loopbacks[a.family]}, count: 1}
		case exists:
			a.errorType = check.NoAddress
		}
		p.appendFamily(a)
	}
}

// leaveThisMachine reports whether there is an address that is not one of loopback.
func leaveThisMachine(answers []answer) bool {
	return slices.ContainsFunc(answers, func(a answer) bool {
		return slices.ContainsFunc(a.addresses, func(addr netip.Addr) bool { return !addr.IsLoopback() })
	})
}

// automatic appends the results of the families that the name resolves to and from which
// this machine reaches it, and returns the families that it leaves out. Where that leaves
// none, all that the name resolves to are dialled, since something is to be said about it.
func (p *Probe) automatic(answers []answer, host *HostAddresses) []check.Omission {
	var families [2]answer // there are no more: this takes no allocation
	var omissions []check.Omission
	usable := families[:0]
	for _, a := range answers {
		isUsable := p.isUsable(a, host)
		if isUsable || a.found() || a.notFound() { // a lookup that failed says nothing about that
			p.names.cutOff[a.family] = a.found() && !isUsable
		}
		if isUsable {
			usable = append(usable, a)
			continue
		}
		delete(p.names.last, a.family)
		if p.names.cutOff[a.family] {
			omissions = append(omissions, check.Omission{Family: a.family, Reason: check.MachineLacksFamily})
		}
	}
	found := slices.ContainsFunc(usable, answer.found)
	for _, a := range usable {
		switch {
		case found && a.notFound():
			delete(p.names.last, a.family) // the name no longer has this family, if it ever had
			omissions = append(omissions, check.Omission{Family: a.family, Reason: check.NameLacksFamily})
		case len(p.names.last[a.family]) > 0 || a.found():
			p.appendFamily(a)
		case found:
			result := a.result(netip.Addr{})
			if result.Status == check.Down {
				result.Status = check.Unresolved
			}
			p.results = append(p.results, result)
		}
	}
	if len(p.results) == 0 {
		omissions = p.lastResort(answers, usable, host, omissions)
	}
	return omissions
}

// isUsable reports whether this machine reaches the addresses of an answer, or if it has
// none, those that its family had last, or if there are none, any of that family.
func (p *Probe) isUsable(a answer, host *HostAddresses) bool {
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
// machine has an address, if it has one in one of them only. It returns the families that
// are still left out.
func (p *Probe) lastResort(answers, usable []answer, host *HostAddresses, omissions []check.Omission) []check.Omission {
	if failed := slices.IndexFunc(usable, func(a answer) bool { return !a.notFound() }); failed >= 0 {
		p.appendFailure(usable[failed])
		return omissions
	}
	has := func(a answer) bool { return a.found() && host.Has(a.family) }
	hasAny := slices.ContainsFunc(answers, has)
	for _, a := range answers {
		if a.found() && (has(a) || !hasAny) {
			p.appendFamily(a)
			omissions = slices.DeleteFunc(omissions, func(o check.Omission) bool { return o.Family == a.family })
		}
	}
	if len(p.results) > 0 {
		return omissions
	}
	// An answer that failed weighs more than one that says that there is nothing.
	weighs := slices.IndexFunc(answers, func(a answer) bool { return a.errorType != check.DNSNotFound })
	p.appendFailure(answers[max(0, weighs)])
	return omissions
}

// appendFailure appends the result of a name that has no address to check, of no family.
func (p *Probe) appendFailure(a answer) {
	a.family = 0
	p.results = append(p.results, a.result(netip.Addr{}))
}

// appendFamily appends a result for each address of a, and where it has none, a
// failed one for each address that the family had last, or one without address.
func (p *Probe) appendFamily(a answer) {
	if a.found() {
		if p.names.last == nil {
			p.names.last = make(map[check.Family][]netip.Addr, len(check.Families))
		}
		p.names.last[a.family] = a.addresses
	}
	addresses := p.names.last[a.family]
	if len(addresses) == 0 {
		p.results = append(p.results, a.result(netip.Addr{}))
	}
	for _, addr := range addresses {
		p.results = append(p.results, a.result(addr))
	}
}

// nameCache holds what is known of a name from earlier checks.
type nameCache struct {
	bound time.Duration // how long the addresses of the target are used at most
	name  string        // the rooted one that the host stood for when it last resolved
	// last has the addresses that each family had when it last had any: a
	// series keeps its attributes when its name no longer resolves.
	last map[check.Family][]netip.Addr
	// answers are those of the last complete resolution, at resolved.
	answers  []answer
	resolved time.Time
	failed   bool // a check since then found an address down
	// cutOff says of each family whether the name has an address in it that this
	// machine does not reach.
	cutOff [check.IPv6 + 1]bool
	// reached says of addresses whether host reaches them.
	host    *HostAddresses
	reached map[netip.Addr]bool
}

// fresh reports whether the answers may be used for a check of a target now.
func (c *nameCache) fresh(t *check.Target, now time.Time) bool {
	age := now.Sub(c.resolved)
	switch {
	case c.answers == nil:
		return false
	case t.CacheDuration == check.UntilError:
		return !c.failed && age < c.bound
	case slices.ContainsFunc(c.answers, answer.notFound) && age >= c.bound:
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
	c.failed = c.failed || slices.ContainsFunc(results, func(r check.Result) bool { return r.Status == check.Down || r.Status == check.Unresolved })
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
