package source

import (
	"fmt"
	"hash/maphash"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/tcpcheckreceiver/internal/check"
)

// discoverer is one of those whom a list is from that is discovered.
type discoverer struct {
	groups map[string]*foundGroup // by their names
	order  []*foundGroup          // those, as they came, and some that are gone
	heard  bool                   // it has said something
	source check.Source
	// failed are the files of file_sd_configs that cannot be read, and whether something
	// failed since the last groups came; the empty text is all of it.
	failed map[string]bool
}

// group is a group of targets that a discoverer has found, in the place of that which had its
// name before.
type group struct {
	name string
	sum  sum
	// targets are the sums of what each of its targets is made of.
	targets []sum
	// instance returns the instance that the nth of the targets is, or nil if it is not to be
	// checked. What is wrong with it is added at a place of its list.
	instance func(n int, m *entryMaker, p *Problems, place string) *Instance
}

// foundGroup is a group that is in a list, or is to be.
type foundGroup struct {
	sum      sum
	instance func(n int, m *entryMaker, p *Problems, place string) *Instance // nil if the entries are made
	entries  []foundEntry
	gone     bool
}

// foundEntry is the entry of a target that was discovered.
type foundEntry struct {
	sum    sum // of what it is made of
	*Entry     // nil if it is not made, or if the target is not to be checked
}

// found is a list that is discovered.
type found struct {
	empty  outer // it, without entries
	most   int   // targets to check; 0 for any number
	by     []*discoverer
	list   *outer         // as it is now
	number int            // of the next target
	left   map[sum]*Entry // of groups that have been replaced since the list was made
	old    bool           // it is to be made anew
	news   bool           // there is something to be told, even if it is the list of before
	over   error          // there are more targets than there may be, so the list is an older one
	full   time.Time      // since when that has been so
}

// newFound returns a list of which nothing is found yet.
func newFound(empty outer, most int, sources ...string) *found {
	empty.discovered, empty.judged = true, true
	f := &found{empty: empty, most: most, left: make(map[sum]*Entry)}
	list := empty
	f.list = &list
	for _, name := range sources {
		f.by = append(f.by, &discoverer{groups: make(map[string]*foundGroup), failed: make(map[string]bool), source: check.Source{Name: name}})
	}
	return f
}

// event is what a discoverer says.
type event struct {
	found  *found
	by     *discoverer
	groups []group
	err    error        // it failed
	path   string       // that it failed to read; empty for none
	whole  bool         // nothing but the error came of the attempt
	jobs   []*job       // that an allocator has; nil for no news of these
	over   func() error // says whether nobody is to hear of it any more
}

// observe takes note of an event.
func (w *watcher) observe(e *event, now time.Time) {
	by := e.by
	by.heard = true
	if e.err != nil {
		by.failed[e.path] = true
		if e.whole {
			by.failed = map[string]bool{"": true}
		}
		if by.source.Err == nil {
			by.source.Stale = now
		}
		e.found.news = e.found.news || by.source.Err == nil || by.source.Err.Error() != e.err.Error()
		by.source.Err = e.err
		return
	}
	delete(by.failed, "")
	for _, g := range e.groups {
		e.found.old = e.found.replace(by, g) || e.found.old
		if len(by.failed) > 0 {
			maps.DeleteFunc(by.failed, func(path string, _ bool) bool { return strings.HasPrefix(g.name, path+":") })
		}
	}
	if len(by.failed) == 0 && by.source.Err != nil {
		by.source.Err, by.source.Stale = nil, time.Time{}
		e.found.news = true
	}
}

// replace puts a group in the place of the one of its name, and reports whether it is another
// one.
func (f *found) replace(by *discoverer, g group) bool {
	is := by.groups[g.name]
	switch {
	case is == nil && len(g.targets) == 0:
		return false
	case is == nil:
		is = &foundGroup{}
		by.groups[g.name], by.order = is, append(by.order, is)
	case is.sum == g.sum && len(g.targets) > 0:
		return false
	}
	for _, e := range is.entries {
		f.left[e.sum] = e.Entry
	}
	if len(g.targets) == 0 {
		delete(by.groups, g.name)
	}
	*is = foundGroup{sum: g.sum, instance: g.instance, entries: make([]foundEntry, len(g.targets)), gone: len(g.targets) == 0}
	for n, s := range g.targets {
		is.entries[n].sum = s
	}
	return true
}

// updateList makes a list anew, if that is to be done, and reports whether there is something to
// be told. Entries of targets that are what they were stay.
func (w *watcher) updateList(f *found, now time.Time) bool {
	if !f.old {
		news := f.news
		f.news = false
		return news
	}
	f.old, f.news = false, false
	w.makeEntries(f)
	clear(f.left)
	made := f.empty
	for _, by := range f.by {
		for _, g := range by.order {
			for _, e := range g.entries {
				if e.Entry != nil {
					made.entries = append(made.entries, e.Entry)
				}
			}
		}
	}
	if f.most > 0 && len(made.entries) > f.most {
		if f.over == nil {
			f.full = now
		}
		f.over = fmt.Errorf("it has %d targets, and may have %d (max_targets)", len(made.entries), f.most)
		return true
	}
	*f.list, f.over = made, nil
	return true
}

// makeEntries makes those entries of a list that are not made. A target that was in a group that has
// been replaced, which its sum tells, has the entry of then.
func (w *watcher) makeEntries(f *found) {
	type unmade struct {
		*foundGroup
		n, number int
	}
	var left []unmade
	for _, by := range f.by {
		by.order = slices.DeleteFunc(by.order, func(g *foundGroup) bool { return g.gone })
		for _, g := range by.order {
			if g.instance == nil {
				continue
			}
			for n := range g.entries {
				e := &g.entries[n]
				if e.Entry = f.left[e.sum]; e.Entry != nil {
					delete(f.left, e.sum)
					continue
				}
				left = append(left, unmade{g, n, f.number})
				f.number++
			}
		}
	}
	inParts(len(left), func(from, to int) {
		m := w.entryMaker(f)
		for _, u := range left[from:to] {
			u.entries[u.n].Entry = m.entry(u.foundGroup, u.n, u.number)
		}
	})
	for _, u := range left {
		u.instance = nil
	}
}

// inParts calls do for parts of the numbers below n, which together are all of these; at the same
// time, if there are many.
func inParts(n int, do func(from, to int)) {
	const many = 1_000
	parts := max(1, min(runtime.GOMAXPROCS(0), n/many))
	var running sync.WaitGroup
	for i := range parts {
		running.Go(func() { do(i*n/parts, (i+1)*n/parts) })
	}
	running.Wait()
}

// entryMaker makes entries of targets of a list, one after the other.
type entryMaker struct {
	*judge
	builder  *labels.Builder
	reserved func(key string) bool // whether a point may have its label of something else than a tag
}

func (w *watcher) entryMaker(f *found) *entryMaker {
	judge := w.options.judge(w.labels, f.list)
	return &entryMaker{judge, labels.NewBuilder(labels.EmptyLabels()), func(key string) bool { return w.isReserved(judge.labels.of(key).label) }}
}

// entry returns the entry of the nth target of a group, or nil if it is not to be checked.
func (m *entryMaker) entry(g *foundGroup, n, number int) *Entry {
	problems, prefix := &Problems{}, m.list.prefix()
	i := g.instance(n, m, problems, instancePlace(prefix, number))
	if i == nil {
		return nil
	}
	i.inherit(&m.list.Defaults, prefix+inDefaults)
	e := m.instance(i, number, problems)
	if len(problems.texts)+len(problems.notes) > 0 {
		e.wrong = problems
	}
	return e
}

// sum tells groups and targets apart by what they are made of: no two that differ have the same one, but
// by a chance of 2^-128.
type sum [2]uint64

var sumSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// sumOfText returns the sum of a text.
func sumOfText(text []byte) (s sum) {
	for i, seed := range sumSeeds {
		s[i] = maphash.Bytes(seed, text)
	}
	return s
}

// with returns the sum of what has one and, after it, what has another.
func (s sum) with(other sum) (both sum) {
	for i, seed := range sumSeeds {
		both[i] = maphash.Comparable(seed, [2]sum{s, other})
	}
	return both
}

// mostTargets returns how many targets a list may have, and 0 for any number. It adds a problem
// if what is written is none.
func (p *Problems) mostTargets(place string, written *Integer) int {
	if written == nil {
		return 0
	}
	if *written < 1 {
		p.Add(place, "%d is less than 1; leave the option out for any number", *written)
	}
	return int(*written)
}

// sources returns those of the list.
func (f *found) sources() []check.Source {
	var sources []check.Source
	for _, by := range f.by {
		source := by.source
		if f.over != nil && source.Err == nil {
			source.Err, source.Stale = f.over, f.full
		}
		sources = append(sources, source)
	}
	return sources
}
