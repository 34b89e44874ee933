package probe

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
)

// maxAddresses is how many addresses of a family of a name are heeded: those of DNS are
// in the hands of others.
const maxAddresses = 64

// resolver resolves names.
//
// Where it has name servers of its own, these are asked for a name as it is written, and nobody
// else. Only localhost is not theirs to say.
//
// Where it knows the system's files (Linux), it does as getaddrinfo(3): the hosts file
// first, then the search list of resolv.conf, until one name of it has an address in any
// family. That one name is then asked for in each family, by Go's resolver. To ask for the
// families apart and have each walk the search list would take them from two hosts.
type resolver struct {
	base  *net.Resolver
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	files *nameFiles // nil: leave it all to base
	// servers are its own; empty for those of the system.
	servers []netip.AddrPort
}

// newResolver returns a resolver that asks as base does, or as net.DefaultResolver if
// that is nil, for the names that files say.
func newResolver(base *net.Resolver, files *nameFiles) *resolver {
	base = cmp.Or(base, net.DefaultResolver)
	dial := base.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &resolver{base: base, dial: dial, files: files}
}

// newResolverBy returns a resolver that has name servers of its own.
func newResolverBy(servers []netip.AddrPort) *resolver {
	return &resolver{dial: dialServer, servers: servers}
}

// dialServer dials a name server.
func dialServer(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := netip.ParseAddrPort(address)
	if err == nil {
		_, err = socket.ZoneIndex(server.Addr()) // the dialer would drop a zone that it does not know
	}
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// resolution is what a name resolves to.
type resolution struct {
	// name is the rooted name that the host stands for: empty if none is known.
	name string
	// answers has one for each family asked for, IPv4 before IPv6, and perhaps one
	// for the other family.
	answers []answer
	// complete says that nothing failed on the way: that a family has no address is
	// known then.
	complete bool
}

// resolve returns the addresses of a host in some families, within the timeout. Settled
// is the name that it stood for the last time, or empty: while that one fails, the host
// does not come to stand for another one.
//
// The time that it waits for descriptors to become free is not counted.
func (r *resolver) resolve(ctx context.Context, host string, families []check.Family, timeout time.Duration, settled string) resolution {
	needed := int64(lookupDescriptors * len(families))
	if err := lookups().Acquire(ctx, needed); err != nil {
		return resolution{answers: unable(families, err)} // ctx ended
	}
	defer lookups().Release(needed)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	addresses, names, err := r.local(host)
	switch {
	case err != nil:
		return resolution{answers: unable(families, fmt.Errorf("lookup %s: %w", host, err))}
	case len(addresses) > 0:
		return resolution{name: host, answers: split(host, addresses, families, time.Since(start)), complete: true}
	}
	return r.walk(ctx, names, families, timeout, settled)
}

// local returns the addresses that a host has without a name server, or the names to ask for.
func (r *resolver) local(host string) (addresses []netip.Addr, names []string, err error) {
	if r.files != nil {
		if addresses, err = r.files.inHosts(host); err != nil || len(addresses) > 0 {
			return addresses, nil, err
		}
	}
	switch {
	case r.files == nil && len(r.servers) == 0: // it is all left to base
		return nil, []string{host}, nil
	case isLocalhost(host):
		return []netip.Addr{loopbacks[check.IPv4], loopbacks[check.IPv6]}, nil, nil
	case r.files == nil:
		return nil, rooted(host), nil
	}
	search, err := r.files.resolv.load()
	return nil, search.candidates(host), err
}

// isLocalhost reports whether a name is localhost or below it, which stand for the
// loopback addresses and are not for name servers to say (RFC 6761, section 6.3).
func isLocalhost(host string) bool {
	name := "." + strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(name, ".localhost")
}

// loopbacks are the loopback addresses of the families.
var loopbacks = map[check.Family]netip.Addr{check.IPv4: netip.AddrFrom4([4]byte{127, 0, 0, 1}), check.IPv6: netip.IPv6Loopback()}

// walk asks for one name after the other, until one has an address in any family.
func (r *resolver) walk(ctx context.Context, names []string, families []check.Family, timeout time.Duration, settled string) resolution {
	result := resolution{complete: true}
	for i, name := range names {
		answers := r.query(ctx, name, families, timeout)
		result.add(answers)
		// As getaddrinfo(3) does, go on where a server answers that it failed, but
		// not where none answers. A family that was not asked for stops nothing.
		asked := func(a answer) bool { return slices.Contains(families, a.family) }
		failed := slices.ContainsFunc(answers, func(a answer) bool { return asked(a) && !a.notFound() })
		silent := slices.ContainsFunc(answers, func(a answer) bool { return asked(a) && (a.lack != "" || a.errorType == check.DNSTimeout) })
		switch {
		case slices.ContainsFunc(answers, answer.exists), failed && name == settled:
			result.name = name
			return result
		case silent && i < len(names)-1:
			result.stop()
			return result
		}
	}
	return result
}

// add adds the answers about another name, of which the families are the same. They
// replace the earlier ones, unless those failed and these say that there is nothing.
func (r *resolution) add(answers []answer) {
	exists := slices.ContainsFunc(answers, answer.exists)
	for i := range answers {
		a := &answers[i]
		r.complete = r.complete && (a.exists() || a.notFound())
		k := slices.IndexFunc(r.answers, func(b answer) bool { return b.family == a.family })
		if k < 0 {
			continue
		}
		took := r.answers[k].time + a.time
		if !exists && a.notFound() && !r.answers[k].notFound() {
			*a = r.answers[k]
		}
		a.time = took
	}
	r.answers = answers
}

// stop says of a search that ended early that nothing is known to have no address: the
// names that are left were not asked for. The failure that ended it is in their place.
func (r *resolution) stop() {
	k := slices.IndexFunc(r.answers, func(a answer) bool { return !a.notFound() })
	for i := range r.answers {
		if a := &r.answers[i]; a.notFound() {
			a.err, a.errorType, a.lack = r.answers[k].err, r.answers[k].errorType, r.answers[k].lack
		}
	}
}

// query asks for the families of a name at the same time. Where the only family asked for
// has no address, it asks for the other one as well, for a quarter of the timeout at most,
// to tell a name without such an address from one that does not exist.
func (r *resolver) query(ctx context.Context, name string, families []check.Family, timeout time.Duration) []answer {
	answers := make([]answer, len(families))
	var lookups sync.WaitGroup
	for i, family := range families {
		lookups.Go(func() { answers[i] = r.lookUp(ctx, name, family) })
	}
	lookups.Wait()
	if len(answers) == 1 && answers[0].notFound() {
		ctx, cancel := context.WithTimeout(ctx, timeout/4)
		defer cancel()
		answers = append(answers, r.lookUp(ctx, name, families[0].Other()))
	}
	slices.SortFunc(answers, func(a, b answer) int { return int(a.family) - int(b.family) })
	return answers
}

// lookUp returns what the name servers say about one family of a name.
func (r *resolver) lookUp(ctx context.Context, name string, family check.Family) answer {
	servers := serverLog{connect: r.dial}
	defer servers.close()
	start := time.Now()
	found, err := r.ask(ctx, &servers, name, family)
	a := answer{family: family, time: time.Since(start)}
	var errorType check.ErrorType
	if err != nil {
		errorType = lookupErrorType(err)
	}
	if err == nil || errorType == check.DNSNotFound {
		a.server = servers.answered()
	}
	switch fault := servers.fault(); {
	case err == nil:
		a.set(name, found)
	case fault != nil && errorType != check.DNSNotFound:
		a.err, a.lack = fmt.Errorf("lookup %s: %w", name, fault), lackOf(fault)
	default:
		a.err, a.errorType = err, errorType
	}
	return a
}

// ask asks the name servers for one family of a name.
func (r *resolver) ask(ctx context.Context, servers *serverLog, name string, family check.Family) ([]netip.Addr, error) {
	if len(r.servers) > 0 {
		return (&client{servers: r.servers, dial: servers.dial}).lookUp(ctx, name, family)
	}
	return r.asking(servers).LookupNetIP(ctx, networks[family], name)
}

// asking returns a resolver for one lookup: one that is shared makes one lookup of several,
// and cannot tell whose name servers were out of reach.
func (r *resolver) asking(servers *serverLog) *net.Resolver {
	return &net.Resolver{
		PreferGo:     r.base.PreferGo || r.files != nil,
		StrictErrors: r.base.StrictErrors,
		Dial:         servers.dial,
	}
}

// serverLog dials the name servers of a lookup, and takes note of whether it could.
type serverLog struct {
	connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	failure error // the first one that is this machine's
	other   bool  // a server was dialled, or failed by itself
	last    net.Conn
	server  netip.AddrPort // that last is to
}

func (l *serverLog) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	conn, err := l.connect(ctx, network, address)
	l.note(err)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = conn
	l.server, _ = netip.ParseAddrPort(address) // which it is, as a rule
	if ctx.Err() != nil {                      // the lookup has ended since
		_ = conn.Close()
	}
	return conn, nil
}

// close closes the last connection, as Go's resolver has closed those before it. A lookup
// whose context ends leaves it waiting for the answer, for 5 seconds as a rule, and then
// asking the next server.
func (l *serverLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		_ = l.last.Close() // it may be closed already
	}
}

func (l *serverLog) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil || lackOf(err) == "":
		l.other = true
	case l.failure == nil:
		l.failure = err
	}
}

// answered returns the name server that a lookup which was answered has the answer from: the last
// one that was dialled. It is invalid where none was.
func (l *serverLog) answered() netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.server
}

// fault returns why this machine was unable to ask any server, or nil.
func (l *serverLog) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.other {
		return nil
	}
	return l.failure
}

// networks are the names of the families for LookupNetIP.
var networks = map[check.Family]string{check.IPv4: "ip4", check.IPv6: "ip6"}

// split returns an answer for each family of the addresses that the hosts file has. It took
// so long for those that were asked for.
func split(host string, addresses []netip.Addr, asked []check.Family, took time.Duration) []answer {
	answers := make([]answer, len(check.Families))
	for i, family := range check.Families {
		answers[i].family = family
		if slices.Contains(asked, family) {
			answers[i].time = took
		}
		answers[i].set(host, addresses)
	}
	return answers
}

// unable returns the answers where this machine was unable to ask.
func unable(families []check.Family, err error) []answer {
	answers := make([]answer, len(families))
	lack := cmp.Or(lacks[errnoOf(err)], check.LacksOther)
	for i, family := range families {
		answers[i] = answer{family: family, err: err, lack: lack}
	}
	return answers
}

// set sets the addresses of an answer to those of its family that were found and that can
// be dialled, each once and in the form in which it is dialled. The unspecified address
// (RFC 4291, section 2.5.2; RFC 1122, section 3.2.1.3) is none: block lists answer with
// it, and to connect to it is to connect to this machine.
func (a *answer) set(name string, found []netip.Addr) {
	seen := make(map[netip.Addr]bool, len(found))
	for _, addr := range found {
		addr = addr.Unmap()
		switch {
		case seen[addr] || check.FamilyOf(addr) != a.family:
		case addr.IsUnspecified():
			a.unspecified = true
		default:
			seen[addr] = true
			a.addresses = append(a.addresses, addr)
		}
	}
	a.count = len(a.addresses)
	a.addresses = a.addresses[:min(a.count, maxAddresses)]
	if len(a.addresses) > 0 {
		return
	}
	if a.server.IsValid() {
		name += " on " + a.server.String()
	}
	if a.unspecified {
		a.err, a.errorType = fmt.Errorf("lookup %s: the %s address is the unspecified one, to which nothing can connect", name, a.family), check.NoAddress
	} else {
		a.err, a.errorType = fmt.Errorf("lookup %s: no %s address", name, a.family), check.DNSNotFound
	}
}
