package trace

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// nameTimeout bounds how long the name of an address may take.
	nameTimeout = time.Second
	// longestName is how many characters of a name are shown; the longest possible one has 253.
	longestName = 100
)

// Names returns the names of addresses, as the system's resolver has them by reverse DNS. All are asked
// for at the same time, for a second at most; an address of which nothing is known by then is not in
// the map. Of several names, the first one by the alphabet counts. Whoever has an address may call it
// what they like: what is not visible ASCII is "?" in a name, and of a long one the beginning is there.
func Names(ctx context.Context, addresses []netip.Addr) map[netip.Addr]string {
	return names(ctx, addresses, net.DefaultResolver.LookupAddr)
}

func names(ctx context.Context, addresses []netip.Addr, lookup func(context.Context, string) ([]string, error)) map[netip.Addr]string {
	ctx, end := context.WithTimeout(ctx, nameTimeout)
	defer end()
	found := make(map[netip.Addr]string)
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, address := range addresses {
		asking.Go(func() {
			names, _ := lookup(ctx, address.String()) // without a name, the address has to do
			if len(names) == 0 {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[address] = visible(strings.TrimSuffix(slices.Min(names), "."))
		})
	}
	asking.Wait()
	return found
}

// visible returns a name of which nothing disturbs a terminal or a table.
func visible(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	if utf8.RuneCountInString(name) > longestName {
		name = name[:longestName] + "…" // it is ASCII
	}
	return name
}
