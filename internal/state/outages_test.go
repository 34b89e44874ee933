package state

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// crowd is targets that Outages knows, and a second for each review.
type crowd struct {
	outages Outages
	members []*Member
	targets []*check.Target
	now     time.Time
}

// interval and timeout are those of a crowd: a period is 25 seconds.
const (
	interval = 15 * time.Second
	timeout  = 10 * time.Second
)

// newCrowd returns so many targets, each in a network of its own, that have been up.
func newCrowd(n int, label func(i int, l *check.Labels)) *crowd {
	c := &crowd{now: at(0)}
	for i := range n {
		t := &check.Target{Interval: interval, Timeout: timeout}
		if label != nil {
			label(i, &t.Labels)
		}
		c.targets, c.members = append(c.targets, t), append(c.members, &Member{})
		c.outages.Add(c.members[i], t)
		c.observe(i, up(c.address(i)))
	}
	return c
}

func (c *crowd) address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i / 256), byte(i), 1})
}

func (c *crowd) observe(i int, results ...check.Result) {
	c.outages.Observe(c.members[i], &check.Report{Target: c.targets[i], Time: c.now, Results: results})
}

// lose has targets fail, up to one.
func (c *crowd) lose(from, to int, errorType check.ErrorType) {
	for i := from; i < to; i++ {
		c.observe(i, down(c.address(i), errorType))
	}
}

// review returns what is new in each of the next seconds, as text.
func (c *crowd) review(seconds int) []string {
	var said []string
	for range seconds {
		c.now = c.now.Add(time.Second)
		for _, o := range c.outages.Review(c.now) {
			text := fmt.Sprintf("%v %s %v: %d of %d", o.Scope, o.Name(), o.Family, o.Down, o.Targets)
			if o.Over {
				text += ", over"
			} else if o.Network.IsValid() {
				text += " in " + o.Network.String()
			}
			said = append(said, text)
		}
	}
	return said
}

func TestOutages(t *testing.T) {
	service := func(of func(i int) string) func(int, *check.Labels) {
		return func(i int, l *check.Labels) { l.Service = of(i) }
	}
	half := service(func(i int) string {
		if i < 40 {
			return "shop"
		}
		return "bank"
	})
	for _, test := range []struct {
		name    string
		targets int
		label   func(int, *check.Labels)
		run     func(c *crowd) []string
		want    []string
	}{
		{"all at once", 20, nil, func(c *crowd) []string {
			c.lose(0, 20, check.Timeout)
			return c.review(5)
		}, []string{"machine  ipv4: 20 of 20 in 10.0.0.0/19"}},
		{"told once no more come", 20, nil, func(c *crowd) []string {
			c.lose(0, 17, check.Timeout)
			assert.Empty(t, c.review(1), "there may be more")
			c.lose(17, 19, check.HostUnreachable)
			return c.review(60)
		}, []string{"machine  ipv4: 19 of 20 in 10.0.0.0/19"}},
		{"within a period, and told after it", 20, nil, func(c *crowd) []string {
			for i := range 20 {
				c.lose(i, i+1, check.Timeout)
				assert.Empty(t, c.review(1))
			}
			return c.review(60)
		}, []string{"machine  ipv4: 20 of 20 in 10.0.0.0/19"}},
		{"seven of ten", 10, nil, func(c *crowd) []string {
			c.lose(0, 7, check.Timeout)
			return c.review(60)
		}, nil},
		{"too few", 9, nil, func(c *crowd) []string {
			c.lose(0, 9, check.Timeout)
			return c.review(60)
		}, nil},
		{"they answer", 20, nil, func(c *crowd) []string {
			c.lose(0, 20, check.ConnectionRefused)
			return c.review(60)
		}, nil},
		{"no name is resolved", 20, nil, func(c *crowd) []string {
			c.lose(0, 20, check.DNSTimeout)
			return c.review(5)
		}, []string{"machine  ipv4: 20 of 20 in 10.0.0.0/19"}},
		{"one after the other", 20, nil, func(c *crowd) []string {
			var said []string
			for i := range 20 {
				c.lose(i, i+1, check.Timeout)
				said = append(said, c.review(5)...)
			}
			return said
		}, nil},
		{"some had been down for long", 30, nil, func(c *crowd) []string {
			c.lose(0, 10, check.Timeout)
			assert.Empty(t, c.review(60))
			c.lose(10, 26, check.Timeout)
			return c.review(5)
		}, []string{"machine  ipv4: 16 of 20 in 10.0.0.0/19"}},
		{"one that never worked does not count", 20, nil, func(c *crowd) []string {
			for range 20 {
				target, member := &check.Target{Interval: interval, Timeout: timeout}, &Member{}
				c.outages.Add(member, target)
				c.outages.Observe(member, &check.Report{Target: target, Time: c.now, Results: []check.Result{down(v4, check.Timeout)}})
			}
			return c.review(60)
		}, nil},
		{"half of them come back", 20, nil, func(c *crowd) []string {
			c.lose(0, 20, check.Timeout)
			said := c.review(5)
			for i := range 9 {
				c.observe(i, up(c.address(i)))
			}
			assert.Empty(t, c.review(5))
			c.observe(9, up(c.address(9)))
			said = append(said, c.review(5)...)
			c.lose(0, 10, check.Timeout)
			return append(said, c.review(60)...)
		}, []string{"machine  ipv4: 20 of 20 in 10.0.0.0/19", "machine  ipv4: 10 of 20, over", "machine  ipv4: 20 of 20 in 10.0.0.0/19"}},
		{"they are removed", 20, nil, func(c *crowd) []string {
			c.lose(0, 20, check.Timeout)
			said := c.review(5)
			for _, m := range c.members {
				c.outages.Remove(m)
			}
			return append(said, c.review(5)...)
		}, []string{"machine  ipv4: 20 of 20 in 10.0.0.0/19", "machine  ipv4: 0 of 0, over"}},
		{"a service of two", 80, half, func(c *crowd) []string {
			c.lose(0, 39, check.Timeout)
			assert.Empty(t, c.review(24), "all may follow")
			said := c.review(60)
			for i := range 20 {
				c.observe(i, up(c.address(i)))
			}
			return append(said, c.review(5)...)
		}, []string{"service shop ipv4: 39 of 40 in 10.0.0.0/18", "service shop ipv4: 19 of 40, over"}},
		{"all of two services", 80, half, func(c *crowd) []string {
			c.lose(0, 40, check.Timeout)
			assert.Empty(t, c.review(5))
			c.lose(40, 80, check.Timeout)
			return c.review(60)
		}, []string{"machine  ipv4: 80 of 80 in 10.0.0.0/17"}},
		{"a service and its tag", 80, func(i int, l *check.Labels) {
			half(i, l)
			l.Tags = []check.Tag{{Key: "env", Value: "prod"}}
			if i < 45 {
				l.Tags = append(l.Tags, check.Tag{Key: "site", Value: "a"})
			}
		}, func(c *crowd) []string {
			c.lose(0, 40, check.Timeout)
			return c.review(60)
		}, []string{"service shop ipv4: 40 of 40 in 10.0.0.0/18"}},
		{"a tag", 80, func(i int, l *check.Labels) {
			l.Tags = []check.Tag{{Key: "rack", Value: fmt.Sprint(i / 20)}}
		}, func(c *crowd) []string {
			c.lose(20, 40, check.Timeout)
			return c.review(60)
		}, []string{"tag rack:1 ipv4: 20 of 20 in 10.0.0.0/18"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, test.run(newCrowd(test.targets, test.label)))
		})
	}
}

// Targets of one network may be down since that is: it is not the machine's fault. Names without an
// address may be anywhere.
func TestOutagesOfOneNetwork(t *testing.T) {
	for _, test := range []struct {
		name    string
		address func(i int) netip.Addr
		want    int
	}{
		{"one /24", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }, 0},
		{"one address", func(int) netip.Addr { return netip.MustParseAddr("::1") }, 0},
		{"one /64", func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)) }, 0},
		{"two /64", func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%d::1", i%2)) }, 1},
		{"a zone", func(int) netip.Addr { return netip.MustParseAddr("fe80::1%eth0") }, 0},
		{"no address", func(int) netip.Addr { return netip.Addr{} }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCrowd(0, nil)
			for i := range 20 {
				target, member, address := &check.Target{Interval: interval, Timeout: timeout}, &Member{}, test.address(i)
				c.outages.Add(member, target)
				family := check.IPv6
				if address.IsValid() {
					family = check.FamilyOf(address)
				}
				for _, result := range []check.Result{{Status: check.Up}, {Status: check.Down, ErrorType: check.Timeout}} {
					result.Family, result.Address = family, address
					c.outages.Observe(member, &check.Report{Target: target, Time: c.now, Results: []check.Result{result}})
				}
			}
			assert.Len(t, c.review(60), test.want)
		})
	}
}

// A target is out of reach over a family if nobody answers for any of its addresses.
func TestVerdict(t *testing.T) {
	silent, refused := down(v4, check.Timeout), down(other, check.ConnectionRefused)
	unconfirmed := down(other, check.Timeout)
	unconfirmed.Status = check.Unconfirmed
	for _, test := range []struct {
		name    string
		results []check.Result
		want    verdict
	}{
		{"nothing of the family", []check.Result{up6}, verdict{forget: true}},
		{"up", []check.Result{up4}, verdict{works: true}},
		{"one of two is up", []check.Result{silent, upOther}, verdict{works: true}},
		{"silent", []check.Result{silent}, verdict{lost: true, address: v4}},
		{"one of two answers", []check.Result{silent, refused}, verdict{answers: true}},
		{"one of two is not known", []check.Result{silent, unconfirmed}, verdict{}},
		{"unchecked", []check.Result{unchecked4}, verdict{}},
		{"its name is not resolved", []check.Result{{Family: check.IPv4, Address: v4, Status: check.Down, Err: errFailed, ErrorType: check.DNSTimeout}}, verdict{lost: true, address: v4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, verdictOf(&check.Report{Results: test.results}, check.IPv4))
		})
	}
}

// Whatever happens to targets, what is counted of them is what a plain count finds, each outage
// that begins ends at most once, and none is left once all targets are gone.
func TestOutagesModel(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		c := newCrowd(40, func(i int, l *check.Labels) {
			l.Service = []string{"", "a", "b"}[i%3]
			l.Tags = []check.Tag{{Key: "k", Value: fmt.Sprint(i % 2)}}
		})
		lasts := make(map[string]bool)
		review := func() {
			c.now = c.now.Add(time.Second)
			for _, o := range c.outages.Review(c.now) {
				key := fmt.Sprint(o.Group, o.Family)
				require.Equal(t, o.Over, lasts[key], "seed %d: it begins and ends in turn", seed)
				lasts[key] = !o.Over
				if !o.Over {
					require.GreaterOrEqual(t, o.Down, OutageTargets)
					require.GreaterOrEqual(t, o.Down*100, o.Targets*OutagePercent)
				}
			}
		}
		for range 300 {
			switch from, to := random.IntN(40), random.IntN(41); random.IntN(6) {
			case 0:
				c.lose(0, to, check.Timeout)
			case 1:
				c.lose(from, min(40, from+3), check.ConnectionRefused)
			case 2, 3:
				for i := from; i < to; i++ {
					c.observe(i, up(c.address(i)))
				}
			default:
			}
			worked, lost := 0, 0
			for _, m := range c.members {
				if m.worked.ipv4 {
					worked++
				}
				if m.lost.ipv4 {
					lost++
				}
			}
			require.Equal(t, worked, c.outages.reaches[check.IPv4].worked)
			require.Len(t, c.outages.reaches[check.IPv4].lost, lost)
			review()
		}
		for _, m := range c.members {
			c.outages.Remove(m)
		}
		review()
		for key, last := range lasts {
			require.False(t, last, "seed %d: %s", seed, key)
		}
	}
}
