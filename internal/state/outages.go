package state

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// An outage begins where at least OutageTargets targets that worked, and at least OutagePercent of
// a hundred of these, go out of reach within the longest time in which each of them is checked. It
// lasts as long as more than half of them are out of reach.
const (
	OutageTargets = 10
	OutagePercent = 80
)

// Scope says of which targets an Outage is.
type Scope uint8

// The scopes of an Outage.
const (
	OfMachine Scope = iota // all of them
	OfService              // those of a service
	OfTag                  // those with a tag
)

// String returns the scope in the words of the attribute tcpcheck.outage.scope.
func (s Scope) String() string { return [...]string{"machine", "service", "tag"}[s] }

// Group is the targets of a scope. The zero value is all of them.
type Group struct {
	Scope      Scope
	Key, Value string // of the tag; or Value is the service
}

// Name returns the service, or the tag as key:value. It is empty for all targets.
func (g Group) Name() string {
	if g.Scope == OfTag {
		return g.Key + ":" + g.Value
	}
	return g.Value
}

// Outage says that most targets of a group, in more than one network, went out of reach over a family
// at about the same time, so that what they have in common is a likelier cause than each of them.
type Outage struct {
	Group
	Family check.Family
	Since  time.Time // when the first of them did
	Over   bool      // it has ended
	// Down is how many of the Targets that worked are out of reach now.
	Down, Targets int
	// Network is the smallest one that has the addresses of all that were down when it began. It is
	// invalid if they have no more than a few bits in common.
	Network netip.Prefix
}

// Outages knows which targets are out of reach over which family. The zero value knows of none.
// Several goroutines may use it.
type Outages struct {
	mu      sync.Mutex
	period  time.Duration // within which each target is checked, and a failure confirmed
	members []*Member
	reaches [check.IPv6 + 1]reach // by family
	groups  []Outage              // of services and tags, that last
}

// reach says which targets are within reach over a family.
type reach struct {
	worked  int // targets that did, at some time
	lost    map[*Member]loss
	changed bool   // since the last review
	outage  Outage // of all targets; Targets is 0 if there is none
}

// loss is a target that worked and is out of reach.
type loss struct {
	at      time.Time
	address netip.Addr // invalid if none is known
}

// Member is what Outages knows of a target.
type Member struct {
	target       *check.Target
	place        int32 // in members
	worked, lost familySet
}

// Add adds a target.
func (o *Outages) Add(m *Member, t *check.Target) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m.target, m.place = t, int32(len(o.members)) //nolint:gosec // there is no machine for so many
	o.members = append(o.members, m)
	repeated := time.Duration(t.Retry.Attempts) * (t.Retry.Interval + t.Timeout)
	o.period = max(o.period, t.Interval+t.Timeout+repeated)
}

// Follow has a member be another target, which has taken the place of the one before.
func (o *Outages) Follow(m *Member, t *check.Target) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m.target = t
}

// Remove takes out a target that is no longer checked.
func (o *Outages) Remove(m *Member) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := o.members[len(o.members)-1]
	o.members[m.place], last.place = last, m.place
	o.members = o.members[:len(o.members)-1]
	for _, family := range check.Families {
		o.set(m, family, false, false, loss{})
	}
}

// verdict is what a report says about a family of a target.
type verdict struct {
	forget  bool // it is not checked
	works   bool // an address connects
	answers bool // or somebody answers for it
	lost    bool // or it is out of reach
	address netip.Addr
}

// Observe takes note of a report on a target. Reports on one target come one after the other.
func (o *Outages) Observe(m *Member, r *check.Report) {
	if !r.Done() {
		return
	}
	for _, family := range check.Families {
		v := verdictOf(r, family)
		worked, lost := v.after(*m.worked.of(family), *m.lost.of(family))
		if worked == *m.worked.of(family) && lost == *m.lost.of(family) {
			continue // as a rule
		}
		o.mu.Lock()
		o.set(m, family, worked, lost, loss{r.Time, v.address})
		o.mu.Unlock()
	}
}

// after returns whether the target worked over the family at some time, and is out of reach since then,
// where this was so before the report.
func (v verdict) after(worked, lost bool) (bool, bool) {
	switch {
	case v.forget:
		return false, false
	case v.works:
		return true, false
	case v.answers:
		return worked, false
	case v.lost:
		return worked, worked
	}
	return worked, lost
}

// verdictOf returns what a report says about a family; the zero value is nothing.
func verdictOf(r *check.Report, family check.Family) verdict {
	v := verdict{forget: true}
	unknown := false
	for i := range r.Results {
		result := &r.Results[i]
		if result.Family != family {
			continue
		}
		v.forget = false
		switch {
		case result.Status == check.Up:
			return verdict{works: true}
		case result.Status == check.Unchecked || result.Status == check.Unconfirmed:
			unknown = true
		case isOutOfReach(result.ErrorType):
			v.lost, v.address = true, result.Address
		default:
			v.answers = true
		}
	}
	if v.lost = v.lost && !v.answers && !unknown; !v.lost {
		v.address = netip.Addr{}
	}
	return v
}

// isOutOfReach reports whether an error may come of what is between this machine and a target, or of
// its name servers.
func isOutOfReach(e check.ErrorType) bool {
	switch e { //nolint:exhaustive // the others are answers
	case check.Timeout, check.HostUnreachable, check.NetworkUnreachable, check.DNSTimeout, check.DNSFailure:
		return true
	}
	return false
}

// set takes note that a member worked over a family, and is out of reach by a loss. The caller holds mu.
func (o *Outages) set(m *Member, family check.Family, worked, lost bool, by loss) {
	reach := &o.reaches[family]
	if was := m.worked.of(family); *was != worked {
		*was = worked
		reach.changed = true
		if worked {
			reach.worked++
		} else {
			reach.worked--
		}
	}
	if was := m.lost.of(family); *was != lost {
		*was = lost
		reach.changed = true
		if reach.lost == nil {
			reach.lost = make(map[*Member]loss)
		}
		if lost {
			reach.lost[m] = by
		} else {
			delete(reach.lost, m)
		}
	}
}

// Review returns the outages that have begun or ended by now. It is to be called again and again; each
// time that nothing is new is when the losses of an outage are taken to be complete.
func (o *Outages) Review(now time.Time) []Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	var changes []Outage
	for _, family := range check.Families {
		changes = o.reviewAll(changes, family, now)
		changes = o.reviewGroups(changes, family, now)
		o.reaches[family].changed = false
	}
	return changes
}

// Machine reports whether there is an outage of all targets over a family now. It is not known where no
// target has worked over the family.
func (o *Outages) Machine(family check.Family) (outage, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	reach := &o.reaches[family]
	return reach.outage.Targets > 0, reach.worked > 0
}

// Lasting returns the outages that last.
func (o *Outages) Lasting() []Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lasting []Outage
	for _, family := range check.Families {
		if outage := o.reaches[family].outage; outage.Targets > 0 {
			lasting = append(lasting, outage)
		}
	}
	return append(lasting, o.groups...)
}

// reviewAll appends what is new about all targets.
func (o *Outages) reviewAll(changes []Outage, family check.Family, now time.Time) []Outage {
	reach := &o.reaches[family]
	if lasts := &reach.outage; lasts.Targets > 0 {
		if 2*len(reach.lost) > reach.worked {
			return changes
		}
		ended := *lasts
		ended.Over, ended.Down, ended.Targets = true, len(reach.lost), reach.worked
		reach.outage = Outage{}
		return append(changes, ended)
	}
	if len(reach.lost) < OutageTargets {
		return changes
	}
	recent := reach.recent(o.period)
	began, isOutage := outageOf(recent, reach.worked-(len(reach.lost)-len(recent)))
	if !isOutage || reach.changed && now.Sub(began.Since) < o.period {
		return changes // more may follow, and are to be in the one sentence that is told
	}
	began.Family = family
	reach.outage = began
	return append(changes, began)
}

// recent returns the last loss, and those within a period before it.
func (r *reach) recent(period time.Duration) map[*Member]loss {
	var last time.Time
	for _, l := range r.lost {
		if l.at.After(last) {
			last = l.at
		}
	}
	recent := make(map[*Member]loss)
	for m, l := range r.lost {
		if last.Sub(l.at) <= period {
			recent[m] = l
		}
	}
	return recent
}

// outageOf returns what losses are, of so many targets that worked when the first of them happened.
func outageOf(losses map[*Member]loss, worked int) (Outage, bool) {
	n := len(losses)
	if n < OutageTargets || n*100 < worked*OutagePercent {
		return Outage{}, false
	}
	outage := Outage{Down: n, Targets: worked}
	networks := make(map[netip.Prefix]bool)
	addressless := false
	for _, l := range losses {
		if outage.Since.IsZero() || l.at.Before(outage.Since) {
			outage.Since = l.at
		}
		if !l.address.IsValid() {
			addressless = true
			continue
		}
		networks[networkOf(l.address)] = true
		outage.Network = widened(outage.Network, l.address)
	}
	if addressless || !outage.Network.IsValid() || outage.Network.Bits() < leastBits(outage.Network.Addr()) {
		outage.Network = netip.Prefix{}
	}
	return outage, len(networks) > 1 || addressless
}

// networkOf returns the network of an address: its /24, or its /64 (RFC 4291, section 2.5.4).
func networkOf(address netip.Addr) netip.Prefix {
	bits := 64
	if address.Is4() {
		bits = 24
	}
	network, _ := address.WithZone("").Prefix(bits) // so many it has
	return network
}

// leastBits returns how many bits the addresses of a network have in common at least, for it to be
// worth a word.
func leastBits(address netip.Addr) int {
	if address.Is4() {
		return 8
	}
	return 16
}

// widened returns the smallest network that has a network and an address.
func widened(network netip.Prefix, address netip.Addr) netip.Prefix {
	address = address.WithZone("")
	if !network.IsValid() {
		return netip.PrefixFrom(address, address.BitLen())
	}
	for bits := network.Bits(); bits >= 0; bits-- {
		if wider, _ := network.Addr().Prefix(bits); wider.Contains(address) {
			return wider
		}
	}
	return netip.Prefix{} // of two families
}

// groups calls yield with each group that a member is in, but for that of all.
func (m *Member) groups(yield func(Group) bool) {
	if service := m.target.Labels.Service; service != "" && !yield(Group{Scope: OfService, Value: service}) {
		return
	}
	for _, tag := range m.target.Labels.Tags {
		if !yield(Group{OfTag, tag.Key, tag.Value}) {
			return
		}
	}
}

// suspect is a group that has lost targets lately.
type suspect struct {
	losses map[*Member]loss // those within a period after the first
	first  time.Time
	worked int // targets when the first was lost
}

// reviewGroups appends what is new about services and tags.
func (o *Outages) reviewGroups(changes []Outage, family check.Family, now time.Time) []Outage {
	reach := &o.reaches[family]
	changes = o.endGroups(changes, family)
	if reach.outage.Targets > 0 || len(reach.lost) < OutageTargets {
		return changes
	}
	suspects := o.suspects(family, now)
	var begun []Outage
	for group, s := range suspects {
		if began, isOutage := outageOf(s.losses, s.worked); isOutage {
			began.Group, began.Family = group, family
			begun = append(begun, began)
		}
	}
	// Of several groups with the same losses, the one that says most about them is told: the smallest.
	slices.SortFunc(begun, func(a, b Outage) int {
		return cmp.Or(cmp.Compare(a.Targets, b.Targets), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name(), b.Name()))
	})
	for _, began := range begun {
		if !o.isTold(family, suspects[began.Group].losses) {
			o.groups = append(o.groups, began)
			changes = append(changes, began)
		}
	}
	return changes
}

// suspects returns the groups of which enough targets were lost lately. A period has passed since the
// first of them was: if it was the first of all targets, that is known by now.
func (o *Outages) suspects(family check.Family, now time.Time) map[Group]*suspect {
	suspects, lost := make(map[Group]*suspect), o.reaches[family].lost
	for m, l := range lost {
		if now.Sub(l.at) > 2*o.period {
			continue
		}
		for group := range m.groups {
			s := suspects[group]
			if s == nil {
				s = &suspect{losses: make(map[*Member]loss), first: l.at}
				suspects[group] = s
			}
			s.losses[m] = l
			if l.at.Before(s.first) {
				s.first = l.at
			}
		}
	}
	maps.DeleteFunc(suspects, func(_ Group, s *suspect) bool {
		maps.DeleteFunc(s.losses, func(_ *Member, l loss) bool { return l.at.Sub(s.first) > o.period })
		return len(s.losses) < OutageTargets || now.Sub(s.first) < o.period
	})
	if len(suspects) == 0 {
		return nil
	}
	for _, m := range o.members {
		if !*m.worked.of(family) {
			continue
		}
		for group := range m.groups {
			s := suspects[group]
			if s == nil {
				continue
			}
			if l, isLost := lost[m]; !isLost || !l.at.Before(s.first) {
				s.worked++
			}
		}
	}
	return suspects
}

// isTold reports whether all losses are those of outages that last.
func (o *Outages) isTold(family check.Family, losses map[*Member]loss) bool {
	for m := range losses {
		told := func(lasts Outage) bool { return lasts.Family == family && m.isIn(lasts.Group) }
		if !slices.ContainsFunc(o.groups, told) {
			return false
		}
	}
	return true
}

func (m *Member) isIn(group Group) bool {
	for g := range m.groups {
		if g == group {
			return true
		}
	}
	return false
}

// endGroups appends the outages of services and tags that have ended.
func (o *Outages) endGroups(changes []Outage, family check.Family) []Outage {
	if !o.reaches[family].changed {
		return changes
	}
	o.groups = slices.DeleteFunc(o.groups, func(lasts Outage) bool {
		if lasts.Family != family {
			return false
		}
		worked, down := 0, 0
		for _, m := range o.members {
			if *m.worked.of(family) && m.isIn(lasts.Group) {
				worked++
				if *m.lost.of(family) {
					down++
				}
			}
		}
		if 2*down > worked {
			return false
		}
		lasts.Over, lasts.Down, lasts.Targets = true, down, worked
		changes = append(changes, lasts)
		return true
	})
	return changes
}
