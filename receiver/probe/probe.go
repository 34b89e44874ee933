// Package probe checks targets: it resolves a host to the addresses of each
// family, connects to each address, and says of each what happened and why.
package probe

import (
	"context"
	"net"
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
	// HandshakeTime is how long the TCP handshake took, if it was made.
	HandshakeTime time.Duration
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
	target   *target.Target
	resolver *net.Resolver
	names    nameCache
}

// New returns a Probe of t that resolves names by resolver, or by
// net.DefaultResolver if that is nil.
func New(t *target.Target, resolver *net.Resolver) *Probe {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return &Probe{target: t, resolver: resolver}
}

// Check resolves the target's host where that is due and dials its addresses,
// all at the same time. The error is ctx's where ctx ended before every result
// was there; nothing is known about the target then.
func (p *Probe) Check(ctx context.Context, host HostAddresses) (Outcome, error) {
	outcome := Outcome{}
	if literal, ok := p.target.Literal(); ok {
		outcome.Results = []Result{{Family: target.FamilyOf(literal), Address: literal}}
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
	var dials sync.WaitGroup
	for i := range results {
		result := &results[i]
		if result.Err != nil {
			continue
		}
		dials.Go(func() {
			result.HandshakeTime, result.Err = connect(ctx, netip.AddrPortFrom(result.Address, p.target.Port), p.target.Timeout)
			if result.Err == nil {
				return
			}
			if result.LocalFault = isLocalFault(result.Err); !result.LocalFault {
				result.ErrorType = connectErrorType(result.Err)
			}
		})
	}
	dials.Wait()
}
