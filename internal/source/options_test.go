package source

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/schema/schematest"
)

// load decodes and checks options as the receiver does.
func load(t testing.TB, yaml string) (*Options, error) {
	t.Helper()
	options := decode(t, yaml)
	err := validate(options)
	schematest.Judge(t, yaml, err)
	return options, err
}

func decode(t testing.TB, yaml string) *Options {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	options := &Options{}
	options.Decode(conf, options)
	return options
}

func validate(options *Options) error {
	return options.Err(options.Check([]string{"server.address", "server.port", "network.type", "instance", "port", "url"}))
}

// targets returns those of valid options.
func (o *Options) targets() []check.Target {
	var targets []check.Target
	for e := range o.Identified(o.Check(nil)) {
		targets = append(targets, *e.Target)
	}
	return targets
}

func servers(texts ...string) []netip.AddrPort {
	servers := make([]netip.AddrPort, len(texts))
	for i, text := range texts {
		servers[i] = netip.MustParseAddrPort(text)
	}
	return servers
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", name))
	require.NoError(t, err)
	return string(text)
}

func TestValid(t *testing.T) {
	defaults := check.Target{
		Port: 1, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute,
	}
	with := func(change func(*check.Target)) []check.Target {
		changed := defaults
		changed.Labels.Name, changed.Host = "a", "h"
		change(&changed)
		return []check.Target{changed}
	}
	longest := strings.Repeat(strings.Repeat("a", 62)+".", 4) + "a" // 253 characters
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
			yaml: "{service: shop, instances: [{name: a, host: h, port: 1}], instances_file: ../../testdata/tcp_check.yaml}",
			want: []check.Target{
				{Host: "h", Port: 1, Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Labels: check.Labels{Name: "a", Service: "shop"}},
				pasted.targets()[0], pasted.targets()[1],
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
			name: "a failed check is repeated, and a target that is down is checked more often",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 4, retry: {attempts: 3}, recheck_interval: 1}, {name: a, host: h, port: 1, timeout: 400ms, retry: {attempts: '10', interval: 1.1}, recheck_interval: 14999ms}]",
			want: append(
				with(func(t *check.Target) {
					t.Timeout, t.Retry, t.RecheckInterval = 4*time.Second, check.Retry{Attempts: 3, Interval: time.Second}, time.Second
				}),
				with(func(t *check.Target) {
					t.Timeout, t.Retry, t.RecheckInterval = 400*time.Millisecond, check.Retry{Attempts: 10, Interval: 1100 * time.Millisecond}, 14999*time.Millisecond
				})...),
		},
		{
			name: "the default timeout gives way to the repetitions",
			yaml: "instances: [{name: a, host: h, port: 1, retry: {attempts: 1}, min_collection_interval: 10}, {name: a, host: h, port: 1, retry: {attempts: 5, interval: 2}}]",
			want: append(
				with(func(t *check.Target) {
					t.Interval, t.Timeout, t.Retry = 10*time.Second, 9*time.Second, check.Retry{Attempts: 1, Interval: time.Second}
				}),
				with(func(t *check.Target) {
					t.Timeout, t.Retry = time.Second, check.Retry{Attempts: 5, Interval: 2 * time.Second}
				})...),
		},
		{
			name: "as often as can be",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 100ms, min_collection_interval: 20, retry: {attempts: 100, interval: 100ms}}]",
			want: with(func(t *check.Target) {
				t.Interval, t.Timeout, t.Retry = 20*time.Second, 100*time.Millisecond, check.Retry{Attempts: 100, Interval: 100 * time.Millisecond}
			}),
		},
		{
			name: "name servers of its own",
			yaml: "instances: [{name: a, host: h, port: 1, resolver: {servers: [10.0.0.53, '2001:db8::53', '[2001:db8::53]:5353']}}, {name: a, host: h, port: 1, resolver: {servers: ['[::1]', '::ffff:10.0.0.53', 'fe80::1%eth0']}}]",
			want: append(
				with(func(t *check.Target) {
					t.Servers = servers("10.0.0.53:53", "[2001:db8::53]:53", "[2001:db8::53]:5353")
				}),
				with(func(t *check.Target) { t.Servers = servers("[::1]:53", "10.0.0.53:53", "[fe80::1%eth0]:53") })...),
		},
		{
			name: "a single name server without a list, and none",
			yaml: "instances: [{name: a, host: h, port: 1, resolver: {servers: '10.0.0.53:65535'}}, {name: a, host: h, port: 1, resolver: }, {name: a, host: h, port: 1, resolver: {servers: }}]",
			want: append(
				with(func(t *check.Target) { t.Servers = servers("10.0.0.53:65535") }),
				append(with(func(*check.Target) {}), with(func(*check.Target) {})...)...),
		},
		{
			name: "a single family without a list",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: ipv6}]",
			want: with(func(t *check.Target) { t.Families = []check.Family{check.IPv6} }),
		},
		{
			name: "single texts without a list, with commas of their own",
			yaml: "instances: [{name: a, host: h, port: 1, tags: 'motd:hello, world', metric_patterns: {include: 'a{1,2}', exclude: 'b{3,8}$'}}]",
			want: with(func(t *check.Target) {
				t.Labels.Tags = []check.Tag{{Key: "motd", Value: "hello, world"}}
				t.Labels.Metrics = check.Patterns{Include: []*regexp.Regexp{regexp.MustCompile("a{1,2}")}, Exclude: []*regexp.Regexp{regexp.MustCompile("b{3,8}$")}}
			}),
		},
		{
			name: "the highest port, as an endpoint",
			yaml: "instances: [{name: a, endpoint: 'h:65535'}]",
			want: with(func(t *check.Target) { t.Port = 65535 }),
		},
		{
			name: "the highest port, the shortest interval and the longest name",
			yaml: "{max_concurrent_checks: 1, instances: [{name: a, host: " + longest + ", port: 65535, min_collection_interval: 0.1}]}",
			want: with(func(t *check.Target) {
				t.Host, t.Port, t.Interval, t.Timeout = longest, 65535, 100*time.Millisecond, 100*time.Millisecond
			}),
		},
		{
			name: "one instance here and one in a file",
			yaml: "{instances: [{name: a, host: h, port: 1}], instances_file: " + writeFile(t, "instances: [{name: a, host: h, port: 2}]") + "}",
			want: append(with(func(*check.Target) {}), with(func(t *check.Target) { t.Port = 2 })...),
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
			options, err := load(t, test.yaml)
			require.NoError(t, err)
			assert.Equal(t, test.want, options.targets())
			if belongsInFile(t, test.yaml) {
				options, err = load(t, "instances_file: "+writeFile(t, test.yaml))
				require.NoError(t, err)
				assert.Equal(t, test.want, options.targets(), "in a file")
			}
		})
	}
}

// Checks are quiet as the instance says, or else as the receiver does.
func TestQuiet(t *testing.T) {
	for yaml, want := range map[string]bool{
		"instances: [{name: a, host: h, port: 1}]":                              false,
		"{quiet: false, instances: [{name: a, host: h, port: 1, quiet: true}]}": true,
		"{quiet: yes, instances: [{name: a, host: h, port: 1}]}":                true,
		"{quiet: true, instances: [{name: a, host: h, port: 1, quiet: off}]}":   false,
	} {
		assert.Equal(t, want, decode(t, yaml).targets()[0].Quiet, yaml)
	}
	for _, test := range []struct {
		quiet  Bool
		system string
		want   string
	}{
		{true, "linux", ""},
		{false, "darwin", ""},
		{true, "darwin", "quiet: true is for Linux alone, and this is darwin: its checks cannot be quiet"},
	} {
		options, p := &Options{}, &Problems{}
		p.checkQuiet("quiet", test.quiet, test.system)
		if test.want == "" {
			require.NoError(t, options.Err(p))
		} else {
			require.EqualError(t, options.Err(p), test.want)
		}
	}
}

func TestInitialDelay(t *testing.T) {
	for yaml, want := range map[string]time.Duration{
		"instances: [{name: a, host: h, port: 1}]":                       time.Second,
		"{initial_delay: 0, instances: [{name: a, host: h, port: 1}]}":   0,
		"{initial_delay: 0.5, instances: [{name: a, host: h, port: 1}]}": 500 * time.Millisecond,
	} {
		options, err := load(t, yaml)
		require.NoError(t, err)
		assert.Equal(t, want, options.Delay(), yaml)
	}
}

// What is not as written is said once, with the first place.
func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		name, yaml string
		want       []string
	}{
		{"none", "instances: [{name: a, host: h, port: 1, timeout: 20}]", nil},
		{"as long", "{collection_interval: 5, instances: [{name: a, host: h, port: 1, timeout: 5}]}", nil},
		{
			"one", "instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 1, timeout: 20, min_collection_interval: 15}]",
			[]string{`instances[1] "b" .timeout: 20s is longer than the interval of 15s (min_collection_interval), which counts`},
		},
		{
			"three", "{collection_interval: 5, instances: [{name: a, host: h, port: 1, timeout: 6}, {name: b, host: h, port: 1, timeout: 7}, {name: c, host: h, port: 1, timeout: 8}]}",
			[]string{`instances[0] "a" .timeout: 6s is longer than the interval of 5s (collection_interval), which counts; 2 more are like it`},
		},
		{
			"addresses that nobody resolves", "{defaults: {resolver: {servers: 10.0.0.53}}, instances: [{name: a, host: '::1', port: 1}, {name: b, host: '[::1]', port: 1, resolver: {servers: 10.0.0.53}}, {name: c, endpoint: '127.0.0.1:1', resolver: {servers: 10.0.0.53}}, {name: d, host: h, port: 1, resolver: {servers: 10.0.0.53}}]}",
			[]string{`instances[1] "b" .resolver: it has no effect: the host is an address; 1 more are like it`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			options, err := load(t, test.yaml)
			require.NoError(t, err)
			assert.Equal(t, test.want, options.Warnings())
		})
	}
}

// Every option is in an example that is tested. That it has a comment, internal/schema requires.
func TestEveryOptionIsInAnExample(t *testing.T) {
	examples := readTestdata(t, "all_options.yaml") + readTestdata(t, "tcp_check.yaml")
	// The documentation of the collector's clients is the collector's.
	ofClients := schemaOf(reflect.TypeFor[configtls.ClientConfig]()).names
	var walk func(*schema)
	walk = func(s *schema) {
		for _, name := range s.names {
			if slices.Contains(ofClients, name) {
				continue
			}
			if name != "instances_file" { // testdata/tcp_check.yaml is one
				assert.Regexp(t, `(?m)^[ -]*`+name+`:`, examples)
			}
			if inner := s.fields[name].schema; inner != nil {
				walk(inner)
			}
		}
	}
	walk(schemaOf(reflect.TypeFor[Options]()))
}

// A default that is documented, by the tag of a field, is the one in force: to write it changes nothing, and to write
// another value does.
func TestDocumentedDefaults(t *testing.T) {
	const instance = "instances: [{name: a, host: h, port: 1, "
	places := map[string]string{ // %s stands for the value of the option
		"Options.CollectionInterval":    "{collection_interval: %s, instances: [{name: a, host: h, port: 1}]}",
		"Options.InitialDelay":          "{initial_delay: %s, instances: [{name: a, host: h, port: 1}]}",
		"Options.FlushInterval":         "{flush_interval: %s, instances: [{name: a, host: h, port: 1}]}",
		"Options.MaxIPCacheDuration":    "{max_ip_cache_duration: %s, instances: [{name: a, host: h, port: 1}]}",
		"Options.Quiet":                 "{quiet: %s, instances: [{name: a, host: h, port: 1}]}",
		"Instance.Timeout":              instance + "timeout: %s}]",
		"Instance.CollectResponseTime":  instance + "collect_response_time: %s}]",
		"Instance.IPv4Only":             instance + "ipv4_only: %s}]",
		"Instance.MultipleIPs":          instance + "multiple_ips: %s}]",
		"Instance.DSCP":                 instance + "dscp: %s}]",
		"Instance.StepsInterval":        instance + "steps: [{send: x}], steps_interval: %s}]",
		"Instance.EmptyDefaultHostname": instance + "empty_default_hostname: %s}]",
		"Retry.Interval":                instance + "retry: {attempts: 1, interval: %s}}]",
		"TLS.Interval":                  instance + "tls: {interval: %s}}]",
		"Dialer.Timeout":                "targets: [{endpoint: 'h:1', dialer: {timeout: %s}}]",
		"TargetAllocator.Interval":      "target_allocator: {endpoint: 'http://h', collector_id: c, interval: %s}",
	}
	defaults := make(map[string]string) // by the fields, of those that are values and no words
	others := make(map[string]string)
	for _, structure := range []reflect.Type{
		reflect.TypeFor[Options](), reflect.TypeFor[List](), reflect.TypeFor[Target](), reflect.TypeFor[Dialer](), reflect.TypeFor[InitConfig](), reflect.TypeFor[Instance](), reflect.TypeFor[Retry](),
		reflect.TypeFor[Resolver](), reflect.TypeFor[MetricPatterns](), reflect.TypeFor[TLS](), reflect.TypeFor[Step](), reflect.TypeFor[Observer](), reflect.TypeFor[TargetAllocator](), reflect.TypeFor[Job](),
	} {
		for i := range structure.NumField() {
			field := structure.Field(i)
			written, has := field.Tag.Lookup("default")
			kind := field.Type
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			value, isScalar := reflect.New(kind).Interface().(interface{ UnmarshalMapstructure(any) error })
			if has && isScalar && value.UnmarshalMapstructure(written) == nil {
				name := structure.Name() + "." + field.Name
				defaults[name] = written
				others[name] = map[reflect.Type]string{reflect.TypeFor[Duration](): "3s", reflect.TypeFor[Integer](): "3", reflect.TypeFor[Bool](): "true"}[kind]
			}
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(places)), slices.Sorted(maps.Keys(defaults)), "each has a place here")
	meaning := func(yaml string) any {
		options := decode(t, yaml)
		options.Check(nil)
		meant := struct {
			delay, flush, files time.Duration
			targets             []check.Target
			allocator           time.Duration
		}{options.Delay(), options.Flush(), options.FileInterval(), options.targets(), 0}
		if options.allocator != nil {
			meant.allocator = options.allocator.interval
		}
		return meant
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			unwritten := meaning(fmt.Sprintf(place, "")) // an option without a value is as if left out
			assert.Equal(t, unwritten, meaning(fmt.Sprintf(place, defaults[name])))
			assert.NotEqual(t, unwritten, meaning(fmt.Sprintf(place, others[name])))
		})
	}
}

// What an observer has found is written into a configuration as it is.
func TestFoundPort(t *testing.T) {
	options := &Options{}
	options.Decode(confmap.NewFromStringMap(map[string]any{
		"instances": []any{map[string]any{"name": "found", "host": "localhost", "port": uint16(8080)}},
	}), options)
	require.NoError(t, validate(options))
	assert.EqualValues(t, 8080, options.targets()[0].Port)
}

// What a single value may be, at its bounds.
func TestScalars(t *testing.T) {
	for _, test := range []struct {
		value any
		into  interface{ UnmarshalMapstructure(any) error }
		ok    bool
	}{
		{1 << 53, new(Integer), true},
		{1<<53 + 2, new(Integer), false},
		{-1<<53 - 2, new(Integer), false},
		{9223372035.0, new(Duration), true},
		{9223372036.854775808, new(Duration), false}, // 2^63 ns
	} {
		assert.Equal(t, test.ok, test.into.UnmarshalMapstructure(test.value) == nil, "%v", test.value)
	}
}

// The label that Prometheus makes of a key.
func TestLabel(t *testing.T) {
	for key, want := range map[string]string{
		"": "", "team": "team", "team-a": "team_a", "a1": "a1", "0a": "key_0a", "9a": "key_9a", "_a": "key_a", "a__b": "a_b",
	} {
		assert.Equal(t, want, label(key), "%q", key)
	}
}

// An instance with a mistake is known by its series, unless the mistake is in what says
// which these are.
func TestIdentified(t *testing.T) {
	options, err := load(t, "instances: [{name: a, host: h, port: 1, timeout: -1, x: y}, {name: b, host: h, port: 1, tags: [':c']}, {name: c, host: h, port: 0}, 5]")
	require.Error(t, err)
	var known []string
	for e := range options.Identified(options.Check(nil)) {
		known = append(known, e.Place())
	}
	assert.Equal(t, []string{"instances[0]"}, known)
}

// The options of a receiver that has more than these.
func TestOptionsOfTheReceiver(t *testing.T) {
	var receiver struct {
		Options Options `mapstructure:",squash"`
		More    string  `mapstructure:"more"`
	}
	receiver.Options.Decode(confmap.NewFromStringMap(map[string]any{"les": 1}), &receiver)
	require.ErrorContains(t, validate(&receiver.Options), "scrape_configs, observers, target_allocator, certificate_files, more")

	undecoded := Options{Service: "\n"}
	require.EqualError(t, validate(&undecoded), "service: \"\\n\" has a control character in it\ninstances: there are none, so there is nothing to check")
	undecoded.Decode(confmap.NewFromStringMap(map[string]any{"les": 1}), &undecoded)
	require.ErrorContains(t, validate(&undecoded), "les: unknown option; the receiver has collection_interval")
}

// A receiver may have nothing but files with certificates. How often they are looked at is bounded.
func TestCertificateFiles(t *testing.T) {
	for yaml, want := range map[string]time.Duration{
		"certificate_files: a.crt": 15 * time.Second,
		"{certificate_files: [a.crt, '[ab]/*'], collection_interval: 0.1}": time.Second,
		"{certificate_files: [a.crt], collection_interval: 1h}":            time.Hour,
	} {
		options, err := load(t, yaml)
		require.NoError(t, err, yaml)
		assert.Equal(t, want, options.FileInterval(), yaml)
		assert.Empty(t, options.targets())
		assert.False(t, options.Changes(), "they are no list")
	}
	_, err := load(t, "certificate_files: ['', '/a/[', '/a/**/b', 5]")
	require.EqualError(t, err, `certificate_files[0]: there is no path
certificate_files[1]: "/a/[" is not a pattern of paths
certificate_files[2]: "/a/**/b" has **, which would be no more than *; write a * for each level of directories
certificate_files[3]: 5 is not the path of a file`)
	_, err = load(t, "certificate_files: []")
	require.EqualError(t, err, "instances: there are none, so there is nothing to check")
	_, err = load(t, "certificate_files: {a: b}")
	require.EqualError(t, err, "certificate_files: a mapping is not the path of a file, or a list of paths")
}

func TestValueAt(t *testing.T) {
	written := map[string]any{"a": []any{"b", map[string]any{"c": 1}}, "d": "e"}
	for place, want := range map[string]any{"a[0]": "b", "a[1].c": 1, "a[2]": nil, "a.x": nil, "d[0]": "e", "x": nil} {
		assert.Equal(t, want, valueAt(written, place), place)
	}
}

// The targets of contrib's TCP check receiver, with what can be wrong with them.
func TestTargets(t *testing.T) {
	options, err := load(t, "{defaults: {timeout: 3s, tags: ['a:b']}, targets: [{endpoint: 'h:1'}, {endpoint: '[::1]:2', dialer: {timeout: 5s}}], instances: [{name: i, endpoint: 'i:1'}]}")
	require.NoError(t, err)
	var found []string
	for _, target := range options.targets() {
		found = append(found, fmt.Sprint(target.Labels.Name, " ", target.HostPort(), " ", target.Timeout, " ", target.Labels.Tags))
	}
	assert.Equal(t, []string{"i i:1 3s [{a b}]", "h:1 h:1 3s [{a b}]", "[::1]:2 [::1]:2 5s [{a b}]"}, found)

	_, err = load(t, "{targets: [{}, {endpoint: 'h:0', dialer: {timeout: 0, x: y}}, {endpoint: h, y: z}, 5, {endpoint: 'h:1', dialer: 5}]}")
	assert.EqualError(t, err, `targets[1].dialer.x: unknown option; dialer has timeout
targets[2].y: unknown option; a target has endpoint, dialer
targets[4].dialer: 5 is not a mapping of options
targets[0]: there is no endpoint; write host:port
targets[1] "h:0" .endpoint: "h:0" has a port that is not between 1 and 65535
targets[1] "h:0" .dialer.timeout: 0s is not more than 0
targets[2] "h" .endpoint: "h" is not host:port
targets[3]: 5 is not a target, which is a mapping of endpoint and dialer`)
}
