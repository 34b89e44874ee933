package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bad use checks nothing, and says all that is wrong in a sentence each.
func TestBadUse(t *testing.T) {
	const up = "127.0.0.1:1" // which is not dialled
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"empty.yaml": "", "text.yaml": "hello", "list.yaml": "[a, b]", "no.yaml": "a: [", "other.yaml": "receivers: {otlp: {}}", "five.yaml": "receivers: 5", "six.yaml": "receivers: {tcpcheck: 6}",
		"one.yaml": "instances: [{name: a, host: h, port: 1}]", "port.yaml": "instances: [{name: a, host: h, port: 0}]", "key.yaml": "instances: [{name: a, host: h, port: 1}]\nx: y",
		"none.yaml": "receivers: {tcpcheck: {}}", "scheme.yaml": "receivers: {tcpcheck: {instances: [{name: a, host: h, port: '${nowhere:X}'}]}}",
		"two.yaml":     "receivers: {tcpcheck/x: {instances: [{name: a, host: h, port: 0}, {name: b, host: h, port: -1}]}}",
		"conf[1].yaml": "instances: [{name: a, host: h, port: 0}]",
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir("folder", 0o700))
	rows := []struct{ args, want string }{ // the arguments have spaces between them
		// Targets:
		{"", "there is no target; write host:port, such as localhost:22"},
		{"localhost " + up, `"localhost" is not host:port`},
		{"check", `"check" is not host:port`},
		{"completion bash x", `unknown command "x" for "tcpcheck completion bash"`},
		{":80", `":80" has no host; write host:port`},
		{"h:", `"h:" has a port that is not between 1 and 65535`},
		{"h:http", `"h:http" has a port that is not between 1 and 65535`},
		{"h:65536", `"h:65536" has a port that is not between 1 and 65535`},
		{"::1:80", `"::1:80" is an IPv6 address; write [address]:port`},
		{"[::1", `"[::1" is not host:port`},
		{"h:0 https://h:1", "\"h:0\" has a port that is not between 1 and 65535\n" + `"https://h:1" has a scheme; write host:port`},
		// The status of a collector that runs:
		{"status a b", "accepts at most 1 arg(s), received 2"},
		{"status -o xml", `--output "xml" is none; it is table or json`},
		{"status --url localhost:9465", `--url "localhost:9465" is not such as http://localhost:9465`},
		{"status --url http://127.0.0.1:1", "http://127.0.0.1:1 does not answer, where the status page of a collector is to be: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"status --url http://a:secret@127.0.0.1:1", "http://a:xxxxx@127.0.0.1:1 does not answer, where the status page of a collector is to be: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"status --ca-file no.pem", "--ca-file: open no.pem: no such file or directory"},
		{"status --ca-file empty.yaml", "--ca-file: empty.yaml has no certificate"},
		{"status --bearer-token-file no", "--bearer-token-file: open no: no such file or directory"},
		{"status --warn 1s", "unknown flag: --warn"},
		// Flags:
		{"--wrong " + up, "unknown flag: --wrong"},
		{"-x " + up, "unknown shorthand flag: 'x' in -x"},
		{up + " --count", "flag needs an argument: --count"},
		{"--help=maybe", `invalid argument "maybe" for "-h, --help" flag: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{"--family ipv5 " + up, `--family: "ipv5" is no address family; they are ipv4 and ipv6`},
		{"--family= " + up, "--family: [] asks for no family; leave the option out for the families that the host has"},
		{"--family ipv6 " + up, `"127.0.0.1:1" is an ipv4 address, but address_families asks for ipv6`},
		{"--family ipv4 --config one.yaml", "--family: it is for the targets of arguments; write address_families in the configuration"},
		{"--source-address x " + up, `--source-address: "x" is no IP address`},
		{"--source-address 127.0.0.1,127.0.0.2 " + up, `--source-address: "127.0.0.2" is the second ipv4 address, after "127.0.0.1"; there is one of each family at most`},
		{"--source-address ::1 " + up, `"127.0.0.1:1" is an ipv4 address, but source_address is an ipv6 one`},
		{"--source-address 127.0.0.1 --config one.yaml", "--source-address: it is for the targets of arguments; write source_address in the configuration"},
		{"--dscp 64 " + up, "--dscp: 64 is not between 0 and 63"},
		{"--dscp ef " + up, `invalid argument "ef" for "--dscp" flag: strconv.ParseInt: parsing "ef": invalid syntax`},
		{"--interface e/0 " + up, `--interface: "e/0" is no name of an interface`},
		{"--interface eth0 --dscp 8 --config one.yaml", "--interface: it is for the targets of arguments; write interface in the configuration\n" +
			"--dscp: it is for the targets of arguments; write dscp in the configuration"},
		{"--resolver ns:53 " + up, `--resolver: "ns:53" is a name, which nobody is there to resolve; write the address of the name server`},
		{"--resolver 10.0.0.53,[::1]:0 h:1", `--resolver: "[::1]:0" has a port that is not between 1 and 65535`},
		{"--resolver 10.0.0.53,10.0.0.53:53,0.0.0.0,h/ h:1", "--resolver: \"0.0.0.0\" is the unspecified address, at which no name server is\n" +
			"--resolver: \"10.0.0.53:53\" is there twice, as 10.0.0.53:53\n--resolver: \"h/\" is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353"},
		{"--resolver 10.0.0.1,10.0.0.2 --resolver 10.0.0.3,10.0.0.4 h:1", `--resolver: "10.0.0.4" is one too many: 3 are the most, since they share the timeout`},
		{"--resolver= " + up, "--resolver: [] has no name server; leave resolver out for those of this system"},
		{"--resolver 10.0.0.53 --config one.yaml", "--resolver: it is for the targets of arguments; write resolver in the configuration"},
		{"--server-name x --ca-file y " + up, "--server-name: it is for --tls; write both\n--ca-file: it is for --tls; write both"},
		{"--tls --server-name a/b " + up, `--server-name: "a/b" has a path; write the host alone`},
		{"--tls --ca-file nowhere.pem " + up, "--tls: failed to load TLS config: failed to load CA CertPool File: failed to load cert nowhere.pem: open nowhere.pem: no such file or directory"},
		{"--tls --ca-file y --config one.yaml", "--tls: it is for the targets of arguments; write tls in the configuration\n" +
			"--ca-file: it is for the targets of arguments; write tls.ca_file in the configuration"},
		{"--timeout 0s " + up, "--timeout: 0s is not more than 0"},
		{"--timeout -1s " + up, "--timeout: -1s is not more than 0"},
		{"--timeout soon " + up, `invalid argument "soon" for "--timeout" flag: time: invalid duration "soon"`},
		{"--warn -1s " + up, "--warn: -1s is less than 0"},
		{"--warn 5 " + up, `invalid argument "5" for "--warn" flag: time: missing unit in duration "5"`},
		{"--warn 2s --crit 1s " + up, "--warn: 2s is longer than --crit, 1s, so it would never be told"},
		{"--crit -1s " + up, "--crit: -1s is less than 0"},
		{"--crit x " + up, `invalid argument "x" for "--crit" flag: time: invalid duration "x"`},
		{"-c -1 " + up, "--count: -1 is less than 0"},
		{"-c x " + up, `invalid argument "x" for "-c, --count" flag: strconv.ParseInt: parsing "x": invalid syntax`},
		{"-i 0s " + up, "--interval: 0s is not more than 0"},
		{"-i x " + up, `invalid argument "x" for "-i, --interval" flag: time: invalid duration "x"`},
		{"-o yaml " + up, `--output: "yaml" is no format; they are json, junit, nagios, table`},
		{"--output= " + up, `--output: "" is no format; they are json, junit, nagios, table`},
		{"-c 2 -o json " + up, "--output: json is for one check; leave --count and --interval out"},
		{"--family x -o y --warn -1s -i 0s h", "\"h\" is not host:port\n--family: \"x\" is no address family; they are ipv4 and ipv6\n--warn: -1s is less than 0\n" +
			"--output: \"y\" is no format; they are json, junit, nagios, table\n--interval: 0s is not more than 0"},
		// Files:
		{"--config=", "--config: there is no path"},
		{"--config nowhere.yaml", "--config: stat nowhere.yaml: no such file or directory"},
		{"--config folder", "--config: folder is not a regular file"},
		{"--config empty.yaml", "--config: empty.yaml is empty"},
		{"--config text.yaml", "--config: text.yaml is no mapping, as a collector's configuration and a conf.yaml are"},
		{"--config list.yaml", "--config: list.yaml is no mapping, as a collector's configuration and a conf.yaml are"},
		{"--config no.yaml", "--config: no.yaml: yaml: line 1: did not find expected node content"},
		{"--config other.yaml", "--config: other.yaml has no receiver tcpcheck or tcp_probe"},
		{"--config five.yaml", "--config: five.yaml: receivers is no mapping"},
		{"--config six.yaml", "--config: six.yaml: receivers::tcpcheck is no mapping"},
		{"--config none.yaml", "receivers::tcpcheck: instances: there are none, so there is nothing to check"},
		{"--config scheme.yaml", "--config: scheme.yaml: scheme \"nowhere\" is not supported for uri \"nowhere:X\""},
		{"--config key.yaml", "x: unknown option; the file has init_config, defaults, instances"},
		{"--config port.yaml", `instances[0] "a" .port: 0 is not between 1 and 65535`},
		{"--config conf[1].yaml", `instances_file "conf[1].yaml" .instances[0] "a" .port: 0 is not between 1 and 65535`},
		{"--config two.yaml", "receivers::tcpcheck/x: instances[0] \"a\" .port: 0 is not between 1 and 65535\nreceivers::tcpcheck/x: instances[1] \"b\" .port: -1 is not between 1 and 65535"},
		{"--config port.yaml h", "\"h\" is not host:port\ninstances[0] \"a\" .port: 0 is not between 1 and 65535"},
	}
	if runtime.GOOS == "linux" {
		rows = append(rows, []struct{ args, want string }{
			{"--config /dev/zero", "--config: /dev/zero is not a regular file"},
			{"--config /proc/self/mem", "--config: read /proc/self/mem: input/output error"}, // not even for root
		}...)
	}
	for _, test := range rows {
		t.Run(test.args, func(t *testing.T) {
			got := runWith(context.Background(), strings.Fields(test.args)...)
			assert.Equal(t, ran{statusUnknown, "", test.want + "\nSee tcpcheck --help.\n"}, got)
		})
	}
}

// A path is no pattern, whatever characters it has.
func TestPathIsNoPattern(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a[1]*?.yaml")
	if err := os.WriteFile(path, []byte("instances: [{name: a, host: 127.0.0.1, port: 1}]"), 0o600); err != nil {
		t.Skipf("needs a file system that has such a name: %v", err)
	}
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "a1bc.yaml"), nil, 0o600)) // which the pattern matches
	got := runWith(context.Background(), "--config", path)
	assert.Contains(t, got.out, "\n127.0.0.1:1 ", got)
}
