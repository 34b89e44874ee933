// Package state knows what earlier checks found, and says what a report changes in
// that.
package state

import (
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// An address that goes up and down FlapChanges times within FlapWindow is flapping: its
// changes are then held back until it has stayed up or down for as long. So many changes
// of the reason for which it is down are told in that time.
const (
	FlapChanges = 6
	FlapWindow  = 10 * time.Minute
)

// Endpoint is an address of a target, or a family of a name in which no address is
// known. The zero value is the name.
type Endpoint struct {
	Family  check.Family
	Address netip.Addr
}

// Target is what is known of a target. The zero value knows nothing.
type Target struct {
	endpoints []endpoint // most have one or two
	doubts    []doubt    // in whether endpoints are down
	lost      familySet  // families that it had and that its name no longer has
	truncated familySet  // families with more addresses than are checked
	denied    []netip.Addr
}

// familySet is a set of families. The zero value is empty.
type familySet struct{ ipv4, ipv6 bool }

func (s *familySet) of(family check.Family) *bool {
	if family == check.IPv4 {
		return &s.ipv4
	}
	return &s.ipv6
}

// endpoint is the state of an Endpoint since its last change.
type endpoint struct {
	Endpoint
	translated check.Translated // as the last report that had it knew

	seen  bool // in the report that is observed
	up    bool
	since time.Time // it came to be up, or down
	// errorType is why it is down, and reasons how often that has changed since
	// reasonWindow began.
	errorType    check.ErrorType
	reasonWindow time.Time
	reasons      int
	// changes is how many there were since window began; flapping says that they
	// are too many to be told.
	window   time.Time
	changes  int
	flapping bool
}

// Observe takes note of a report, and returns what it changes. Reports come in the
// order of their times. One of a check that was not done changes nothing.
func (t *Target) Observe(report *check.Report) []Change {
	if !report.Done() {
		return nil
	}
	had := t.families()
	var changes []Change
	for i := range report.Results {
		changes = t.observe(changes, &report.Results[i], report.Time)
	}
	for i := range t.endpoints {
		if e := &t.endpoints[i]; !e.seen {
			changes = e.end(changes, Gone)
		}
	}
	t.endpoints = slices.DeleteFunc(t.endpoints, func(e endpoint) bool { return !e.seen })
	for i := range t.endpoints {
		t.endpoints[i].seen = false
	}
	for _, address := range report.Denied {
		if !slices.Contains(t.denied, address) {
			changes = append(changes, Change{Kind: Denied, Endpoint: Endpoint{check.FamilyOf(address), address}})
		}
	}
	t.denied = report.Denied
	return t.observeFamilies(changes, had, report)
}

// End returns what changes where the target is no longer checked.
func (t *Target) End() []Change {
	var changes []Change
	for i := range t.endpoints {
		changes = t.endpoints[i].end(changes, Ended)
	}
	return changes
}

// end appends that there is an end to what was told of the endpoint, if there was something.
func (e *endpoint) end(changes []Change, kind Kind) []Change {
	switch {
	case !e.up:
		return append(changes, e.change(kind, nil, e.since))
	case e.flapping:
		return append(changes, e.change(kind, nil, time.Time{}))
	}
	return changes
}

// change returns one of the endpoint.
func (e *endpoint) change(kind Kind, result *check.Result, since time.Time) Change {
	return Change{Kind: kind, Endpoint: e.Endpoint, Translated: e.translated, Result: result, Since: since}
}

// Known is what is known of an Endpoint.
type Known struct {
	Up       bool
	Since    time.Time // it came to be up, or down
	Flapping bool
}

// Known returns what is known of an endpoint, and whether anything is.
func (t *Target) Known(of Endpoint) (Known, bool) {
	e := t.find(of)
	if e == nil {
		return Known{}, false
	}
	return Known{e.up, e.since, e.flapping}, true
}

// Down returns the endpoints that are not up.
func (t *Target) Down() []Endpoint {
	var down []Endpoint
	for i := range t.endpoints {
		if e := &t.endpoints[i]; !e.up {
			down = append(down, e.Endpoint)
		}
	}
	return down
}

// families returns those in which the target has an address.
func (t *Target) families() familySet {
	var families familySet
	for i := range t.endpoints {
		if e := &t.endpoints[i]; e.Address.IsValid() {
			*families.of(e.Family) = true
		}
	}
	return families
}

// observeFamilies appends what a report changes about the families that are not checked,
// or not whole; had are those that the target had before.
func (t *Target) observeFamilies(changes []Change, had familySet, report *check.Report) []Change {
	has := t.families()
	for _, o := range report.Omissions {
		if o.Reason == check.NameLacksFamily && *had.of(o.Family) && !*has.of(o.Family) {
			*t.lost.of(o.Family) = true
			changes = append(changes, Change{Kind: FamilyLost, Endpoint: Endpoint{Family: o.Family}})
		}
	}
	for _, family := range check.Families {
		if lost := t.lost.of(family); *lost && *has.of(family) {
			*lost = false
			changes = append(changes, Change{Kind: FamilyBack, Endpoint: Endpoint{Family: family}})
		}
		i := slices.IndexFunc(report.Excesses, func(e check.Excess) bool { return e.Family == family })
		truncated := t.truncated.of(family)
		if i >= 0 && !*truncated {
			changes = append(changes, Change{Kind: Truncated, Endpoint: Endpoint{Family: family}, Excess: report.Excesses[i]})
		}
		*truncated = i >= 0
	}
	return changes
}

// find returns the state of an endpoint, or nil.
func (t *Target) find(e Endpoint) *endpoint {
	for i := range t.endpoints {
		if t.endpoints[i].Endpoint == e {
			return &t.endpoints[i]
		}
	}
	return nil
}

// observe appends what a result changes.
func (t *Target) observe(changes []Change, result *check.Result, now time.Time) []Change {
	e := t.find(Endpoint{result.Family, result.Address})
	if e != nil {
		e.seen, e.translated = true, result.Translated
	}
	if result.Status == check.Unchecked || result.Status == check.Unconfirmed {
		return changes
	}
	up := result.Status == check.Up
	if e == nil {
		first := endpoint{
			Endpoint: Endpoint{result.Family, result.Address}, translated: result.Translated, seen: true, up: up, since: now, errorType: result.ErrorType, window: now,
		}
		t.endpoints = append(t.endpoints, first)
		if !up {
			changes = append(changes, first.change(WentDown, result, time.Time{}))
		}
		return changes
	}
	if e.up != up {
		return e.turn(changes, result, now)
	}
	if e.errorType != result.ErrorType {
		changes = e.observeReason(changes, result, now)
	}
	if e.flapping && now.Sub(e.since) >= FlapWindow {
		e.flapping, e.changes = false, 0
		changes = append(changes, e.change(Settled, result, e.since))
	}
	return changes
}

// turn turns the state over, and appends that.
func (e *endpoint) turn(changes []Change, result *check.Result, now time.Time) []Change {
	if !e.flapping && now.Sub(e.window) >= FlapWindow {
		e.window, e.changes = now, 0
	}
	e.changes++
	e.flapping = e.flapping || e.changes == FlapChanges
	change := e.change(WentDown, result, e.since)
	e.up, e.since, e.errorType = !e.up, now, result.ErrorType
	switch {
	case e.flapping && e.changes > FlapChanges:
		change.Kind = Held
	case e.flapping:
		change.Kind = Flapping
	case e.up:
		change.Kind = CameUp
	}
	return append(changes, change)
}

// observeReason takes note that an endpoint is still down, for another reason, and
// appends what is told of that.
func (e *endpoint) observeReason(changes []Change, result *check.Result, now time.Time) []Change {
	before := e.errorType
	e.errorType = result.ErrorType
	if now.Sub(e.reasonWindow) >= FlapWindow {
		e.reasonWindow, e.reasons = now, 0
	}
	e.reasons++
	if e.flapping || e.reasons > FlapChanges {
		return changes
	}
	change := e.change(ReasonChanged, result, e.since)
	change.Before = before
	if e.reasons == FlapChanges {
		change.Kind, change.Until = ReasonFlapping, e.reasonWindow.Add(FlapWindow)
	}
	return append(changes, change)
}
