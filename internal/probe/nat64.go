package probe

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// wellKnown is the prefix that every network may use for its translator (RFC 6052, section 2.1).
var wellKnown = netip.MustParsePrefix("64:ff9b::/96")

// prefixLengths are those that the prefix of a translator may have (RFC 6052, section 2.2).
var prefixLengths = []int{32, 40, 48, 56, 64, 96}

// translated returns the IPv4 address for which an address of a translator's prefix stands. It is none if the
// address is of another prefix, or has something else than 0 in the bits 64 to 71 (RFC 6052, section 2.2).
func translated(addr netip.Addr, prefix netip.Prefix) check.Translated {
	octets := addr.As16()
	if !prefix.Contains(addr) || octets[reserved] != 0 {
		return check.Translated{}
	}
	var ipv4 check.Translated
	for i, at := range ipv4Octets(prefix.Bits()) {
		ipv4[i] = octets[at]
	}
	return ipv4
}

// reserved is the octet of the bits 64 to 71.
const reserved = 8

// ipv4Octets returns where the octets of the IPv4 address are, behind a prefix of that length: around the
// reserved one.
func ipv4Octets(bits int) [4]int {
	var octets [4]int
	next := bits / 8
	for i := range octets {
		if next == reserved {
			next++
		}
		octets[i] = next
		next++
	}
	return octets
}

// arpa is a name that has the IPv4 addresses of arpaAddresses and no other ones, so that an IPv6 address of it is
// one that the network made of these (RFC 7050).
const arpa = "ipv4only.arpa."

var arpaAddresses = []check.Translated{{192, 0, 0, 170}, {192, 0, 0, 171}}

// prefixesOf returns the prefixes of the network's translators, of the IPv6 addresses that arpa has there: the
// longest first, and none of an address that is not made of one of its IPv4 addresses.
//
// One that could be of several prefixes, since a prefix has such an address in it as well, is of those in which
// the other IPv4 address is there too (RFC 7050, section 3).
func prefixesOf(addresses []netip.Addr) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, addr := range addresses {
		var possible []netip.Prefix
		for _, bits := range prefixLengths {
			if prefix, err := addr.Prefix(bits); err == nil && slices.Contains(arpaAddresses, translated(addr, prefix)) {
				possible = append(possible, prefix)
			}
		}
		if len(possible) > 1 {
			possible = slices.DeleteFunc(possible, func(p netip.Prefix) bool { return !slices.Contains(addresses, sibling(addr, p)) })
		}
		for _, prefix := range possible {
			if !slices.Contains(prefixes, prefix) {
				prefixes = append(prefixes, prefix)
			}
		}
	}
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int { return cmp.Or(b.Bits()-a.Bits(), a.Addr().Compare(b.Addr())) })
	return prefixes
}

// sibling returns the address of the same prefix that stands for the other one of arpaAddresses: these differ in
// their last bit.
func sibling(addr netip.Addr, prefix netip.Prefix) netip.Addr {
	octets := addr.As16()
	octets[ipv4Octets(prefix.Bits())[3]] ^= 1
	return netip.AddrFrom16(octets)
}

const (
	// prefixesFor is how long the prefixes of the network are taken to be what they were, and how long after a
	// lookup that failed comes the next one.
	prefixesFor = 5 * time.Minute
	// prefixTimeout bounds a lookup of them.
	prefixTimeout = 10 * time.Second
)

// translators knows the prefixes of the network's translators. It asks for them once an address is checked that
// could be of one, and then again every prefixesFor, in the background.
type translators struct {
	resolver *resolver
	patience time.Duration // for the first answer, once a check has its results

	prefixes atomic.Pointer[[]netip.Prefix]
	asked    atomic.Bool   // within the last prefixesFor
	answered chan struct{} // closed once the first lookup has ended
	first    sync.Once

	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	running sync.WaitGroup
	again   *time.Timer // until the next lookup
}

func newTranslators(r *resolver, patience time.Duration) *translators {
	t := &translators{resolver: r, patience: patience, answered: make(chan struct{})}
	t.prefixes.Store(new([]netip.Prefix))
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// close ends what is under way. Nothing may be asked for after that.
func (t *translators) close() {
	t.cancel()
	t.running.Wait()
	if t.again != nil {
		t.again.Stop()
	}
}

// isCandidate reports whether an address may be one of a prefix that only the network knows.
func isCandidate(r *check.Result) bool {
	return r.Family == check.IPv6 && r.Address.IsGlobalUnicast() && !wellKnown.Contains(r.Address)
}

// ask begins to ask for the prefixes, if results have an address that may be of one and that is due.
func (t *translators) ask(results []check.Result) {
	for i := range results {
		if isCandidate(&results[i]) && t.asked.CompareAndSwap(false, true) {
			t.running.Go(t.lookUp)
		}
	}
}

// lookUp asks for the prefixes. Those that are known stay if there is no answer, or one that has nothing to do
// with the question: a name server that fails changes no series.
func (t *translators) lookUp() {
	defer t.first.Do(func() { close(t.answered) })
	ctx, cancel := context.WithTimeout(t.ctx, prefixTimeout)
	defer cancel()
	a := t.resolver.lookUp(ctx, arpa, check.IPv6)
	prefixes := prefixesOf(a.addresses)
	if len(prefixes) > 0 || a.notFound() {
		t.prefixes.Store(&prefixes)
	}
	t.again = time.AfterFunc(prefixesFor, func() { t.asked.Store(false) })
}

// await waits for the first answer, if results have an address that may be of such a prefix, for as long as
// there is patience.
func (t *translators) await(ctx context.Context, results []check.Result, handOff func()) {
	if t.patience <= 0 || !slices.ContainsFunc(results, func(r check.Result) bool { return isCandidate(&r) }) {
		return
	}
	handOff()
	timer := time.NewTimer(t.patience)
	defer timer.Stop()
	select {
	case <-t.answered:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// mark says of results which IPv4 addresses are behind translators.
func (t *translators) mark(results []check.Result) {
	for i := range results {
		if r := &results[i]; r.Family == check.IPv6 && r.Address.IsValid() {
			r.Translated = t.translated(r.Address)
		}
	}
}

func (t *translators) translated(addr netip.Addr) check.Translated {
	if ipv4 := translated(addr, wellKnown); ipv4 != (check.Translated{}) {
		return ipv4
	}
	for _, prefix := range *t.prefixes.Load() {
		if ipv4 := translated(addr, prefix); ipv4 != (check.Translated{}) {
			return ipv4
		}
	}
	return check.Translated{}
}
