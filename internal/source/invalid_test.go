package source

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configtls"
	"go.yaml.in/yaml/v3"
)

// Every mistake that a user can make, and the sentence that it earns.
func TestInvalid(t *testing.T) {
	for _, test := range []struct {
		name string
		yaml string
		want string
	}{
		{
			name: "nothing at all",
			yaml: "{}",
			want: "instances: there are none, so there is nothing to check",
		},
		{
			name: "no instances",
			yaml: "instances: []",
			want: "instances: there are none, so there is nothing to check",
		},
		{
			name: "instances without a value",
			yaml: "instances:",
			want: "instances: there are none, so there is nothing to check",
		},
		{
			name: "instances is a text",
			yaml: "instances: localhost:80",
			want: `instances: "localhost:80" is not a list of instances`,
		},
		{
			name: "instances is a mapping",
			yaml: "instances: {name: a, host: h, port: 1}",
			want: "instances: a mapping is not a list of instances",
		},
		{
			name: "an instance is a text",
			yaml: "instances: [localhost:80]",
			want: `instances[0]: "localhost:80" is not an instance, which is a mapping of options`,
		},
		{
			name: "an instance is a list",
			yaml: "instances: [[a]]",
			want: "instances[0]: a list of 1 is not an instance, which is a mapping of options",
		},
		{
			name: "an instance has nothing",
			yaml: "instances: [{}]",
			want: `instances[0].name: there is none; every instance needs a name
instances[0].host: there is none; write host and port, or endpoint
instances[0].port: there is none; write host and port, or endpoint`,
		},
		{
			name: "an instance is nothing",
			yaml: "instances: [~]",
			want: `instances[0].name: there is none; every instance needs a name
instances[0].host: there is none; write host and port, or endpoint
instances[0].port: there is none; write host and port, or endpoint`,
		},
		{
			name: "retry and recheck_interval",
			yaml: `
collection_interval: 10
instances:
- {name: a, host: h, port: 1, retry: 3}
- {name: b, host: h, port: 1, retry: {interval: 2}}
- {name: c, host: h, port: 1, retry: {attempts: 0, interval: 0.05}, recheck_interval: 999ms}
- {name: d, host: h, port: 1, retry: {attempts: 101}, recheck_interval: -1}
- {name: e, host: h, port: 1, timeout: 4, retry: {attempts: 2, interval: 1.001}, recheck_interval: 10}
- {name: f, host: h, port: 1, retry: {attempts: 6}}
- {name: g, host: h, port: 1, min_collection_interval: -1, retry: {attempts: 1, intervall: 2}, recheck_interval: 1}
- {name: i, host: h, port: 1, timeout: 0, retry: {attempts: many}}
- {name: k, host: h, port: 1, min_collection_interval: 1, recheck_interval: 1}
- {name: l, host: h, port: 1, min_collection_interval: 0.1, recheck_interval: 1}
- {name: m, host: h, port: 1, min_collection_interval: 0.1, retry: {attempts: 1, interval: 0.1}}
- {name: n, host: h, port: 1, timeout: 0, retry: {attempts: 1, interval: 20}}
- {name: j, host: h, port: 1, timeout: 2540400h, min_collection_interval: 2540400h, retry: {attempts: 100, interval: 2540400h}}`,
			want: `instances[0] "a" .retry: 3 is not a mapping of attempts and interval
instances[1] "b" .retry.attempts: it is missing: how often is a failed check to be repeated?
instances[2] "c" .retry.attempts: 0 is not in the range 1 to 100
instances[2] "c" .retry.interval: 50ms is shorter than 100ms
instances[2] "c" .recheck_interval: 999ms is shorter than 1s
instances[3] "d" .retry.attempts: 101 is not in the range 1 to 100
instances[3] "d" .recheck_interval: -1s is not more than 0
instances[4] "e" .retry.attempts: 2 of up to 4s (timeout), each 1.001s after the one before (retry.interval), may last longer than the interval of 10s
instances[4] "e" .recheck_interval: 10s is not shorter than the interval of 10s, so it would change nothing
instances[5] "f" .retry.attempts: 6 of up to 10s (timeout), each 1s after the one before (retry.interval), may last longer than the interval of 10s
instances[6] "g" .retry.intervall: unknown option; retry has attempts, interval
instances[6] "g" .min_collection_interval: -1s is not more than 0
instances[7] "i" .timeout: 0s is not more than 0
instances[7] "i" .retry.attempts: "many" is not a whole number
instances[8] "k" .recheck_interval: 1s is not shorter than the interval of 1s, so it would change nothing
instances[9] "l" .recheck_interval: 1s is not shorter than the interval of 100ms, so it would change nothing
instances[10] "m" .retry.attempts: 1 of up to 100ms (timeout), each 100ms after the one before (retry.interval), may last longer than the interval of 100ms
instances[11] "n" .timeout: 0s is not more than 0
instances[12] "j" .retry.attempts: 100 of up to 2540400h0m0s (timeout), each 2540400h0m0s after the one before (retry.interval), may last longer than the interval of 2540400h0m0s`,
		},
		{
			name: "unknown option of an instance",
			yaml: "instances: [{name: a, host: h, port: 1, prot: 80}]",
			want: `instances[0] "a" .prot: unknown option; an instance has ` + schemaOf(reflect.TypeFor[Instance]()).list(),
		},
		{
			name: "option in capitals",
			yaml: "instances: [{name: a, host: h, port: 1, Tags: []}]",
			want: `instances[0] "a" .Tags: unknown option; an instance has ` + schemaOf(reflect.TypeFor[Instance]()).list(),
		},
		{
			name: "unknown option of init_config",
			yaml: `init_config: {colour: x}
instances: [{name: a, host: h, port: 1}]`,
			want: `init_config.colour: unknown option; init_config has service`,
		},
		{
			name: "unknown option of metric_patterns",
			yaml: "instances: [{name: a, host: h, port: 1, metric_patterns: {includes: []}}]",
			want: `instances[0] "a" .metric_patterns.includes: unknown option; metric_patterns has include, exclude`,
		},
		{
			name: "init_config is a text",
			yaml: `init_config: x
instances: [{name: a, host: h, port: 1}]`,
			want: `init_config: "x" is not a mapping of options`,
		},
		{
			name: "service at both places of the receiver",
			yaml: `service: a
init_config: {service: b}
instances: [{name: a, host: h, port: 1}]`,
			want: `init_config.service: "b" is written as service already, as "a"; write one of them`,
		},
		{
			name: "no name",
			yaml: "instances: [{host: h, port: 1}]",
			want: "instances[0].name: there is none; every instance needs a name",
		},
		{
			name: "blank name",
			yaml: "instances: [{name: ' ', host: h, port: 1}]",
			want: `instances[0] " " .name: " " is blank; every instance needs a name`,
		},
		{
			name: "name is a number",
			yaml: "instances: [{name: 5, host: h, port: 1}]",
			want: "instances[0].name: 5 is not a text; write it in quotes",
		},
		{
			name: "name is a list",
			yaml: "instances: [{name: [a], host: h, port: 1}]",
			want: "instances[0].name: a list of 1 is not a text; write it in quotes",
		},
		{
			name: "no host",
			yaml: "instances: [{name: a, port: 1}]",
			want: `instances[0] "a" .host: there is none; write host and port, or endpoint`,
		},
		{
			name: "no port",
			yaml: "instances: [{name: a, host: h}]",
			want: `instances[0] "a" .port: there is none; write host and port, or endpoint`,
		},
		{
			name: "port zero",
			yaml: "instances: [{name: a, host: h, port: 0}]",
			want: `instances[0] "a" .port: 0 is not between 1 and 65535`,
		},
		{
			name: "port negative",
			yaml: "instances: [{name: a, host: h, port: -1}]",
			want: `instances[0] "a" .port: -1 is not between 1 and 65535`,
		},
		{
			name: "port too large",
			yaml: "instances: [{name: a, host: h, port: 70000}]",
			want: `instances[0] "a" .port: 70000 is not between 1 and 65535`,
		},
		{
			name: "port fractional",
			yaml: "instances: [{name: a, host: h, port: 80.5}]",
			want: `instances[0] "a" .port: 80.5 is not a whole number`,
		},
		{
			name: "port is a name",
			yaml: "instances: [{name: a, host: h, port: http}]",
			want: `instances[0] "a" .port: "http" is not a whole number`,
		},
		{
			name: "port is a list",
			yaml: "instances: [{name: a, host: h, port: [80]}]",
			want: `instances[0] "a" .port: a list of 1 is not a whole number`,
		},
		{
			name: "host with a scheme",
			yaml: "instances: [{name: a, host: 'https://example.com', port: 1}]",
			want: `instances[0] "a" .host: "https://example.com" has a scheme; write the host alone`,
		},
		{
			name: "host with a port",
			yaml: "instances: [{name: a, host: 'example.com:80', port: 1}]",
			want: `instances[0] "a" .host: "example.com:80" has a port in it; write it as port`,
		},
		{
			name: "IPv6 host with a port",
			yaml: "instances: [{name: a, host: '[::1]:80', port: 1}]",
			want: `instances[0] "a" .host: "[::1]:80" has a port in it; write it as port`,
		},
		{
			name: "host with a path",
			yaml: "instances: [{name: a, host: example.com/x, port: 1}]",
			want: `instances[0] "a" .host: "example.com/x" has a path; write the host alone`,
		},
		{
			name: "host with a space",
			yaml: "instances: [{name: a, host: 'example com', port: 1}]",
			want: `instances[0] "a" .host: "example com" has white space in it`,
		},
		{
			name: "host with an empty label",
			yaml: "instances: [{name: a, host: example..com, port: 1}]",
			want: `instances[0] "a" .host: "example..com" is not a host name`,
		},
		{
			name: "host with a label too long",
			yaml: "instances: [{name: a, host: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, port: 1}]",
			want: `instances[0] "a" .host: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is not a host name`,
		},
		{
			name: "host too long",
			yaml: "instances: [{name: a, host: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, port: 1}]",
			want: `instances[0] "a" .host: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is longer than the 253 characters of a host name`,
		},
		{
			name: "host with a strange character",
			yaml: "instances: [{name: a, host: 'a$b', port: 1}]",
			want: `instances[0] "a" .host: "a$b" is not a host name`,
		},
		{
			name: "host in another script",
			yaml: "instances: [{name: a, host: 'bücher.example', port: 1}]",
			want: `instances[0] "a" .host: "bücher.example" is not ASCII; write an internationalised name in its xn-- form`,
		},
		{
			name: "host is half an IPv6 address",
			yaml: "instances: [{name: a, host: '::1::', port: 1}]",
			want: `instances[0] "a" .host: "::1::" is not an IPv6 address`,
		},
		{
			name: "host has one bracket",
			yaml: "instances: [{name: a, host: '[::1', port: 1}]",
			want: `instances[0] "a" .host: "[::1" is not an IPv6 address`,
		},
		{
			name: "IPv4 address in brackets",
			yaml: "instances: [{name: a, host: '[127.0.0.1]', port: 1}]",
			want: `instances[0] "a" .host: "[127.0.0.1]" has brackets around an IPv4 address`,
		},
		{
			name: "IPv4 address out of range",
			yaml: "instances: [{name: a, host: 256.0.0.1, port: 1}]",
			want: `instances[0] "a" .host: "256.0.0.1" is not an IPv4 address`,
		},
		{
			name: "IPv4 address in short form",
			yaml: "instances: [{name: a, host: 127.1, port: 1}]",
			want: `instances[0] "a" .host: 127.1 is not a text; write it in quotes`,
		},
		{
			name: "IPv4 address with a zone",
			yaml: "instances: [{name: a, host: '127.0.0.1%eth0', port: 1}]",
			want: `instances[0] "a" .host: "127.0.0.1%eth0" is not a host name`,
		},
		{
			name: "IPv6 address with an empty zone",
			yaml: "instances: [{name: a, host: 'fe80::1%', port: 1}]",
			want: `instances[0] "a" .host: "fe80::1%" is not an IPv6 address`,
		},
		{
			name: "link-local address without a zone",
			yaml: "instances: [{name: a, endpoint: '[fe80::1]:80'}]",
			want: `instances[0] "a" .endpoint: "[fe80::1]:80" is a link-local address; write its zone as well, as in fe80::1%eth0`,
		},
		{
			name: "endpoint with brackets around no IPv6 address",
			yaml: `instances: [{name: a, endpoint: "[127.0.0.1]:80"}, {name: b, endpoint: "[name]:80"}]`,
			want: `instances[0] "a" .endpoint: "[127.0.0.1]:80" has brackets around what is no IPv6 address
instances[1] "b" .endpoint: "[name]:80" has brackets around what is no IPv6 address`,
		},
		{
			name: "port with a leading zero",
			yaml: `instances: [{name: a, host: h, port: "0443"}]`,
			want: `instances[0] "a" .port: "0443" has a leading 0, which may mean octal; write it without`,
		},
		{
			name: "control characters",
			yaml: `instances: [{name: "a\nb", host: h, port: 1, service: "s\t"}, {name: c, host: "fe80::1%e\n", port: 1, tags: ["a:b\u2028"]}, {name: d, host: "h\r", port: 1}]`,
			want: `instances[0] "a\nb" .name: "a\nb" has a control character in it
instances[0] "a\nb" .service: "s\t" has a control character in it
instances[1] "c" .host: "fe80::1%e\n" has a control character in its zone
instances[1] "c" .tags[0]: "a:b\u2028" has a control character in it
instances[2] "d" .host: "h\r" has a control character in it`,
		},
		{
			name: "control characters in services",
			yaml: `service: "a\n"
instances: [{name: a, host: h, port: 1}]`,
			want: `service: "a\n" has a control character in it`,
		},
		{
			name: "intervals that are too short",
			yaml: `collection_interval: 99ms
instances: [{name: a, host: h, port: 1, min_collection_interval: 0.05}]`,
			want: `collection_interval: 99ms is shorter than 100ms
instances[0] "a" .min_collection_interval: 50ms is shorter than 100ms`,
		},
		{
			name: "tags of one label",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['team-a:x', 'team.a:y', 'team__a:z']}]",
			want: `instances[0] "a" .tags[1]: "team.a:y" has the label of tags[0], "team-a:x": both are team_a in Prometheus
instances[0] "a" .tags[2]: "team__a:z" has the label of tags[0], "team-a:x": both are team_a in Prometheus`,
		},
		{
			name: "tags named like the resource's attributes",
			yaml: "instances: [{name: a, host: h, port: 1, service: s, empty_default_hostname: true, tags: ['service.name:x', 'service_name:y', 'job:z', 'datadog.host.name:h']}]",
			want: `instances[0] "a" .tags[0]: "service.name:x" is named like the resource's service.name, which is the service of the instance
instances[0] "a" .tags[1]: "service_name:y" is named like the resource's service.name, which is the service of the instance
instances[0] "a" .tags[2]: "job:z" is named like the label job, which the Prometheus exporter makes of the service of the instance
instances[0] "a" .tags[3]: "datadog.host.name:h" is named like the resource's datadog.host.name`,
		},
		{
			name: "a tag named like the label of the receiver's service",
			yaml: `service: s
instances: [{name: a, host: h, port: 1, tags: ['job:z']}]`,
			want: `instances[0] "a" .tags[0]: "job:z" is named like the label job, which the Prometheus exporter makes of the service of the instance`,
		},
		{
			name: "a tag named like a label of the scope",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['otel.scope.name:z']}]",
			want: `instances[0] "a" .tags[0]: "otel.scope.name:z" is named like a label of the Prometheus exporter`,
		},
		{
			name: "tags of which no label can be made",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['__name__:x', '.-a:y', '_é:z', '-:u']}]",
			want: `instances[0] "a" .tags[0]: "__name__:x" has a key that begins with two underscores, as Prometheus' own labels do
instances[0] "a" .tags[1]: ".-a:y" has a key that begins with two underscores, as Prometheus' own labels do
instances[0] "a" .tags[2]: "_é:z" has a key that begins with two underscores, as Prometheus' own labels do
instances[0] "a" .tags[3]: "-:u" has a key without a letter or digit of ASCII, of which no label can be made`,
		},
		{
			name: "unspecified address",
			yaml: `instances: [{name: a, host: 0.0.0.0, port: 1}, {name: b, host: "[::]", port: 1}, {name: c, endpoint: "[::]:7004"}, {name: d, host: "::ffff:0.0.0.0", port: 1}]`,
			want: `instances[0] "a" .host: "0.0.0.0" is the unspecified address, at which no host is; for this machine write 127.0.0.1
instances[1] "b" .host: "[::]" is the unspecified address, at which no host is; for this machine write ::1, in an endpoint [::1]
instances[2] "c" .endpoint: "[::]:7004" is the unspecified address, at which no host is; for this machine write ::1, in an endpoint [::1]
instances[3] "d" .host: "::ffff:0.0.0.0" is the unspecified address, at which no host is; for this machine write 127.0.0.1`,
		},
		{
			name: "multicast address",
			yaml: "instances: [{name: a, host: 224.0.0.1, port: 1}]",
			want: `instances[0] "a" .host: "224.0.0.1" is a multicast address, to which TCP cannot connect`,
		},
		{
			name: "endpoint and host",
			yaml: "instances: [{name: a, endpoint: 'h:1', host: h}]",
			want: `instances[0] "a" .endpoint: "h:1" excludes host and port; write one or the other`,
		},
		{
			name: "endpoint and port",
			yaml: "instances: [{name: a, endpoint: 'h:1', port: 1}]",
			want: `instances[0] "a" .endpoint: "h:1" excludes host and port; write one or the other`,
		},
		{
			name: "endpoint without a port",
			yaml: "instances: [{name: a, endpoint: h}]",
			want: `instances[0] "a" .endpoint: "h" is not host:port`,
		},
		{
			name: "endpoint without a host",
			yaml: "instances: [{name: a, endpoint: ':80'}]",
			want: `instances[0] "a" .endpoint: ":80" has no host; write host:port`,
		},
		{
			name: "endpoint with a scheme",
			yaml: "instances: [{name: a, endpoint: 'tcp://h:80'}]",
			want: `instances[0] "a" .endpoint: "tcp://h:80" has a scheme; write host:port`,
		},
		{
			name: "endpoint with an empty port",
			yaml: "instances: [{name: a, endpoint: 'h:'}]",
			want: `instances[0] "a" .endpoint: "h:" has a port that is not between 1 and 65535`,
		},
		{
			name: "endpoint with a port too large",
			yaml: "instances: [{name: a, endpoint: 'h:65536'}]",
			want: `instances[0] "a" .endpoint: "h:65536" has a port that is not between 1 and 65535`,
		},
		{
			name: "endpoint with a service name",
			yaml: "instances: [{name: a, endpoint: 'h:http'}]",
			want: `instances[0] "a" .endpoint: "h:http" has a port that is not between 1 and 65535`,
		},
		{
			name: "endpoint with a bare IPv6 address",
			yaml: "instances: [{name: a, endpoint: '::1:80'}]",
			want: `instances[0] "a" .endpoint: "::1:80" is an IPv6 address; write [address]:port`,
		},
		{
			name: "endpoint with a host that is none",
			yaml: "instances: [{name: a, endpoint: 'a b:80'}]",
			want: `instances[0] "a" .endpoint: "a b:80" has white space in it`,
		},
		{
			name: "endpoint is a number",
			yaml: "instances: [{name: a, endpoint: 80}]",
			want: `instances[0] "a" .endpoint: 80 is not a text such as localhost:443`,
		},
		{
			name: "IPv6 address with ipv4_only",
			yaml: "instances: [{name: a, host: '::1', port: 1, ipv4_only: true}]",
			want: `instances[0] "a" .host: "::1" is an ipv6 address, but ipv4_only is true`,
		},
		{
			name: "IPv4 address with ipv6",
			yaml: "instances: [{name: a, host: 127.0.0.1, port: 1, address_families: [ipv6]}]",
			want: `instances[0] "a" .host: "127.0.0.1" is an ipv4 address, but address_families asks for ipv6`,
		},
		{
			name: "IPv4 address with both families",
			yaml: "instances: [{name: a, host: 127.0.0.1, port: 1, address_families: [ipv4, ipv6]}]",
			want: `instances[0] "a" .host: "127.0.0.1" is an ipv4 address, but address_families asks for ipv6`,
		},
		{
			name: "IPv6 endpoint with ipv4",
			yaml: "instances: [{name: a, endpoint: '[::1]:80', address_families: [ipv4]}]",
			want: `instances[0] "a" .endpoint: "[::1]:80" is an ipv6 address, but address_families asks for ipv4`,
		},
		{
			name: "IPv4-mapped address with ipv6",
			yaml: "instances: [{name: a, host: '::ffff:127.0.0.1', port: 1, address_families: [ipv6]}]",
			want: `instances[0] "a" .host: "::ffff:127.0.0.1" is an ipv4 address, but address_families asks for ipv6`,
		},
		{
			name: "ipv4_only with ipv6",
			yaml: "instances: [{name: a, host: h, port: 1, ipv4_only: true, address_families: [ipv6]}]",
			want: `instances[0] "a" .ipv4_only: true contradicts address_families, which asks for ipv6`,
		},
		{
			name: "ipv4_only with both families",
			yaml: "instances: [{name: a, host: h, port: 1, ipv4_only: true, address_families: [ipv4, ipv6]}]",
			want: `instances[0] "a" .ipv4_only: true contradicts address_families, which asks for ipv6`,
		},
		{
			name: "source_address of no addresses",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: []}]",
			want: `instances[0] "a" .source_address: [] has no address; leave the option out for those that the system chooses`,
		},
		{
			name: "source_address is a name",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: eth0}]",
			want: `instances[0] "a" .source_address: "eth0" is no IP address`,
		},
		{
			name: "source_address is a prefix",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: [10.0.0.0/8, '::1']}]",
			want: `instances[0] "a" .source_address[0]: "10.0.0.0/8" is no IP address`,
		},
		{
			name: "source_address is a mapping",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: {a: b}}]",
			want: `instances[0] "a" .source_address: a mapping is not an IP address, or one of each family`,
		},
		{
			name: "unspecified source_address",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: 0.0.0.0}]",
			want: `instances[0] "a" .source_address: "0.0.0.0" is the unspecified address; leave the option out for the one that the system chooses`,
		},
		{
			name: "multicast source_address",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: 'ff02::1'}]",
			want: `instances[0] "a" .source_address: "ff02::1" is a multicast address, from which TCP cannot connect`,
		},
		{
			name: "link-local source_address without a zone",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: 'fe80::1'}]",
			want: `instances[0] "a" .source_address: "fe80::1" is a link-local address; write its zone as well, as in fe80::1%eth0`,
		},
		{
			name: "two source addresses of a family",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: [10.0.0.1, '::ffff:10.0.0.2']}]",
			want: `instances[0] "a" .source_address[1]: "::ffff:10.0.0.2" is the second ipv4 address, after "10.0.0.1"; there is one of each family at most`,
		},
		{
			name: "source_address with ipv4_only",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: '::1', ipv4_only: true}]",
			want: `instances[0] "a" .source_address: "::1" is an ipv6 address, but ipv4 is asked for`,
		},
		{
			name: "source_address of one family with both",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: '::1', address_families: [ipv4, ipv6]}]",
			want: `instances[0] "a" .source_address: "::1" is an ipv6 address, but address_families asks for ipv4 as well; write an address of each`,
		},
		{
			name: "two source addresses with one family",
			yaml: "instances: [{name: a, host: h, port: 1, source_address: ['::1', 127.0.0.1], address_families: [ipv4]}]",
			want: `instances[0] "a" .source_address[0]: "::1" is an ipv6 address, but ipv4 is asked for`,
		},
		{
			name: "interface is too long",
			yaml: "instances: [{name: a, host: h, port: 1, interface: abcdefghijklmnop}]",
			want: `instances[0] "a" .interface: "abcdefghijklmnop" is no name of an interface`,
		},
		{
			name: "interface with a space",
			yaml: "instances: [{name: a, host: h, port: 1, interface: 'eth 0'}]",
			want: `instances[0] "a" .interface: "eth 0" is no name of an interface`,
		},
		{
			name: "interface is the folder",
			yaml: "instances: [{name: a, host: h, port: 1, interface: ..}]",
			want: `instances[0] "a" .interface: ".." is no name of an interface`,
		},
		{
			name: "interface is a number",
			yaml: "instances: [{name: a, host: h, port: 1, interface: 2}]",
			want: `instances[0] "a" .interface: 2 is not a text; write it in quotes`,
		},
		{
			name: "dscp is too large",
			yaml: "instances: [{name: a, host: h, port: 1, dscp: 64}]",
			want: `instances[0] "a" .dscp: 64 is not between 0 and 63`,
		},
		{
			name: "dscp is negative",
			yaml: "instances: [{name: a, host: h, port: 1, dscp: -1}]",
			want: `instances[0] "a" .dscp: -1 is not between 0 and 63`,
		},
		{
			name: "dscp is a name",
			yaml: "instances: [{name: a, host: h, port: 1, dscp: EF}]",
			want: `instances[0] "a" .dscp: "EF" is not a whole number`,
		},
		{
			name: "IPv4 address with an IPv6 source_address",
			yaml: "instances: [{name: a, host: 127.0.0.1, port: 1, source_address: '::1'}]",
			want: `instances[0] "a" .host: "127.0.0.1" is an ipv4 address, but source_address is an ipv6 one`,
		},
		{
			name: "tls is a bool",
			yaml: "instances: [{name: a, host: h, port: 1, tls: true}]",
			want: `instances[0] "a" .tls: true is not a mapping of options`,
		},
		{
			name: "unknown option of tls",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {verify: true}}]",
			want: `instances[0] "a" .tls.verify: unknown option; tls has interval, server_name, alpn, ` + strings.Join(optionsOf(reflect.TypeFor[configtls.ClientConfig]()), ", "),
		},
		{
			name: "tls.interval is too short",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {interval: 0.5}}]",
			want: `instances[0] "a" .tls.interval: 500ms is shorter than 1s`,
		},
		{
			name: "tls.server_name is a URL",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {server_name: 'https://x'}}]",
			want: `instances[0] "a" .tls.server_name: "https://x" has a scheme; write the host alone`,
		},
		{
			name: "two server names",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {server_name: a.example, server_name_override: b.example}}]",
			want: `instances[0] "a" .tls.server_name_override: "b.example" is written as server_name already, as "a.example"; write one of them`,
		},
		{
			name: "tls.alpn is empty",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {alpn: ['']}}]",
			want: `instances[0] "a" .tls.alpn[0]: there is none`,
		},
		{
			name: "tls.alpn twice",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {alpn: [h2, h2]}}]",
			want: `instances[0] "a" .tls.alpn[1]: "h2" is there twice`,
		},
		{
			name: "tls.min_version is none",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {min_version: '1.9'}}]",
			want: `instances[0] "a" .tls: invalid TLS min_version: unsupported TLS version: "1.9"`,
		},
		{
			name: "tls.max_version is below",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {min_version: '1.3', max_version: '1.2'}}]",
			want: `instances[0] "a" .tls: invalid TLS configuration: min_version cannot be greater than max_version`,
		},
		{
			name: "tls.cipher_suites has none",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {cipher_suites: [x]}}]",
			want: `instances[0] "a" .tls: failed to load TLS config: invalid TLS cipher suite: "x"`,
		},
		{
			name: "key without a certificate",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {key_file: x}}]",
			want: `instances[0] "a" .tls: TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)`,
		},
		{
			name: "tls.ca_file is not there",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {ca_file: /nowhere/ca.pem}}]",
			want: `instances[0] "a" .tls: failed to load TLS config: failed to load CA CertPool File: failed to load cert /nowhere/ca.pem: open /nowhere/ca.pem: no such file or directory`,
		},
		{
			name: "tls.ca_pem is none",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {ca_pem: hello}}]",
			want: `instances[0] "a" .tls: failed to load TLS config: failed to load CA CertPool PEM: failed to parse cert`,
		},
		{
			name: "tls.insecure is a word",
			yaml: "instances: [{name: a, host: h, port: 1, tls: {insecure: yes please}}]",
			want: `instances[0] "a" .tls.insecure: "yes please" is not a bool`,
		},
		{
			name: "unknown family",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: [ipv5]}]",
			want: `instances[0] "a" .address_families[0]: "ipv5" is no address family; they are ipv4 and ipv6`,
		},
		{
			name: "family in capitals",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: [IPv4]}]",
			want: `instances[0] "a" .address_families[0]: "IPv4" is no address family; they are ipv4 and ipv6`,
		},
		{
			name: "family twice",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: [ipv4, ipv4]}]",
			want: `instances[0] "a" .address_families[1]: "ipv4" is there twice`,
		},
		{
			name: "no family",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: []}]",
			want: `instances[0] "a" .address_families: [] asks for no family; leave the option out for the families that the host has`,
		},
		{
			name: "family is a number",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: [4]}]",
			want: `instances[0] "a" .address_families[0]: 4 is not an address family; they are ipv4 and ipv6`,
		},
		{
			name: "families are a mapping",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: {ipv4: true}}]",
			want: `instances[0] "a" .address_families: a mapping is not a list of address families`,
		},
		{
			name: "ipv4_only is a number",
			yaml: "instances: [{name: a, host: h, port: 1, ipv4_only: 1}]",
			want: `instances[0] "a" .ipv4_only: 1 is neither true nor false`,
		},
		{
			name: "multiple_ips is a text",
			yaml: "instances: [{name: a, host: h, port: 1, multiple_ips: maybe}]",
			want: `instances[0] "a" .multiple_ips: "maybe" is neither true nor false`,
		},
		{
			name: "collect_response_time is a list",
			yaml: "instances: [{name: a, host: h, port: 1, collect_response_time: [true]}]",
			want: `instances[0] "a" .collect_response_time: a list of 1 is neither true nor false`,
		},
		{
			name: "empty_default_hostname is a text",
			yaml: "instances: [{name: a, host: h, port: 1, empty_default_hostname: ''}]",
			want: `instances[0] "a" .empty_default_hostname: "" is neither true nor false`,
		},
		{
			name: "timeout zero",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 0}]",
			want: `instances[0] "a" .timeout: 0s is not more than 0`,
		},
		{
			name: "timeout negative",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: -1}]",
			want: `instances[0] "a" .timeout: -1s is not more than 0`,
		},
		{
			name: "timeout without a unit that exists",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 5 sec}]",
			want: `instances[0] "a" .timeout: "5 sec" is not a duration, such as 10s, or a number of seconds`,
		},
		{
			name: "timeout is a list",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: [5]}]",
			want: `instances[0] "a" .timeout: a list of 1 is not a duration, such as 10s, or a number of seconds`,
		},
		{
			name: "timeout is a bool",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: true}]",
			want: `instances[0] "a" .timeout: true is not a duration, such as 10s, or a number of seconds`,
		},
		{
			name: "timeout beyond all time",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: 1e30}]",
			want: `instances[0] "a" .timeout: 1e+30 seconds are more than a duration can hold`,
		},
		{
			name: "timeout is not a number",
			yaml: "instances: [{name: a, host: h, port: 1, timeout: .nan}]",
			want: `instances[0] "a" .timeout: NaN is not a duration, such as 10s, or a number of seconds`,
		},
		{
			name: "interval zero",
			yaml: "instances: [{name: a, host: h, port: 1, min_collection_interval: 0}]",
			want: `instances[0] "a" .min_collection_interval: 0s is not more than 0`,
		},
		{
			name: "interval negative",
			yaml: "instances: [{name: a, host: h, port: 1, min_collection_interval: -15s}]",
			want: `instances[0] "a" .min_collection_interval: -15s is not more than 0`,
		},
		{
			name: "cache duration negative",
			yaml: "instances: [{name: a, host: h, port: 1, ip_cache_duration: -1s}]",
			want: `instances[0] "a" .ip_cache_duration: -1s is less than 0`,
		},
		{
			name: "cache duration is a text",
			yaml: "instances: [{name: a, host: h, port: 1, ip_cache_duration: never}]",
			want: `instances[0] "a" .ip_cache_duration: "never" is not a duration, such as 10s, or a number of seconds`,
		},
		{
			name: "receiver's interval zero",
			yaml: `collection_interval: 0
instances: [{name: a, host: h, port: 1}]`,
			want: "collection_interval: 0s is not more than 0",
		},
		{
			name: "receiver's interval negative",
			yaml: `collection_interval: -15s
instances: [{name: a, host: h, port: 1}]`,
			want: "collection_interval: -15s is not more than 0",
		},
		{
			name: "receiver's interval is a text",
			yaml: `collection_interval: often
instances: [{name: a, host: h, port: 1}]`,
			want: `collection_interval: "often" is not a duration, such as 10s, or a number of seconds`,
		},
		{
			name: "initial delay negative",
			yaml: `initial_delay: -1s
instances: [{name: a, host: h, port: 1}]`,
			want: "initial_delay: -1s is less than 0",
		},
		{
			name: "addresses are never kept",
			yaml: `max_ip_cache_duration: 0
instances: [{name: a, host: h, port: 1}]`,
			want: "max_ip_cache_duration: 0s is not more than 0",
		},
		{
			name: "no checks at the same time",
			yaml: `max_concurrent_checks: 0
instances: [{name: a, host: h, port: 1}]`,
			want: "max_concurrent_checks: 0 is less than 1; leave the option out for as many as the limit of open files allows",
		},
		{
			name: "checks at the same time are a text",
			yaml: `max_concurrent_checks: many
instances: [{name: a, host: h, port: 1}]`,
			want: `max_concurrent_checks: "many" is not a whole number`,
		},
		{
			name: "checks at the same time are a fraction",
			yaml: `max_concurrent_checks: 1.5
instances: [{name: a, host: h, port: 1}]`,
			want: "max_concurrent_checks: 1.5 is not a whole number",
		},
		{
			name: "name servers of its own",
			yaml: `
instances:
- {name: a, host: h, port: 1, resolver: 10.0.0.53}
- {name: b, host: h, port: 1, resolver: [10.0.0.53]}
- {name: c, host: h, port: 1, resolver: {server: 10.0.0.53}}
- {name: d, host: h, port: 1, resolver: {servers: {a: b}}}
- {name: e, host: h, port: 1, resolver: {servers: [53, ~]}}
- {name: f, host: h, port: 1, resolver: {servers: []}}
- {name: g, host: h, port: 1, resolver: {servers: [ns.internal, 'ns:53', '[ns]:53', '']}}
- {name: i, host: h, port: 1, resolver: {servers: ['10.0.0.53:0', '[::1]:65536', '10.0.0.53:']}}
- {name: j, host: h, port: 1, resolver: {servers: ['10.0.0.53:dns', '10.0.0.53:99999999999999999999', '[::1]:-1']}}
- {name: k, host: h, port: 1, resolver: {servers: [0.0.0.0, '[::]:53', '::ffff:0.0.0.0']}}
- {name: l, host: h, port: 1, resolver: {servers: [224.0.0.251, '[ff02::fb]:5353', '::ffff:224.0.0.251']}}
- {name: m, host: h, port: 1, resolver: {servers: [10.0.0.53, '10.0.0.53:53', '::ffff:10.0.0.53']}}
- {name: n, host: h, port: 1, resolver: {servers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5]}}
- {name: o, host: h, port: 1, resolver: {servers: ['fe80::1', '[10.0.0.53]', '[10.0.0.53]:53']}}
- {name: p, host: h, port: 1, resolver: {servers: ['https://dns.example/dns-query', "10.0.0.53\n", "fe80::1%e\t"]}}
- {name: q, host: h, port: 1, resolver: {servers: ['10.0.0.53, 10.0.0.54', ' 10.0.0.53', 10.0.0.256]}}
- {name: r, host: h, port: 1, resolver: {servers: ['::1::', '2001:db8::53:99999', '10.0.0.53:53:53']}}`,
			want: `instances[0] "a" .resolver: "10.0.0.53" is not a mapping of servers
instances[1] "b" .resolver: a list of 1 is not a mapping of servers
instances[2] "c" .resolver.server: unknown option; resolver has servers
instances[3] "d" .resolver.servers: a mapping is not a list of name servers
instances[4] "e" .resolver.servers[0]: 53 is not a name server, such as 10.0.0.53 or [2001:db8::53]:5353
instances[4] "e" .resolver.servers[1]: "" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[5] "f" .resolver.servers: [] has no name server; leave resolver out for those of this system
instances[6] "g" .resolver.servers[0]: "ns.internal" is a name, which nobody is there to resolve; write the address of the name server
instances[6] "g" .resolver.servers[1]: "ns:53" is a name, which nobody is there to resolve; write the address of the name server
instances[6] "g" .resolver.servers[2]: "[ns]:53" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[6] "g" .resolver.servers[3]: "" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[7] "i" .resolver.servers[0]: "10.0.0.53:0" has a port that is not between 1 and 65535
instances[7] "i" .resolver.servers[1]: "[::1]:65536" has a port that is not between 1 and 65535
instances[7] "i" .resolver.servers[2]: "10.0.0.53:" has a port that is not between 1 and 65535
instances[8] "j" .resolver.servers[0]: "10.0.0.53:dns" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[8] "j" .resolver.servers[1]: "10.0.0.53:99999999999999999999" has a port that is not between 1 and 65535
instances[8] "j" .resolver.servers[2]: "[::1]:-1" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[9] "k" .resolver.servers[0]: "0.0.0.0" is the unspecified address, at which no name server is
instances[9] "k" .resolver.servers[1]: "[::]:53" is the unspecified address, at which no name server is
instances[9] "k" .resolver.servers[2]: "::ffff:0.0.0.0" is the unspecified address, at which no name server is
instances[10] "l" .resolver.servers[0]: "224.0.0.251" is a multicast address, and not that of a name server
instances[10] "l" .resolver.servers[1]: "[ff02::fb]:5353" is a multicast address, and not that of a name server
instances[10] "l" .resolver.servers[2]: "::ffff:224.0.0.251" is a multicast address, and not that of a name server
instances[11] "m" .resolver.servers[1]: "10.0.0.53:53" is there twice, as 10.0.0.53:53
instances[11] "m" .resolver.servers[2]: "::ffff:10.0.0.53" is there twice, as 10.0.0.53:53
instances[12] "n" .resolver.servers[3]: "10.0.0.4" is one too many: 3 are the most, since they share the timeout
instances[12] "n" .resolver.servers[4]: "10.0.0.5" is one too many: 3 are the most, since they share the timeout
instances[13] "o" .resolver.servers[0]: "fe80::1" is a link-local address; write its zone as well, as in fe80::1%eth0
instances[13] "o" .resolver.servers[1]: "[10.0.0.53]" has brackets around an IPv4 address
instances[13] "o" .resolver.servers[2]: "[10.0.0.53]:53" has brackets around an IPv4 address
instances[14] "p" .resolver.servers[0]: "https://dns.example/dns-query" has a scheme; write the address alone
instances[14] "p" .resolver.servers[1]: "10.0.0.53\n" has a control character in it
instances[14] "p" .resolver.servers[2]: "fe80::1%e\t" has a control character in it
instances[15] "q" .resolver.servers[0]: "10.0.0.53, 10.0.0.54" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[15] "q" .resolver.servers[1]: " 10.0.0.53" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[15] "q" .resolver.servers[2]: "10.0.0.256" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[16] "r" .resolver.servers[0]: "::1::" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[16] "r" .resolver.servers[1]: "2001:db8::53:99999" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353
instances[16] "r" .resolver.servers[2]: "10.0.0.53:53:53" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353`,
		},
		{
			name: "tags are a mapping",
			yaml: "instances: [{name: a, host: h, port: 1, tags: {env: prod}}]",
			want: `instances[0] "a" .tags: a mapping is not a list of tags`,
		},
		{
			name: "tag is a mapping",
			yaml: "instances: [{name: a, host: h, port: 1, tags: [env: prod]}]",
			want: `instances[0] "a" .tags[0]: a mapping is not a tag; write key:value, without a space or in quotes`,
		},
		{
			name: "families as one text",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: 'ipv4, ipv6'}]",
			want: `instances[0] "a" .address_families[0]: "ipv4, ipv6" is no address family; they are ipv4 and ipv6`,
		},
		{
			name: "no text for families",
			yaml: "instances: [{name: a, host: h, port: 1, address_families: ''}]",
			want: `instances[0] "a" .address_families[0]: "" is no address family; they are ipv4 and ipv6`,
		},
		{
			name: "name is a date",
			yaml: "instances: [{name: 2024-01-01, host: h, port: 1}]",
			want: "instances[0].name: a date is not a text; write it in quotes",
		},
		{
			name: "tag is a number",
			yaml: "instances: [{name: a, host: h, port: 1, tags: [5]}]",
			want: `instances[0] "a" .tags[0]: 5 is not a tag; write key:value, without a space or in quotes`,
		},
		{
			name: "tag without a key",
			yaml: "instances: [{name: a, host: h, port: 1, tags: [':prod']}]",
			want: `instances[0] "a" .tags[0]: ":prod" has no key; write key:value`,
		},
		{
			name: "tag named like an attribute",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['server.port:80']}]",
			want: `instances[0] "a" .tags[0]: "server.port:80" is named like the attribute server.port of the receiver`,
		},
		{
			name: "tag named like an opt-in attribute",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['url:x']}]",
			want: `instances[0] "a" .tags[0]: "url:x" is named like the attribute url of the receiver`,
		},
		{
			name: "tag with an attribute's label",
			yaml: "instances: [{name: a, host: h, port: 1, tags: ['network_type:x']}]",
			want: `instances[0] "a" .tags[0]: "network_type:x" is named like the attribute network.type of the receiver`,
		},
		{
			name: "pattern to include is none",
			yaml: "instances: [{name: a, host: h, port: 1, metric_patterns: {include: ['(']}}]",
			want: "instances[0] \"a\" .metric_patterns.include[0]: \"(\" is not a regular expression: error parsing regexp: missing closing ): `(`",
		},
		{
			name: "pattern to exclude is none",
			yaml: "instances: [{name: a, host: h, port: 1, metric_patterns: {exclude: ['a', '(?=x)']}}]",
			want: "instances[0] \"a\" .metric_patterns.exclude[1]: \"(?=x)\" is not a regular expression: error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
		},
		{
			name: "pattern is a number",
			yaml: "instances: [{name: a, host: h, port: 1, metric_patterns: {include: [5]}}]",
			want: `instances[0] "a" .metric_patterns.include[0]: 5 is not a regular expression; write it in quotes`,
		},
		{
			name: "patterns are a mapping",
			yaml: "instances: [{name: a, host: h, port: 1, metric_patterns: {include: {a: b}}}]",
			want: `instances[0] "a" .metric_patterns.include: a mapping is not a list of regular expressions`,
		},
		{
			name: "metric_patterns is a list",
			yaml: "instances: [{name: a, host: h, port: 1, metric_patterns: [a]}]",
			want: `instances[0] "a" .metric_patterns: a list of 1 is not a mapping of include and exclude`,
		},
		{
			name: "service is a list",
			yaml: "instances: [{name: a, host: h, port: 1, service: [a]}]",
			want: `instances[0] "a" .service: a list of 1 is not a text; write it in quotes`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.yaml)
			require.EqualError(t, err, test.want)
			if !belongsInFile(t, test.yaml) {
				return
			}
			want := regexp.MustCompile(`(?m)^(instances\[|init_config)`).ReplaceAllString(test.want, "instances_file.$1")
			_, err = load(t, "instances_file: "+writeFile(t, test.yaml))
			require.EqualError(t, err, want)
		})
	}
}

// belongsInFile reports whether all of a configuration may stand in a file of
// instances, which then has the same mistakes.
func belongsInFile(t *testing.T, config string) bool {
	t.Helper()
	var options map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(config), &options))
	for option, value := range options {
		_, isList := value.([]any)
		if option != "init_config" && (option != "instances" || !isList) {
			return false
		}
	}
	return len(options) > 0
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "instances.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// What is wrong with a file of instances itself.
func TestInvalidInstancesFile(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no YAML":                             {"instances: [", "instances_file: FILE: yaml: line 1: did not find expected node content"},
		"empty":                               {"", "instances_file: FILE: it is no mapping; write the instances as a list below the key instances"},
		"a list":                              {"[{name: a, host: h, port: 1}]", "instances_file: FILE: it is no mapping; write the instances as a list below the key instances"},
		"two documents":                       {"instances: [{name: a, host: h, port: 1}]\n---\ninstances: []", "instances_file: FILE: it has more than one document; write one"},
		"no instances":                        {"init_config: {service: a}", "instances: there are none, so there is nothing to check"},
		"unknown option":                      {"{collection_interval: 15s, instances: [{name: a, host: h, port: 1}]}", `instances_file.collection_interval: unknown option; the file has init_config, defaults, instances`},
		"a key twice":                         {"instances: [{name: a, name: b}]", "instances_file: FILE: yaml: unmarshal errors:\n  line 1: mapping key \"name\" already defined at line 1"},
		"instances a text":                    {"instances: many", `instances_file.instances: "many" is not a list of instances`},
		"octal":                               {"instances: [{name: a, host: h, port: 0443, timeout: 010}, {name: b, host: h, port: 0o10}]", "instances_file.instances[0] \"a\" .port: 0443 is 291 in YAML, where a leading 0 makes a number octal; write it without\ninstances_file.instances[0] \"a\" .timeout: 010 is 8 in YAML, where a leading 0 makes a number octal; write it without"},
		"a key with ::":                       {"{instances: [{name: a, host: h, port: 1}], 'instances::x': 5}", "instances_file.…: unknown option, not shown since it does not look like one; the file has init_config, defaults, instances"},
		"an octal at a key that is not shown": {"{instances: [{name: a, host: h, port: 1}], 'instances[0]': 017}", "instances_file.…: 017 is 15 in YAML, where a leading 0 makes a number octal; write it without"},
		"another file":                        {"root:$6$secret:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n", "instances: there are none, so there is nothing to check\ninstances_file.…: unknown option, not shown since it does not look like one; the file has init_config, defaults, instances"},
		"not even a place":                    {"instances: [7]", "instances_file.instances[0]: 7 is not an instance, which is a mapping of options"},
		"unknown init_conf":                   {"{init_config: {a: b}, instances: [{name: a, host: h, port: 1}]}", `instances_file.init_config.a: unknown option; init_config has service`},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, test.text)
			_, err := load(t, "instances_file: "+path)
			require.EqualError(t, err, strings.ReplaceAll(test.want, "FILE", path))
		})
	}
	_, err := load(t, "instances_file: ../../testdata")
	require.EqualError(t, err, "instances_file: ../../testdata is not a regular file")
	large := writeFile(t, "")
	require.NoError(t, os.Truncate(large, maxFile))
	_, err = load(t, "instances_file: "+large)
	require.ErrorContains(t, err, "control characters are not allowed")
	require.NoError(t, os.Truncate(large, maxFile+1))
	_, err = load(t, "instances_file: "+large)
	require.EqualError(t, err, fmt.Sprintf("instances_file: %s has 67108865 bytes; 67108864 are the most that are read", large))
	_, err = load(t, "instances_file: testdata/nosuchfile.yaml")
	require.EqualError(t, err, "instances_file: stat testdata/nosuchfile.yaml: no such file or directory")
	_, err = load(t, "instances_file: [{a: b}, 5, '']")
	require.EqualError(t, err, "instances_file[0]: a mapping is not the path of a file\ninstances_file[1]: 5 is not the path of a file\ninstances_file[2]: there is no path")
	_, err = load(t, "instances_file: ['[']")
	require.EqualError(t, err, "instances_file[0]: \"[\" is not a pattern of paths")
	_, err = load(t, "instances_file: {instances: []}")
	require.EqualError(t, err, "instances_file: a mapping is not the path of a file, or a list of paths")
	require.EqualError(t, validate(&Options{InstancesFile: Texts{"a.yaml"}}), "instances_file: it has not been read, nor have the defaults been; that is for Unmarshal to do")
}

// optionsOf returns the options of a struct of the collector, which is not the same in each of its releases.
func optionsOf(t reflect.Type) []string {
	var options []string
	for i := range t.NumField() {
		name, squashed, _ := strings.Cut(t.Field(i).Tag.Get("mapstructure"), ",")
		if squashed == "squash" {
			options = append(options, optionsOf(t.Field(i).Type)...)
		} else if name != "" {
			options = append(options, name)
		}
	}
	return options
}
