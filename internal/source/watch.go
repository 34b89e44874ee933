package source

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/files"
)

const (
	// pollEvery is how often it is looked whether a file has changed. It is read once it
	// has been the same twice, so that one that is being written is not read half. To ask
	// is a system call for each file, works on every file system, and misses nothing, which
	// cannot be said of notifications.
	pollEvery = 500 * time.Millisecond
	// rereadEvery is how often a file is read that seems to be the same.
	rereadEvery = 5 * time.Minute
	// gather is for how long what is discovered is gathered, at least: more may come with it.
	gather = 50 * time.Millisecond
)

// Watch calls changed with the options as they are with the files and the discovered targets of
// the moment, whenever these change, until ctx ends. Of a source that fails, or is wrong as a
// whole, the last good list stays. The attributes are those for Check.
func (o *Options) Watch(ctx context.Context, attributes []string, changed func(*Options)) {
	w := newWatcher(o, attributes)
	var running sync.WaitGroup
	defer running.Wait()
	w.discover(ctx, &running)
	w.observeEndpoints(ctx, &running)
	w.askAllocator(ctx, &running)
	poll, reread := time.NewTicker(pollEvery), time.NewTicker(rereadEvery)
	defer poll.Stop()
	defer reread.Stop()
	gathered := time.NewTimer(gather)
	defer gathered.Stop()
	gathering, took := true, time.Duration(0)
	for {
		all := false
		select {
		case <-ctx.Done():
			return
		case e := <-w.events:
			if !w.take(ctx, &running, &e) {
				continue
			}
			if !gathering {
				gathering = true
				gathered.Reset(max(gather, took)) // however much is told, half of the time nothing is done
			}
			continue
		case <-gathered.C:
			gathering = false
			began := time.Now()
			if w.update(began) {
				changed(w.current())
				took = time.Since(began)
			}
			continue
		case <-reread.C:
			all = true
		case <-poll.C:
		}
		if w.poll(time.Now(), all) {
			changed(w.current())
		}
	}
}

// Once returns the options as they are when every source has said what it has, or that it fails, or
// when ctx ends: then those that have said nothing have failed. Observers are not asked, since they
// are extensions of a collector. The attributes are those for Check.
func (o *Options) Once(ctx context.Context, attributes []string) *Options {
	w := newWatcher(o, attributes)
	asking, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	w.discover(asking, &running)
	w.askAllocator(asking, &running)
	for silent := w.silent(); len(silent) > 0; silent = w.silent() {
		select {
		case e := <-w.events:
			w.take(asking, &running, &e)
		case <-ctx.Done():
			for _, e := range silent {
				w.observe(&e, time.Now())
			}
		}
	}
	w.update(time.Now())
	return w.current()
}

var errSilent = errors.New("it has said nothing yet")

// silent returns, for each discoverer that has said nothing, but for those of observers, that it
// has failed.
func (w *watcher) silent() (silent []event) {
	for _, f := range w.found {
		for _, by := range f.by {
			if !by.heard && !slices.Contains(w.observed, f) {
				silent = append(silent, event{found: f, by: by, err: errSilent, whole: true})
			}
		}
	}
	return silent
}

// take takes note of an event, and reports whether it does: it may be of a job that was replaced
// meanwhile.
func (w *watcher) take(ctx context.Context, running *sync.WaitGroup, e *event) bool {
	if e.over() != nil {
		return false
	}
	if e.jobs != nil {
		w.allocate(ctx, running, e.jobs)
	}
	w.observe(e, time.Now())
	return true
}

// watcher knows what was in the files, and what was discovered.
type watcher struct {
	options    *Options
	attributes []string
	labels     map[string]string // of these
	paths      []string
	files      map[string]*watchedFile
	numbers    int      // of outer lists that were given
	found      []*found // of the jobs, of the observers, and of an allocator
	observed   []*found // those of the observers
	allocator  *found   // whose list is empty; nil if there is none
	allocated  map[string]*allocated
	// metrics are those of the discoverers, of which nothing is shown: what fails is the source's.
	metrics map[string]discovery.DiscovererMetrics
	events  chan event
}

// watchedFile is a file of a watcher.
type watchedFile struct {
	number     int // of its list
	seen, read files.Stamp
	good       *file // the last one that was; nil for none
	source     check.Source
}

// newWatcher returns a watcher of the files of valid options, which have been read.
func newWatcher(o *Options, attributes []string) *watcher {
	w := &watcher{
		options: o, attributes: attributes, labels: labelsOf(attributes), files: make(map[string]*watchedFile), events: make(chan event),
		allocated: make(map[string]*allocated), numbers: len(o.outer),
	}
	registry := prometheus.NewRegistry()
	w.metrics, _ = discovery.RegisterSDMetrics(registry, discovery.NewRefreshMetrics(registry)) // which are all new there
	for _, f := range o.files {
		w.paths = append(w.paths, f.path)
		w.files[f.path] = &watchedFile{number: f.number, good: f, source: check.Source{Name: f.path}}
	}
	for _, j := range o.jobs {
		w.found = append(w.found, j.found(w.newNumber()))
	}
	for _, of := range o.observed {
		w.observed = append(w.observed, of.found(w.newNumber()))
	}
	w.found = append(w.found, w.observed...)
	if o.allocator != nil {
		w.allocator = o.allocator.found(w.newNumber())
		w.found = append(w.found, w.allocator)
	}
	return w
}

// newNumber returns one that no outer list has.
func (w *watcher) newNumber() int {
	w.numbers++
	return w.numbers - 1
}

// poll looks at the files, or reads all of them, and reports whether there is something new.
func (w *watcher) poll(now time.Time, all bool) (changed bool) {
	paths := w.options.paths()
	for _, path := range paths {
		f := w.files[path]
		if f == nil {
			f = &watchedFile{number: w.newNumber(), source: check.Source{Name: path}}
			w.files[path] = f
		}
		is, _ := files.StampOf(path)
		settled := is.Same(f.seen)
		f.seen = is
		if settled && (all || !is.Same(f.read)) {
			f.read = is
			changed = w.readAgain(path, f, now) || changed
		}
	}
	if len(w.files) > len(paths) { // all of these are there, and some that are gone
		changed = w.forget(paths) || changed
	}
	w.paths = paths
	return changed
}

// update makes the lists anew for which something else was found, and reports whether there is
// something new.
func (w *watcher) update(now time.Time) (changed bool) {
	for _, f := range w.found {
		changed = w.updateList(f, now) || changed
	}
	return changed
}

// forget forgets the files that are not at one of paths, and reports whether one of them mattered.
func (w *watcher) forget(paths []string) (changed bool) {
	there := make(map[string]bool, len(paths))
	for _, path := range paths {
		there[path] = true
	}
	for path, f := range w.files {
		if !there[path] {
			delete(w.files, path)
			changed = changed || f.good != nil || f.source.Err != nil
		}
	}
	return changed
}

// isReserved reports whether a point may have a label that is none of its tags.
func (w *watcher) isReserved(label string) bool {
	return w.labels[label] != "" || slices.Contains(otherLabels, label)
}

// readAgain reads a file, and reports whether there is something new in it.
func (w *watcher) readAgain(path string, f *watchedFile, now time.Time) bool {
	before, next := f.source, w.options.readFile(path, f.number)
	if f.good != nil && next.hash == f.good.hash {
		f.source = check.Source{Name: path}
		return before.Err != nil
	}
	if err := w.wrong(next); err != nil {
		f.source.Err = err
		if before.Err == nil {
			f.source.Stale = now
		}
		return before.Err == nil || before.Err.Error() != err.Error()
	}
	f.good, f.source = next, check.Source{Name: path}
	return true
}

// wrong returns what is wrong with a file as a whole: with all of it but its instances.
func (w *watcher) wrong(f *file) error {
	trial := *w.options
	trial.Instances, trial.outer, trial.undecoded = nil, []*outer{&f.outer}, Problems{}
	problems := trial.Check(w.attributes)
	prefix := strings.TrimSuffix(f.prefix(), ".")
	for place := range problems.texts {
		if !strings.HasPrefix(place, prefix) || strings.HasPrefix(place, prefix+"."+inInstances+"[") {
			delete(problems.texts, place)
		}
	}
	return trial.Err(problems)
}

// current returns the options as they are now.
func (w *watcher) current() *Options {
	options := *w.options
	options.outer, options.sources, options.valid = nil, nil, true
	if options.listed != nil {
		options.outer = append(options.outer, options.listed)
	}
	for _, path := range w.paths {
		f := w.files[path]
		if f.good != nil {
			options.outer = append(options.outer, &f.good.outer)
		}
		options.sources = append(options.sources, f.source)
	}
	for _, f := range w.found {
		options.outer = append(options.outer, f.list)
		options.sources = append(options.sources, f.sources()...)
	}
	return &options
}
