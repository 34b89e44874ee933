package source

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/tcpcheckreceiver/internal/check"
)

// discoverer is one of those whom a list is from that is discovered.
type discoverer struct {
	groups map[string]*foundGroup // by their names
	order  []*foundGroup          // those, as they came, and some that are gone
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
	// entries returns those of its targets that are to be checked. It is nil if there are no
	// targets.
	entries func(*entryMaker) []foundEntry
}

// foundGroup is a group that is in a list, or is to be.
type foundGroup struct {
	sum     sum
	make    func(*entryMaker) []foundEntry // nil if that is done
	entries []foundEntry
	gone    bool
}

// foundEntry is an entry of a target that was discovered.
type foundEntry struct {
	sum sum // of what it was made of
	*Entry
}

// found is a list that is discovered.
type found struct {
	empty  outer // it, without entries
	most   int   // entries; 0 for any number
	by     []*discoverer
	list   *outer         // as it is now
	number int            // of the next entry
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
	case is == nil && g.entries == nil:
		return false
	case is == nil:
		is = &foundGroup{}
		by.groups[g.name], by.order = is, append(by.order, is)
	case is.sum == g.sum && g.entries != nil:
		return false
	}
	for _, e := range is.entries {
		f.left[e.sum] = e.Entry
	}
	if g.entries == nil {
		delete(by.groups, g.name)
	}
	*is = foundGroup{sum: g.sum, make: g.entries, gone: g.entries == nil}
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
	judge := w.options.judge(w.labels, f.list)
	maker := &entryMaker{found: f, judge: judge, builder: labels.NewBuilder(labels.EmptyLabels()), reserved: func(key string) bool { return w.isReserved(judge.labels.of(key).label) }}
	made := f.empty
	for _, by := range f.by {
		by.order = slices.DeleteFunc(by.order, func(g *foundGroup) bool { return g.gone })
		for _, g := range by.order {
			if g.make != nil {
				g.entries, g.make = g.make(maker), nil
			}
			for _, e := range g.entries {
				made.entries = append(made.entries, e.Entry)
			}
		}
	}
	clear(f.left)
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

// entryMaker makes entries of the groups of a list.
type entryMaker struct {
	*found
	judge    *judge
	builder  *labels.Builder
	reserved func(key string) bool // whether a point may have its label of something else than a tag
}

// add adds the entry of a target to others, unless there is none. If the target was in a group
// that has been replaced, which its sum tells, it has the entry of then. Otherwise it has that of
// an instance, or none if that is nil.
func (m *entryMaker) add(entries []foundEntry, s sum, instance func(p *Problems, place string) *Instance) []foundEntry {
	e := m.left[s]
	if e == nil {
		e = m.entry(instance)
	}
	if e == nil {
		return entries
	}
	delete(m.left, s)
	return append(entries, foundEntry{s, e})
}

// entry returns that of an instance, or nil if there is none.
func (m *entryMaker) entry(instance func(p *Problems, place string) *Instance) *Entry {
	problems := &Problems{}
	i := instance(problems, instancePlace(m.list.prefix(), m.number))
	if i == nil {
		return nil
	}
	i.inherit(&m.list.Defaults, m.list.prefix()+inDefaults)
	e := m.judge.instance(i, m.number, problems)
	if len(problems.texts)+len(problems.notes) > 0 {
		e.wrong = problems
	}
	m.number++
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
