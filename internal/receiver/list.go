package receiver

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/report"
)

// newTarget returns the target that is listed. It is not on the schedule yet.
func (r *Receiver) newTarget(listed *check.Target, now time.Time) *target {
	t := &target{
		Target: listed, listed: listed, last: now.Round(0), history: r.showing.newHistory(listed),
		probe: r.system.Probe(listed), log: report.NewLog(r.journal, listed), series: r.points.NewSeries(listed, now),
	}
	t.log.Keep(t.history)
	return t
}

// add puts targets on the schedule. It is for all that are new at once: while some were checked for
// the first time, it would take longer to make the others.
func (r *Receiver) add(targets []*target) {
	for _, t := range targets {
		r.machine.Add(&t.watch, t.Target)
		t.entry = r.schedule.Add(t, t.phaseKey(), t.Interval)
		if t.SessionInterval() != 0 {
			t.mu.Lock() // its checks have begun
			r.beginSessions(t)
			t.mu.Unlock()
		}
	}
}

// change has the receiver check what a new list has. A target that stays what it was keeps
// its phase, addresses, state, counts and series.
func (r *Receiver) change(list check.List) {
	now := time.Now()
	if changed, ails := r.sources.observe(r.logger, r.journal, &list); changed {
		r.health.report(&r.health.sources, ails)
	}
	targets, before := r.stay(&list)
	counts := make(map[check.Key]int)
	var fresh []*target
	changed, removed := 0, 0
	for i, checked := range list.Targets {
		if targets[i] != nil {
			continue
		}
		key := nth(counts, checked.Key())
		t := before[key]
		delete(before, key)
		switch {
		case t == nil:
			t = r.newTarget(checked, now)
			fresh = append(fresh, t)
		case !reflect.DeepEqual(t.Target, checked):
			changed++
			r.replace(t, checked, now)
		}
		targets[i], t.listed = t, checked
	}
	kept := make(map[check.Key]bool, len(list.Kept))
	for _, key := range list.Kept {
		kept[key] = true
	}
	for key, t := range before {
		if kept[key.Key] {
			targets = append(targets, t)
			continue
		}
		removed++
		r.remove(t)
	}
	r.add(fresh)
	r.targets = targets
	r.showing.follow(targets, &list)
	if added := len(fresh); added+changed+removed > 0 {
		r.logger.Info(fmt.Sprintf("the list of targets has changed: %d added, %d changed, %d removed, %d in all", added, changed, removed, len(targets)),
			zap.Int("added", added), zap.Int("changed", changed), zap.Int("removed", removed), zap.Int("targets", len(targets)))
	}
}

// stay returns, for each target of a list, that which is checked for the same entry already, or
// nil; and those that are checked and are not among these, by their keys.
func (r *Receiver) stay(list *check.List) (targets []*target, others map[occurrence]*target) {
	left := make(map[*check.Target]*target, len(r.targets))
	for _, t := range r.targets {
		left[t.listed] = t
	}
	targets = make([]*target, len(list.Targets))
	for i, listed := range list.Targets {
		targets[i] = left[listed]
		delete(left, listed)
	}
	others = make(map[occurrence]*target, len(left))
	counts := make(map[check.Key]int)
	for _, t := range r.targets {
		if left[t.listed] != nil {
			others[nth(counts, t.Key())] = t
		}
	}
	return targets, others
}

// occurrence tells those targets of a list apart that have one key.
type occurrence struct {
	check.Key
	n int
}

// nth returns the next occurrence of a key, by the counts of those before.
func nth(counts map[check.Key]int, key check.Key) occurrence {
	counts[key]++
	return occurrence{key, counts[key]}
}

// replace has a target be checked and labelled as another one that has its key, from now on.
func (r *Receiver) replace(t *target, by *check.Target, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.Target
	t.Target = by
	t.log.Follow(by)
	r.machine.Follow(&t.watch, by)
	if !reflect.DeepEqual(was.Labels, by.Labels) || !sessionsAlike(was, by) { // which have other series
		r.end(t)
		t.series = r.points.NewSeries(by, now)
	}
	if !checkedAlike(*was, *by) {
		r.beginSessions(t)
		t.probe = r.system.Probe(by)
		if t.giveUp != nil {
			t.giveUp()
		}
	}
	r.schedule.Replace(t.entry, t, by.Interval, t.phaseKey())
	r.schedule.CheckNow(t.entry)
}

// checkedAlike reports whether two targets differ in their labels at most.
func checkedAlike(a, b check.Target) bool {
	a.Labels, b.Labels = check.Labels{}, check.Labels{}
	return reflect.DeepEqual(a, b)
}

// sessionsAlike reports whether the sessions of two targets have values of the same layers.
func sessionsAlike(a, b *check.Target) bool {
	return (a.TLS == nil) == (b.TLS == nil) && (a.Dialog == nil) == (b.Dialog == nil)
}

// remove has a target be checked no longer. Its check that is under way is given up.
func (r *Receiver) remove(t *target) {
	r.schedule.Remove(t.entry)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	r.endSessions(t)
	if t.giveUp != nil {
		t.giveUp()
	}
	t.log.End(&t.known, t.now())
	r.end(t)
	r.machine.Remove(&t.watch)
}

// end ends the series of a target, whose lock the caller holds.
func (r *Receiver) end(t *target) {
	if r.delivery != nil {
		r.delivery.End(t.series, t.now())
	}
	r.points.Release(t.series)
}

// sources are what is known of those of the list. The zero value knows nothing.
type sources struct {
	mu      sync.Mutex
	refused int
	known   []check.Source
	said    map[string]bool // the warnings about the list
}

// observe tells what is new about the sources of a list, and returns whether that changes what
// ails them, and what it is now.
func (s *sources) observe(logger *zap.Logger, journal *report.Journal, list *check.List) (changed bool, ails error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = list.Refused
	said := make(map[string]bool, len(list.Warnings))
	for _, warning := range list.Warnings {
		if !s.said[warning] {
			logger.Warn(warning)
		}
		said[warning] = true
	}
	s.said = said
	before := make(map[string]check.Source)
	for _, source := range s.known {
		before[source.Name] = source
	}
	for _, source := range list.Sources {
		was := before[source.Name]
		delete(before, source.Name)
		switch {
		case source.Err == nil && was.Err != nil:
			journal.SourceFresh(&was)
		case source.Err != nil && (was.Err == nil || was.Err.Error() != source.Err.Error()):
			journal.SourceStale(&source)
		}
		changed = changed || source.Stale != was.Stale
		if source.Err != nil {
			ails = errors.Join(ails, fmt.Errorf("%s cannot be taken as it is since %s: %w", source.Title(), source.Stale.Format(time.RFC3339), source.Err))
		}
	}
	for _, gone := range before {
		changed = changed || gone.Err != nil
	}
	s.known = list.Sources
	return changed, ails
}

// refusedNow returns how many entries of the lists are refused.
func (s *sources) refusedNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// staleFor returns the sources, and for how long each has been stale.
func (s *sources) staleFor(now time.Time) map[string]time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := make(map[string]time.Duration, len(s.known))
	for _, source := range s.known {
		stale[source.Name] = 0
		if source.Err != nil {
			stale[source.Name] = now.Sub(source.Stale)
		}
	}
	return stale
}
