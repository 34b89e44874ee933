package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// An instance has the defaults that it does not say otherwise, those of its file before
// those of the receiver.
func TestDefaults(t *testing.T) {
	file := writeFile(t, `{init_config: {service: of the file}, defaults: {timeout: 2, quiet: false, tags: ["site:b"]}, instances: [{name: c, host: h}, {name: d, host: h, service: own, timeout: 1, resolver: {servers: 10.0.0.54}}]}`)
	options, err := load(t, `{defaults: {host: h, port: 443, timeout: 5s, collect_response_time: true, multiple_ips: true, address_families: [ipv6], tags: ["site:a"], service: shop, retry: {attempts: 2}, resolver: {servers: [10.0.0.53]}},
instances: [{name: a}, {name: b, endpoint: "x:1", collect_response_time: false, ipv4_only: true, tags: [], retry: {attempts: 1, interval: 200ms}}], instances_file: `+file+`}`)
	require.NoError(t, err)
	targets := options.targets()
	require.Len(t, targets, 4)
	of := func(i int, change func(*check.Target)) check.Target {
		want := check.Target{
			Host: "h", Port: 443, Families: []check.Family{check.IPv6}, MultipleIPs: true, Timeout: 5 * time.Second, Interval: 15 * time.Second,
			CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Retry: check.Retry{Attempts: 2, Interval: time.Second}, Servers: servers("10.0.0.53:53"),
			Labels: check.Labels{Name: targets[i].Labels.Name, Tags: []check.Tag{{Key: "site", Value: "a"}}, Service: "shop", CollectResponseTime: true},
		}
		change(&want)
		return want
	}
	for i, want := range []check.Target{
		of(0, func(*check.Target) {}),
		of(1, func(t *check.Target) {
			t.Host, t.Port, t.Families, t.Retry = "x", 1, []check.Family{check.IPv4}, check.Retry{Attempts: 1, Interval: 200 * time.Millisecond}
			t.Labels.Tags, t.Labels.CollectResponseTime = nil, false
		}),
		of(2, func(t *check.Target) {
			t.Timeout, t.Labels.Service, t.Labels.Tags = 2*time.Second, "of the file", []check.Tag{{Key: "site", Value: "b"}}
		}),
		of(3, func(t *check.Target) {
			t.Timeout, t.Labels.Service, t.Labels.Tags, t.Servers = time.Second, "own", []check.Tag{{Key: "site", Value: "b"}}, servers("10.0.0.54:53")
		}),
	} {
		assert.Equal(t, want, targets[i], "%d", i)
	}

	options, err = load(t, `{quiet: true, defaults: {endpoint: "x:1", quiet: false, ipv4_only: true}, instances: [{name: a}, {name: b, host: h, port: 2, quiet: true, address_families: [ipv6]}]}`)
	require.NoError(t, err)
	targets = options.targets()
	assert.Equal(t, "x:1", targets[0].HostPort())
	assert.Equal(t, "h:2", targets[1].HostPort())
	assert.Equal(t, []bool{false, true}, []bool{targets[0].Quiet, targets[1].Quiet})
	assert.Equal(t, [][]check.Family{{check.IPv4}, {check.IPv6}}, [][]check.Family{targets[0].Families, targets[1].Families})
}

// What is wrong with defaults is said where they are written, once.
func TestInvalidDefaults(t *testing.T) {
	for name, test := range map[string]struct{ yaml, want string }{
		"no mapping":     {"{defaults: [a], instances: [{name: a, host: h, port: 1}]}", "defaults: a list of 1 is not a mapping of the options of an instance"},
		"unknown option": {"{defaults: {time: 5}, instances: [{name: a, host: h, port: 1}]}", "defaults.time: unknown option; an instance has name, host, port, endpoint, timeout, collect_response_time, address_families, ipv4_only, multiple_ips, source_address, interface, dscp, quiet, tls, steps, steps_interval, retry, recheck_interval, ip_cache_duration, resolver, tags, service, min_collection_interval, empty_default_hostname, metric_patterns"},
		"inherited":      {"{defaults: {timeout: -1, tags: [':a']}, instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 1}]}", "defaults.timeout: -1s is not more than 0\ndefaults.tags[0]: \":a\" has no key; write key:value"},
		"inherited by none": {
			`{defaults: {endpoint: "h", host: "a b", port: 0}, instances: [{name: a, host: h, port: 1}]}`,
			"defaults.port: 0 is not between 1 and 65535\ndefaults.endpoint: \"h\" excludes host and port; write one or the other",
		},
		"a host":                         {"{defaults: {host: '[1.2.3.4]'}, instances: [{name: a, endpoint: 'h:1'}]}", `defaults.host: "[1.2.3.4]" has brackets around an IPv4 address`},
		"not together, all of them":      {"{defaults: {recheck_interval: 20, min_collection_interval: 20}, instances: [{name: a, host: h, port: 1}]}", "defaults.recheck_interval: 20s is not shorter than the interval of 20s, so it would change nothing"},
		"not together with one's own":    {"{defaults: {recheck_interval: 20}, instances: [{name: a, host: h, port: 1, min_collection_interval: 20}, {name: b, host: h, port: 1, min_collection_interval: 30}]}", `instances[0] "a" .recheck_interval: 20s is not shorter than the interval of 20s, so it would change nothing`},
		"repetitions that last too long": {"{defaults: {retry: {attempts: 5}, timeout: 5}, instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 2}]}", "defaults.retry.attempts: 5 of up to 5s (timeout), each 1s after the one before (retry.interval), may last longer than the interval of 15s"},
		"a name server":                  {"{defaults: {resolver: {servers: ['10.0.0.53:53', 10.0.0.53, ns]}}, instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 2}]}", "defaults.resolver.servers[1]: \"10.0.0.53\" is there twice, as 10.0.0.53:53\ndefaults.resolver.servers[2]: \"ns\" is a name, which nobody is there to resolve; write the address of the name server"},
		"a service that is a tag":        {"{defaults: {service: a, tags: ['job:b']}, instances: [{name: a, host: h, port: 1}]}", `defaults.tags[0]: "job:b" is named like the label job, which the Prometheus exporter makes of the service of the instance`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.yaml)
			require.EqualError(t, err, test.want)
		})
	}
	_, err := load(t, "instances_file: "+writeFile(t, "{defaults: {timeout: x, port: 0}, instances: [{name: a, host: h}]}"))
	require.EqualError(t, err, "instances_file.defaults.port: 0 is not between 1 and 65535\ninstances_file.defaults.timeout: \"x\" is not a duration, such as 10s, or a number of seconds")
	require.EqualError(t, validate(&Options{List: List{Defaults: Instance{Host: "h"}}}), "instances_file: it has not been read, nor have the defaults been; that is for Unmarshal to do")
}

// There may be several files, by their paths or by patterns. What is wrong says in which one.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) { require.NoError(t, os.WriteFile(in(name), []byte(text), 0o600)) }
	write("a.yaml", "instances: [{name: a, host: h, port: 1}]")
	write("b.yaml", "instances: [{name: b, host: h, port: 1}, {name: a, host: h, port: 1, timeout: 3}]")
	write("c.yml", "instances: [{name: c, host: h, port: 1}]")
	names := func(options *Options) (names []string) {
		for _, target := range options.targets() {
			names = append(names, target.Labels.Name)
		}
		return names
	}

	options, err := load(t, "instances_file: ["+in("c.yml")+", '"+in("*.yaml")+"', "+in("a.yaml")+"]")
	require.NoError(t, err)
	assert.Equal(t, []string{"c", "a", "b"}, names(options), "each once, the first one")
	assert.Equal(t, []string{`instances_file "` + in("b.yaml") + `" .instances[1] "a": it is instances_file "` + in("a.yaml") + `" .instances[0] "a" as well, and is checked once`}, options.Warnings())

	options, err = load(t, "instances_file: '"+in("*.none")+"'")
	require.NoError(t, err, "they may come")
	assert.Empty(t, names(options))

	write("b.yaml", "{defaults: {port: 0}, instances: [{name: b, host: h}], x: y}")
	_, err = load(t, "instances_file: '"+in("*.yaml")+"'")
	require.EqualError(t, err, `instances_file "`+in("b.yaml")+`" .defaults.port: 0 is not between 1 and 65535
instances_file "`+in("b.yaml")+`" .x: unknown option; the file has init_config, defaults, instances`)
	write("b.yaml", "]")
	_, err = load(t, "instances_file: '"+in("*.yaml")+"'")
	require.EqualError(t, err, "instances_file: "+in("b.yaml")+": yaml: did not find expected node content")
}
