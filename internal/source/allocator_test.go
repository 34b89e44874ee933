package source

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// fakeAllocator answers as a Target Allocator does, with what a test says. The real one is in the
// end-to-end tests.
type fakeAllocator struct {
	mu      sync.Mutex
	answers map[string]string // by path and query
	asked   map[string]int
}

func (f *fakeAllocator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[r.URL.RequestURI()]++
	answer, has := f.answers[r.URL.RequestURI()]
	if !has {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, answer)
}

func (f *fakeAllocator) answer(uri, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[uri] = text
}

const (
	allocatedJobs = `{"a b": {"job_name": "a b", "scrape_interval": "30s", "metrics_path": "/metrics", "kubernetes_sd_configs": [{}],
		"relabel_configs": [{"source_labels": ["__meta_zone"], "target_label": "zone"}, {"source_labels": ["__address__"], "regex": "drop.*", "action": "drop"}]},
		"c": {"job_name": "c"}}`
	ofAB = "/jobs/a+b/targets?collector_id=collector-0"
	ofC  = "/jobs/c/targets?collector_id=collector-0"
)

func allocate(t *testing.T, more string) (*fakeAllocator, lists) {
	fake := &fakeAllocator{answers: make(map[string]string), asked: make(map[string]int)}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	options, err := load(t, fmt.Sprintf("{target_allocator: {endpoint: '%s/', collector_id: collector-0, interval: 1s, %s}}", server.URL, more))
	require.NoError(t, err)
	return fake, newLists(t, options)
}

// The part of the targets that an allocator gives to this collector is checked, after the rules
// of their jobs.
func TestAllocator(t *testing.T) {
	fake, l := allocate(t, "defaults: {timeout: 2s}")
	list := l.await(func(list check.List) bool { return list.Sources[0].Err != nil })
	require.ErrorContains(t, list.Sources[0].Err, "/scrape_configs answered 503 Service Unavailable")
	assert.Equal(t, "target_allocator", list.Sources[0].Name)

	fake.answer(ofAB, `[{"targets": ["10.0.0.1:80", "drop:1"], "labels": {"__meta_zone": "eu"}}, {"targets": ["10.0.0.2:80"], "labels": {}}]`)
	fake.answer(ofC, `[]`)
	fake.answer("/scrape_configs", allocatedJobs)
	list = l.await(has(2))
	assert.Equal(t, []string{"10.0.0.1:80 10.0.0.1:80 a b zone=eu", "10.0.0.2:80 10.0.0.2:80 a b"}, texts(list))
	first := list.Targets[0]
	assert.Equal(t, "30s 2s", fmt.Sprint(first.Interval, " ", first.Timeout))
	assert.False(t, first.Addresses.Permit(deniedByDefault[0].Addr()))

	fake.answer(ofC, `[{"targets": ["10.0.0.3:80"], "labels": {}}]`)
	list = l.await(has(3))
	assert.Contains(t, list.Targets, first, "one that did not change stays the same")

	// Another rule, of the same targets.
	fake.answer("/scrape_configs", `{"a b": {"relabel_configs": [{"target_label": "zone", "replacement": "us"}]}, "c": {}}`)
	list = l.await(has(4))
	assert.Equal(t, []string{"10.0.0.1:80 10.0.0.1:80 a b zone=us", "10.0.0.2:80 10.0.0.2:80 a b zone=us", "10.0.0.3:80 10.0.0.3:80 c", "drop:1 drop:1 a b zone=us"}, texts(list))

	// Whatever cannot be taken leaves the jobs as they were.
	for answer, want := range map[string]string{
		"":                    "the answer has no jobs: unexpected end of JSON input",
		"[]":                  "the answer has no jobs: json: cannot unmarshal array",
		`{"a b": {}, "c": 5}`: `the job "c": json: cannot unmarshal number`,
		`{"a b": {}, "c": {"relabel_configs": [{"action": "nothing"}]}}`: `target_allocator.jobs["c"].relabel_configs[0]: unknown relabel action "nothing"`,
	} {
		fake.answer("/scrape_configs", answer)
		list = l.await(func(list check.List) bool { return list.Sources[0].Err != nil && has(4)(list) })
		require.ErrorContains(t, list.Sources[0].Err, want)
		fake.answer("/scrape_configs", `{"a b": {"relabel_configs": [{"target_label": "zone", "replacement": "us"}]}, "c": {}}`)
		l.await(func(list check.List) bool { return list.Sources[0].Err == nil && has(4)(list) })
	}

	fake.answer("/scrape_configs", `{"c": {}}`)
	assert.Equal(t, []string{"10.0.0.3:80 10.0.0.3:80 c"}, texts(l.await(has(1))))
	fake.answer("/scrape_configs", `{}`)
	l.await(has(0))
}

func TestInvalidAllocator(t *testing.T) {
	for yaml, want := range map[string]string{
		"{}": "target_allocator.endpoint: there is none; write the URL of the allocator, such as http://allocator:80\ntarget_allocator.collector_id: there is none; write the name by which the allocator knows this collector, such as ${env:POD_NAME}",
		"5":  "target_allocator: 5 is not a mapping of options",
		"{endpoint: 'allocator:80', collector_id: c, interval: 1ms, max_targets: 0, x: y, http_sd_config: {basic_auth: 5, y: 6}, defaults: {timeout: -1}}": "target_allocator.endpoint: \"allocator:80\" is no URL of a server, such as http://allocator:80\n" +
			"target_allocator.interval: 1ms is shorter than 1s\n" +
			"target_allocator.http_sd_config: cannot unmarshal !!int `5`; field y not found\n" +
			"target_allocator.defaults.timeout: -1s is not more than 0\n" +
			"target_allocator.max_targets: 0 is less than 1; leave the option out for any number\n" +
			"target_allocator.x: unknown option; target_allocator has endpoint, collector_id, interval, http_sd_config, defaults, max_targets",
	} {
		_, err := load(t, "target_allocator: "+yaml)
		assert.EqualError(t, err, want, yaml)
	}
}

// FuzzAllocated: no answer of an allocator panics, and each of its jobs has a way to discover
// targets, or says what is wrong.
func FuzzAllocated(f *testing.F) {
	f.Add([]byte(allocatedJobs))
	f.Add([]byte(`{"c": {"params": {"target": ["x"]}, "scrape_interval": "1d", "scrape_timeout": 5, "relabel_configs": [{"action": "hashmod", "modulus": 3}]}}`))
	a := &allocator{base: "http://h", collector: "c", interval: minAllocatorInterval}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			t.Skip("no JSON")
		}
		jobs, err := a.jobs(text)
		for _, j := range jobs {
			if !j.broken {
				require.Len(t, j.discovery, 1)
			} else {
				require.Error(t, err)
			}
		}
	})
}
