package probe

import (
	"cmp"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

var (
	v4      = netip.MustParseAddr("192.0.2.1")
	v4Later = netip.MustParseAddr("192.0.2.2")
	v6      = netip.MustParseAddr("2001:db8::1")

	errNotFound = errors.New("not found")
	errTimeout  = errors.New("timeout")
)

func found(family check.Family, addresses ...netip.Addr) answer {
	return answer{family: family, addresses: addresses}
}

func notFound(family check.Family) answer {
	return answer{family: family, err: errNotFound, errorType: check.DNSNotFound}
}

func timedOut(family check.Family) answer {
	return answer{family: family, err: errTimeout, errorType: check.DNSTimeout}
}

func unspecified(family check.Family) answer {
	return answer{family: family, unspecified: true, err: errNotFound, errorType: check.NoAddress}
}

// hostWith is a machine with addresses of the kinds of these, and without a route.
func hostWith(addresses ...string) *HostAddresses {
	known := &HostAddresses{source: func(netip.Addr) (netip.Addr, bool) { return netip.Addr{}, false }}
	for _, address := range addresses {
		known.kinds = append(known.kinds, kindOf(netip.MustParseAddr(address)))
	}
	return known
}

// automatic returns the results and omissions of a check with these answers.
func automatic(p *Probe, answers []answer, host *HostAddresses) ([]check.Result, []check.Omission) {
	p.results = nil
	omissions := p.automatic(answers, host)
	return p.results, omissions
}

func required(p *Probe, answers []answer) []check.Result {
	p.results = nil
	p.required(answers)
	return p.results
}

// What a name's answers mean for the families that are checked.
func TestAnswersToResults(t *testing.T) {
	both, ipv4Only := hostWith("192.0.2.9", "2001:db8::9"), hostWith("127.0.0.1", "192.0.2.9")
	dial := func(family check.Family, address netip.Addr) check.Result {
		return check.Result{Family: family, Address: address}
	}
	down := func(family check.Family, address netip.Addr, errorType check.ErrorType) check.Result {
		err := errNotFound
		if errorType == check.DNSTimeout {
			err = errTimeout
		}
		return check.Result{Family: family, Address: address, Status: check.Down, Err: err, ErrorType: errorType}
	}
	none := netip.Addr{}
	for _, test := range []struct {
		name     string
		families []check.Family
		host     *HostAddresses
		last     map[check.Family][]netip.Addr
		answers  []answer
		want     []check.Result
		omitted  []check.Omission
	}{
		{
			name: "automatic, both families", host: both,
			answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv4, v4), dial(check.IPv6, v6)},
		},
		{
			name: "automatic, several addresses", host: both,
			answers: []answer{found(check.IPv4, v4, v4Later), notFound(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4), dial(check.IPv4, v4Later)},
			omitted: []check.Omission{{Family: check.IPv6, Reason: check.NameLacksFamily}},
		},
		{
			name: "automatic, the name has one family", host: both,
			answers: []answer{notFound(check.IPv4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv6, v6)},
			omitted: []check.Omission{{Family: check.IPv4, Reason: check.NameLacksFamily}},
		},
		{
			name: "automatic, this machine has one family", host: ipv4Only,
			answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv4, v4)},
			omitted: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}},
		},
		{
			name: "automatic, the name and this machine have no family in common", host: ipv4Only,
			answers: []answer{notFound(check.IPv4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv6, v6)},
		},
		{
			name: "automatic, nothing is known of this machine", host: nil,
			answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv4, v4), dial(check.IPv6, v6)},
		},
		{
			name: "automatic, the name does not exist", host: both,
			answers: []answer{notFound(check.IPv4), notFound(check.IPv6)},
			want:    []check.Result{down(0, none, check.DNSNotFound)},
		},
		{
			name: "automatic, the name no longer exists", host: both,
			last:    map[check.Family][]netip.Addr{check.IPv4: {v4}, check.IPv6: {v6}},
			answers: []answer{notFound(check.IPv4), notFound(check.IPv6)},
			want:    []check.Result{down(check.IPv4, v4, check.DNSNotFound), down(check.IPv6, v6, check.DNSNotFound)},
		},
		{
			name: "automatic, a family is gone from the name", host: both,
			last:    map[check.Family][]netip.Addr{check.IPv4: {v4}, check.IPv6: {v6}},
			answers: []answer{found(check.IPv4, v4), notFound(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4)},
			omitted: []check.Omission{{Family: check.IPv6, Reason: check.NameLacksFamily}},
		},
		{
			name: "automatic, the resolver is silent", host: both,
			answers: []answer{timedOut(check.IPv4), timedOut(check.IPv6)},
			want:    []check.Result{down(0, none, check.DNSTimeout)},
		},
		{
			name: "automatic, the resolver is silent for one family and has nothing in the other", host: both,
			answers: []answer{notFound(check.IPv4), timedOut(check.IPv6)},
			want:    []check.Result{down(0, none, check.DNSTimeout)},
		},
		{
			name: "automatic, the resolver became silent", host: both,
			last:    map[check.Family][]netip.Addr{check.IPv6: {v6}},
			answers: []answer{timedOut(check.IPv4), timedOut(check.IPv6)},
			want:    []check.Result{down(check.IPv6, v6, check.DNSTimeout)},
		},
		{
			name: "automatic, the resolver is silent for a family that may not exist", host: both,
			answers: []answer{found(check.IPv4, v4), timedOut(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4), {Family: check.IPv6, Err: errTimeout, Status: check.Unresolved, ErrorType: check.DNSTimeout}},
		},
		{
			name: "automatic, the resolver became silent for one family", host: both,
			last:    map[check.Family][]netip.Addr{check.IPv6: {v6}},
			answers: []answer{found(check.IPv4, v4), timedOut(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4), down(check.IPv6, v6, check.DNSTimeout)},
		},
		{
			name: "automatic, this machine has one family, and the lookup of it fails", host: ipv4Only,
			answers: []answer{timedOut(check.IPv4), found(check.IPv6, v6)},
			want:    []check.Result{down(0, none, check.DNSTimeout)},
			omitted: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}},
		},
		{
			name: "automatic, this machine has one family, and the lookup of it fails, which has not always been so", host: ipv4Only,
			last:    map[check.Family][]netip.Addr{check.IPv4: {v4}, check.IPv6: {v6}},
			answers: []answer{timedOut(check.IPv4), found(check.IPv6, v6)},
			want:    []check.Result{down(check.IPv4, v4, check.DNSTimeout)},
			omitted: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}},
		},
		{
			name: "automatic, this machine lost a family, whose lookup fails", host: ipv4Only,
			last:    map[check.Family][]netip.Addr{check.IPv4: {v4}, check.IPv6: {v6}},
			answers: []answer{found(check.IPv4, v4), timedOut(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4)},
		},
		{
			name: "automatic, this machine has a unique local address only, and the name both families", host: hostWith("127.0.0.1", "fd00::9"),
			answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv6, v6)},
			omitted: []check.Omission{{Family: check.IPv4, Reason: check.MachineLacksFamily}},
		},
		{
			name: "automatic, this machine has no address at all", host: hostWith("127.0.0.1"),
			answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv4, v4), dial(check.IPv6, v6)},
		},
		{
			name: "automatic, the address is the unspecified one", host: both,
			answers: []answer{unspecified(check.IPv4), notFound(check.IPv6)},
			want:    []check.Result{down(0, none, check.NoAddress)},
		},
		{
			name: "automatic, one address is the unspecified one", host: both,
			answers: []answer{found(check.IPv4, v4), unspecified(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4)},
			omitted: []check.Omission{{Family: check.IPv6, Reason: check.NameLacksFamily}},
		},
		{
			name: "required, one address is the unspecified one", families: []check.Family{check.IPv4},
			answers: []answer{unspecified(check.IPv4), notFound(check.IPv6)},
			want:    []check.Result{down(check.IPv4, none, check.NoAddress)},
		},
		{
			name: "required, one family does not exist and the lookup of the other fails", families: check.Families,
			answers: []answer{notFound(check.IPv4), timedOut(check.IPv6)},
			want:    []check.Result{down(check.IPv4, none, check.DNSNotFound), down(check.IPv6, none, check.DNSTimeout)},
		},
		{
			name: "required, both families", families: check.Families,
			answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)},
			want:    []check.Result{dial(check.IPv4, v4), dial(check.IPv6, v6)},
		},
		{
			name: "required, the name lacks one", families: check.Families,
			answers: []answer{found(check.IPv4, v4), notFound(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4), down(check.IPv6, none, check.NoAddress)},
		},
		{
			name: "required, the name lost one", families: check.Families,
			last:    map[check.Family][]netip.Addr{check.IPv6: {v6}},
			answers: []answer{found(check.IPv4, v4), notFound(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4), down(check.IPv6, v6, check.NoAddress)},
		},
		{
			name: "required, the name has only the other one", families: []check.Family{check.IPv6},
			answers: []answer{found(check.IPv4, v4), notFound(check.IPv6)},
			want:    []check.Result{down(check.IPv6, none, check.NoAddress)},
		},
		{
			name: "required, the name does not exist", families: []check.Family{check.IPv6},
			answers: []answer{notFound(check.IPv4), notFound(check.IPv6)},
			want:    []check.Result{down(check.IPv6, none, check.DNSNotFound)},
		},
		{
			name: "required, neither exists", families: check.Families,
			answers: []answer{notFound(check.IPv4), notFound(check.IPv6)},
			want:    []check.Result{down(check.IPv4, none, check.DNSNotFound), down(check.IPv6, none, check.DNSNotFound)},
		},
		{
			name: "required, the resolver is silent for one", families: check.Families,
			answers: []answer{found(check.IPv4, v4), timedOut(check.IPv6)},
			want:    []check.Result{dial(check.IPv4, v4), down(check.IPv6, none, check.DNSTimeout)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProbe(check.Target{Families: test.families})
			p.names.last = test.last
			if len(test.families) > 0 {
				assert.Equal(t, test.want, required(p, test.answers))
			} else {
				results, omitted := automatic(p, test.answers, test.host)
				assert.Equal(t, test.want, results)
				assert.ElementsMatch(t, test.omitted, omitted)
			}
		})
	}
}

// Too many addresses are told of where all are to be checked.
func TestExcesses(t *testing.T) {
	many := found(check.IPv4, v4, v4Later)
	many.count = 3
	all := found(check.IPv6, v6)
	all.count = 1
	answers := resolution{answers: []answer{many, all}, complete: true}
	for _, test := range []struct {
		multiple bool
		want     []check.Excess
	}{
		{true, []check.Excess{{Family: check.IPv4, Found: 3, Checked: 2}}},
		{false, nil},
	} {
		p := &Probe{target: &check.Target{MultipleIPs: test.multiple, CacheDuration: time.Hour}, names: nameCache{bound: time.Hour}}
		p.names.store(answers, time.Now())
		var report check.Report
		p.resolve(t.Context(), nil, noHandOff, &report)
		assert.Equal(t, test.want, report.Excesses)
	}
}

// Without multiple_ips, the first address of each family is the one.
func TestFirstAddress(t *testing.T) {
	for multiple, want := range map[bool][]netip.Addr{true: {v4, v4Later}, false: {v4}} {
		r := zone{}.resolver(t, "")
		require.NoError(t, os.WriteFile(r.files.hosts.path, []byte("192.0.2.1 web\n192.0.2.2 web\n"), 0o600))
		p := &Probe{target: &check.Target{Host: "web", MultipleIPs: multiple, Timeout: time.Minute}, resolver: r}
		answers := p.lookUp(t.Context()).answers
		require.Len(t, answers, 2)
		assert.Equal(t, want, answers[0].addresses)
		assert.Empty(t, answers[1].addresses)
	}
}

// What is remembered of a family ends with it, whether the name or this machine has lost
// it.
func TestAFamilyThatIsGoneIsForgotten(t *testing.T) {
	both, ipv4Only := hostWith("192.0.2.9", "2001:db8::9"), hostWith("192.0.2.9")
	for name, test := range map[string]struct {
		answers []answer
		host    *HostAddresses
	}{
		"from the name":     {[]answer{found(check.IPv4, v4), notFound(check.IPv6)}, both},
		"from this machine": {[]answer{found(check.IPv4, v4), found(check.IPv6, v6)}, ipv4Only},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbe(check.Target{})
			automatic(p, []answer{found(check.IPv4, v4), found(check.IPv6, v6)}, both)
			automatic(p, test.answers, test.host)
			results, _ := automatic(p, []answer{notFound(check.IPv4), timedOut(check.IPv6)}, both)
			assert.Equal(t, []check.Result{{Family: check.IPv4, Address: v4, Status: check.Down, Err: errNotFound, ErrorType: check.DNSNotFound}}, results)
		})
	}
}

// That this machine lacks a family is not forgotten while a lookup of it fails.
func TestAFamilyIsLackedWhileItsLookupFails(t *testing.T) {
	ipv4Only := hostWith("192.0.2.9")
	p := newProbe(check.Target{})
	for n, test := range []struct {
		answer answer
		want   []check.Omission
	}{
		{timedOut(check.IPv6), nil},
		{found(check.IPv6, v6), []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}},
		{timedOut(check.IPv6), []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}},
		{notFound(check.IPv6), nil},
		{timedOut(check.IPv6), nil},
	} {
		_, omitted := automatic(p, []answer{found(check.IPv4, v4), test.answer}, ipv4Only)
		assert.ElementsMatch(t, test.want, omitted, "check %d", n)
	}
}

func TestNameCache(t *testing.T) {
	complete := resolution{name: "name.test.", answers: []answer{found(check.IPv4, v4), notFound(check.IPv6)}, complete: true}
	both := resolution{name: "name.test.", answers: []answer{found(check.IPv4, v4), found(check.IPv6, v6)}, complete: true}
	half := resolution{name: "name.test.", answers: []answer{found(check.IPv4, v4), timedOut(check.IPv6)}}
	nothing := resolution{answers: []answer{notFound(check.IPv4), notFound(check.IPv6)}, complete: true}
	up := []check.Result{{Family: check.IPv4, Address: v4, Status: check.Up}}
	refused := []check.Result{{Family: check.IPv4, Address: v4, Status: check.Down, Err: errTimeout, ErrorType: check.ConnectionRefused}}
	local := []check.Result{{Family: check.IPv4, Address: v4, Status: check.Unchecked, Err: errTimeout}}
	unresolved := []check.Result{{Family: check.IPv6, Status: check.Unresolved, Err: errTimeout, ErrorType: check.DNSTimeout}}
	for _, test := range []struct {
		name       string
		resolution resolution
		duration   time.Duration
		bound      time.Duration // an hour if 0
		age        time.Duration // a minute if 0
		results    []check.Result
		want       bool
	}{
		{name: "until an error, up", resolution: complete, duration: check.UntilError, results: up, want: true},
		{name: "until an error, down", resolution: complete, duration: check.UntilError, results: refused, want: false},
		{name: "until an error, not confirmed", resolution: complete, duration: check.UntilError, results: unresolved, want: false},
		{name: "until an error, a local fault is none", resolution: complete, duration: check.UntilError, results: local, want: true},
		{name: "until an error, before the bound", resolution: both, duration: check.UntilError, bound: time.Second, age: time.Second - 1, results: up, want: true},
		{name: "until an error, at the bound", resolution: both, duration: check.UntilError, bound: time.Second, age: time.Second, results: up, want: false},
		{name: "0 resolves every time", resolution: complete, duration: 0, results: up, want: false},
		{name: "an hour, up", resolution: complete, duration: time.Hour, results: up, want: true},
		{name: "an hour, down", resolution: complete, duration: time.Hour, results: refused, want: true},
		{name: "an hour, beyond the bound", resolution: both, duration: time.Hour, bound: time.Second, results: up, want: true},
		{name: "an hour, a family may have come at the bound", resolution: complete, duration: time.Hour, bound: time.Second, age: time.Second, results: up, want: false},
		{name: "an hour, no family can have come before the bound", resolution: complete, duration: time.Hour, bound: time.Second, age: time.Second - 1, results: up, want: true},
		{name: "just before it is over", resolution: both, duration: time.Second, age: time.Second - 1, results: up, want: true},
		{name: "over", resolution: both, duration: time.Second, age: time.Second, results: up, want: false},
		{name: "nothing was found", resolution: nothing, duration: time.Hour, results: up, want: false},
		{name: "half the truth", resolution: half, duration: time.Hour, results: up, want: false},
	} {
		t.Run(test.name, func(t *testing.T) {
			checked := check.Target{CacheDuration: test.duration}
			c := nameCache{bound: cmp.Or(test.bound, time.Hour)}
			resolved := time.Unix(1_000_000, 0)
			assert.False(t, c.fresh(&checked, resolved))
			c.store(test.resolution, resolved)
			c.observe(test.results)
			assert.Equal(t, test.want, c.fresh(&checked, resolved.Add(cmp.Or(test.age, time.Minute))))
		})
	}
}

// A name that a host has come to stand for is kept while it does not resolve, and a
// failure is forgotten with the addresses that failed.
func TestNameCacheStore(t *testing.T) {
	var c nameCache
	c.store(resolution{name: "name.test.", answers: []answer{found(check.IPv4, v4)}, complete: true}, time.Unix(0, 0))
	c.observe([]check.Result{{Status: check.Down}})
	c.reaches(nil, v4)
	assert.True(t, c.failed)
	c.store(resolution{answers: []answer{notFound(check.IPv4)}, complete: true}, time.Unix(1, 0))
	assert.Equal(t, nameCache{name: "name.test.", resolved: time.Unix(0, 0)}, c)
	c.store(resolution{name: "other.test.", answers: []answer{found(check.IPv4, v4)}}, time.Unix(2, 0))
	assert.Equal(t, nameCache{name: "other.test.", resolved: time.Unix(0, 0)}, c)
}

// The system is asked once whether it reaches an address, and again once this machine's
// addresses have changed.
func TestNameCacheReaches(t *testing.T) {
	asked := 0
	hosts := make([]*HostAddresses, 2)
	for i := range hosts {
		hosts[i] = hostWith("192.0.2.9")
		hosts[i].source = func(netip.Addr) (netip.Addr, bool) { asked++; return netip.Addr{}, false }
	}
	var c nameCache
	for n, test := range []struct {
		host    *HostAddresses
		address netip.Addr
		want    bool
		asked   int
	}{
		{hosts[0], v4, true, 1},
		{hosts[0], v4, true, 1},
		{hosts[0], v6, false, 1}, // no address fits, whatever the routes are
		{hosts[0], v4Later, true, 2},
		{hosts[0], v6, false, 2},
		{hosts[0], v4, true, 2},
		{hosts[1], v4, true, 3},
		{nil, v6, true, 3},
	} {
		assert.Equal(t, test.want, c.reaches(test.host, test.address), "%d", n)
		assert.Equal(t, test.asked, asked, "%d", n)
	}
}

// Targets that are resolved at one moment are not resolved at one moment again.
func TestSpread(t *testing.T) {
	first := 0
	const targets = 1000
	for n := range targets {
		bound := spread(&check.Target{Labels: check.Labels{Name: strconv.Itoa(n)}, MaxCacheDuration: 4 * time.Minute})
		require.GreaterOrEqual(t, bound, 2*time.Minute)
		require.LessOrEqual(t, bound, 4*time.Minute)
		if bound < 3*time.Minute {
			first++
		}
	}
	assert.InDelta(t, targets/2, first, targets/10)
}

// Which addresses this machine reaches, by the addresses that it has. What the system
// says of its routes is in e2e/faults: here it has none to these.
func TestAddressesThatReach(t *testing.T) {
	for _, test := range []struct {
		name    string
		has, to string
		want    bool
	}{
		{"the same family", "192.0.2.1", "198.51.100.1", true},
		{"the other family", "192.0.2.1", "2001:db8::1", false},
		{"loopback", "127.0.0.1", "127.0.0.2", true},
		{"beyond loopback", "127.0.0.1", "192.0.2.1", false},
		{"loopback from beyond", "192.0.2.1", "127.0.0.1", false},
		{"a private one", "10.0.0.1", "192.0.2.1", true},
		{"a cloud's metadata", "192.0.2.1", "169.254.169.254", true},
		{"beyond the link, IPv4", "169.254.7.7", "192.0.2.1", false},
		{"the link, IPv6", "fe80::1", "fe80::2%eth0", true},
		{"the link from beyond, IPv6", "2001:db8::1", "fe80::2%eth0", false},
		{"beyond the link, IPv6", "fe80::1", "2001:db8::1", false},
		{"global", "2001:db8::1", "2001:db8:ffff::1", true},
		{"global from a site", "fd00::1", "2001:db8::1", false},
		{"a site from a site", "fd00::1", "fdff::1", true},
		{"a site from global", "2001:db8::1", "fd00::1", true},
		{"global from Teredo", "2001::1", "2001:db8::1", false},
		{"global from 6to4", "2002::1", "2001:db8::1", false},
		{"IPv6 loopback", "::1", "::1", true},
		{"beyond loopback, IPv6", "::1", "2001:db8::1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, kindOf(netip.MustParseAddr(test.has)).reaches(kindOf(netip.MustParseAddr(test.to))))
		})
	}
}

func TestHostAddresses(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	host := ReadHostAddresses(nil)
	require.NotNil(t, host)
	assert.Contains(t, host.kinds, kindOf(loopback))
	assert.True(t, host.Reaches(loopback))
	assert.Equal(t, host.kinds, ReadHostAddresses(hostWith("192.0.2.1")).kinds, "they are others now")
	assert.Equal(t, host, ReadHostAddresses(host), "they are the same addresses")
	assert.True(t, (*HostAddresses)(nil).Reaches(v6), "nothing is known")
	assert.True(t, (*HostAddresses)(nil).Has(check.IPv6))
	assert.False(t, hostWith("127.0.0.1").Has(check.IPv4))
	assert.True(t, hostWith("127.0.0.1", "10.0.0.1").Has(check.IPv4))
	assert.False(t, hostWith("2001:db8::1").Reaches(loopback))
}

// The source address to loopback is one of loopback, and there is none without a route: a
// link-local address needs a zone.
func TestSourceFor(t *testing.T) {
	source, ok := sourceFor(netip.MustParseAddr("127.0.0.7"))
	assert.True(t, ok)
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), source)
	_, ok = sourceFor(netip.MustParseAddr("fe80::1"))
	assert.False(t, ok)
}

// The labels of RFC 6724, section 2.1.
func TestLabels(t *testing.T) {
	for address, want := range map[string]uint8{
		"::1": 0, "2001:db8::1": 1, "2002::1": 2, "::192.0.2.1": 3, "192.0.2.1": 4, "2001::1": 5, "fec0::1": 11, "3ffe::1": 12, "fd00::1": 13, "fe80::1%eth0": 1,
	} {
		assert.Equal(t, want, labelOf(netip.MustParseAddr(address)), address)
	}
}

// The address that the system takes decides, if there is a route.
func TestReachesFromTheSource(t *testing.T) {
	global, site := netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("fd00::9")
	host := hostWith(global.String(), site.String())
	assert.True(t, host.Reaches(v6))
	host.source = func(netip.Addr) (netip.Addr, bool) { return site, true }
	assert.False(t, host.Reaches(v6))
	host.source = func(netip.Addr) (netip.Addr, bool) { return global, true }
	assert.True(t, host.Reaches(v6))
}
