package probe

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/receiver/target"
)

var (
	v4      = netip.MustParseAddr("192.0.2.1")
	v4Later = netip.MustParseAddr("192.0.2.2")
	v6      = netip.MustParseAddr("2001:db8::1")

	errNotFound = errors.New("not found")
	errTimeout  = errors.New("timeout")
)

func found(family target.Family, addresses ...netip.Addr) answer {
	return answer{family: family, addresses: addresses}
}

func notFound(family target.Family) answer {
	return answer{family: family, err: errNotFound, errorType: DNSNotFound}
}

func timedOut(family target.Family) answer {
	return answer{family: family, err: errTimeout, errorType: DNSTimeout}
}

// hostWith has an address beyond the link in each family.
func hostWith(families ...target.Family) HostAddresses {
	has := make(map[familyScope]bool)
	for _, family := range families {
		has[familyScope{family, beyondLink}] = true
	}
	return HostAddresses{has: has}
}

// What a name's answers mean for the families that are checked.
func TestAnswersToResults(t *testing.T) {
	both := hostWith(target.IPv4, target.IPv6)
	dial := func(family target.Family, address netip.Addr) Result { return Result{Family: family, Address: address} }
	down := func(family target.Family, address netip.Addr, errorType ErrorType) Result {
		err := errNotFound
		if errorType == DNSTimeout {
			err = errTimeout
		}
		return Result{Family: family, Address: address, Err: err, ErrorType: errorType}
	}
	none := netip.Addr{}
	for _, test := range []struct {
		name     string
		families []target.Family
		host     HostAddresses
		last     map[target.Family][]netip.Addr
		answers  []answer
		want     []Result
	}{
		{
			name: "automatic, both families", host: both,
			answers: []answer{found(target.IPv4, v4), found(target.IPv6, v6)},
			want:    []Result{dial(target.IPv4, v4), dial(target.IPv6, v6)},
		},
		{
			name: "automatic, several addresses", host: both,
			answers: []answer{found(target.IPv4, v4, v4Later), notFound(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4), dial(target.IPv4, v4Later)},
		},
		{
			name: "automatic, the name has one family", host: both,
			answers: []answer{notFound(target.IPv4), found(target.IPv6, v6)},
			want:    []Result{dial(target.IPv6, v6)},
		},
		{
			name: "automatic, this machine has one family", host: hostWith(target.IPv4),
			answers: []answer{found(target.IPv4, v4), found(target.IPv6, v6)},
			want:    []Result{dial(target.IPv4, v4)},
		},
		{
			name: "automatic, the name and this machine have no family in common", host: hostWith(target.IPv4),
			answers: []answer{notFound(target.IPv4), found(target.IPv6, v6)},
			want:    []Result{dial(target.IPv6, v6)},
		},
		{
			name: "automatic, nothing is known of this machine", host: HostAddresses{},
			answers: []answer{found(target.IPv4, v4), found(target.IPv6, v6)},
			want:    []Result{dial(target.IPv4, v4), dial(target.IPv6, v6)},
		},
		{
			name: "automatic, the name does not exist", host: both,
			answers: []answer{notFound(target.IPv4), notFound(target.IPv6)},
			want:    []Result{down(0, none, DNSNotFound)},
		},
		{
			name: "automatic, the name no longer exists", host: both,
			last:    map[target.Family][]netip.Addr{target.IPv4: {v4}, target.IPv6: {v6}},
			answers: []answer{notFound(target.IPv4), notFound(target.IPv6)},
			want:    []Result{down(target.IPv4, v4, DNSNotFound), down(target.IPv6, v6, DNSNotFound)},
		},
		{
			name: "automatic, a family is gone from the name", host: both,
			last:    map[target.Family][]netip.Addr{target.IPv4: {v4}, target.IPv6: {v6}},
			answers: []answer{found(target.IPv4, v4), notFound(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4)},
		},
		{
			name: "automatic, the resolver is silent", host: both,
			answers: []answer{timedOut(target.IPv4), timedOut(target.IPv6)},
			want:    []Result{down(0, none, DNSTimeout)},
		},
		{
			name: "automatic, the resolver is silent for one family and has nothing in the other", host: both,
			answers: []answer{notFound(target.IPv4), timedOut(target.IPv6)},
			want:    []Result{down(0, none, DNSTimeout)},
		},
		{
			name: "automatic, the resolver became silent", host: both,
			last:    map[target.Family][]netip.Addr{target.IPv6: {v6}},
			answers: []answer{timedOut(target.IPv4), timedOut(target.IPv6)},
			want:    []Result{down(target.IPv6, v6, DNSTimeout)},
		},
		{
			name: "automatic, the resolver is silent for a family that may not exist", host: both,
			answers: []answer{found(target.IPv4, v4), timedOut(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4), {Family: target.IPv6, Err: errTimeout, ErrorType: DNSTimeout, Speculative: true}},
		},
		{
			name: "automatic, the resolver became silent for one family", host: both,
			last:    map[target.Family][]netip.Addr{target.IPv6: {v6}},
			answers: []answer{found(target.IPv4, v4), timedOut(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4), down(target.IPv6, v6, DNSTimeout)},
		},
		{
			name: "required, both families", families: target.Families,
			answers: []answer{found(target.IPv4, v4), found(target.IPv6, v6)},
			want:    []Result{dial(target.IPv4, v4), dial(target.IPv6, v6)},
		},
		{
			name: "required, the name lacks one", families: target.Families,
			answers: []answer{found(target.IPv4, v4), notFound(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4), down(target.IPv6, none, NoAddress)},
		},
		{
			name: "required, the name lost one", families: target.Families,
			last:    map[target.Family][]netip.Addr{target.IPv6: {v6}},
			answers: []answer{found(target.IPv4, v4), notFound(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4), down(target.IPv6, v6, NoAddress)},
		},
		{
			name: "required, the name has only the other one", families: []target.Family{target.IPv6},
			answers: []answer{found(target.IPv4, v4), notFound(target.IPv6)},
			want:    []Result{down(target.IPv6, none, NoAddress)},
		},
		{
			name: "required, the name does not exist", families: []target.Family{target.IPv6},
			answers: []answer{notFound(target.IPv4), notFound(target.IPv6)},
			want:    []Result{down(target.IPv6, none, DNSNotFound)},
		},
		{
			name: "required, neither exists", families: target.Families,
			answers: []answer{notFound(target.IPv4), notFound(target.IPv6)},
			want:    []Result{down(target.IPv4, none, DNSNotFound), down(target.IPv6, none, DNSNotFound)},
		},
		{
			name: "required, the resolver is silent for one", families: target.Families,
			answers: []answer{found(target.IPv4, v4), timedOut(target.IPv6)},
			want:    []Result{dial(target.IPv4, v4), down(target.IPv6, none, DNSTimeout)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProbe(target.Target{Families: test.families})
			p.names.last = test.last
			if len(test.families) > 0 {
				assert.Equal(t, test.want, p.required(test.answers))
			} else {
				assert.Equal(t, test.want, p.automatic(test.answers, test.host))
			}
		})
	}
}

func TestAFamilyThatIsGoneIsForgotten(t *testing.T) {
	p := newProbe(target.Target{})
	p.automatic([]answer{found(target.IPv4, v4), found(target.IPv6, v6)}, HostAddresses{})
	p.automatic([]answer{found(target.IPv4, v4), notFound(target.IPv6)}, HostAddresses{})
	assert.Equal(t, []Result{{Family: target.IPv4, Address: v4, Err: errNotFound, ErrorType: DNSNotFound}},
		p.automatic([]answer{notFound(target.IPv4), notFound(target.IPv6)}, HostAddresses{}))
}

func TestNameCache(t *testing.T) {
	complete := []answer{found(target.IPv4, v4), notFound(target.IPv6)}
	up := []Result{{Family: target.IPv4, Address: v4}}
	refused := []Result{{Family: target.IPv4, Address: v4, Err: errTimeout, ErrorType: ConnectionRefused}}
	local := []Result{{Family: target.IPv4, Address: v4, Err: errTimeout, LocalFault: true}}
	for _, test := range []struct {
		name     string
		answers  []answer
		duration time.Duration
		results  []Result
		want     bool
	}{
		{name: "until an error, up", answers: complete, duration: target.UntilError, results: up, want: true},
		{name: "until an error, down", answers: complete, duration: target.UntilError, results: refused, want: false},
		{name: "until an error, a local fault is none", answers: complete, duration: target.UntilError, results: local, want: true},
		{name: "0 resolves every time", answers: complete, duration: 0, results: up, want: false},
		{name: "an hour, up", answers: complete, duration: time.Hour, results: up, want: true},
		{name: "an hour, down", answers: complete, duration: time.Hour, results: refused, want: true},
		{name: "over", answers: complete, duration: time.Nanosecond, results: up, want: false},
		{name: "nothing was found", answers: []answer{notFound(target.IPv4), notFound(target.IPv6)}, duration: time.Hour, results: up, want: false},
		{name: "half the truth", answers: []answer{found(target.IPv4, v4), timedOut(target.IPv6)}, duration: time.Hour, results: up, want: false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c nameCache
			assert.False(t, c.fresh(test.duration))
			c.store(test.answers)
			c.observe(test.results)
			assert.Equal(t, test.want, c.fresh(test.duration))
		})
	}
}

func TestReaches(t *testing.T) {
	host := HostAddresses{has: map[familyScope]bool{
		{target.IPv4, beyondLink}: true,
		{target.IPv4, loopback}:   true,
		{target.IPv6, linkLocal}:  true,
		{target.IPv6, loopback}:   true,
	}}
	for address, want := range map[string]bool{
		"192.0.2.1":   true,
		"127.0.0.2":   true,
		"::1":         true,
		"fe80::1":     true,
		"169.254.0.1": false,
		"2001:db8::1": false, // a link-local address does not reach it
	} {
		assert.Equal(t, want, host.Reaches(netip.MustParseAddr(address)), address)
	}
	assert.True(t, ReadHostAddresses().Reaches(netip.MustParseAddr("127.0.0.1")))
}
