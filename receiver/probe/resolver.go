package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"example.com/tcpcheckreceiver/receiver/target"
)

// resolver resolves names as the process does, and notices when that fails for a
// want of this machine, which Go's errors do not tell.
type resolver struct {
	net.Resolver
	fault atomic.Pointer[localFault]
}

// localFault is why this machine was unable to ask a name server, and when.
type localFault struct {
	err  error
	time time.Time
}

// newResolver returns a resolver that resolves as base does, or as
// net.DefaultResolver if that is nil.
func newResolver(base *net.Resolver) *resolver {
	if base == nil {
		base = net.DefaultResolver
	}
	dial := base.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	r := &resolver{}
	r.PreferGo, r.StrictErrors = base.PreferGo, base.StrictErrors
	r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil && isLocalFault(err) {
			r.fault.Store(&localFault{err: err, time: time.Now()})
		}
		return conn, err
	}
	return r
}

// lookUp returns what the name servers, or the hosts file, say about the addresses
// of one family of a host.
func (r *resolver) lookUp(ctx context.Context, family target.Family, host string, timeout time.Duration) answer {
	if err := descriptors().Acquire(ctx, lookupDescriptors); err != nil {
		return answer{family: family, err: err, localFault: true}
	}
	defer descriptors().Release(lookupDescriptors)

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	found, err := r.LookupNetIP(ctx, networks[family], host)
	a := answer{family: family, time: time.Since(start), addresses: unique(found)}
	switch fault := r.fault.Load(); {
	case err == nil && len(a.addresses) == 0:
		a.err, a.errorType = fmt.Errorf("lookup %s: no %s address", host, family), DNSNotFound
	case err == nil:
	case fault != nil && fault.time.After(start) && lookupErrorType(err) != DNSNotFound:
		a.err, a.localFault = fmt.Errorf("lookup %s: %w", host, fault.err), true
	default:
		a.err, a.errorType = err, lookupErrorType(err)
	}
	return a
}

// networks are the names of the families for LookupNetIP.
var networks = map[target.Family]string{target.IPv4: "ip4", target.IPv6: "ip6"}

// unique returns addresses without those that are there already, in the form in
// which they are dialled.
func unique(addresses []netip.Addr) []netip.Addr {
	var kept []netip.Addr
	seen := make(map[netip.Addr]bool, len(addresses))
	for _, addr := range addresses {
		if addr = addr.Unmap(); !seen[addr] {
			seen[addr] = true
			kept = append(kept, addr)
		}
	}
	return kept
}
