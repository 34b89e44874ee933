// Package probe checks targets: it resolves a host to the addresses of each
// family, connects to each address, and says of each what happened and why.
package probe

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/check"
)

// Probe checks one target again and again. It holds what lasts from one check to the next:
// the addresses that the host resolved to. Its checks must not overlap.
type Probe struct {
	target    *check.Target
	resolver  *resolver
	newDialer newDialer
	nat64     *translators
	names     nameCache
	literal   netip.Addr    // of a target that is an IP literal
	outgoing  *outgoingHost // nil where connections leave as the routes of this machine say
	// results are those of the check that is under way, and dials has the dialer of
	// each that the last one dialled: most checks dial the same again.
	results []check.Result
	dials   []dial
}

// dial is the dialer to an address.
type dial struct {
	address netip.Addr
	dialer  dialer
}

// What a check needs of the process's file descriptors at the same time.
const (
	dialDescriptors   = 1
	lookupDescriptors = 2 // for each family: a socket, and the hosts file or resolv.conf
)

// The descriptors that checks may have open at the same time are half of the process's
// limit, since the collector needs some as well, and the process's limit is one for all
// receivers in it. A quarter of them is for lookups, so that no target waits for a name
// server that does not answer.
var (
	descriptors = sync.OnceValue(func() *semaphore.Weighted { return semaphore.NewWeighted(int64(MostDials())) })
	lookups     = sync.OnceValue(func() *semaphore.Weighted { return semaphore.NewWeighted(lookupShare(descriptorLimit())) })
)

// lookupShare returns how many of a limit lookups may have open: what one of both families
// needs at least.
func lookupShare(limit int64) int64 { return max(2*lookupDescriptors, limit/8) }

// dialShare returns how many of a limit dials may have open.
func dialShare(limit int64) int64 { return max(2, limit/2-lookupShare(limit)) }

// MostDials returns how many addresses can be dialled at the same time, by the process's
// limit of open files as it is now.
func MostDials() int { return int(dialShare(descriptorLimit())) }

// System is what the probes of this machine share.
type System struct {
	resolver  *resolver
	newDialer newDialer
	nat64     *translators
}

// NewSystem returns a System that resolves names as net.DefaultResolver does.
//
// It asks which prefixes the network's translators have (NAT64, RFC 7050), once an address is checked that may be
// of one, and again every five minutes. A check that has its results waits for the first answer for as long as there
// is patience: 0 is not to wait, so that the first results may not know of a prefix that the later ones do.
func NewSystem(patience time.Duration) *System {
	var files *nameFiles // elsewhere, the system's resolver walks its search list for each family on its own
	if runtime.GOOS == "linux" {
		files = newNameFiles("/etc")
	}
	r := newResolver(nil, files)
	return &System{resolver: r, newDialer: newDialers(), nat64: newTranslators(r, patience)}
}

// Close ends what the System does in the background, and returns once it has ended. No check may be made after that,
// or be under way.
func (s *System) Close() { s.nat64.close() }

// Probe returns a Probe of a target, which may not change after that.
func (s *System) Probe(target *check.Target) *Probe {
	literal, _ := target.Literal()
	p := &Probe{target: target, resolver: s.resolver, newDialer: s.newDialer, nat64: s.nat64, literal: literal, names: nameCache{bound: spread(target)}}
	if len(target.Servers) > 0 {
		p.resolver = newResolverBy(target.Servers) // which has nothing to share but them
	}
	if target.Outgoing != nil {
		p.outgoing = &outgoingHost{Outgoing: target.Outgoing}
	}
	return p
}

// Check resolves the target's host where that is due and dials its addresses,
// all at the same time. The time of the report is what now says at the end. Host returns
// what is known of this machine; a literal seldom asks. The report is empty where ctx
// ended before every result was there: nothing is known about the target then.
//
// Check calls handOff before it waits, for an answer or for a descriptor to become free,
// perhaps more than once. Until then it has only made system calls that do not block.
func (p *Probe) Check(ctx context.Context, now func() time.Time, host func() *HostAddresses, handOff func()) check.Report {
	if machine := host; p.outgoing != nil {
		host = func() *HostAddresses { return p.outgoing.of(machine()) }
	}
	report := check.Report{Target: p.target, Time: now()}
	p.results = make([]check.Result, 0, max(1, len(p.dials)))
	if p.literal.IsValid() {
		p.results = append(p.results, check.Result{Family: check.FamilyOf(p.literal), Address: p.literal})
	} else {
		p.resolve(ctx, host(), handOff, &report)
	}
	p.deny(&report)
	p.nat64.ask(p.results)
	p.connect(ctx, handOff)
	p.nat64.await(ctx, p.results, handOff)
	if ctx.Err() != nil {
		return check.Report{Target: p.target, Time: now()}
	}
	p.explain(host)
	p.nat64.mark(p.results)
	p.names.observe(p.results)
	if n := len(p.results); n < len(p.dials) { // the rest is of addresses that are gone
		p.dials = slices.Delete(p.dials, n, len(p.dials))
	}
	report.Time, report.Results, p.results = now(), p.results, nil
	return report
}

// deny takes the results of those addresses out that may not be dialled. It comes after each
// resolution: a name may have another address by then.
func (p *Probe) deny(report *check.Report) {
	if p.target.Addresses == nil {
		return
	}
	p.results = slices.DeleteFunc(p.results, func(r check.Result) bool {
		denied := r.Address.IsValid() && !p.target.Addresses.Permit(r.Address)
		if denied {
			report.Denied = append(report.Denied, r.Address)
		}
		return denied
	})
}

// explain says of the addresses that were not checked since this machine has no address
// for them just that. The kernel's words for it are those for want of a port as well.
func (p *Probe) explain(host func() *HostAddresses) {
	for i := range p.results {
		r := &p.results[i]
		if r.Status != check.Unchecked || !r.Address.IsValid() || host().fits(r.Address) {
			continue
		}
		if r.Lack == check.LacksPorts || r.Lack == check.LacksAddressFamily {
			r.Lack, r.Err = check.LacksAddressFamily, check.LacksFamilyError{Family: r.Family}
		}
	}
}

// connect dials the addresses of those results that have not failed yet, and
// completes the results.
func (p *Probe) connect(ctx context.Context, handOff func()) {
	var others *sync.WaitGroup // that are waited for elsewhere
	for i := range p.results {
		pending := p.begin(ctx, i, handOff)
		switch {
		case pending == nil:
		case i == len(p.results)-1:
			handOff()
			p.await(ctx, i, pending)
		default:
			if others == nil {
				others = &sync.WaitGroup{}
			}
			others.Go(func() { p.await(ctx, i, pending) })
		}
	}
	if others != nil {
		handOff()
		others.Wait()
	}
}

// begin begins to dial the address of result i, unless that has failed already,
// and returns its dialer if the answer is to be awaited.
func (p *Probe) begin(ctx context.Context, i int, handOff func()) (pending dialer) {
	result := &p.results[i]
	result.SYNRetransmits = check.UnknownRetransmits
	if result.Status != 0 {
		return nil // it has failed
	}
	if !descriptors().TryAcquire(dialDescriptors) {
		handOff()
		if descriptors().Acquire(ctx, dialDescriptors) != nil {
			return nil // ctx ended
		}
	}
	d := p.dialer(i)
	shake, err := d.begin()
	if err == errPending { //nolint:errorlint // it is never wrapped
		return d
	}
	descriptors().Release(dialDescriptors)
	complete(result, shake, err)
	return nil
}

// await completes result i, whose dialer is pending.
func (p *Probe) await(ctx context.Context, i int, pending dialer) {
	shake, err := pending.await(ctx)
	descriptors().Release(dialDescriptors)
	complete(&p.results[i], shake, err)
}

// dialer returns the dialer to the address of result i.
func (p *Probe) dialer(i int) dialer {
	for i >= len(p.dials) {
		p.dials = append(p.dials, dial{})
	}
	d, address := &p.dials[i], p.results[i].Address
	if d.address != address {
		*d = dial{address, p.newDialer(netip.AddrPortFrom(address, p.target.Port), p.target)}
	}
	return d.dialer
}

// complete says how the dial of the result's address ended.
func complete(r *check.Result, shake handshake, err error) {
	r.Err, r.HandshakeTime, r.SYNRetransmits, r.Noticed = err, shake.time, shake.retransmits, shake.noticed
	if err == nil {
		r.Status = check.Up
		return
	}
	if r.Lack = lackOf(err); r.Lack != "" {
		r.Status, r.SYNRetransmits = check.Unchecked, check.UnknownRetransmits
		return
	}
	r.Status, r.ErrorType = check.Down, connectErrorType(err)
}
