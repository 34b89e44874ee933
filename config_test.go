package tcpcheckreceiver

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
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
		return nil, err
	}
	return config, confmap.Validate(config)
}

func defaultConfig(t *testing.T) *Config {
	t.Helper()
	config, ok := createDefaultConfig().(*Config)
	require.True(t, ok)
	return config
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(text)
}

func TestValidConfig(t *testing.T) {
	defaults := check.Target{
		Port: 1, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute,
	}
	with := func(change func(*check.Target)) []check.Target {
		changed := defaults
		changed.Labels.Name, changed.Host = "a", "h"
		change(&changed)
		return []check.Target{changed}
	}
	pasted, err := load(t, readTestdata(t, "tcp_check.yaml"))
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		yaml string
		want []check.Target
	}{
		{
			name: "only what is required",
			yaml: "instances: [{name: a, host: h, port: 1}]",
			want: with(func(*check.Target) {}),
		},
		{
			name: "options without a value are as if left out",
			yaml: "{service: , init_config: , collection_interval: , instances: [{name: a, host: h, port: 1, endpoint: , timeout: , tags: , address_families: , ipv4_only: , ip_cache_duration: , metric_patterns: }]}",
			want: with(func(*check.Target) {}),
		},
		{
			name: "qiita's instances as pasted",
			yaml: readTestdata(t, "qiita.yaml"),
			want: []check.Target{
				{Host: "localhost", Port: 1000, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Labels: check.Labels{Name: "qiita-sample-ec2-1", CollectResponseTime: true}},
				{Host: "localhost", Port: 2000, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Labels: check.Labels{Name: "qiita-sample-ec2-2", CollectResponseTime: true}},
			},
		},
		{
			name: "tcp_check's file as pasted, with every option",
			yaml: readTestdata(t, "tcp_check.yaml"),
			want: []check.Target{
				{
					Host: "db.example.com", Port: 5432, Families: []check.Family{check.IPv4},
					MultipleIPs: true, Timeout: 2500 * time.Millisecond, Interval: 30 * time.Second, CacheDuration: 2 * time.Minute, MaxCacheDuration: 5 * time.Minute,
					Labels: check.Labels{
						Name: "My first service", CollectResponseTime: true,
						Tags:    []check.Tag{{Key: "env", Value: "prod"}, {Key: "url_of", Value: "http://db.example.com:5432"}},
						Service: "checkout", EmptyHostname: true,
						Metrics: check.Patterns{
							Include: []*regexp.Regexp{regexp.MustCompile(`^network\.`)},
							Exclude: []*regexp.Regexp{regexp.MustCompile(`errors$`)},
						},
					},
				},
				{Host: "::1", Port: 22, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Labels: check.Labels{Name: "My second service", Service: "payments"}},
			},
		},
		{
			name: "tcp_check's file, named instead of pasted, and an instance more",
			yaml: "{service: shop, instances: [{name: a, host: h, port: 1}], instances_file: testdata/tcp_check.yaml}",
			want: []check.Target{
				{Host: "h", Port: 1, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Labels: check.Labels{Name: "a", Service: "shop"}},
				pasted.targets()[0], pasted.targets()[1],
			},
		},
		{
			name: "every option of the receiver",
			yaml: readTestdata(t, "all_options.yaml"),
			want: []check.Target{
				{
					Host: "db.example.com", Port: 5432, Families: []check.Family{check.IPv4, check.IPv6},
					MultipleIPs: true, Timeout: time.Minute, Interval: 90 * time.Second, CacheDuration: 0, MaxCacheDuration: 2 * time.Minute,
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
				{Host: "localhost", Port: 443, Timeout: 10 * time.Second, Interval: 30 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 2 * time.Minute, Labels: check.Labels{Name: "only what is required", Service: "payments"}},
			},
		},
		{
			name: "a shorter interval shortens the default timeout",
			yaml: "{collection_interval: 5, instances: [{name: a, host: h, port: 1}]}",
			want: with(func(t *check.Target) { t.Interval, t.Timeout = 5*time.Second, 5*time.Second }),
		},
		{
			name: "a longer timeout lengthens the default interval",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 20}]",
			want: with(func(t *check.Target) { t.Interval, t.Timeout = 20*time.Second, 20*time.Second }),
		},
		{
			name: "a timeout as long as the interval",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 1.5, min_collection_interval: 1500ms}]",
			want: with(func(t *check.Target) { t.Interval, t.Timeout = 1500*time.Millisecond, 1500*time.Millisecond }),
		},
		{
			name: "a timeout longer than the instance's interval, as tcp_check accepts it",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 20, min_collection_interval: 15}]",
			want: with(func(t *check.Target) { t.Interval, t.Timeout = 15*time.Second, 15*time.Second }),
		},
		{
			name: "a timeout longer than the receiver's interval",
			yaml: "{collection_interval: 5s, instances: [{name: a, host: h, port: 1, timeout: 5.5}]}",
			want: with(func(t *check.Target) { t.Interval, t.Timeout = 5*time.Second, 5*time.Second }),
		},
		{
			name: "tags that could be of the resource, where it has no such attribute",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['job:x', 'service.name:y', '_private:z', '1st:u']}]",
			want: with(func(t *check.Target) {
				t.Labels.Tags = []check.Tag{{Key: "job", Value: "x"}, {Key: "service.name", Value: "y"}, {Key: "_private", Value: "z"}, {Key: "1st", Value: "u"}}
			}),
		},
		{
			name: "a number in quotes is seconds too",
			yaml: "instances: [{name: a, host: h, port: 1, ip_cache_duration: '120'}]",
			want: with(func(t *check.Target) { t.CacheDuration = 2 * time.Minute }),
		},
		{
			name: "ipv4_only with the family that it means",
			yaml: "instances: [{name: a, host: h, port: 1, ipv4_only: true, address_families: [ipv4]}]",
			want: with(func(t *check.Target) { t.Families = []check.Family{check.IPv4} }),
		},
		{
			name: "a single family without a list",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: ipv6}]",
			want: with(func(t *check.Target) { t.Families = []check.Family{check.IPv6} }),
		},
		{
			name: "a literal of the family asked for",
			yaml: "instances: [{name: a, host: '::1', port: 1, address_families: [ipv6]}]",
			want: with(func(t *check.Target) { t.Host, t.Families = "::1", []check.Family{check.IPv6} }),
		},
		{
			name: "the same target over each family with a timeout of its own",
			yaml: "instances: [{name: a, host: h, port: 1, ipv4_only: true}, {name: a, host: h, port: 1, address_families: [ipv6], timeout: 3}]",
			want: append(
				with(func(t *check.Target) { t.Families = []check.Family{check.IPv4} }),
				with(func(t *check.Target) { t.Families, t.Timeout = []check.Family{check.IPv6}, 3*time.Second })...),
		},
		{
			name: "the same target with other tags",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['team:x']}, {name: a, host: h, port: 1, tags: ['team:y']}]",
			want: append(
				with(func(t *check.Target) { t.Labels.Tags = []check.Tag{{Key: "team", Value: "x"}} }),
				with(func(t *check.Target) { t.Labels.Tags = []check.Tag{{Key: "team", Value: "y"}} })...),
		},
		{
			name: "names with an underscore, a trailing dot and digits",
			yaml: "instances: [{name: a, host: _x.1a.example., port: 1}]",
			want: with(func(t *check.Target) { t.Host = "_x.1a.example." }),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := load(t, test.yaml)
			require.NoError(t, err)
			assert.Equal(t, test.want, config.targets())
		})
	}
}

func TestInitialDelay(t *testing.T) {
	for yaml, want := range map[string]time.Duration{
		"instances: [{name: a, host: h, port: 1}]":                       time.Second,
		"{initial_delay: 0, instances: [{name: a, host: h, port: 1}]}":   0,
		"{initial_delay: 0.5, instances: [{name: a, host: h, port: 1}]}": 500 * time.Millisecond,
	} {
		config, err := load(t, yaml)
		require.NoError(t, err)
		assert.Equal(t, want, config.initialDelay(), yaml)
	}
}

// What is not as written is said once, with the first place.
func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		name, yaml string
		want       []string
	}{
		{"none", "instances: [{name: a, host: h, port: 1, timeout: 20}]", nil},
		{
			"one", "instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 1, timeout: 20, min_collection_interval: 15}]",
			[]string{"instances[1].timeout: 20s is longer than the interval of 15s (min_collection_interval), which counts"},
		},
		{
			"three", "{collection_interval: 5, instances: [{name: a, host: h, port: 1, timeout: 6}, {name: b, host: h, port: 1, timeout: 7}, {name: c, host: h, port: 1, timeout: 8}]}",
			[]string{"instances[0].timeout: 6s is longer than the interval of 5s (collection_interval), which counts; so it is of 2 more instances"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := load(t, test.yaml)
			require.NoError(t, err)
			assert.Equal(t, test.want, config.warnings())
		})
	}
}

func TestMaxConcurrentChecks(t *testing.T) {
	for yaml, want := range map[string]int64{
		"instances: [{name: a, host: h, port: 1}]": 0,
		readTestdata(t, "all_options.yaml"):        100,
	} {
		config, err := load(t, yaml)
		require.NoError(t, err)
		assert.Equal(t, want, config.settings().MaxConcurrentChecks, yaml)
	}
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
	_, err := createMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
	require.ErrorContains(t, err, `instances[0].port: "many" is not a whole number`)

	_, err = createMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), nil, consumertest.NewNop())
	require.EqualError(t, err, "<nil> is not a configuration of the tcpcheck receiver")
}

// The endpoint of a target belongs to an instance, and decoding is how a
// receiver_creator learns that.
func TestUnmarshalRefusesEndpoint(t *testing.T) {
	err := confmap.NewFromStringMap(map[string]any{"endpoint": "127.0.0.1:80"}).Unmarshal(defaultConfig(t))
	require.ErrorContains(t, err, `endpoint: unknown option; the receiver has`)
	require.ErrorContains(t, err, "instances: there are none")
}

// What an observer has found is written into a configuration as it is.
func TestFoundPort(t *testing.T) {
	config := defaultConfig(t)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"instances": []any{map[string]any{"name": "found", "host": "localhost", "port": uint16(8080)}},
	}).Unmarshal(config))
	require.NoError(t, confmap.Validate(config))
	assert.EqualValues(t, 8080, config.targets()[0].Port)
}

// FuzzConfig: no input panics, and what is valid gives targets that can run.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"tcp_check.yaml", "qiita.yaml", "all_options.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
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
		for _, target := range config.targets() {
			require.NotEmpty(t, target.Labels.Name)
			require.NotEmpty(t, target.Host)
			require.NotZero(t, target.Port)
			require.Positive(t, target.Timeout)
			require.LessOrEqual(t, target.Timeout, target.Interval)
			require.GreaterOrEqual(t, config.initialDelay(), time.Duration(0))
		}
		receiver, err := createMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, receiver.Shutdown(context.Background()))
	})
}

// A tag is compared with every attribute of every metric, also of one that is added.
func TestAttributesAreThoseOfAllMetrics(t *testing.T) {
	described := reflect.ValueOf(metadata.MetricsInfo)
	for i := range described.NumField() {
		list := described.Field(i).FieldByName("Attributes")
		for k := range list.Len() {
			name := list.Index(k).String()
			assert.Equal(t, name, attributes[label(name)], described.Field(i).FieldByName("Name").String())
		}
	}
}
