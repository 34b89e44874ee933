package probe

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/receiver/target"
)

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
// place of the last ones: a family without an address is down. Only localhost has one
// in each family (RFC 6761, section 6.3), unless the hosts file has made it another host.
func (p *Probe) required(answers []answer) []Result {
	results := p.results[:0]
	exists := slices.ContainsFunc(answers, func(a answer) bool { return a.exists() })
	for _, a := range answers {
		if !slices.Contains(p.target.Families, a.family) {
			continue
		}
		switch {
		case !a.notFound():
		case isLocalhost(p.target.Host) && !leaveThisMachine(answers):
			a = answer{family: a.family, addresses: []netip.Addr{loopbackOf(a.family)}, count: 1}
		case exists:
			a.errorType = NoAddress
		}
		results = p.appendFamily(results, a)
	}
	return results
}

// leaveThisMachine reports whether there is an address that is not one of loopback.
func leaveThisMachine(answers []answer) bool {
	return slices.ContainsFunc(answers, func(a answer) bool {
		return slices.ContainsFunc(a.addresses, func(addr netip.Addr) bool { return !addr.IsLoopback() })
	})
}

// automatic returns the results of the families that the name resolves to and from
// which this machine reaches it, in the place of the last ones, and the families that it
// leaves out. Where that leaves none, all that the name resolves to are dialled, since
// something is to be said about it.
func (p *Probe) automatic(answers []answer, host HostAddresses) ([]Result, []Omission) {
	var families [2]answer // there are no more: this takes no allocation
	omissions, usable := p.omissions[:0], families[:0]
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
