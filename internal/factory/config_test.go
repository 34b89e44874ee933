package factory

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/schema/schematest"
)

// load decodes and validates a configuration as the collector does.
func load(t *testing.T, yaml string) (*Config, error) {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	config := defaultConfig(t)
	if err := conf.Unmarshal(config); err != nil {
		schematest.Judge(t, yaml, err)
		return nil, err
	}
	err = confmap.Validate(config)
	schematest.Judge(t, yaml, err)
	return config, err
}

func defaultConfig(t *testing.T) *Config {
	t.Helper()
	config, ok := createDefaultConfig().(*Config)
	require.True(t, ok)
	return config
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", name))
	require.NoError(t, err)
	return string(text)
}

// What can be wrong with more than the options of a target, and the sentence that it earns.
func TestInvalidConfig(t *testing.T) {
	for _, test := range []struct {
		name string
		yaml string
		want string
	}{
		{
			name: "unknown option of the receiver",
			yaml: `timeout: 5s
instances: [{name: a, host: h, port: 1}]`,
			want: `timeout: unknown option; the receiver has collection_interval, initial_delay, flush_interval, k8s_leader_elector, status, phase_seed, max_concurrent_checks, max_ip_cache_duration, quiet, allowed_addresses, denied_addresses, service, endpoint, init_config, defaults, instances, targets, instances_file, scrape_configs, observers, target_allocator, certificate_files, metrics, events, resource_attributes`,
		},
		{
			name: "same instance twice",
			yaml: "instances: [{name: a, host: h, port: 1}, {name: a, endpoint: 'h:1'}]",
			want: `instances[1] "a": it has the name, target, service and tags of instances[0] "a" (h:1), so nothing would tell them apart`,
		},
		{
			name: "same instance twice in one family",
			yaml: "instances: [{name: a, host: h, port: 1, ipv4_only: true}, {name: b, host: h, port: 1}, {name: a, host: h, port: 1, tags: ['a:b']}, {name: a, host: h, port: 1}]",
			want: `instances[3] "a": it has the name, target, service and tags of instances[0] "a" (h:1), so nothing would tell them apart`,
		},
		{
			name: "same instance with tags in another order",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['a:b', 'c:d']}, {name: a, host: h, port: 1, tags: ['c:d', 'a:b']}]",
			want: `instances[1] "a": it has the name, target, service and tags of instances[0] "a" (h:1), so nothing would tell them apart`,
		},
		{
			name: "tag named like an attribute of a metric",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['url:x', 'error_type:y']}]",
			want: `instances[0] "a" .tags[0]: "url:x" is named like the attribute url of the receiver
instances[0] "a" .tags[1]: "error_type:y" is named like the attribute error.type of the receiver`,
		},
		{
			name: "unknown metric",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {network.tcp.can_conect: {enabled: true}}`,
			want: "metrics: has invalid keys: network.tcp.can_conect",
		},
		{
			name: "unknown setting of a metric",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {network.tcp.can_connect: {enabld: true}}`,
			want: "metrics.network.tcp.can_connect: has invalid keys: enabld",
		},
		{
			name: "metric enabled by a text",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {network.tcp.can_connect: {enabled: maybe}}`,
			want: `metrics.network.tcp.can_connect.enabled: "maybe" is not a bool`,
		},
		{
			name: "metric with an attribute that it has not",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {network.tcp.can_connect: {attributes: [colour]}}`,
			want: "metrics::network.tcp.can_connect: metric network.tcp.can_connect doesn't have an attribute colour, valid attributes: [tcpcheck.instance, server.address, server.port, network.type, network.peer.address, instance, target_host, port, address, tcpcheck.nat64.address]",
		},
		{
			name: "metric with an unknown strategy",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {network.tcp.can_connect: {aggregation_strategy: median}}`,
			want: `metrics::network.tcp.can_connect: invalid aggregation strategy "median", valid strategies: [sum, avg, min, max]`,
		},
		{
			name: "a sum that is averaged",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {tcpcheck.errors: {attributes: [tcpcheck.instance], aggregation_strategy: avg}}`,
			want: `metrics.tcpcheck.errors.aggregation_strategy: "avg" makes a sum fall that only rises; write sum, or leave the option out`,
		},
		{
			name: "a sum of which the least counts",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {tcpcheck.checks: {aggregation_strategy: min}}`,
			want: `metrics.tcpcheck.checks.aggregation_strategy: "min" makes a sum fall that only rises; write sum, or leave the option out`,
		},
		{
			name: "a sum of which the greatest counts",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: {tcpcheck.errors: {aggregation_strategy: max}}`,
			want: `metrics.tcpcheck.errors.aggregation_strategy: "max" makes a sum fall that only rises; write sum, or leave the option out`,
		},
		{
			name: "metrics is a list",
			yaml: `instances: [{name: a, host: h, port: 1}]
metrics: [a]`,
			want: "metrics: a list of 1 is not a mapping of metrics",
		},
		{
			name: "files with certificates that cannot be told apart",
			yaml: `certificate_files: /etc/ssl/*.crt
metrics: {tcpcheck.tls.certificate.time_left: {attributes: [tcpcheck.instance]}, tcpcheck.tls.certificate_chain.time_left: {enabled: false, attributes: []}}`,
			want: `metrics.tcpcheck.tls.certificate.time_left.attributes: nothing would tell the certificate_files apart; enable the attribute file.path`,
		},
		{
			name: "mistakes of every kind at once",
			yaml: `collection_interval: 15
colour: red
instances:
  - {name: web, host: 'https://example.com', port: 70000, timeout: 20s}
  - {host: '::1', ipv4_only: yes, port: many, tags: [':prod']}
metrics: {network.tcp.can_connect: {aggregation_strategy: median}}`,
			want: `instances[0] "web" .host: "https://example.com" has a scheme; write the host alone
instances[0] "web" .port: 70000 is not between 1 and 65535
instances[1].name: there is none; every instance needs a name
instances[1].host: "::1" is an ipv6 address, but ipv4_only is true
instances[1].port: "many" is not a whole number
instances[1].tags[0]: ":prod" has no key; write key:value
colour: unknown option; the receiver has collection_interval, initial_delay, flush_interval, k8s_leader_elector, status, phase_seed, max_concurrent_checks, max_ip_cache_duration, quiet, allowed_addresses, denied_addresses, service, endpoint, init_config, defaults, instances, targets, instances_file, scrape_configs, observers, target_allocator, certificate_files, metrics, events, resource_attributes
metrics::network.tcp.can_connect: invalid aggregation strategy "median", valid strategies: [sum, avg, min, max]`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.yaml)
			require.EqualError(t, err, test.want)
		})
	}
}

// Two targets that nothing would tell apart in what is emitted, and what would.
func TestClashes(t *testing.T) {
	for _, test := range []struct {
		name, instances, metrics string
		want                     string // after "instances[1] "; empty if there is no clash
	}{
		{name: "by default, by any of their attributes", instances: "{name: a, host: h, port: 1}, {name: b, host: h, port: 1}, {name: a, host: i, port: 1}, {name: a, host: h, port: 2}"},
		{
			name: "without the name", instances: "{name: a, host: h, port: 1}, {name: b, host: h, port: 1}",
			metrics: "{network.tcp.can_connect: {attributes: [server.address, server.port, network.type, network.peer.address]}}",
			want:    `"b": nothing would tell its network.tcp.can_connect from that of instances[0] "a" (h:1); enable the attribute tcpcheck.instance`,
		},
		{
			name: "without host and port", instances: "{name: a, host: h, port: 1}, {name: a, host: i, port: 2}",
			metrics: "{tcpcheck.errors: {attributes: [tcpcheck.instance, error.type]}}",
			want:    `"a": nothing would tell its tcpcheck.errors from that of instances[0] "a" (h:1); enable the attribute server.address or server.port`,
		},
		{
			name: "names that are one once they are normalised", instances: "{name: a-b, host: h, port: 1}, {name: a b, host: h, port: 1}",
			metrics: "{network.tcp.can_connect: {attributes: [instance, target_host, port]}}",
			want:    `"a b": nothing would tell its network.tcp.can_connect from that of instances[0] "a-b" (h:1); enable the attribute tcpcheck.instance`,
		},
		{
			name: "names that are as written", instances: "{name: a-b, host: h, port: 1, collect_response_time: true}, {name: a b, host: h, port: 1, collect_response_time: true}",
			metrics: "{network.tcp.response_time: {attributes: [instance, url]}}",
		},
		{
			name: "ports whose numbers are no characters", instances: "{name: a, host: h, port: 55296}, {name: a, host: h, port: 55297}",
		},
		{
			name: "families without their attribute", instances: "{name: a, host: h, port: 1, address_families: [ipv4]}, {name: a, host: h, port: 1, address_families: [ipv6]}",
			metrics: "{network.tcp.can_connect: {attributes: [tcpcheck.instance]}}",
			want:    `"a": nothing would tell its network.tcp.can_connect from that of instances[0] "a" (h:1); enable the attribute network.type`,
		},
		{name: "families with it", instances: "{name: a, host: h, port: 1, address_families: [ipv4]}, {name: a, host: h, port: 1, address_families: [ipv6]}"},
		{
			name: "tags", instances: "{name: a, host: h, port: 1, tags: ['a:b']}, {name: b, host: i, port: 2, tags: ['a:c']}",
			metrics: "{network.tcp.can_connect: {attributes: []}, tcpcheck.errors: {attributes: [error.type]}, tcpcheck.family.omitted: {attributes: []}}",
		},
		{name: "services", instances: "{name: a, host: h, port: 1, service: x}, {name: a, host: h, port: 1, service: y}"},
		{
			name: "services without their attribute", instances: "{name: a, host: h, port: 1, service: x}, {name: a, host: h, port: 1, service: y}",
			metrics: "{}\nresource_attributes: {service.name: {enabled: false}}",
			want:    `"a": nothing would tell its network.tcp.can_connect from that of instances[0] "a" (h:1); enable the attribute service.name of the resource`,
		},
		{
			name: "one without a host, which Prometheus does not see", instances: "{name: a, host: h, port: 1}, {name: a, host: h, port: 1, empty_default_hostname: true}",
			want: `"a": it has the name, target, service and tags of instances[0] "a" (h:1), so nothing would tell them apart`,
		},
		{
			name: "literals by their addresses", instances: "{name: a, host: 192.0.2.1, port: 80}, {name: a, host: 192.0.2.2, port: 80}",
			metrics: "{network.tcp.can_connect: {attributes: [tcpcheck.instance, network.peer.address]}}",
		},
		{
			name: "literals by their families", instances: "{name: a, host: 192.0.2.1, port: 80}, {name: a, host: '2001:db8::1', port: 80}",
			metrics: "{network.tcp.can_connect: {attributes: [tcpcheck.instance, network.type]}}",
		},
		{
			name: "literals, which are never looked up or left out", instances: "{name: a, host: 192.0.2.1, port: 80}, {name: a, host: 192.0.2.1, port: 81}",
			metrics: "{tcpcheck.dns.lookup.duration: {enabled: true, attributes: [server.address]}, tcpcheck.family.omitted: {attributes: [server.address]}}",
		},
		{
			name: "names whose families are asked for, which are never left out", metrics: "{tcpcheck.family.omitted: {attributes: [server.address]}}",
			instances: "{name: a, host: h, port: 80, ipv4_only: true}, {name: a, host: h, port: 81, ipv4_only: true}",
		},
		{
			name: "a metric that one of them has not", instances: "{name: a, host: h, port: 1, collect_response_time: true}, {name: b, host: h, port: 1}",
			metrics: "{network.tcp.response_time: {attributes: []}}",
		},
		{
			name: "a metric that one of them leaves out", instances: "{name: a, host: h, port: 1}, {name: b, host: h, port: 1, metric_patterns: {exclude: [errors]}}",
			metrics: "{tcpcheck.errors: {attributes: [error.type]}}",
		},
		{
			name: "a metric that is not enabled", instances: "{name: a, host: h, port: 1}, {name: b, host: h, port: 1}",
			metrics: "{tcpcheck.errors: {enabled: false, attributes: [error.type]}}",
		},
		{
			name: "something else is wrong with one of them", instances: "{name: a, host: h, port: 1}, {name: a, host: h, port: 1, timeout: -1}",
			want: `"a": it has the name, target, service and tags of instances[0] "a" (h:1), so nothing would tell them apart
instances[1] "a" .timeout: -1s is not more than 0`,
		},
		{
			name: "the attributes are wrong", instances: "{name: a, host: h, port: 1}, {name: b, host: h, port: 1, timeout: -1}",
			metrics: "{network.tcp.can_connect: {attributes: [tcpcheck.instnace]}}",
			want: `"b" .timeout: -1s is not more than 0
metrics::network.tcp.can_connect: metric network.tcp.can_connect doesn't have an attribute tcpcheck.instnace, valid attributes: [tcpcheck.instance, server.address, server.port, network.type, network.peer.address, instance, target_host, port, address, tcpcheck.nat64.address]`,
		},
		{
			name: "its tags are wrong", instances: "{name: a, host: h, port: 1}, {name: a, host: h, port: 1, tags: [':x']}",
			want: `"a" .tags[0]: ":x" has no key; write key:value`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, "instances: ["+test.instances+"]\nmetrics: "+test.metrics)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, "instances[1] "+test.want)
			}
		})
	}
}

func TestMaxConcurrentChecks(t *testing.T) {
	for yaml, want := range map[string]int{
		"instances: [{name: a, host: h, port: 1}]": 0,
		readTestdata(t, "all_options.yaml"):        100,
	} {
		config, err := load(t, yaml)
		require.NoError(t, err)
		assert.Equal(t, want, config.settings().MaxConcurrentChecks, yaml)
	}
}

// Every option, as testdata/all_options.yaml writes it.
func TestAllOptions(t *testing.T) {
	config, err := load(t, readTestdata(t, "all_options.yaml"))
	require.NoError(t, err)
	want := []check.Target{
		{
			Host: "db.example.com", Port: 5432, Families: []check.Family{check.IPv4, check.IPv6},
			MultipleIPs: true, Outgoing: &check.Outgoing{Sources: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}},
			Timeout: time.Minute, Interval: 90 * time.Second, CacheDuration: 0, MaxCacheDuration: 2 * time.Minute,
			Retry: check.Retry{Attempts: 1, Interval: 2 * time.Second}, RecheckInterval: 5 * time.Second, Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53"), netip.MustParseAddrPort("[2001:db8::53]:5353")},
			Labels: check.Labels{
				Name: "every option", CollectResponseTime: true,
				Tags:    []check.Tag{{Key: "env", Value: "prod"}, {Key: "note", Value: "a:b"}},
				Service: "checkout", EmptyHostname: true,
				Metrics: check.Patterns{
					Include: []*regexp.Regexp{regexp.MustCompile(`^network\.tcp\.`)},
					Exclude: []*regexp.Regexp{regexp.MustCompile(`time$`)},
				},
			},
		},
		{Host: "fe80::1%eth0", Port: 22, Timeout: 10 * time.Second, Interval: 30 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 2 * time.Minute, Labels: check.Labels{Name: "IPv6 literal with a zone", Service: "payments"}},
		{
			Host: "mail.example.com", Port: 25, Timeout: 10 * time.Second, Interval: 30 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 2 * time.Minute,
			Dialog: &check.Dialog{Interval: 30 * time.Second, Steps: []check.Step{{Expect: regexp.MustCompile(`(?m:^220 )`)}, {Send: "QUIT\r\n"}}},
			Labels: check.Labels{Name: "a dialogue", Service: "payments"},
		},
		{Host: "localhost", Port: 443, Timeout: 10 * time.Second, Interval: 30 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 2 * time.Minute, Labels: check.Labels{Name: "only what is required", Service: "payments"}},
		{Host: "localhost", Port: 8080, Timeout: 5 * time.Second, Interval: 30 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 2 * time.Minute, Labels: check.Labels{Name: "localhost:8080", Service: "payments"}},
	}
	require.NotNil(t, config.settings().Targets[0].TLS)
	want[0].Dialog = &check.Dialog{Interval: 10 * time.Minute, Steps: []check.Step{{StartTLS: check.StartTLSPostgreSQL}}}
	want[0].TLS = &check.TLS{Client: config.settings().Targets[0].TLS.Client, ServerName: "db.example.net", ALPN: []string{"postgresql"}, Interval: 10 * time.Minute}
	for i := range want {
		want[i].Addresses = &check.Addresses{
			Allowed: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
			Denied:  []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16")},
		}
	}
	var targets []check.Target
	for _, target := range config.settings().Targets {
		targets = append(targets, *target)
	}
	assert.Equal(t, want, targets)
	assert.Equal(t, 2*time.Second, config.settings().FlushInterval)
	assert.Equal(t, "site a", config.settings().PhaseSeed)
	assert.Equal(t, "k8s_leader_elector", config.settings().Elector)
	assert.Equal(t, "tcpcheck_status", config.settings().Status)
	assert.Equal(t, []string{"/etc/ssl/example/*.crt", "/etc/ssl/other.pem"}, config.settings().CertificateFiles)
	assert.Equal(t, 30*time.Second, config.settings().CertificateInterval)
}

func TestMetricsSection(t *testing.T) {
	config, err := load(t, readTestdata(t, "all_options.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "max", config.Metrics.NetworkTCPCanConnect.AggregationStrategy)
	assert.Len(t, config.Metrics.NetworkTCPCanConnect.EnabledAttributes, 3)
	assert.True(t, config.Metrics.TcpcheckDNSLookupDuration.Enabled)

	defaults := defaultConfig(t)
	assert.Equal(t, "min", defaults.Metrics.NetworkTCPCanConnect.AggregationStrategy)
	assert.Equal(t, "max", defaults.Metrics.NetworkTCPResponseTime.AggregationStrategy)
	assert.Equal(t, "sum", defaults.Metrics.TcpcheckErrors.AggregationStrategy)
	assert.False(t, defaults.Metrics.TcpcheckDNSLookupDuration.Enabled)
}

// Whoever decodes a configuration without validating it, as some receivers that
// start others may, must not get a receiver out of it.
func TestCreateRefusesInvalidConfig(t *testing.T) {
	config := defaultConfig(t)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"instances": []any{map[string]any{"port": "many"}}}).Unmarshal(config))
	_, err := New(metadata.Type).CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
	require.ErrorContains(t, err, `instances[0].port: "many" is not a whole number`)

	_, err = New(metadata.Type).CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), nil, consumertest.NewNop())
	require.EqualError(t, err, "<nil> is not a configuration of the tcpcheck receiver")
}

// An endpoint beside other options is an instance. Alone it is none: decoding one is how a
// receiver_creator learns whether to add one to what the user has written, which has it already.
func TestEndpoint(t *testing.T) {
	for yaml, want := range map[string]string{
		"endpoint: 127.0.0.1:80": `endpoint: "127.0.0.1:80" is alone; write another option beside it, such as defaults, or make it an instance`,
		"{endpoint: '127.0.0.1:80', instances: [{name: a, endpoint: 'h:1'}]}":                  `endpoint: "127.0.0.1:80" is all that is checked where it is written; make it one of the instances`,
		"{endpoint: '127.0.0.1:80', observers: [{observer: o, rule: 'type == \"hostport\"'}]}": `endpoint: "127.0.0.1:80" is all that is checked where it is written; make it one of the instances`,
		"{endpoint: '127.0.0.1', collection_interval: 5s}":                                     `instances[0] "127.0.0.1" .endpoint: "127.0.0.1" is not host:port`,
		"{endpoint: 5, collection_interval: 5s}":                                               `endpoint: 5 is not a text such as localhost:443`,
	} {
		_, err := load(t, yaml)
		require.ErrorContains(t, err, want, yaml)
	}
	for yaml, want := range map[string]string{
		"{endpoint: '127.0.0.1:80', collection_interval: 5s}":                      "127.0.0.1:80 127.0.0.1:80",
		"{endpoint: '127.0.0.1:80', defaults: {name: web, timeout: 1s}}":           "web 127.0.0.1:80",
		"{endpoint: '[::1]:80', defaults: {host: unused, port: 1}, service: shop}": "[::1]:80 [::1]:80",
	} {
		config, err := load(t, yaml)
		require.NoError(t, err, yaml)
		require.Len(t, config.settings().Targets, 1)
		target := config.settings().Targets[0]
		assert.Equal(t, want, target.Labels.Name+" "+target.HostPort())
	}
}

// FuzzConfig: no input panics, and what is valid gives targets that can run.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"tcp_check.yaml", "qiita.yaml", "all_options.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "testdata", name))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		retrieved, err := confmap.NewRetrievedFromYAML(text)
		if err != nil {
			t.Skip("not YAML")
		}
		conf, err := retrieved.AsConf()
		if err != nil {
			t.Skip("not a mapping")
		}
		config := defaultConfig(t)
		if conf.Unmarshal(config) != nil || confmap.Validate(config) != nil {
			return
		}
		for _, target := range config.settings().Targets {
			require.NotEmpty(t, target.Labels.Name)
			require.NotEmpty(t, target.Host)
			require.NotZero(t, target.Port)
			require.Positive(t, target.Timeout)
			require.LessOrEqual(t, target.Timeout, target.Interval)
			require.GreaterOrEqual(t, config.Options.Delay(), time.Duration(0))
		}
		receiver, err := New(metadata.Type).CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, receiver.Shutdown(context.Background()))
	})
}
