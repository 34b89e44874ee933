package source

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"

	"example.com/tcpcheckreceiver/internal/check"
)

// discoverer is a way in which a job discovers targets.
type discoverer struct {
	groups map[string]*foundGroup
	source check.Source
	// failed are the files of file_sd_configs that cannot be read, and whether something
	// failed since the last groups came; the empty text is all of it.
	failed map[string]bool
}

// foundGroup is a group of targets that was discovered.
type foundGroup struct {
	sum     sum
	group   *targetgroup.Group // of which no entries are made yet; nil if they are
	entries []foundEntry       // of those targets that the rules do not drop
}

// foundEntry is an entry of a target that was discovered.
type foundEntry struct {
	sum sum // of the labels that it was made of
	*Entry
}

// found is what a job has found.
type found struct {
	*job
	by     []*discoverer
	list   *outer         // that was made of it
	number int            // of the next entry
	left   map[sum]*Entry // of groups that have been replaced since the list was made
	old    bool           // it is to be made anew
	news   bool           // there is something to be told, even if it is the list of before
	over   error          // it has more targets than it may, so the list is an older one
	full   time.Time      // since when that has been so
}

// event is what a discoverer says.
type event struct {
	found  *found
	by     *discoverer
	groups []*targetgroup.Group
	err    error  // it failed
	path   string // that it failed to read; empty for none
	whole  bool   // nothing but the error came of the attempt
}

// discover runs the discoverers of the jobs until ctx ends. What they say comes as events.
func (w *watcher) discover(ctx context.Context, running *sync.WaitGroup) {
	registry := prometheus.NewRegistry() // of which nothing is shown: what fails is the source's
	metrics, err := discovery.RegisterSDMetrics(registry, discovery.NewRefreshMetrics(registry))
	for _, f := range w.jobs {
		for i, by := range f.by {
			running.Go(func() {
				failed := err
				if failed == nil {
					failed = w.runDiscoverer(ctx, f, by, f.discovery[i], metrics)
				}
				if failed != nil {
					w.tell(ctx, event{found: f, by: by, err: failed, whole: true})
				}
			})
		}
	}
}

// runDiscoverer runs a discoverer until ctx ends.
func (w *watcher) runDiscoverer(ctx context.Context, f *found, by *discoverer, c discovery.Config, metrics map[string]discovery.DiscovererMetrics) error {
	d, err := c.NewDiscoverer(discovery.DiscovererOptions{
		Logger: slog.New(&faults{watcher: w, ctx: ctx, found: f, by: by}), Metrics: metrics[c.Name()], SetName: f.name,
		HTTPClientOptions: []config.HTTPClientOption{config.WithDialContextFunc(dialLimited), config.WithKeepAlivesDisabled()},
	})
	if err != nil {
		return err
	}
	updates := make(chan []*targetgroup.Group)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx, updates)
	}()
	for {
		select {
		case groups, more := <-updates:
			if !more {
				updates = nil // that was all, as of static_configs
				break
			}
			w.tell(ctx, event{found: f, by: by, groups: groups})
		case <-ctx.Done():
			select {
			case <-ended:
			case <-time.After(endPatience): // a query of DNS takes its time, whatever ctx says
			}
			return nil
		}
	}
}

// endPatience is how long a discoverer is waited for that is to end.
const endPatience = 100 * time.Millisecond

// tell has an event observed, unless ctx ends before.
func (w *watcher) tell(ctx context.Context, e event) {
	select {
	case w.events <- e:
	case <-ctx.Done():
	}
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
	for _, group := range e.groups {
		if group == nil {
			continue
		}
		e.found.old = e.found.replace(by, group) || e.found.old
		if len(by.failed) > 0 {
			maps.DeleteFunc(by.failed, func(path string, _ bool) bool { return strings.HasPrefix(group.Source, path+":") })
		}
	}
	if len(by.failed) == 0 && by.source.Err != nil {
		by.source.Err, by.source.Stale = nil, time.Time{}
		e.found.news = true
	}
}

// replace puts a group in the place of the one of its source, and reports whether it is
// another one. One without targets is none.
func (f *found) replace(by *discoverer, group *targetgroup.Group) bool {
	before, next := by.groups[group.Source], &foundGroup{sum: sumOf(group.Labels, group.Targets...), group: group}
	if before != nil {
		if before.sum == next.sum && len(group.Targets) > 0 {
			return false
		}
		for _, e := range before.entries {
			f.left[e.sum] = e.Entry
		}
	}
	if len(group.Targets) == 0 {
		delete(by.groups, group.Source)
		return before != nil
	}
	by.groups[group.Source] = next
	return true
}

// updateJob makes the list of a job anew, if that is to be done, and reports whether there is
// something to be told. Entries of targets that are what they were stay.
func (w *watcher) updateJob(f *found, now time.Time) bool {
	if !f.old {
		news := f.news
		f.news = false
		return news
	}
	f.old, f.news = false, false
	judge := w.options.judge(w.labels, f.list)
	maker := &entryMaker{found: f, judge: judge, builder: labels.NewBuilder(labels.EmptyLabels()), reserved: func(key string) bool { return w.isReserved(judge.labels.of(key).label) }}
	made := f.nothing(f.list.number)
	for _, by := range f.by {
		for _, source := range slices.Sorted(maps.Keys(by.groups)) {
			group := by.groups[source]
			maker.make(group)
			for _, e := range group.entries {
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
	*f.list, f.over = *made, nil
	return true
}

// entryMaker makes entries of the groups of a job.
type entryMaker struct {
	*found
	judge    *judge
	builder  *labels.Builder
	reserved func(key string) bool
}

// make makes those of a group, unless that is done.
func (m *entryMaker) make(g *foundGroup) {
	if g.group == nil {
		return
	}
	for _, target := range g.group.Targets {
		sum := sumOf(g.group.Labels, target)
		e := m.left[sum]
		if e == nil {
			e = m.entry(target, g.group.Labels)
		}
		if e != nil {
			delete(m.left, sum)
			g.entries = append(g.entries, foundEntry{sum, e})
		}
	}
	g.group = nil
}

// entry returns that of a target, or nil if the job's rules drop it.
func (m *entryMaker) entry(target, group model.LabelSet) *Entry {
	place, problems := instancePlace(m.list.prefix(), m.number), &Problems{}
	i := m.instance(problems, place, target, group, m.builder, m.reserved)
	if i == nil {
		return nil
	}
	i.inherit(&m.defaults, m.list.prefix()+inDefaults)
	e := m.judge.instance(i, m.number, problems)
	if len(problems.texts)+len(problems.notes) > 0 {
		e.wrong = problems
	}
	m.number++
	return e
}

// sum tells groups and targets apart by their labels: no two that differ have the same one, but
// by a chance of 2^-128.
type sum [2]uint64

var sumSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// sumOf returns that of targets with the labels of their group.
func sumOf(group model.LabelSet, targets ...model.LabelSet) sum {
	s := sumOfLabels(group)
	for _, target := range targets {
		of := sumOfLabels(target)
		for i, seed := range sumSeeds {
			s[i] = maphash.Comparable(seed, [2]sum{s, of})
		}
	}
	return s
}

// sumOfLabels returns that of labels, which have no order.
func sumOfLabels(set model.LabelSet) (s sum) {
	for name, value := range set {
		for i, seed := range sumSeeds {
			s[i] += maphash.Comparable(seed, [2]string{string(name), string(value)})
		}
	}
	return s
}

// sources returns those of the job.
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

// newFound returns what a job has found before it has begun. Its list has a number among the
// outer ones.
func newFound(j *job, number int) *found {
	f := &found{job: j, list: j.nothing(number), left: make(map[sum]*Entry)}
	counts := make(map[string]int)
	for _, c := range j.discovery {
		option := discoveryOption(c.Name())
		name := fmt.Sprintf("%s.%s[%d]", j.place, option, counts[option])
		counts[option]++
		f.by = append(f.by, &discoverer{groups: make(map[string]*foundGroup), failed: make(map[string]bool), source: check.Source{Name: name}})
	}
	return f
}

// faults is the handler of what a discoverer logs: that it fails is all that matters.
type faults struct {
	*watcher
	ctx   context.Context
	found *found
	by    *discoverer
	error string
	path  string
}

// Enabled implements slog.Handler.
func (*faults) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle implements slog.Handler.
func (h *faults) Handle(_ context.Context, record slog.Record) error {
	at := *h
	record.Attrs(func(a slog.Attr) bool {
		at.take(a)
		return true
	})
	text := at.error
	if text == "" {
		text = record.Message
	}
	const nothingCame = "Unable to refresh target groups"
	h.tell(h.ctx, event{found: h.found, by: h.by, err: errors.New(text), path: at.path, whole: record.Message == nothingCame})
	return nil
}

// take takes note of an attribute.
func (h *faults) take(a slog.Attr) {
	switch a.Key {
	case "err":
		h.error = a.Value.String()
	case "path":
		h.path = a.Value.String()
	}
}

// WithAttrs implements slog.Handler.
func (h *faults) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, a := range attrs {
		with.take(a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *faults) WithGroup(string) slog.Handler { return h }

// dialLimited dials for a connection from which so much can be read as a file may have.
func dialLimited(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, network, address) //nolint:forbidigo // it is to a server that has targets, and to none of these
	if err != nil {
		return nil, err
	}
	return &limitedConn{Conn: conn, left: maxFile}, nil
}

// limitedConn is a connection from which only so many bytes can be read.
type limitedConn struct {
	net.Conn
	left int64
}

// Read implements net.Conn.
func (c *limitedConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the answer has more than the %d bytes that are read", int64(maxFile))
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}
