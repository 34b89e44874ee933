package datadog

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// These are the instances that the test speaks of, by their names.
const (
	upIPv4        = "up over one family"
	upIPv4Timed   = "up over one family, with response times"
	upBothTimed   = "up over two families, with response times"
	upIPv4Only    = "up over two families, with response times and `ipv4_only`"
	upTLS         = "up over two families, with response times and `tls`"
	upSteps       = "up over two families, with response times and `steps`"
	upHalfOmitted = "up over one family, with response times; the name has another, which this machine cannot reach"
	downIPv4Timed = "down over one family, with response times"
	downBothTimed = "down over two families, with response times"
	downThenUp    = "down for a while, then up again, over one family"
)

// costing are the instances whose custom metrics are counted. Their names are what
// docs/datadog-cost.md says of them.
var costing = []struct {
	name, options string
	alerts        bool
}{
	{name: upIPv4, options: "host: four.test, port: 1000"},
	{name: upIPv4Timed, options: "host: four.test, port: 1000, collect_response_time: true"},
	{name: "up over two families", options: "host: both.test, port: 1000"},
	{name: upBothTimed, options: "host: both.test, port: 1000, collect_response_time: true"},
	{name: upIPv4Only, options: "host: both.test, port: 1000, collect_response_time: true, ipv4_only: true"},
	{name: upTLS, options: "host: both.test, port: 1005, collect_response_time: true, tls: {insecure_skip_verify: true}"},
	{name: upSteps, options: "host: both.test, port: 1006, collect_response_time: true, steps: [{expect: ^220}]"},
	{name: "up over three addresses of one family, with `multiple_ips`", options: "host: many.test, port: 1000, multiple_ips: true"},
	{name: "up over one family, whose address has changed", options: "host: moves.test, port: 1004, ip_cache_duration: 0"},
	{name: upHalfOmitted, options: "host: far.test, port: 1000, collect_response_time: true"},
	{name: "up over one of two families, with response times", options: "host: both.test, port: 1001, collect_response_time: true", alerts: true},
	{name: downIPv4Timed, options: "host: four.test, port: 1002, collect_response_time: true", alerts: true},
	{name: downBothTimed, options: "host: both.test, port: 1002, collect_response_time: true", alerts: true},
	{name: "down over two families, with `metric_patterns: {include: [can_connect$]}`", options: "host: both.test, port: 1002, metric_patterns: {include: [can_connect$]}", alerts: true},
	{name: downThenUp, options: "host: four.test, port: 1003"},
	{name: "down, since its name does not resolve", options: "host: gone.test, port: 1000", alerts: true},
}

// costHosts is the hosts file of the machine that checks them. It has no address but those of
// the loopback interface, from which none reaches the IPv6 address of far.test.
const costHosts = bothHosts + `127.0.0.1 four.test
127.0.0.1 far.test
2001:db8::1 far.test
127.0.0.1 many.test
127.0.0.2 many.test
127.0.0.3 many.test
127.0.0.2 moves.test
`

// everyMetric enables all metrics, with all of their attributes.
const everyMetric = `
metrics:
  network.tcp.can_connect: {attributes: [tcpcheck.instance, server.address, server.port, network.type, network.peer.address, instance, target_host, port, address]}
  network.tcp.response_time: {attributes: [tcpcheck.instance, server.address, server.port, network.type, network.peer.address, instance, url, address]}
  tcpcheck.checks: {enabled: true}
  tcpcheck.syn_retransmits: {enabled: true}
  tcpcheck.dns.lookup.duration: {enabled: true}
`

// costPage is the page whose tables have what is counted here, and what is not.
const costPage = "../../docs/datadog-cost.md"

// The custom metrics of an instance are as many as docs/datadog-cost.md says, with each of the
// configurations that are shipped.
func TestCost(t *testing.T) {
	runs := []struct {
		name, example, receiver string
		more                    []string
		arrived                 []point
	}{
		{name: "as shipped", example: example},
		{name: "defaults of the receiver", example: example, more: []string{"--config", "yaml:receivers::tcpcheck::metrics: null"}},
		{name: "per family", example: "../../examples/datadog-per-family.yaml"},
		{name: "smallest", example: "../../examples/datadog-smallest.yaml"},
		{name: "every metric", example: example, receiver: everyMetric},
	}
	t.Run("count", func(t *testing.T) {
		for i := range runs {
			r := &runs[i]
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.arrived = checkCosting(t, r.example, r.receiver, r.more...)
			})
		}
	})
	if t.Failed() || runs[0].arrived == nil {
		t.SkipNow() // for the reason that is given above
	}
	counts := make([]map[string]map[string]int, len(runs)) // by instance and metric
	for i, r := range runs {
		counts[i] = seriesOf(r.arrived)
	}
	shipped, perFamily, smallest, every := counts[0], counts[2], counts[3], counts[4]
	for _, c := range costing {
		assert.Equal(t, shipped[c.name], counts[1][c.name], "the names of tcp_check's tags cost something: %s", c.name)
		for metric, count := range shipped[c.name] {
			assert.Equal(t, count, every[c.name][metric], "an attribute costs something: %s of %s", metric, c.name)
		}
		least := map[string]int{canConnect: 1}
		switch c.name {
		case upTLS:
			least[verified], least[chainTimeLeft] = 1, 1
		case upSteps:
			least[dialogOK] = 1
		}
		assert.Equal(t, least, smallest[c.name], c.name)
		assert.Len(t, perFamily[c.name], len(least), c.name)
	}
	assert.Equal(t, shipped[""], smallest[""], "the exporter's own")
	assert.Equal(t, 1, every[upIPv4Only][lookupDuration])
	assert.True(t, slices.ContainsFunc(of(runs[0].arrived, downThenUp), func(p point) bool {
		return p.metric == failures && p.value == 0
	}), "the count of failures ends with them")

	metrics := [][]string{{"metric", "default", "up over one family", "up over two", "down over one", "down over two", "up over one, another omitted", "up over two, with `tls`", "up over two, with `steps`"}}
	for _, m := range [][2]string{
		{canConnect, "on"},
		{responseTime, "on, where the instance collects it"},
		{failures, "on"},
		{familyOmitted, "on"},
		{checks, "off"},
		{synRetransmits, "off"},
		{lookupDuration, "off"},
		{verified, "on, where the instance has `tls`"},
		{timeLeft, "the same"},
		{chainTimeLeft, "the same"},
		{handshakeTime, "the same"},
		{certificates, "the same"},
		{dialogOK, "on, where the instance has `steps`"},
		{dialogTime, "the same"},
	} {
		row := []string{"`" + m[0] + "`", m[1]}
		for _, name := range []string{upIPv4Timed, upBothTimed, downIPv4Timed, downBothTimed, upHalfOmitted, upTLS, upSteps} {
			row = append(row, strconv.Itoa(every[name][m[0]]))
		}
		metrics = append(metrics, row)
	}
	instances := [][]string{{"instance", "datadog.yaml", "datadog-per-family.yaml", "datadog-smallest.yaml"}}
	for _, c := range costing {
		row := []string{c.name}
		for _, counted := range []map[string]map[string]int{shipped, perFamily, smallest} {
			row = append(row, strconv.Itoa(total(counted[c.name])))
		}
		instances = append(instances, row)
	}
	many := [][]string{{"instances", "each of them", "datadog.yaml", "datadog-per-family.yaml", "datadog-smallest.yaml", "`tcp_check`, as documented"}}
	for _, c := range []struct {
		name       string
		documented int
	}{{upIPv4, 1}, {upBothTimed, 2}} {
		for _, n := range []int{1, 100, 10_000} {
			row := []string{thousands(n), c.name}
			for _, each := range []int{total(shipped[c.name]), total(perFamily[c.name]), total(smallest[c.name]), c.documented} {
				row = append(row, thousands(n*each))
			}
			many = append(many, row)
		}
	}
	own := [][]string{{"metric of no instance", "series of each collector"}}
	for _, metric := range slices.Sorted(maps.Keys(shipped[""])) {
		own = append(own, []string{"`" + metric + "`", strconv.Itoa(shipped[""][metric])})
	}

	page := harness.Read(t, costPage)
	lines := 0
	for _, table := range [][][]string{metrics, instances, many, own} {
		text := markdown(table)
		assert.Contains(t, page, "\n"+text+"\n", "the page does not have this table:\n%s", text)
		lines += strings.Count(text, "\n")
	}
	assert.Equal(t, lines, strings.Count(page, "\n|"), "the page has another table")

	// One value for each instance is enough for the monitor.
	alerts := alertsOf(t, "monitor.json", runs[3].arrived)
	for _, c := range costing {
		assert.Equal(t, c.alerts, alerts[c.name], c.name)
	}
	assert.Len(t, alerts, len(costing))
}

// checkCosting returns what arrives of these instances, on a machine of their own, with an
// example and other options of the receiver, after all that can happen to them has happened.
func checkCosting(t *testing.T, example, receiver string, more ...string) []point {
	t.Helper()
	machine := harness.NewMachine(t)
	machine.Listen("tcp", "[::]:1000")
	machine.Listen("tcp4", "0.0.0.0:1001")
	machine.Listen("tcp4", "127.0.0.2:1004")
	moved := machine.Listen("tcp4", "127.0.0.3:1004")
	certificate := testnet.SelfSigned(t, []string{"both.test"})
	testnet.ServeTLS(t, machine.Listen("tcp", "[::]:1005"), func() *tls.Certificate { return &certificate })
	testnet.ServeGreeting(t, machine.Listen("tcp", "[::]:1006"), func() string { return "220 both.test ESMTP\r\n" })
	hosts := filepath.Join(t.TempDir(), "hosts")
	harness.Write(t, hosts, costHosts)
	in := newIntakeAt(t, func(network, address string) (net.Listener, error) { return machine.Listen(network, address), nil })

	var options strings.Builder
	options.WriteString("collection_interval: 1s\nflush_interval: 1s\ninstances:\n")
	for _, c := range costing {
		fmt.Fprintf(&options, "  - {name: %q, %s}\n", c.name, c.options)
	}
	words := commandOf(t, example, in, options.String()+receiver, more...).Args
	command := machine.Command(harness.WithFile("/etc/hosts", hosts, words...).Args...)
	command.Env = environment
	harness.Start(t, command, harness.CollectorReady)
	for _, c := range costing {
		in.await(canConnect, c.name, 1)
	}

	in.await(verified, upTLS, 1)
	in.await(dialogOK, upSteps, 1)
	machine.Listen("tcp4", "0.0.0.0:1003")
	in.awaitThat(canConnect, downThenUp, func(points []point) bool { return points[len(points)-1].value == 1 })
	// In its place, so that no other name is gone for a moment.
	file, err := os.OpenFile(hosts, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte("127.0.0.3 moves"), int64(strings.Index(costHosts, "127.0.0.2 moves")))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, moved.(*net.TCPListener).SetDeadline(time.Now().Add(harness.Patience)))
	_, err = moved.Accept()
	require.NoError(t, err, "nobody has connected to the new address")
	// After three more checks of each, whatever they have has arrived.
	before := in.arrived(canConnect)
	for _, c := range costing {
		enough := len(secondsOf(of(before, c.name))) + 3
		in.awaitThat(canConnect, c.name, func(points []point) bool { return len(secondsOf(points)) >= enough })
	}
	return in.all()
}

// secondsOf returns the seconds that points are of.
func secondsOf(points []point) map[int64]bool {
	found := make(map[int64]bool)
	for _, p := range points {
		found[p.seconds] = true
	}
	return found
}

// seriesOf returns how many series there are of each instance and metric: what differs in its
// metric, tags or host is another one. Those of no instance are the exporter's own.
func seriesOf(points []point) map[string]map[string]int {
	counts, known := make(map[string]map[string]int), make(map[string]bool)
	for _, p := range points {
		series := fmt.Sprintf("%s %q %q", p.metric, p.tags, p.hosts)
		if known[series] {
			continue
		}
		known[series] = true
		instance := p.tags["tcpcheck.instance"]
		if counts[instance] == nil {
			counts[instance] = make(map[string]int)
		}
		counts[instance][p.metric]++
	}
	return counts
}

// total returns the sum of the counts.
func total(counts map[string]int) int {
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}

// thousands returns a number below a million with a comma before its last three digits.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// markdown returns a table, of which the first row is the header.
func markdown(rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			text.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return text.String()
}
