// Package probe checks targets: it resolves a host to the addresses of each
// family, connects to each address, and says of each what happened and why.
package probe

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"example.com/tcpcheckreceiver/receiver/target"
)

// Result is what a check found about one address, or about one family of a
// name where there is no address to dial.
type Result struct {
	// Family is the address family; zero where a name never resolved and no
	// family was asked for.
	Family target.Family
	// Address is the address that was dialled, or where the name does not
	// resolve now, the one that it had last. It is invalid if none was ever
	// known.
	Address netip.Addr
	// Err is nil if the connection was made.
	Err error
	// ErrorType is the reason for Err, and empty without one or for a local
	// fault.
	ErrorType ErrorType
	// LocalFault says that this machine was unable to check, and Err why: the
	// result says nothing about the target.
	LocalFault bool
	// Speculative says that it is not known whether the name has addresses of
	// this family: its resolution failed, in a family that was not asked for,
	// while the other one has addresses.
	Speculative bool
	// HandshakeTime is how long the TCP handshake took, if it was made: from the
	// SYN to the SYN-ACK as the kernel measured it where it tells (Linux), by the
	// clock around the dial elsewhere.
	HandshakeTime time.Duration
	// SYNRetransmits is how many SYNs were sent again, or -1 where that is not
	// known: if nothing was dialled, or this system does not tell.
	SYNRetransmits int
}

// Connected reports whether the TCP connection was made.
func (r *Result) Connected() bool { return r.Err == nil }

// Silent reports whether there was no answer until the timeout, of the address or of the
// name servers, whoever is to blame for that.
func (r *Result) Silent() bool {
	failed, ok := r.Err.(*dialError) //nolint:errorlint // it is never wrapped
	return r.ErrorType == Timeout || r.ErrorType == DNSTimeout || ok && failed.local
}

// Lookup is one name resolution of a check.
type Lookup struct {
	Family target.Family
	Time   time.Duration
}

// OmissionReason says why a family of a name is left out.
type OmissionReason uint8

// The reasons for an Omission.
const (
	// NameLacksFamily: the name has an address in the other family only.
	NameLacksFamily OmissionReason = iota
	// MachineLacksFamily: this machine has no address from which it could reach
	// that of the name.
	MachineLacksFamily
)

// Omission is a family of a name that is not checked, where the families were not asked
// for.
type Omission struct {
	Family target.Family
	Reason OmissionReason
}

// Excess says that a family of a name has more addresses than are checked.
type Excess struct {
	Family         target.Family
	Found, Checked int
}

// Outcome is all that one check of a target found.
type Outcome struct {
	Results []Result // IPv4 before IPv6, then in the resolver's order
	Lookups []Lookup // the name resolutions that took place, if any
	// Omissions and Excesses say what of the name was not checked.
	Omissions []Omission
	Excesses  []Excess
}

// Probe checks one target again and again. It holds what lasts from one check
// to the next: the addresses that the host resolved to. Its checks must not
// overlap.
type Probe struct {
	target       *target.Target
	resolver     *resolver
	newConnector newConnector
	names        nameCache
	// literal is the address of a target that is an IP literal.
	literal netip.Addr
	// results are those of the last check, and dials has the connector of each
	// that was dialled. They are used again: most checks dial what the last one
	// dialled.
	results   []Result
	omissions []Omission
	dials     []dial
}

// dial is the connector to an address.
type dial struct {
	address   netip.Addr
	connector connector
}

// New returns a Probe of each target. They resolve names as net.DefaultResolver
// does.
func New(targets []target.Target) []*Probe {
	resolver, newConnector := newResolver(nil, systemNames()), newConnectors()
	probes := make([]*Probe, len(targets))
	for i := range targets {
		literal, _ := targets[i].Literal()
		probes[i] = &Probe{
			target: &targets[i], resolver: resolver, newConnector: newConnector, literal: literal,
			names: nameCache{bound: spread(&targets[i])},
		}
	}
	return probes
}

// Check resolves the target's host where that is due and dials its addresses,
// all at the same time. The outcome is valid until the next check. The error is
// ctx's where ctx ended before every result was there; nothing is known about the
// target then.
//
// Check calls waiting before it waits for an answer, perhaps more than once. Until
// then it has only made system calls that do not block, or waited for a descriptor
// to become free.
func (p *Probe) Check(ctx context.Context, host HostAddresses, waiting func()) (Outcome, error) {
	var outcome Outcome
	if p.literal.IsValid() {
		p.results = append(p.results[:0], Result{Family: target.FamilyOf(p.literal), Address: p.literal})
	} else {
		outcome = p.resolve(ctx, host, waiting)
	}
	p.connect(ctx, waiting)
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	p.explain(host)
	p.names.observe(p.results)
	outcome.Results = p.results
	return outcome, nil
}

// explain says of the addresses that were not checked since this machine has no address
// for them just that. The kernel's words for it are those for want of a port as well.
func (p *Probe) explain(host HostAddresses) {
	for i := range p.results {
		r := &p.results[i]
		if !r.LocalFault || !r.Address.IsValid() || host.fits(r.Address) {
			continue
		}
		if errno, _ := errnoOf(r.Err); errno == syscall.EADDRNOTAVAIL || errno == syscall.EAFNOSUPPORT {
			r.Err = fmt.Errorf("this machine has no %s address from which it could reach them", r.Family)
		}
	}
}

// connect dials the addresses of those results that have not failed yet, and
// completes the results.
func (p *Probe) connect(ctx context.Context, waiting func()) {
	var others *sync.WaitGroup // that are waited for elsewhere
	for i := range p.results {
		pending := p.begin(ctx, i)
		switch {
		case pending == nil:
		case i == len(p.results)-1:
			waiting()
			p.await(ctx, i, pending)
		default:
			if others == nil {
				others = &sync.WaitGroup{}
			}
			others.Go(func() { p.await(ctx, i, pending) })
		}
	}
	if others != nil {
		waiting()
		others.Wait()
	}
}

// begin begins to dial the address of result i, unless that has failed already,
// and returns its connector if the answer is to be awaited.
func (p *Probe) begin(ctx context.Context, i int) (pending connector) {
	result := &p.results[i]
	result.SYNRetransmits = unknownRetransmits
	if result.Err != nil {
		return nil
	}
	if result.Err = descriptors().Acquire(ctx, dialDescriptors); result.Err != nil {
		return nil // ctx ended
	}
	c := p.connector(i)
	shake, err := c.begin()
	if err == errPending { //nolint:errorlint // it is never wrapped
		return c
	}
	descriptors().Release(dialDescriptors)
	result.complete(shake, err)
	return nil
}

// await completes result i, whose connector is pending.
func (p *Probe) await(ctx context.Context, i int, pending connector) {
	shake, err := pending.await(ctx)
	descriptors().Release(dialDescriptors)
	p.results[i].complete(shake, err)
}

// connector returns the connector to the address of result i.
func (p *Probe) connector(i int) connector {
	for len(p.dials) < len(p.results) {
		p.dials = append(p.dials, dial{})
	}
	d, address := &p.dials[i], p.results[i].Address
	if d.address != address {
		*d = dial{address, p.newConnector(netip.AddrPortFrom(address, p.target.Port), p.target.Timeout)}
	}
	return d.connector
}

// complete says how the dial of the result's address ended.
func (r *Result) complete(shake handshake, err error) {
	r.Err, r.HandshakeTime, r.SYNRetransmits = err, shake.time, shake.retransmits
	switch {
	case err == nil:
	case isLocalFault(err):
		r.LocalFault, r.SYNRetransmits = true, unknownRetransmits
	default:
		r.ErrorType = connectErrorType(err)
	}
}
