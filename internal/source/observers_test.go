package source

import (
	"sync"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/observer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"example.com/tcpcheckreceiver/internal/check"
)

// fakeObserver is an observer whose endpoints a test says. Those of the collector are in the
// end-to-end tests.
type fakeObserver struct {
	mu       sync.Mutex
	notified map[observer.NotifyID]observer.Notify
	has      []observer.Endpoint // from the start
}

func (f *fakeObserver) ListAndWatch(n observer.Notify) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.notified == nil {
		f.notified = make(map[observer.NotifyID]observer.Notify)
	}
	f.notified[n.ID()] = n
	if len(f.has) > 0 {
		n.OnAdd(f.has)
	}
}

func (f *fakeObserver) Unsubscribe(n observer.Notify) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.notified, n.ID())
}

// each calls a function for all who are notified.
func (f *fakeObserver) each(call func(observer.Notify)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.notified {
		call(n)
	}
}

func port(id, target, process string, port uint16) observer.Endpoint {
	return observer.Endpoint{ID: observer.EndpointID(id), Target: target, Details: &observer.HostPort{ProcessName: process, Port: port, Transport: observer.ProtocolTCP}}
}

func pod(id, ip string, annotations map[string]string) observer.Endpoint {
	return observer.Endpoint{ID: observer.EndpointID(id), Target: ip, Details: &observer.Pod{Name: id, Namespace: "shop", Annotations: annotations, Labels: map[string]string{"app": "web"}}}
}

func portOfPod(target string, port uint16) observer.Endpoint {
	return observer.Endpoint{ID: "a", Target: target, Details: &observer.Port{Name: "http", Pod: observer.Pod{Name: "web"}, Port: port, Transport: observer.ProtocolTCP}}
}

// The endpoints of an observer come, change and go, and their targets with them.
func TestObservers(t *testing.T) {
	const config = `
defaults: {timeout: 2s}
observers:
  - observer: host_observer
    rule: type == "hostport" && port in [80, 443]
    instance:
      name: 'port ` + "`port`" + `'
      tags: ['process:` + "`process_name`" + `', 'kind:` + "`typeOf(port)`" + `']
  - observer: k8s_observer/a
    rule: type == "pod" && labels["app"] == "web"
    instance:
      port: '` + "`\"port\" in annotations ? annotations[\"port\"] : 8080`" + `'
      name: '` + "`namespace`/`name` \\`quoted\\`" + `'
      tags: ['zone:` + "`labels[\"zone\"]`" + `', 'app:` + "`labels[\"app\"]`" + `']
      service: '` + "`labels[\"app\"]`" + `'
      min_collection_interval: '` + "`annotations[\"every\"]`" + `'
`
	hosts := &fakeObserver{has: []observer.Endpoint{port("a", "127.0.0.1:80", "nginx", 80), port("b", "127.0.0.1:81", "other", 81)}}
	pods := &fakeObserver{}
	options, err := load(t, config)
	require.NoError(t, err)
	require.True(t, options.Changes())
	require.NoError(t, options.Bind(func(id string) any {
		return map[string]any{"host_observer": hosts, "k8s_observer/a": pods}[id]
	}))
	l := newLists(t, options)
	list := l.await(has(1))
	assert.Equal(t, []string{"port 80 127.0.0.1:80  process=nginx kind=uint"}, texts(list))

	before := list.Targets[0]
	hosts.each(func(n observer.Notify) {
		n.OnAdd([]observer.Endpoint{port("c", "[::1]:443", "envoy", 443), pod("d", "10.0.0.9", nil), {ID: "no details", Target: "x:1"}})
		n.OnChange([]observer.Endpoint{port("a", "127.0.0.1:80", "nginx", 80)})
	})
	list = l.await(has(2))
	assert.Equal(t, []string{"port 443 [::1]:443  process=envoy kind=uint", "port 80 127.0.0.1:80  process=nginx kind=uint"}, texts(list))
	assert.Contains(t, list.Targets, before, "one that did not change stays the same")

	hosts.each(func(n observer.Notify) {
		n.OnChange([]observer.Endpoint{port("a", "127.0.0.1:80", "caddy", 80)})
		n.OnRemove([]observer.Endpoint{port("c", "[::1]:443", "envoy", 443), port("never there", "h:1", "", 1)})
	})
	assert.Equal(t, []string{"port 80 127.0.0.1:80  process=caddy kind=uint"}, texts(l.await(has(1))))

	pods.each(func(n observer.Notify) {
		n.OnAdd([]observer.Endpoint{
			pod("p", "10.0.0.1", map[string]string{"every": "30s"}), pod("q", "10.0.0.2", map[string]string{"every": "1m", "port": "9090"}),
			pod("r", "10.0.0.3", nil), pod("s", "10.0.0.4", map[string]string{"every": "10s", "port": "http"}),
		})
	})
	list = l.await(has(4))
	assert.Equal(t, []string{
		"port 80 127.0.0.1:80  process=caddy kind=uint", "shop/p `quoted` 10.0.0.1:8080 web app=web", "shop/q `quoted` 10.0.0.2:9090 web app=web", "shop/r `quoted` 10.0.0.3:8080 web app=web",
	}, texts(list))
	assert.Equal(t, 1, list.Refused)
	assert.Equal(t, []string{
		`observers[1] "k8s_observer/a" .instances[3] "shop/s ` + "`quoted`" + `" .port: "http" is not a whole number`,
	}, list.Warnings)
	assert.Equal(t, []check.Source{{Name: `observers[0] "host_observer"`}, {Name: `observers[1] "k8s_observer/a"`}}, list.Sources)
	assert.False(t, list.Targets[0].Addresses.Permit(deniedByDefault[0].Addr()))
}

// What an endpoint has, and what of the instance is written, says what is dialled.
func TestObservedAddress(t *testing.T) {
	for _, test := range []struct {
		instance string
		endpoint observer.Endpoint
		want     string
	}{
		{"{}", port("a", "127.0.0.1:80", "x", 80), "127.0.0.1:80 127.0.0.1:80 "},
		{"{name: n}", port("a", "[::1]:80", "x", 80), "n [::1]:80 "},
		{"{port: 81}", port("a", "[::1]:80", "x", 80), "[::1]:80 [::1]:81 "},
		{"{port: 81}", pod("a", "10.0.0.1", nil), "10.0.0.1 10.0.0.1:81 "},
		{"{host: www.example.com, port: '`port`'}", port("a", "[::1]:80", "x", 80), "[::1]:80 www.example.com:80 "},
		{"{endpoint: '`endpoint`:82'}", pod("a", "10.0.0.1", nil), "10.0.0.1 10.0.0.1:82 "},
		{"{}", portOfPod("10.0.0.1:80", 80), "10.0.0.1:80 10.0.0.1:80 "},
		{"{}", portOfPod("fd00::1:8080", 8080), "[fd00::1]:8080 [fd00::1]:8080 "},
		{"{}", portOfPod("[fd00::1]:8080", 8080), "[fd00::1]:8080 [fd00::1]:8080 "},
		{"{name: n, host: '`host`', port: '`port`'}", portOfPod("fd00::1:80:80", 80), "n [fd00::1:80]:80 "},
		{"{port: 1, tags: '`[\"a:b\", \"c:d\"]`'}", pod("a", "10.0.0.1", nil), "10.0.0.1 10.0.0.1:1  a=b c=d"},
	} {
		t.Run(test.instance, func(t *testing.T) {
			options, err := load(t, "observers: [{observer: o, rule: type == \""+string(test.endpoint.Details.Type())+"\", instance: "+test.instance+"}]")
			require.NoError(t, err)
			require.NoError(t, options.Bind(func(string) any { return &fakeObserver{has: []observer.Endpoint{test.endpoint}} }))
			assert.Equal(t, []string{test.want}, texts(newLists(t, options).await(has(1))))
		})
	}
}

// What is wrong with an endpoint alone is said with its place, and keeps the others going.
func TestWrongEndpoints(t *testing.T) {
	for instance, want := range map[string]string{
		"{name: '`nothing`'}":       `.instances[0] "127.0.0.1:80" .name: "nothing": it has no value here`,
		"{name: '`nothing.x`'}":     `.instances[0] "127.0.0.1:80" .name: "nothing.x": cannot fetch x from <nil> (1:9)`,
		"{endpoint: '`endpoint`x'}": `.instances[0] "127.0.0.1:80" .endpoint: "127.0.0.1:80x" has a port that is not between 1 and 65535`,
	} {
		t.Run(instance, func(t *testing.T) {
			options, err := load(t, "observers: [{observer: o, rule: type == \"hostport\", instance: "+instance+"}]")
			require.NoError(t, err)
			require.NoError(t, options.Bind(func(string) any { return &fakeObserver{has: []observer.Endpoint{port("a", "127.0.0.1:80", "x", 80)}} }))
			list := newLists(t, options).await(func(list check.List) bool { return list.Refused == 1 })
			assert.Equal(t, []string{`observers[0] "o" ` + want}, list.Warnings)
		})
	}
	for rule, want := range map[string]string{
		"port":           "80 is neither true nor false",
		"nothing.x == 1": "cannot fetch x from <nil> (1:30)",
	} {
		options, err := load(t, "observers: [{observer: o, rule: 'type == \"hostport\" ? "+rule+" : false'}]")
		require.NoError(t, err)
		require.NoError(t, options.Bind(func(string) any { return &fakeObserver{has: []observer.Endpoint{port("a", "127.0.0.1:80", "x", 80)}} }))
		list := newLists(t, options).await(func(list check.List) bool { return list.Refused == 1 })
		assert.Contains(t, list.Warnings[0], `observers[0] "o" .instances[0] "127.0.0.1:80" .rule: `+want)
	}
}

func TestInvalidObservers(t *testing.T) {
	for name, test := range map[string]struct{ yaml, want string }{
		"nothing":            {"[{}]", "observers[0].observer: there is none; write the name of an extension, such as host_observer\nobservers[0].rule: there is none; write one such as type == \"hostport\" && port == 443"},
		"no mapping":         {"[5]", "observers[0]: 5 is not an observer, which is a mapping of options"},
		"no list":            {"5", "observers: 5 is not a list of observers"},
		"unknown":            {"[{observer: o, rule: 'type == \"pod\"', config: {}}]", "observers[0].config: unknown option; an observer has observer, rule, instance, max_targets"},
		"a rule of no type":  {"[{observer: o, rule: port == 443}]", `observers[0].rule: "port == 443" does not begin with the type of the endpoint, as in type == "hostport"`},
		"no rule":            {"[{observer: o, rule: 'type == \"pod\" && ('}]", `observers[0].rule: "type == \"pod\" && (" is no rule: unexpected token EOF (1:18)`},
		"unknown in it":      {"[{observer: o, rule: 'type == \"pod\"', instance: {x: 1}}]", "observers[0].instance.x: unknown option; an instance has " + fileSchema().fields[inInstances].schema.list()},
		"wrong in it":        {"[{observer: o, rule: 'type == \"pod\"', instance: {timeout: soon, tags: [1]}}]", "observers[0].instance.tags[0]: 1 is not a tag; write key:value, without a space or in quotes\nobservers[0].instance.timeout: \"soon\" is not a duration, such as 10s, or a number of seconds"},
		"an open expression": {"[{observer: o, rule: 'type == \"pod\"', instance: {name: 'a`b'}}]", "observers[0].instance.name: \"a`b\" has no backquote at the end of an expression"},
		"none between":       {"[{observer: o, rule: 'type == \"pod\"', instance: {tags: ['a:` `']}}]", "observers[0].instance.tags[0]: \"a:` `\" has no expression between two backquotes"},
		"no expression":      {"[{observer: o, rule: 'type == \"pod\"', instance: {name: '`(`'}}]", "observers[0].instance.name: \"(\" is no expression: unexpected token EOF (1:1)"},
		"no targets":         {"[{observer: o, rule: 'type == \"pod\"', max_targets: 0}]", "observers[0].max_targets: 0 is less than 1; leave the option out for any number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, "observers: "+test.yaml)
			assert.EqualError(t, err, test.want)
		})
	}
}

// An observer that is not there keeps the receiver from starting.
func TestBind(t *testing.T) {
	options, err := load(t, "observers: [{observer: a, rule: 'type == \"pod\"'}, {observer: b, rule: 'type == \"pod\"'}]")
	require.NoError(t, err)
	assert.EqualError(t, options.Bind(func(id string) any { return map[string]any{"b": 5}[id] }),
		"observers[0].observer: there is no extension a; it has to be in extensions, and in service.extensions\nobservers[1].observer: the extension b is no observer")
}

// More endpoints than there may be leave the list as it was.
func TestObserversMaxTargets(t *testing.T) {
	options, err := load(t, "observers: [{observer: o, rule: 'type == \"hostport\"', max_targets: 1}]")
	require.NoError(t, err)
	hosts := &fakeObserver{has: []observer.Endpoint{port("a", "127.0.0.1:80", "nginx", 80)}}
	require.NoError(t, options.Bind(func(string) any { return hosts }))
	l := newLists(t, options)
	l.await(has(1))
	hosts.each(func(n observer.Notify) { n.OnAdd([]observer.Endpoint{port("b", "127.0.0.1:81", "x", 81)}) })
	list := l.await(func(list check.List) bool { return list.Sources[0].Err != nil })
	require.EqualError(t, list.Sources[0].Err, "it has 2 targets, and may have 1 (max_targets)")
	assert.Len(t, list.Targets, 1)
}

// FuzzObserved: whatever an observer finds, and whatever is between the backquotes, nothing panics,
// and what is checked can be.
func FuzzObserved(f *testing.F) {
	f.Add("`endpoint`", "127.0.0.1:80", "x")
	f.Add("a`labels[\"app\"]`:\\`", "::1", "")
	f.Add("`name + annotations[\"text\"]`", "[::]:0", "\x00`")
	f.Fuzz(func(t *testing.T, template, target, annotation string) {
		options := &Options{}
		options.Decode(confmap.NewFromStringMap(map[string]any{"observers": []any{map[string]any{
			"observer": "o", "rule": "type == \"pod\"", "instance": map[string]any{"name": template, "port": 1, "tags": []any{template}},
		}}}), options)
		if validate(options) != nil {
			return
		}
		w := newWatcher(options, nil)
		g := options.observed[0].group(pod("p", target, map[string]string{"text": annotation}))
		w.observe(&event{found: w.observed[0], by: w.observed[0].by[0], groups: []group{g}}, time.Now())
		w.update(time.Now())
		now := w.current()
		list := now.ToCheck(now.Check(nil))
		require.Equal(t, 1, len(list.Targets)+list.Refused)
		for _, target := range list.Targets {
			require.NotEmpty(t, target.Labels.Name)
			require.NotEmpty(t, target.Host)
		}
	})
}
