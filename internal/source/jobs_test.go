package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/observer"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"example.com/tcpcheckreceiver/internal/check"
)

// discovered runs the jobs of a configuration until a list is as wanted, and returns that.
func discovered(t *testing.T, yaml string, wanted func(check.List) bool) check.List {
	t.Helper()
	options, err := load(t, yaml)
	require.NoError(t, err)
	require.True(t, options.Changes())
	return newLists(t, options).await(wanted)
}

// lists are those that options have, one after the other.
type lists struct {
	t  *testing.T
	of chan check.List
}

func newLists(t *testing.T, options *Options) lists {
	ctx, end := context.WithCancel(context.Background())
	l, ended := lists{t, make(chan check.List)}, make(chan struct{})
	attributes := []string{"server.address", "server.port", "network.type", "instance", "port", "url"}
	go func() {
		defer close(ended)
		options.Watch(ctx, attributes, func(o *Options) {
			select {
			case l.of <- o.ToCheck(o.Check(attributes)):
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() { end(); <-ended })
	return l
}

func (l lists) await(wanted func(check.List) bool) check.List {
	l.t.Helper()
	var list check.List
	for deadline := time.After(time.Minute); ; {
		select {
		case list = <-l.of:
			if wanted(list) {
				return list
			}
		case <-deadline:
			require.FailNow(l.t, "the list does not come", "%+v", list)
		}
	}
}

// has reports whether a list has so many targets.
func has(n int) func(check.List) bool {
	return func(list check.List) bool { return len(list.Targets) == n }
}

// texts returns targets as text, without what all of them have by default.
func texts(list check.List) (texts []string) {
	for _, target := range list.Targets {
		text := fmt.Sprintf("%s %s %s", target.Labels.Name, target.HostPort(), target.Labels.Service)
		for _, tag := range target.Labels.Tags {
			text += " " + tag.Key + "=" + tag.Value
		}
		for _, server := range target.Servers {
			text += " by " + server.String()
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}

// The configuration of a job for the blackbox exporter, as its documentation has it, is taken as
// it is.
func TestBlackboxJob(t *testing.T) {
	const job = `
scrape_configs:
  - job_name: blackbox
    metrics_path: /probe
    params: {module: [tcp_connect]}
    scrape_interval: 30s
    static_configs:
      - targets: [db.example.com:5432, "[::1]:22"]
        labels: {team: data, instance_type: x, url: y}
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: 127.0.0.1:9115}
      - {source_labels: [__param_module], target_label: module}
`
	list := discovered(t, job, has(2))
	assert.Equal(t, []string{
		"[::1]:22 [::1]:22 blackbox instance_type=x module=tcp_connect team=data exported_url=y",
		"db.example.com:5432 db.example.com:5432 blackbox instance_type=x module=tcp_connect team=data exported_url=y",
	}, texts(list))
	assert.Equal(t, 30*time.Second, list.Targets[0].Interval)
	assert.Equal(t, []check.Source{{Name: "scrape_configs[0].static_configs[0]"}}, list.Sources)
	options, err := load(t, job)
	require.NoError(t, err)
	assert.Equal(t, []string{"scrape_configs[0].metrics_path: it has no effect: nothing is scraped"}, options.Warnings())
}

// What becomes of a discovered target.
func TestDiscoveredTargets(t *testing.T) {
	for _, test := range []struct {
		name, options, job string
		want               []string
		warnings           []string
	}{
		{"nothing but its address", "", "static_configs: [{targets: ['h:1']}]", []string{"h:1 h:1 j"}, nil},
		{"defaults of the receiver", "{port: 443, service: shop}", "static_configs: [{targets: [h]}]", []string{"h h:443 shop"}, nil},
		{"a service of all", "{port: 443}\nservice: shop", "static_configs: [{targets: [h]}]", []string{"h h:443 shop"}, nil},
		{"defaults of the job", "{port: 443, service: shop}", "{defaults: {port: 22, tags: [a:b]}, static_configs: [{targets: [h]}]}", []string{"h h:22 shop a=b"}, nil},
		{
			"name servers of one's own are for who runs the collector to say", "{resolver: {servers: 10.0.0.53}}", "{defaults: {port: 22}, static_configs: [{targets: [h]}, {targets: [i], labels: {__tcpcheck_resolver: 10.0.0.54}}]}",
			[]string{"h h:22 j by 10.0.0.53:53"},
			[]string{`scrape_configs[0] "j" .instances[1] "i" .__tcpcheck_resolver: a target may have no such option; it may have name, address_families, ipv4_only, multiple_ips, timeout, min_collection_interval, service, collect_response_time`},
		},
		{"rules that drop", "", "{static_configs: [{targets: ['a:1', 'b:1']}], relabel_configs: [{source_labels: [__address__], regex: 'a:.*', action: drop}]}", []string{"b:1 b:1 j"}, nil},
		{
			"a share of them", "", "{static_configs: [{targets: ['a:1', 'b:1', 'c:1', 'd:1']}], relabel_configs: [{source_labels: [__address__], modulus: 2, target_label: __tmp_hash, action: hashmod}, {source_labels: [__tmp_hash], regex: 1, action: keep}]}",
			[]string{"c:1 c:1 j"},
			nil,
		},
		{
			"options of its own", "", "static_configs: [{targets: ['h:1'], labels: {__tcpcheck_name: web, __tcpcheck_service: s, __tcpcheck_timeout: 3s, __tcpcheck_address_families: 'ipv4,ipv6', __other: x, job: k}}]",
			[]string{"web h:1 s"},
			nil,
		},
		{"a job of its own", "", "static_configs: [{targets: ['h:1'], labels: {job: k}}]", []string{"h:1 h:1 k"}, nil},
		{
			"one is wrong", "", "static_configs: [{targets: ['h:1', h, 'i:0', 'j:1'], labels: {__tcpcheck_timeout: 5s}}, {targets: ['k:1'], labels: {__tcpcheck_quiet: 'true'}}, {targets: ['l:1'], labels: {__tcpcheck_min_collection_interval: 100ms}}]",
			[]string{"h:1 h:1 j", "j:1 j:1 j"},
			[]string{
				`scrape_configs[0] "j" .instances[1] "h" .port: there is none; write host and port, or endpoint`,
				`scrape_configs[0] "j" .instances[2] "i:0" .endpoint: "i:0" has a port that is not between 1 and 65535`,
				`scrape_configs[0] "j" .instances[4] "k:1" .__tcpcheck_quiet: a target may have no such option; it may have name, address_families, ipv4_only, multiple_ips, timeout, min_collection_interval, service, collect_response_time`,
				`scrape_configs[0] "j" .instances[5] "l:1" .min_collection_interval: 100ms is shorter than 1s, the shortest that a target may have by itself`,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.HasPrefix(test.job, "{") {
				test.job = "{" + test.job + "}"
			}
			list := discovered(t, "defaults: "+test.options+"\nscrape_configs: [{job_name: j, "+test.job[1:]+"]", has(len(test.want)))
			assert.Equal(t, test.want, texts(list))
			assert.Equal(t, test.warnings, list.Warnings)
			assert.Equal(t, len(test.warnings), list.Refused)
		})
	}
}

// What can be wrong with a job.
func TestInvalidJobs(t *testing.T) {
	for name, test := range map[string]struct{ yaml, want string }{
		"no job":          {"scrape_configs: [5]", "scrape_configs[0]: 5 is not a job, which is a mapping of options"},
		"no list":         {"scrape_configs: {a: b}", "scrape_configs: a mapping is not a list of jobs"},
		"no name":         {"scrape_configs: [{static_configs: [{targets: ['h:1']}]}]", "scrape_configs[0].job_name: there is none; every job needs a name"},
		"a number":        {"scrape_configs: [{job_name: 5, static_configs: [{targets: ['h:1']}]}]", "scrape_configs[0].job_name: 5 is not a text; write it in quotes"},
		"nothing":         {"scrape_configs: [{job_name: j}]", "scrape_configs[0]: it has no way to discover targets; they are static_configs, dns_sd_configs, file_sd_configs, http_sd_configs"},
		"unknown option":  {"scrape_configs: [{job_name: j, static_config: []}]", "scrape_configs[0].static_config: unknown option; a job has job_name, relabel_configs, params, scrape_interval, scrape_timeout, defaults, max_targets, static_configs, dns_sd_configs, file_sd_configs, http_sd_configs"},
		"a wrong section": {"scrape_configs: [{job_name: j, http_sd_configs: [{urls: [x]}]}]", "scrape_configs[0].http_sd_configs: field urls not found"},
		"a wrong value":   {"scrape_configs: [{job_name: j, http_sd_configs: [{url: 'ftp://x'}]}]", "scrape_configs[0].http_sd_configs: URL scheme must be 'http' or 'https'"},
		"a wrong rule":    {"scrape_configs: [{job_name: j, static_configs: [{targets: [h:1]}], relabel_configs: [{action: keep, source_labels: [a], regex: '('}, {action: hashmod, target_label: x}]}]", "scrape_configs[0].relabel_configs[0]: error parsing regexp: missing closing ): `^(?s:()$`\nscrape_configs[0].relabel_configs[1]: relabel configuration for hashmod requires non-zero modulus"},
		"no rules":        {"scrape_configs: [{job_name: j, static_configs: [{targets: [h:1]}], relabel_configs: {a: b}}]", "scrape_configs[0].relabel_configs: a mapping is not a list of rules"},
		"wrong times":     {"scrape_configs: [{job_name: j, static_configs: [{targets: [h:1]}], scrape_interval: x, scrape_timeout: 0s}]", "scrape_configs[0].scrape_interval: not a valid duration string: \"x\"\nscrape_configs[0].scrape_timeout: 0 is not more than 0"},
		"wrong bounds":    {"scrape_configs: [{job_name: j, static_configs: [{targets: [h:1]}], max_targets: 0, params: 5}]", "scrape_configs[0].max_targets: 0 is less than 1; leave the option out for any number\nscrape_configs[0].params: cannot unmarshal !!int `5` into map[string][]string"},
		"wrong defaults":  {"scrape_configs: [{job_name: j, static_configs: [{targets: [h:1]}], defaults: {timeout: -1, x: y}}]", "scrape_configs[0].defaults.timeout: -1s is not more than 0\nscrape_configs[0].defaults.x: unknown option; an instance has " + fileSchema().fields[inInstances].schema.list()},
		"no defaults":     {"scrape_configs: [{job_name: j, static_configs: [{targets: [h:1]}], defaults: 5}]", "scrape_configs[0].defaults: 5 is not a mapping of the options of an instance"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.yaml)
			require.EqualError(t, err, test.want)
		})
	}
}

// A list by HTTP that changes, and a server that fails in every way: its last good list stays.
func TestHTTPDiscovery(t *testing.T) {
	var answer atomic.Pointer[http.HandlerFunc]
	text := func(text string) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(text))
		})
		answer.Store(&handler)
	}
	status := func(code int) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", code) })
		answer.Store(&handler)
	}
	text(`[{"targets": ["a:1", "b:1"], "labels": {"x": "y"}}]`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }))
	defer server.Close()
	options, err := load(t, "scrape_configs: [{job_name: j, max_targets: 3, http_sd_configs: [{url: '"+server.URL+"', refresh_interval: 50ms}]}]")
	require.NoError(t, err)
	l := newLists(t, options)
	l.await(has(2))
	stale := func(list check.List) bool { return list.Sources[0].Err != nil }
	fresh := func(list check.List) bool { return list.Sources[0].Err == nil }
	for name, test := range map[string]struct {
		fail func()
		want string
	}{
		"500":              {func() { status(http.StatusInternalServerError) }, "server returned HTTP status 500 Internal Server Error"},
		"a loop":           {func() { status(http.StatusFound) }, "stopped after 10 redirects"},
		"nothing":          {func() { text("") }, "unexpected end of JSON input"},
		"garbage":          {func() { text("<html>") }, "invalid character '<' looking for beginning of value"},
		"half of it":       {func() { text(`[{"targets": ["a:1"`) }, "unexpected end of JSON input"},
		"no group":         {func() { text(`[null]`) }, "nil target group item found"},
		"too many targets": {func() { text(`[{"targets": ["a:1", "b:1", "c:1", "d:1"]}]`) }, "it has 4 targets, and may have 3 (max_targets)"},
	} {
		t.Run(name, func(t *testing.T) {
			test.fail()
			list := l.await(stale)
			assert.Len(t, list.Targets, 2)
			require.ErrorContains(t, list.Sources[0].Err, test.want)
			assert.False(t, list.Sources[0].Stale.IsZero())
			text(`[{"targets": ["a:1", "b:1"], "labels": {"x": "y"}}]`)
			assert.Len(t, l.await(fresh).Targets, 2)
		})
	}
	text(`[{"targets": ["c:1"]}]`)
	l.await(has(1))
	text(`[]`)
	l.await(has(0))
}

// An answer without an end is given up.
func TestEndlessAnswer(t *testing.T) {
	client, server := net.Pipe()
	go func() {
		for {
			if _, err := server.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}()
	conn := &limitedConn{Conn: client, left: 5 << 20}
	read, buffer := 0, make([]byte, 1<<16)
	var err error
	for err == nil {
		var n int
		n, err = conn.Read(buffer)
		read += n
	}
	require.ErrorContains(t, err, "more than the")
	assert.Equal(t, 5<<20, read)
	require.NoError(t, client.Close())
}

// A list in files, one of which is wrong.
func TestFileDiscovery(t *testing.T) {
	good := writeFile(t, "[{targets: ['a:1']}]")
	bad := writeFile(t, "[{targets: [")
	list := discovered(t, "scrape_configs: [{job_name: j, file_sd_configs: [{files: ["+good+", "+bad+"]}]}]", func(list check.List) bool {
		return len(list.Targets) == 1 && list.Sources[0].Err != nil
	})
	assert.Contains(t, list.Sources[0].Err.Error(), "yaml")
	assert.Equal(t, "scrape_configs[0].file_sd_configs[0]", list.Sources[0].Name)
}

// Once gives what all sources have said, and says which have said nothing when its time is up.
func TestOnce(t *testing.T) {
	const jobs = `scrape_configs:
  - {job_name: a, static_configs: [{targets: ["a:1", "b:1"]}]}
  - {job_name: b, static_configs: [{targets: ["c:1"]}]%s}
observers: [{observer: o, rule: type == "port"}]
`
	options, err := load(t, fmt.Sprintf(jobs, ""))
	require.NoError(t, err)
	now := options.Once(context.Background(), nil)
	list := now.ToCheck(now.Check(nil))
	assert.Len(t, list.Targets, 3)
	for _, source := range list.Sources {
		require.NoError(t, source.Err, source.Name)
	}

	options, err = load(t, fmt.Sprintf(jobs, ", file_sd_configs: [{files: ['"+t.TempDir()+"/*.yaml']}]"))
	require.NoError(t, err)
	ctx, end := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer end()
	now = options.Once(ctx, nil)
	list = now.ToCheck(now.Check(nil))
	assert.Len(t, list.Targets, 3)
	for _, source := range list.Sources {
		assert.Equal(t, strings.HasSuffix(source.Name, "file_sd_configs[0]"), source.Err != nil, source)
	}
}

// FuzzFound: whatever an answer has, nothing panics, and what is checked can be.
func FuzzFound(f *testing.F) {
	f.Add([]byte(`[{"targets": ["h:1", "[::1]:22", "::1"], "labels": {"team": "data", "url": "x", "instance": "i"}}]`))
	f.Add([]byte(`[{"targets": ["h:1"], "labels": {"__tcpcheck_timeout": "1d", "__tcpcheck_address_families": ",", "__param_target": "x:2", "a:b": ":", "é": ""}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var groups []*targetgroup.Group
		if json.Unmarshal(text, &groups) != nil {
			t.Skip("no groups")
		}
		options, err := load(t, "scrape_configs: [{job_name: j, static_configs: [{targets: [h]}], relabel_configs: [{regex: '__meta_(.*)', action: labelmap}]}]")
		require.NoError(t, err)
		w := newWatcher(options, []string{"url"})
		for i, group := range groups {
			if group != nil {
				group.Source = fmt.Sprint(i)
			}
		}
		w.observe(&event{found: w.found[0], by: w.found[0].by[0], groups: options.jobs[0].groups(groups)}, time.Now())
		w.update(time.Now())
		found := w.current()
		list := found.ToCheck(found.Check([]string{"url"}))
		for _, target := range list.Targets {
			require.NotEmpty(t, target.Labels.Name)
			require.NotEmpty(t, target.Host)
			require.NotZero(t, target.Port)
			require.Positive(t, target.Timeout)
			require.GreaterOrEqual(t, target.Interval, minFoundInterval)
		}
		require.LessOrEqual(t, len(list.Warnings), 10_000)
	})
}

// provider gives a configuration with variables, and their values.
type provider map[string]string

func (p provider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(p[strings.TrimPrefix(uri, "env:")]))
}

func (provider) Scheme() string { return "env" }

func (provider) Shutdown(context.Context) error { return nil }

// A variable may be in what another library decodes.
func TestVariables(t *testing.T) {
	variables := provider{"N": "3", "ZONE": "eu", "URL": "http://allocator:80", "all": `
scrape_configs:
  - job_name: ${env:ZONE}
    static_configs: [{targets: ["h:${env:N}"]}]
    scrape_interval: ${env:N}s
    relabel_configs:
      - {source_labels: [__address__], action: hashmod, modulus: "${env:N}", target_label: shard}
      - {source_labels: [shard], action: keep, regex: "${env:N}|[0-2]"}
observers: [{observer: o, rule: 'type == "pod"', instance: {port: "${env:N}", name: "${env:ZONE}"}}]
target_allocator: {endpoint: "${env:URL}", collector_id: c, http_sd_config: {basic_auth: {username: "${env:ZONE}"}}}
`}
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: []string{"env:all"}, ProviderFactories: []confmap.ProviderFactory{confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return variables })},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	options := &Options{}
	options.Decode(conf, options)
	require.NoError(t, validate(options))
	assert.Equal(t, "eu", options.jobs[0].name)
	assert.EqualValues(t, 3, options.jobs[0].relabel[0].Modulus)
	assert.Equal(t, "eu", options.allocator.client.BasicAuth.Username)
	require.NoError(t, options.Bind(func(string) any { return &fakeObserver{has: []observer.Endpoint{pod("a", "10.0.0.1", nil)}} }))
	assert.Contains(t, texts(newLists(t, options).await(has(2))), "eu 10.0.0.1:3 ")
}
