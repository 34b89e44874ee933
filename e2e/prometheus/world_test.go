// Package prometheus tests what a real Prometheus server makes of the receiver's
// metrics, with the files that the repository ships for it.
package prometheus

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

var all = flag.Bool("all", false, "fail where a program that .ci/run installs is missing")

// requireInstalled skips a test for which a program of a Debian package is missing.
func requireInstalled(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if !*all {
			t.Skipf("%s is not installed; .ci/run has the name of the package", program)
		}
		require.NoError(t, err)
	}
}

// Names are those of the world.
func TestMain(m *testing.M) {
	os.Exit(harness.InNamespace("nameserver 127.0.0.1\noptions timeout:1\n", m.Run))
}

// scale is how many times faster than in the shipped files time passes here: a
// check in half a second for one in 15s, an alert after 2s for one after 1m.
const scale = 30

// times are the places of a duration in a YAML file of ours or in an expression
// of PromQL within it.
var times = regexp.MustCompile(`((?:\bfor|keep_firing_for|interval|metric_expiration): |\boffset |\[|:)(\d+[smhd])\b`)

// accelerated returns the text of a shipped file, or a part of it, with all its times divided by
// scale. Nothing else is changed: expressions are tested as they are shipped, but
// for their windows.
func accelerated(t *testing.T, text string) string {
	t.Helper()
	return times.ReplaceAllStringFunc(text, func(place string) string {
		parts := times.FindStringSubmatch(place)
		duration, err := model.ParseDuration(parts[2])
		require.NoError(t, err)
		return fmt.Sprintf("%s%dms", parts[1], time.Duration(duration).Milliseconds()/scale)
	})
}

// collector is a running collector with a Prometheus page.
type collector struct {
	*harness.Program
	page string
	own  string // the page of its own metrics
	file string // of its instances
}

// startCollector runs examples/prometheus.yaml, accelerated, with instances and
// with whatever else is to be different, all of it YAML.
func startCollector(t *testing.T, instances, different string) *collector {
	t.Helper()
	return startCollectorAt(t, harness.FreeAddress(t), instances, different)
}

func startCollectorAt(t *testing.T, page, instances, different string) *collector {
	t.Helper()
	folder := t.TempDir()
	c := &collector{page: page, own: harness.FreeAddress(t), file: filepath.Join(folder, "instances.yaml")}
	c.configure(t, 0, instances)
	harness.Write(t, filepath.Join(folder, "example.yaml"), accelerated(t, harness.Read(t, "../../examples/prometheus.yaml")))
	_, port, err := net.SplitHostPort(c.own)
	require.NoError(t, err)
	harness.Write(t, filepath.Join(folder, "different.yaml"), fmt.Sprintf(`
exporters: {prometheus: {endpoint: %q}}
service: {telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %s}}}}]}}}
`, page, port))
	args := []string{harness.Binary(t, "COLLECTOR", "e2e-prometheus")}
	for _, name := range []string{"example.yaml", "instances.yaml", "different.yaml"} {
		args = append(args, "--config", filepath.Join(folder, name))
	}
	args = append(args, "--config", "yaml:"+flush)
	if different != "" {
		args = append(args, "--config", "yaml:"+different)
	}
	c.Program = harness.Start(t, exec.Command(args[0], args[1:]...), harness.CollectorReady)
	return c
}

// reloadWith lets a running collector go on with other instances.
func (c *collector) reloadWith(t *testing.T, instances string) {
	t.Helper()
	c.configure(t, 0, instances)
	c.Reload()
}

// flush hands the results over as many times in an interval as it does where time is not
// accelerated.
var flush = fmt.Sprintf("receivers::tcpcheck::flush_interval: %v", 5*time.Second/scale)

// configure writes the instances that the collector gets when it is started or
// reloaded, and the time until their first checks.
func (c *collector) configure(t *testing.T, delay time.Duration, instances string) {
	t.Helper()
	harness.Write(t, c.file, fmt.Sprintf("receivers: {tcpcheck: {initial_delay: %v, instances: [\n%s]}}\n", delay, instances))
}

// startQuickstart runs examples/quickstart.yaml with what is to be different, all of it
// YAML.
func startQuickstart(t *testing.T, different ...string) *harness.Program {
	t.Helper()
	args := []string{"--config", "../../examples/quickstart.yaml", "--config", "yaml:service::telemetry::logs::level: info"}
	for _, text := range different {
		args = append(args, "--config", "yaml:"+text)
	}
	return harness.Start(t, exec.Command(harness.Binary(t, "COLLECTOR", "e2e-prometheus"), args...), harness.CollectorReady)
}

// quickstartPages are those of the quickstart.
var quickstartPages = &collector{page: "localhost:9464", own: "localhost:18888"}

// world is a network of names and services.
type world struct {
	hosts *peers.Hosts // far away
	dns   *dnsserver.Server
}

// newWorld returns a world for the time of a test, which is skipped where there
// can be none.
func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{hosts: peers.New(t), dns: dnsserver.New(t, "127.0.0.1:53")}
}

// resolve gives names these addresses; without one they do not exist any more.
func (w *world) resolve(name string, addresses ...string) {
	var answer dnsserver.Answer
	if len(addresses) == 0 {
		answer.Code = dnsserver.NXDomain
	}
	for _, address := range addresses {
		answer.Addrs = append(answer.Addrs, netip.MustParseAddr(address))
	}
	w.dns.Set(name, dnsserver.Both(answer))
}

// service is a port of loopback addresses on which listeners come and go.
type service struct {
	t    *testing.T
	port uint16 // 0 until it listens
	// listeners are those that are open, by address.
	listeners map[string]net.Listener
}

// newService returns a service that listens on addresses.
func newService(t *testing.T, addresses ...string) *service {
	t.Helper()
	s := &service{t: t, listeners: make(map[string]net.Listener)}
	t.Cleanup(func() {
		for address := range s.listeners {
			s.down(address)
		}
	})
	s.up(addresses...)
	return s
}

// instance returns the options of an instance that checks the service over IPv4.
func (s *service) instance(name string) string {
	return fmt.Sprintf("{name: %s, endpoint: '127.0.0.1:%d'},\n", name, s.port)
}

// up opens the port of addresses.
func (s *service) up(addresses ...string) {
	s.t.Helper()
	for _, address := range addresses {
		listener := peers.Accept(s.t, net.JoinHostPort(address, fmt.Sprint(s.port)))
		s.port = netip.MustParseAddrPort(listener.Addr().String()).Port()
		s.listeners[address] = listener
	}
}

// down closes the port of an address.
func (s *service) down(address string) {
	s.t.Helper()
	require.NoError(s.t, s.listeners[address].Close())
	delete(s.listeners, address)
}

// tlsOptions returns the options of an instance that trusts an authority, and of one that trusts another.
func tlsOptions(t *testing.T, trusted *testnet.Authority) (trusting, untrusting string) {
	t.Helper()
	const format = "tls: {interval: 1s, ca_file: %s}"
	file := filepath.Join(t.TempDir(), "ca.pem")
	harness.Write(t, file, string(trusted.PEM()))
	other := filepath.Join(t.TempDir(), "other.pem")
	harness.Write(t, other, string(testnet.NewAuthority(t).PEM()))
	return fmt.Sprintf(format, file), fmt.Sprintf(format, other)
}

// lookBack is how long the server takes the last sample of a series for its
// present value: its default of 5m, accelerated.
const lookBack = 5 * time.Minute / scale

// server is a running Prometheus server.
type server struct {
	t   *testing.T
	api promv1.API
}

// startServer runs a server with the shipped configuration and rules, accelerated,
// that scrapes the pages of a collector. Replacements are pairs of a text of the configuration and
// what is to be in its place.
func startServer(t *testing.T, c *collector, replacements ...string) *server {
	t.Helper()
	folder := t.TempDir()
	config := accelerated(t, harness.Read(t, "../../prometheus/prometheus.yml"))
	replacements = append([]string{"localhost:9464", c.page, "localhost:9466", c.own}, replacements...)
	for pair := range slices.Chunk(replacements, 2) {
		require.Contains(t, config, pair[0])
		config = strings.ReplaceAll(config, pair[0], pair[1])
	}
	harness.Write(t, filepath.Join(folder, "prometheus.yml"), config)
	for _, rules := range []string{"tcpcheck.rules.yml", "tcpcheck-slo.rules.yml"} {
		harness.Write(t, filepath.Join(folder, rules), accelerated(t, harness.Read(t, "../../prometheus/"+rules)))
	}
	address := harness.FreeAddress(t)
	harness.Start(t, exec.Command(harness.Binary(t, "PROMETHEUS", "e2e-prometheus"),
		"--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+address,
		fmt.Sprintf("--query.lookback-delta=%v", lookBack),
	), "Server is ready to receive web requests")
	client, err := api.NewClient(api.Config{Address: "http://" + address})
	require.NoError(t, err)
	return &server{t: t, api: promv1.NewAPI(client)}
}

// query returns what the server answers now.
func (s *server) query(expression string) model.Vector {
	s.t.Helper()
	answer, _, err := s.api.Query(s.t.Context(), expression, time.Now())
	require.NoError(s.t, err, expression)
	require.IsType(s.t, model.Vector{}, answer, expression)
	return answer.(model.Vector)
}

// await asks until the answer is what is wanted.
func (s *server) await(expression string, wanted func(model.Vector) bool) {
	s.t.Helper()
	var answer model.Vector
	require.True(s.t, await(func() bool {
		answer = s.query(expression)
		return wanted(answer)
	}), "%s is\n%s", expression, &answer)
}

// await reports whether something has become so in time. It asks in the test's own goroutine,
// and leaves nothing running, as require.Eventually would while a query is under way.
func await(so func() bool) bool {
	tick, late := time.NewTicker(100*time.Millisecond), time.After(harness.Patience)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			return false
		}
	}
	return true
}

// awaitSome asks until there is an answer.
func (s *server) awaitSome(expression string) {
	s.t.Helper()
	s.await(expression, func(answer model.Vector) bool { return len(answer) > 0 })
}

// awaitLines asks until the answer, a line with the values of some labels for
// each sample, is this.
func (s *server) awaitLines(expression string, labels []model.LabelName, lines ...string) {
	s.t.Helper()
	slices.Sort(lines)
	s.await(expression, func(answer model.Vector) bool { return slices.Equal(linesOf(answer, labels), lines) })
}

// linesOf returns a line with the values of some labels for each sample, sorted.
func linesOf(answer model.Vector, labels []model.LabelName) []string {
	var lines []string
	for _, sample := range answer {
		var values []string
		for _, label := range labels {
			if value, ok := sample.Metric[label]; ok {
				values = append(values, string(value))
			}
		}
		lines = append(lines, strings.Join(values, " "))
	}
	slices.Sort(lines)
	return lines
}
