// Package prometheus tests what a real Prometheus server makes of the receiver's
// metrics, with the files that the repository ships for it.
package prometheus

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/process"
	"example.com/tcpcheckreceiver/e2e/tunpeer"
)

func TestMain(m *testing.M) { os.Exit(tunpeer.InNamespace(m.Run)) }

// scale is how many times faster than in the shipped files time passes here: a
// check in half a second for one in 15s, an alert after 2s for one after 1m.
const scale = 30

// times are the places of a duration in a YAML file of ours or in an expression
// of PromQL within it.
var times = regexp.MustCompile(`((?:\bfor|keep_firing_for|interval|metric_expiration): |\boffset |\[|:)(\d+[smhd])\b`)

// accelerated returns the text of a shipped file with all its times divided by
// scale. Nothing else is changed: expressions are tested as they are shipped, but
// for their windows.
func accelerated(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return times.ReplaceAllStringFunc(string(text), func(place string) string {
		parts := times.FindStringSubmatch(place)
		duration, err := model.ParseDuration(parts[2])
		require.NoError(t, err)
		return fmt.Sprintf("%s%dms", parts[1], time.Duration(duration).Milliseconds()/scale)
	})
}

// collector is a running collector with a Prometheus page.
type collector struct {
	*process.Process
	page string
	own  string // the page of its own metrics
	file string // of its instances
}

// startCollector runs examples/prometheus.yaml, accelerated, with instances and
// with whatever else is to be different, all of it YAML.
func startCollector(t *testing.T, instances, different string) *collector {
	t.Helper()
	return startCollectorAt(t, process.FreeAddress(t), instances, different)
}

func startCollectorAt(t *testing.T, page, instances, different string) *collector {
	t.Helper()
	folder := t.TempDir()
	c := &collector{page: page, own: process.FreeAddress(t), file: filepath.Join(folder, "instances.yaml")}
	c.configure(t, instances)
	write(t, filepath.Join(folder, "example.yaml"), accelerated(t, "../../examples/prometheus.yaml"))
	_, port, err := net.SplitHostPort(c.own)
	require.NoError(t, err)
	write(t, filepath.Join(folder, "different.yaml"), fmt.Sprintf(`
exporters: {prometheus: {endpoint: %q}}
service: {telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %s}}}}]}}}
`, page, port))
	args := []string{process.Program(t, "COLLECTOR", "e2e-prometheus")}
	for _, name := range []string{"example.yaml", "instances.yaml", "different.yaml"} {
		args = append(args, "--config", filepath.Join(folder, name))
	}
	if different != "" {
		args = append(args, "--config", "yaml:"+different)
	}
	if tunpeer.Available() == nil { // names are those of the world
		resolv := filepath.Join(folder, "resolv.conf")
		write(t, resolv, "nameserver 127.0.0.1\noptions timeout:1\n")
		args = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`, "sh", resolv}, args...)
	}
	c.Process = process.Start(t, exec.Command(args[0], args[1:]...), process.CollectorReady)
	return c
}

// configure writes the instances that the collector gets when it is started or
// reloaded.
func (c *collector) configure(t *testing.T, instances string) {
	t.Helper()
	c.delayed(t, 0, instances)
}

// reload lets a running collector go on with other instances.
func (c *collector) reload(t *testing.T, instances string) {
	t.Helper()
	c.configure(t, instances)
	c.hangUp(t)
}

// hangUp has the collector read its configuration again.
func (c *collector) hangUp(t *testing.T) {
	t.Helper()
	require.NoError(t, syscall.Kill(c.PID(), syscall.SIGHUP))
}

// delayed is configure with a time until the first checks.
func (c *collector) delayed(t *testing.T, delay time.Duration, instances string) {
	t.Helper()
	write(t, c.file, fmt.Sprintf("receivers: {tcpcheck: {initial_delay: %v, instances: [\n%s]}}\n", delay, instances))
}

// startQuickstart runs examples/quickstart.yaml with what is to be different, all of it
// YAML.
func startQuickstart(t *testing.T, different ...string) *process.Process {
	t.Helper()
	args := []string{"--config", "../../examples/quickstart.yaml", "--config", "yaml:service::telemetry::logs::level: info"}
	for _, text := range different {
		args = append(args, "--config", "yaml:"+text)
	}
	return process.Start(t, exec.Command(process.Program(t, "COLLECTOR", "e2e-prometheus"), args...), process.CollectorReady)
}

// quickstartPages are those of the quickstart.
var quickstartPages = &collector{page: "localhost:9464", own: "localhost:18888"}

// world is a network of names and services.
type world struct {
	peer *tunpeer.Peer // far away
	dns  *dnsserver.Server
}

// The prefixes that are the peer's, but for the first address of each: those for
// benchmarks (RFC 2544) and for documentation (RFC 3849).
var (
	prefix4 = netip.MustParsePrefix("198.18.0.0/16")
	prefix6 = netip.MustParsePrefix("2001:db8:1::/64")
)

// newWorld returns a world for the time of a test, which is skipped where there
// can be none.
func newWorld(t *testing.T) *world {
	t.Helper()
	tunpeer.Require(t)
	peer, err := tunpeer.Open("peer0", prefix4, prefix6)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, peer.Close()) })
	return &world{peer: peer, dns: dnsserver.NewAt(t, netip.MustParseAddrPort("127.0.0.1:53"))}
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
	for _, address := range addresses {
		s.up(address)
	}
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
		listener, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(s.port)))
		require.NoError(s.t, err)
		s.port = netip.MustParseAddrPort(listener.Addr().String()).Port()
		s.listeners[address] = listener
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return // it is closed
				}
				_ = conn.Close()
			}
		}()
	}
}

// down closes the port of addresses.
func (s *service) down(addresses ...string) {
	s.t.Helper()
	for _, address := range addresses {
		require.NoError(s.t, s.listeners[address].Close())
		delete(s.listeners, address)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}
