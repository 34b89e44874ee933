package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	httpsd "github.com/prometheus/prometheus/discovery/http"
)

// TargetAllocator says where a Target Allocator is, which gives each collector a part of the
// targets of Prometheus' jobs.
type TargetAllocator struct {
	// Endpoint is its URL, such as http://allocator:80. It is required.
	Endpoint string `mapstructure:"endpoint"`
	// CollectorID is the name by which it knows this collector, such as ${env:POD_NAME}. It is
	// required.
	CollectorID string `mapstructure:"collector_id"`
	// Interval is how often it is asked: 1s or more.
	Interval *Duration `mapstructure:"interval" default:"30s"`
	// HTTPSDConfig says how it is asked, with the options of Prometheus for its HTTP clients,
	// such as basic_auth and tls_config.
	HTTPSDConfig map[string]any `mapstructure:"http_sd_config" is:"a mapping of options"`
	// Defaults are any options of the instance that each target is.
	Defaults Instance `mapstructure:"defaults" is:"a mapping of the options of an instance" each:"an instance"`
	// MaxTargets is how many targets each job may have: 1 or more. A list with more is not taken.
	MaxTargets *Integer `mapstructure:"max_targets" default:"any number"`
}

// inAllocator is the option that has it.
const inAllocator = "target_allocator"

const (
	defaultAllocatorInterval = 30 * time.Second
	minAllocatorInterval     = time.Second
)

// allocator is a TargetAllocator, with what its options mean.
type allocator struct {
	base       string // of the paths of its API
	collector  string
	interval   time.Duration
	client     config.HTTPClientConfig
	defaults   Instance
	hasService bool
	most       int
}

// decodeAllocator finds out what TargetAllocator means, and adds what is wrong with that.
func (o *Options) decodeAllocator() {
	written, p := &o.TargetAllocator, &o.undecoded
	a := &allocator{
		base: strings.TrimSuffix(written.Endpoint, "/"), collector: written.CollectorID, interval: written.Interval.or(defaultAllocatorInterval),
		client: config.DefaultHTTPClientConfig, defaults: written.Defaults,
	}
	o.allocator = a
	switch u, err := url.Parse(written.Endpoint); {
	case written.Endpoint == "":
		p.Add(inAllocator+".endpoint", "there is none; write the URL of the allocator, such as http://allocator:80")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		p.Add(inAllocator+".endpoint", "%q is no URL of a server, such as http://allocator:80", written.Endpoint)
	}
	if written.CollectorID == "" {
		p.Add(inAllocator+".collector_id", "there is none; write the name by which the allocator knows this collector, such as ${env:POD_NAME}")
	}
	p.checkDuration(inAllocator+".interval", written.Interval, minAllocatorInterval)
	if len(written.HTTPSDConfig) > 0 {
		if err := decodeYAML(written.HTTPSDConfig, &a.client); err != nil {
			p.Add(inAllocator+".http_sd_config", "%v", err)
		}
	}
	a.most = p.mostTargets(inAllocator+".max_targets", written.MaxTargets)
	a.defaults.inherit(&o.Defaults, inDefaults)
	a.hasService = o.serviceOf(&a.defaults) != ""
	o.sources = append(o.sources, a.found(0).sources()...)
}

// found returns what the allocator itself has, which is jobs and no targets.
func (a *allocator) found(number int) *found {
	return newFound(outer{number: number, option: inAllocator, List: List{Defaults: a.defaults}}, 0, inAllocator)
}

// askAllocator asks the allocator for its jobs until ctx ends. What it says comes as events.
func (w *watcher) askAllocator(ctx context.Context, running *sync.WaitGroup) {
	a := w.options.allocator
	if a == nil {
		return
	}
	running.Go(func() {
		ticker := time.NewTicker(a.interval)
		defer ticker.Stop()
		client, err := config.NewClientFromConfig(a.client, inAllocator, httpOptions...)
		for {
			e := event{found: w.allocator, by: w.allocator.by[0], err: err, whole: true}
			if err == nil {
				e.jobs, e.err = a.ask(ctx, client)
			}
			w.tell(ctx, e)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// ask asks the allocator for its jobs.
func (a *allocator) ask(ctx context.Context, client *http.Client) ([]*job, error) {
	ctx, end := context.WithTimeout(ctx, a.interval)
	defer end()
	answer, err := get(ctx, client, a.base+"/scrape_configs", nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", answer.Request.URL, answer.Status)
	}
	return a.jobs(answer.text)
}

// jobs returns the jobs that an answer has, by their names.
func (a *allocator) jobs(answer []byte) ([]*job, error) {
	var written map[string]json.RawMessage
	if err := json.Unmarshal(answer, &written); err != nil {
		return nil, fmt.Errorf("the answer has no jobs: %w", err)
	}
	jobs := make([]*job, 0, len(written))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(written)) {
		j, err := a.job(name, written[name])
		if err != nil {
			j.broken = true
			errs = append(errs, err)
		}
		jobs = append(jobs, j)
	}
	return jobs, errors.Join(errs...)
}

// allocatedOptions are those of a job that say what becomes of the targets that are allocated.
var allocatedOptions = []string{"relabel_configs", "params", "scrape_interval", "scrape_timeout"}

// job returns a job that an answer has. Its targets are those that the allocator has for this
// collector, before relabelling.
func (a *allocator) job(name string, text json.RawMessage) (*job, error) {
	j := newJob(fmt.Sprintf("%s.jobs[%q]", inAllocator, name))
	j.name, j.defaults, j.hasService, j.most, j.version = name, a.defaults, a.hasService, a.most, sumOfText(text)[0]
	var written map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&written); err != nil {
		return j, fmt.Errorf("the job %q: %w", name, err)
	}
	j.discovery = discovery.Configs{&httpsd.SDConfig{
		HTTPClientConfig: a.client, RefreshInterval: model.Duration(a.interval),
		URL: fmt.Sprintf("%s/jobs/%s/targets?collector_id=%s", a.base, url.QueryEscape(name), url.QueryEscape(a.collector)),
	}}
	options := map[string]any{"job_name": name}
	for _, option := range allocatedOptions {
		if value, has := written[option]; has {
			options[option] = value
		}
	}
	var p Problems
	j.decode(&p, options)
	var errs []error
	for _, place := range slices.Sorted(maps.Keys(p.texts)) {
		if p.texts[place] != "" {
			errs = append(errs, fmt.Errorf("%s: %s", place, p.texts[place]))
		}
	}
	return j, errors.Join(errs...)
}

// allocated is a job of an allocator that is run.
type allocated struct {
	version uint64
	found   *found
	end     context.CancelFunc
}

// allocate runs the jobs that an allocator has now, and no others. A job that has changed keeps
// its list until there is a new one, and one that is broken now goes on as it was.
func (w *watcher) allocate(ctx context.Context, running *sync.WaitGroup, jobs []*job) {
	gone := maps.Clone(w.allocated)
	for _, j := range jobs {
		before := gone[j.name]
		delete(gone, j.name)
		if j.broken || before != nil && before.version == j.version {
			continue
		}
		next := &allocated{version: j.version}
		if before == nil {
			next.found = j.found(w.newNumber())
			w.found = append(w.found, next.found)
		} else {
			before.end()
			next.found = before.found
		}
		var allocated context.Context
		allocated, next.end = context.WithCancel(ctx)
		w.run(allocated, running, j, next.found)
		w.allocated[j.name] = next
	}
	for name, a := range gone {
		a.end()
		delete(w.allocated, name)
		w.found = slices.DeleteFunc(w.found, func(f *found) bool { return f == a.found })
		w.allocator.news = true
	}
}
