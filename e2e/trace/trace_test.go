package trace

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

var update = flag.Bool("update", false, "write testdata, and the example of docs/command.md")

// times are those of a table, with the spaces behind them.
var times = regexp.MustCompile(`  [\d.]+(?:ns|µs|ms|s)\b *`)

// timeless returns a text with the word TIME in the place of each time. Every time has up to six
// characters, so that the columns stay where they are.
func timeless(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		line = times.ReplaceAllStringFunc(strings.TrimSuffix(line, "\n"), func(time string) string {
			return fmt.Sprintf("%-*s", utf8.RuneCountInString(time), "  TIME")
		})
		lines.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return lines.String()
}

// golden compares a text with that of a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		harness.Write(t, file, timeless(text))
		if name == documented {
			before, _, after := document(t)
			harness.Write(t, documentFile, before+text+after)
		}
	}
	assert.Equal(t, harness.Read(t, file), timeless(text), "run the test with -update")
}

// documentFile has the way of testdata that documented names.
const documentFile, documented = "../../docs/command.md", "broken-in-the-middle"

// document returns the way in the page, and what is before and behind it.
func document(t *testing.T) (before, example, after string) {
	t.Helper()
	_, example, _ = strings.Cut(harness.BlockOf(t, "docs/command.md", "$ tcpcheck --trace"), "\n")
	before, after, _ = strings.Cut(harness.Read(t, documentFile), example)
	return before, example, after
}

// The document has a way that is tested.
func TestDocument(t *testing.T) {
	_, example, _ := document(t)
	assert.Equal(t, harness.Read(t, filepath.Join("testdata", documented+".txt")), timeless(example), "run the tests with -update")
}

// The ways of docs/command.md, and of testdata.
func TestGolden(t *testing.T) {
	harness.RequireRoot(t, "make network namespaces")
	for _, test := range []struct {
		name   string
		hops   int
		status int
		make   func(c *chain)
		flags  []string
	}{
		{name: "straight", hops: 12, make: (*chain).listen},
		{name: "neighbour", hops: 1, make: (*chain).listen},
		{name: "one-family", hops: 3, make: (*chain).listen, flags: []string{"--family=ipv6"}},
		{name: "refused", hops: 3, status: 2},
		{name: "silent-target", hops: 4, status: 2, make: func(c *chain) { c.filter(4, "input", "tcp dport "+port+" drop") }},
		{name: "silent-hop", hops: 5, make: func(c *chain) {
			c.listen()
			c.filter(3, "output", "icmp type time-exceeded drop", "icmpv6 type time-exceeded drop")
		}},
		{name: "prohibited", hops: 5, status: 2, make: func(c *chain) {
			// A route that prohibits does so before the hop limit is looked at, a filter behind that.
			c.listen()
			v4, _ := hop(5)
			c.machines[3].IP("route", "add", "prohibit", v4)
			c.filter(3, "forward", "meta nfproto ipv6 tcp dport "+port+" reject with icmpv6 admin-prohibited")
		}},
		{name: "unreachable", hops: 5, status: 2, make: func(c *chain) {
			v4, v6 := hop(5)
			c.machines[2].IP("route", "add", "unreachable", v4)
			c.machines[3].IP("route", "del", "default", "via", "2001:db8:4::2")
			c.machines[3].IP("route", "add", "unreachable", v6)
		}},
		{name: "loop", hops: 5, status: 2, make: func(c *chain) {
			// The fourth router sends what it is to send on back to the third.
			v4, v6 := before(4)
			c.machines[4].IP("route", "replace", "198.18.5.2", "via", v4)
			c.machines[4].IP("route", "replace", "2001:db8:5::2", "via", v6)
		}},
		{name: "broken-in-the-middle", hops: 6, status: 1, make: func(c *chain) {
			c.listen()
			c.machines[3].IP("route", "add", "blackhole", "2001:db8:6::/64")
		}},
		{name: "this-machine", hops: 3, status: 2, make: func(c *chain) {
			c.filter(0, "output", "meta nfproto ipv4 tcp dport "+port+" reject with icmp admin-prohibited")
			c.client().IP("-6", "route", "replace", "unreachable", "2001:db8:3::/64")
		}, flags: []string{"--family=ipv4,ipv6"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t, test.hops)
			if test.make != nil {
				test.make(c)
			}
			got := c.run(append(test.flags, "--trace", "--local-port", flow, "--timeout", "2s")...)
			golden(t, test.name, got.out)
			assert.Equal(t, test.status, got.status)
		})
	}
}

// The kernel chooses a port, which is the same one for all hops.
func TestPort(t *testing.T) {
	t.Parallel()
	c := newChain(t, 3)
	c.listen()
	captured := c.capture()
	got := c.run("--trace")
	assert.Equal(t, 0, got.status)
	assert.Regexp(t, `\ntarget\.test:8080: the flow is from 198\.18\.1\.1:\d+, and from \[2001:db8:1::1\]:\d+\.\n$`, got.out)
	const check = 64 // the hop limit of the check itself
	assert.Equal(t, map[arrived]int{{"ipv4", check}: 1, {"ipv6", check}: 1, {"ipv4", 3}: 1, {"ipv6", 3}: 1}, captured.syns(3))
}

// A port that the user may not have, or that somebody else has, is said in words, and the checks go on.
func TestNoPort(t *testing.T) {
	t.Parallel()
	c := newChain(t, 1)
	c.listen()
	c.client().Listen("tcp4", ":"+flow)
	for port, says := range map[string]string{
		"80": "the local port 80 is for privileged users: bind: permission denied",
		flow: "the local port 40000 is in use, or was so within the last minute",
	} {
		got := c.run("--trace", "--family=ipv4", "--local-port", port)
		assert.Equal(t, 0, got.status)
		assert.Regexp(t, `^TARGET .*\n.* up .*\n\ntarget\.test:8080: over ipv4 the way is not known: `+says+`\.\n$`, got.out)
	}
}

// A target that is silent gets no more than a SYN for each hop and round.
func TestSYNs(t *testing.T) {
	t.Parallel()
	c := newChain(t, 3)
	c.filter(3, "input", "tcp dport "+port+" drop")
	captured := c.capture()
	got := c.run("--trace", "--timeout", "900ms")
	assert.Equal(t, 2, got.status)
	want := map[arrived]int{{"ipv4", 64}: 1, {"ipv6", 64}: 1}
	for limit := 3; limit <= 30; limit++ {
		want[arrived{"ipv4", limit}], want[arrived{"ipv6", limit}] = 3, 3
	}
	assert.Equal(t, want, captured.syns(3))
}

// found is what the command says in JSON.
type found []struct {
	Status string
	Trace  []struct {
		Family    string `json:"network_type"`
		Address   string `json:"network_peer_address"`
		Local     string `json:"network_local_address"`
		LocalPort int    `json:"network_local_port"`
		Hops      []struct {
			Hop           int
			Address, Name string
			Seconds       *float64 `json:"time_seconds"`
			Said          string
		}
		Note string
	}
}

func (r ran) json(t *testing.T) found {
	t.Helper()
	var f found
	require.NoError(t, json.Unmarshal([]byte(r.out), &f), r.out)
	return f
}

// ways returns the addresses of the hops over each family.
func (f found) ways() map[string][]string {
	ways := make(map[string][]string)
	for _, target := range f {
		for _, way := range target.Trace {
			ways[way.Family] = []string{}
			for _, hop := range way.Hops {
				ways[way.Family] = append(ways[way.Family], hop.Address)
			}
		}
	}
	return ways
}

func TestJSON(t *testing.T) {
	t.Parallel()
	c := newChain(t, 4)
	c.listen()
	c.filter(2, "output", "icmp type time-exceeded drop")
	c.machines[3].IP("route", "add", "prohibit", "2001:db8:4::2")
	got := c.run("--trace", "-o", "json", "--local-port", flow, "--timeout", "2s")
	assert.Equal(t, 1, got.status)
	f := got.json(t)
	require.Len(t, f, 1)
	assert.Equal(t, "WARNING", f[0].Status)
	assert.Equal(t, map[string][]string{
		"ipv4": {"198.18.1.2", "", "198.18.3.2", "198.18.4.2"},
		"ipv6": {"2001:db8:1::2", "2001:db8:2::2", "2001:db8:3::2"},
	}, f.ways())
	v4, v6 := f[0].Trace[0], f[0].Trace[1]
	assert.Equal(t, []any{"198.18.4.2", "198.18.1.1", 40000, ""}, []any{v4.Address, v4.Local, v4.LocalPort, v4.Note})
	assert.Equal(t, []any{"2001:db8:4::2", "2001:db8:1::1", 40000}, []any{v6.Address, v6.Local, v6.LocalPort})
	assert.Equal(t, "the way ends at 2001:db8:3::2: administratively prohibited", v6.Note)
	assert.Equal(t, "administratively prohibited", v6.Hops[2].Said)
	for i, said := range []string{"", "", "", "connected"} {
		hop := v4.Hops[i]
		assert.Equal(t, i+1, hop.Hop)
		assert.Equal(t, said, hop.Said)
		assert.Equal(t, i != 1, hop.Seconds != nil, "the second one is silent")
		if hop.Seconds != nil {
			assert.Positive(t, *hop.Seconds)
		}
	}
}

// Names of hops are those of reverse DNS, of which a file of hosts is a part. One with
// characters that no host name has is none.
func TestResolve(t *testing.T) {
	t.Parallel()
	c := newChain(t, 3)
	c.listen()
	hosts := c.hosts("198.18.1.2 gateway.test", "2001:db8:1::2 gateway.test", "198.18.2.2 evil\x1b[31m.test")
	got := c.runWith(hosts, "--trace", "--resolve", "--local-port", flow, "target.test:"+port)
	assert.Equal(t, 0, got.status)
	golden(t, "resolve", got.out)
}

// Targets that have an address and a port in common have the way in common: no flow is there twice.
func TestSameTarget(t *testing.T) {
	t.Parallel()
	c := newChain(t, 2)
	c.listen()
	captured := c.capture()
	got := c.runWith(c.hosts("198.18.2.2 other.test"), "--trace", "--local-port", flow, "--family=ipv4", "target.test:"+port, "other.test:"+port)
	assert.Equal(t, 0, got.status)
	const way = "1       198.18.1.2             TIME\n2       198.18.2.2, connected  TIME\n"
	assert.Equal(t, 2, strings.Count(timeless(got.out), way), got.out)
	assert.Equal(t, map[arrived]int{{"ipv4", 64}: 2, {"ipv4", 2}: 1}, captured.syns(2))
}

// A signal ends the command at once, and it shows what it knows.
func TestInterrupted(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			c := newChain(t, 3)
			c.filter(3, "input", "tcp dport "+port+" drop")
			captured := c.capture()
			var out bytes.Buffer
			command := c.command(c.hosts(), program(t), "--trace", "--local-port", flow, "--timeout", "900ms", "target.test:"+port)
			command.Stdout = &out
			require.NoError(t, command.Start())
			captured.await(3, arrived{"ipv4", 8}, arrived{"ipv6", 8})
			require.NoError(t, command.Process.Signal(signal))
			require.Error(t, command.Wait())
			assert.Equal(t, 2, command.ProcessState.ExitCode(), "that of the check")
			assert.Regexp(t, `\n2       198\.18\.2\.2 .*2001:db8:2::2 .*\n3-\d+ +\* +\*\n(?s)`+
				`.*target\.test:8080: over ipv4 the way is not known to its end: it was interrupted\.\n`+
				`target\.test:8080: over ipv6 the way is not known to its end: it was interrupted\.\n`+
				`target\.test:8080: the flow is from 198\.18\.1\.1:40000, and from \[2001:db8:1::1\]:40000\.\n$`, out.String())
		})
	}
}

// Of two ways of the same length, a flow takes one, at all its hops. That is so for routers that make their
// choice of the ports, where another local port may be the other way, and for those that make it of the flow
// label (RFC 6437), as Linux does by default.
func TestTwoWays(t *testing.T) {
	for policy, several := range map[string]bool{ofPorts: true, ofLabel: false} {
		t.Run("policy "+policy, func(t *testing.T) {
			t.Parallel()
			client := newDiamond(t, policy)
			c := &chain{t: t, machines: []*harness.Machine{client}}
			ways := map[string]map[string]bool{"ipv4": {}, "ipv6": {}}
			enough := func() bool { return several && len(ways["ipv4"]) == 2 && len(ways["ipv6"]) == 2 }
			flows := 5
			if several {
				flows = 25 // all of them go one way once in 16 million times
			}
			for i := 0; i < flows && !enough(); i++ {
				got := c.runWith(c.hosts(), "--trace", "-o", "json", "--local-port", strconv.Itoa(40000+i), "198.18.8.2:"+port, "[2001:db8:8::2]:"+port)
				assert.Equal(t, 0, got.status)
				for family, way := range got.json(t).ways() {
					ways[family][strings.Join(way, " ")] = true
				}
			}
			a4, a6 := "198.18.1.2 198.18.2.2 198.18.4.2 198.18.6.2 198.18.8.2", "2001:db8:1::2 2001:db8:2::2 2001:db8:4::2 2001:db8:6::2 2001:db8:8::2"
			b4, b6 := "198.18.1.2 198.18.3.2 198.18.5.2 198.18.6.2 198.18.8.2", "2001:db8:1::2 2001:db8:3::2 2001:db8:5::2 2001:db8:7::2 2001:db8:8::2"
			if several {
				assert.Equal(t, map[string]map[string]bool{"ipv4": {a4: true, b4: true}, "ipv6": {a6: true, b6: true}}, ways)
				return
			}
			for family, known := range map[string][]string{"ipv4": {a4, b4}, "ipv6": {a6, b6}} {
				require.Len(t, ways[family], 1)
				for way := range ways[family] {
					assert.Contains(t, known, way)
				}
			}
		})
	}
}

// The policies of fib_multipath_hash_policy: a router makes its choice of the addresses, and over IPv6 of the flow
// label; or of the fields that fib_multipath_hash_fields has, which are to be the addresses and ports. The
// policy 1 is not for one machine: between its namespaces, Linux takes a number that the sender's kernel has
// drawn for each socket, and which no packet has on a cable.
const ofLabel, ofPorts, fields = "0", "3", "0x37"

// newDiamond returns a client. The router behind it shares out flows among two ways of two routers each, by a
// policy, to a last one before the target, which listens.
//
//	client -1- router -2- a -4- a' -6- router -8- target
//	                  -3- b -5- b' -7-
func newDiamond(t *testing.T, policy string) *harness.Machine {
	t.Helper()
	machines := make(map[string]*harness.Machine)
	for _, name := range []string{"client", "first", "a", "a'", "b", "b'", "last", "target"} {
		machines[name] = newMachine(t)
	}
	for n, ends := range [][2]string{1: {"client", "first"}, {"first", "a"}, {"first", "b"}, {"a", "a'"}, {"b", "b'"}, {"a'", "last"}, {"b'", "last"}, {"last", "target"}} {
		if n > 0 {
			connect(machines[ends[0]], machines[ends[1]], n)
		}
	}
	for name, n := range map[string]int{"client": 1, "a": 4, "b": 5, "a'": 6, "b'": 7, "last": 8} {
		v4, v6 := hop(n)
		machines[name].IP("route", "add", "default", "via", v4)
		machines[name].IP("route", "add", "default", "via", v6)
	}
	for name, n := range map[string]int{"a": 2, "b": 3, "a'": 4, "b'": 5, "last": 6} {
		v4, v6 := before(n)
		machines[name].IP("route", "add", "198.18.1.0/24", "via", v4)
		machines[name].IP("route", "add", "2001:db8:1::/64", "via", v6)
	}
	for n, via := range map[int]int{4: 6, 5: 7} { // back to a, and to b
		v4, v6 := before(via)
		machines["last"].IP("route", "add", fmt.Sprintf("198.18.%d.0/24", n), "via", v4)
		machines["last"].IP("route", "add", fmt.Sprintf("2001:db8:%d::/64", n), "via", v6)
	}
	back4, back6 := before(8)
	machines["target"].IP("route", "add", "default", "via", back4)
	machines["target"].IP("route", "add", "default", "via", back6)
	a4, a6 := hop(2)
	b4, b6 := hop(3)
	machines["first"].IP("route", "add", "default", "nexthop", "via", a4, "nexthop", "via", b4)
	machines["first"].IP("-6", "route", "add", "default", "nexthop", "via", a6, "nexthop", "via", b6)
	set(t, machines["first"], map[string]string{
		"ipv4/fib_multipath_hash_policy": policy, "ipv4/fib_multipath_hash_fields": fields,
		"ipv6/fib_multipath_hash_policy": policy, "ipv6/fib_multipath_hash_fields": fields,
	})
	for _, name := range []string{"client", "a", "b"} { // both ways are ready
		v4, v6 := hop(8)
		awaitReachable(t, machines[name], v4)
		awaitReachable(t, machines[name], v6)
	}
	machines["target"].Listen("tcp", ":"+port)
	return machines["client"]
}
