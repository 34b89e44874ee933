package faults

import (
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

var update = flag.Bool("update", false, "write docs/faults.md")

// Every row of docs/faults.md.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	for n, row := range rows {
		t.Run(row.group+": "+row.situation, func(t *testing.T) {
			row.run(w.in(t), addresses{
				v4:    netip.AddrFrom4([4]byte{198, 18, 1, byte(n + 1)}),
				v6:    netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%x", n+0x100)),
				name:  fmt.Sprintf("name%d.test.", n),
				short: fmt.Sprintf("name%d", n),
			})
		})
	}
}

func (r row) run(w *world, a addresses) {
	w.t.Helper()
	r.set(w, a)
	fill := func(text string) string { return strings.ReplaceAll(a.fill(text), "$port", fmt.Sprint(w.port)) }
	c := start(w.t, fmt.Sprintf("%s\n"+withSources+"instances:\n  - {name: x, %s}", r.receiver, fill(r.options)))
	for _, step := range r.steps {
		c.awaitDue()
		if step.change != nil {
			step.change(w, a)
		}
		c.check()
		found := []string{}
		if len(step.points) > 0 {
			found = points(c.payload())
		}
		assert.Equal(w.t, each(step.points, fill), found, step.then)
		assert.ElementsMatch(w.t, each(step.log, fill), c.awaitLogged(len(step.log)), step.then)
	}
	if last := r.steps[len(r.steps)-1]; len(last.points)+len(last.log) == 0 {
		c.awaitDue() // the check has ended
	}
	if r.group == own {
		<-time.After(reviewed) // a line more may come of the last check until then
	}
	require.NoError(w.t, c.receiver.Shutdown(w.t.Context()))
	assert.Empty(w.t, c.payloads, "a payload too many")
	assert.Empty(w.t, c.awaitLogged(0), "a line too many")
}

// withSources has it told who said that an address cannot be reached.
const withSources = "metrics: {tcpcheck.errors: {attributes: [tcpcheck.instance, server.address, server.port, network.type, error.type, tcpcheck.error.source]}}\n"

// A name server that dies takes all targets along, whose names no longer resolve: that is said once, of
// this machine. It makes no difference whether it is the machine's or the targets' own.
func TestNameServerDies(t *testing.T) {
	for name, resolver := range map[string]string{"the machine's": "", "their own": ", resolver: {servers: [%q]}"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).in(t)
			if resolver != "" {
				resolver = fmt.Sprintf(resolver, w.dns.Addr())
			}
			nameServerDies(t, w, resolver)
		})
	}
}

func nameServerDies(t *testing.T, w *world, resolver string) {
	const targets = 12
	instances := "defaults: {timeout: 500ms, ip_cache_duration: 0" + resolver + "}\ncollection_interval: 1s\ninstances:\n"
	for n := range targets {
		name, address := fmt.Sprintf("dies%d.test.", n), netip.AddrFrom4([4]byte{198, 18, byte(100 + n), 1})
		w.dns.Set(name, dnsserver.Addresses(address))
		w.hosts.Set(netip.AddrPortFrom(address, 80), peers.Behaviour{})
		instances += fmt.Sprintf("  - {name: target %d, host: %s, port: 80, address_families: [ipv4]}\n", n, name)
	}
	r := start(t, instances)
	dies := make(chan struct{})
	go func() { // no check is held
		for {
			select {
			case <-r.due:
			case <-r.begin:
			case <-dies:
				return
			}
		}
	}()
	t.Cleanup(func() { close(dies) })
	up := make(map[string]bool)
	for len(up) < targets {
		for _, point := range harness.Points(r.payload(), "network.tcp.can_connect") {
			if point.IntValue() == 1 {
				up[harness.Text(point.Attributes(), "tcpcheck.instance")] = true
			}
		}
	}
	for n := range targets {
		w.dns.Set(fmt.Sprintf("dies%d.test.", n), dnsserver.Both(silent))
	}
	const outage = "ipv4 of this machine: 12 of 12 targets in 198.18.96.0/20 down since "
	said := func() int {
		return r.logs.Filter(func(e observer.LoggedEntry) bool { return strings.HasPrefix(e.Message, outage) }).Len()
	}
	require.Eventually(t, func() bool {
		for len(r.payloads) > 0 {
			<-r.payloads
		}
		return said() == 1
	}, harness.Patience, 20*time.Millisecond, "%v", lines{r.logs})
	assert.Equal(t, targets, r.logs.FilterMessageSnippet("cannot connect").Len())
	assert.Zero(t, r.logs.FilterMessageSnippet("stopped answering").Len())
}

// lines are those that were logged, as text.
type lines struct{ *observer.ObservedLogs }

func (l lines) String() string {
	var text strings.Builder
	for _, entry := range l.All() {
		text.WriteString(entry.Message + "\n")
	}
	return text.String()
}

// reviewed is how long it takes until the receiver has said what it has to say of its
// machine: it looks once a second, and where a family is left out, twice.
const reviewed = 2200 * time.Millisecond

// each returns what f makes of texts, sorted.
func each(texts []string, f func(string) string) []string {
	made := make([]string, len(texts))
	for i, text := range texts {
		made[i] = f(text)
	}
	slices.Sort(made)
	return made
}

// The document has the rows that are tested.
func TestDocument(t *testing.T) {
	const file = "../../docs/faults.md"
	text := document()
	if *update {
		harness.Write(t, file, text)
	}
	assert.Equal(t, text, harness.Read(t, file), "run the test with -update")
}

func document() string {
	var b strings.Builder
	b.WriteString(`# The table of faults

Every row is a real situation, made in a network namespace, in which a test compares what the receiver reports and logs
with what stands here. ` + "`e2e/faults`" + ` has the test, and writes this page.

A line per address or family: its ` + "`can_connect`" + `, and the ` + "`error.type`" + ` that is counted. ADDRESS is the address that was
dialled, NAME a host name. A row with several lines has a check for each. "-" stands for an attribute, a point or a log
line that there is not. A hint in the log is in brackets, shortened.
`)
	group := ""
	for _, row := range rows {
		if row.group != group {
			group = row.group
			fmt.Fprintf(&b, "\n## %s\n\n| situation | can_connect | error.type | log |\n| --- | --- | --- | --- |\n", group)
		}
		for i, step := range row.steps {
			situation := row.situation
			if i > 0 {
				situation = "… " + step.then
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", situation, cell(step.points, canConnectLine), cell(step.points, errorLine), cell(step.log, regexp.MustCompile(".*")))
		}
	}
	return b.String()
}

var (
	canConnectLine = regexp.MustCompile(`^(\S+) (?:-|\S*[.:$]\S*|\$\d) [01]$`)
	errorLine      = regexp.MustCompile(`^\S+ [a-z]+_?\w* \d+$`)
)

// cell joins those lines that match.
func cell(lines []string, match *regexp.Regexp) string {
	var kept []string
	for _, line := range lines {
		if match.MatchString(line) {
			kept = append(kept, generic.Replace(line))
		}
	}
	if len(kept) == 0 {
		return "-"
	}
	if len(kept) > 10 {
		kept = append(kept[:1], fmt.Sprintf("… and %d more", len(kept)-1))
	}
	return strings.Join(kept, "<br>")
}

var generic = strings.NewReplacer("$4", "ADDRESS", "[$6]", "[ADDRESS]", "$6", "ADDRESS", "$name", "NAME", "$short", "NAME", "$port", "PORT")

// The response time is the network's, within a fifth at low load, and with lost
// SYNs the whole wait; how true it is under load, make accuracy shows.
func TestResponseTime(t *testing.T) {
	w := newWorld(t)
	late := func(delay time.Duration) peers.Behaviour { return peers.Behaviour{Delay: delay} }
	reset := peers.Behaviour{Delay: 150 * time.Millisecond, After: peers.RSTAtOnce}
	lost := peers.Behaviour{LoseSYNs: 1}
	for _, test := range []struct {
		name        string
		address     string
		behaviour   peers.Behaviour
		retransmits int64
		want        time.Duration // zero: what the peer recorded
	}{
		{name: "IPv4, 20 ms", address: "198.18.3.1:80", behaviour: late(20 * time.Millisecond)},
		{name: "IPv6, 20 ms", address: "[2001:db8:1::301]:80", behaviour: late(20 * time.Millisecond)},
		{name: "IPv4, 150 ms", address: "198.18.3.2:80", behaviour: late(150 * time.Millisecond)},
		{name: "IPv4, 150 ms and reset at once", address: "198.18.3.3:80", behaviour: reset},
		// The kernel sends the second SYN after 1 s (RFC 6298, section 2).
		{name: "IPv4, a lost SYN", address: "198.18.3.4:80", behaviour: lost, retransmits: 1, want: time.Second},
		{name: "IPv6, a lost SYN", address: "[2001:db8:1::302]:80", behaviour: lost, retransmits: 1, want: time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := netip.MustParseAddrPort(test.address)
			w.hosts.Set(address, test.behaviour)
			w.hosts.Handshakes() // those of other tests
			seconds, retransmits := measureOnce(t, address)
			want := test.want
			if want == 0 {
				handshakes := w.hosts.Handshakes()
				require.Len(t, handshakes, 1)
				want = handshakes[0].Delay
			}
			assert.InEpsilon(t, want.Seconds(), seconds, 0.2)
			assert.Equal(t, test.retransmits, retransmits)
		})
	}
}

// measureOnce returns the response time and the number of SYNs sent again of one
// check.
func measureOnce(t *testing.T, address netip.AddrPort) (seconds float64, retransmits int64) {
	t.Helper()
	c := start(t, fmt.Sprintf(`
instances: [{name: x, endpoint: %q, collect_response_time: true}]
metrics: {tcpcheck.syn_retransmits: {enabled: true}}
`, address))
	c.awaitDue()
	c.check()
	metrics := c.payload()
	for _, point := range harness.Points(metrics, "network.tcp.response_time") {
		seconds = point.DoubleValue()
	}
	retransmits = -1
	for _, point := range harness.Points(metrics, "tcpcheck.syn_retransmits") {
		retransmits = point.IntValue()
	}
	return seconds, retransmits
}
