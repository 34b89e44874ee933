// Package probe checks targets: it resolves a host to the addresses of each
// family, connects to each address, and says of each what happened and why.
package probe

import (
	"context"
	"net/netip"
	"sync"
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

// Lookup is one name resolution of a check.
type Lookup struct {
	Family target.Family
	Time   time.Duration
}

// Outcome is all that one check of a target found.
type Outcome struct {
	Results []Result // IPv4 before IPv6, then in the resolver's order
	Lookups []Lookup // the name resolutions that took place, if any
}

// Probe checks one target again and again. It holds what lasts from one check
// to the next: the addresses that the host resolved to. Its checks must not
// overlap.
type Probe struct {
	target    *target.Target
	resolver  *resolver
	connector connector
	names     nameCache
	// literal is the address of a target that is an IP literal, and result where
	// its outcome stands.
	literal netip.Addr
	result  [1]Result
}

// New returns a Probe of each target. They resolve names as net.DefaultResolver
// does.
func New(targets []target.Target) []*Probe {
	resolver, connector := newResolver(nil), newConnector()
	probes := make([]*Probe, len(targets))
	for i := range targets {
		literal, _ := targets[i].Literal()
		probes[i] = &Probe{target: &targets[i], resolver: resolver, connector: connector, literal: literal}
	}
	return probes
}

// Check resolves the target's host where that is due and dials its addresses,
// all at the same time. The outcome is valid until the next check. The error is ctx's where ctx ended before every result
// was there; nothing is known about the target then.
func (p *Probe) Check(ctx context.Context, host HostAddresses) (Outcome, error) {
	outcome := Outcome{}
	if p.literal.IsValid() {
		p.result[0] = Result{Family: target.FamilyOf(p.literal), Address: p.literal}
		outcome.Results = p.result[:]
	} else {
		outcome = p.resolve(ctx, host)
	}
	p.connect(ctx, outcome.Results)
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	p.names.observe(outcome.Results)
	return outcome, nil
}

// connect dials the addresses of those results that have not failed yet, and
// completes the results.
func (p *Probe) connect(ctx context.Context, results []Result) {
	for i := range results {
		results[i].SYNRetransmits = unknownRetransmits
	}
	if len(results) == 1 { // as a rule; it saves a goroutine
		p.dial(ctx, &results[0])
		return
	}
	var dials sync.WaitGroup
	for i := range results {
		dials.Go(func() { p.dial(ctx, &results[i]) })
	}
	dials.Wait()
}

// dial dials the address of result, unless that has failed already, and completes
// it.
func (p *Probe) dial(ctx context.Context, result *Result) {
	if result.Err != nil {
		return
	}
	if result.Err = descriptors().Acquire(ctx, dialDescriptors); result.Err != nil {
		return // ctx ended
	}
	defer descriptors().Release(dialDescriptors)
	handshake, err := p.connector.connect(ctx, netip.AddrPortFrom(result.Address, p.target.Port), p.target.Timeout)
	result.Err, result.HandshakeTime, result.SYNRetransmits = err, handshake.time, handshake.retransmits
	switch {
	case err == nil:
	case isLocalFault(err):
		result.LocalFault, result.SYNRetransmits = true, unknownRetransmits
	default:
		result.ErrorType = connectErrorType(err)
	}
}
