// Package faults tests what is reported and logged of each fault that a network
// can have, in a network namespace of its own.
package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/tunpeer"
)

// The process has one resolver, set before anything can resolve: Go goes on with
// a lookup for a while after its end, and reads net.DefaultResolver then.
func TestMain(m *testing.M) {
	os.Exit(tunpeer.InNamespace(func() int {
		if tunpeer.Available() == nil {
			if err := mountResolv(); err != nil {
				fmt.Fprintln(os.Stderr, "resolv.conf:", err)
				return 1
			}
		}
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return (*nameServer.Load())(ctx, network, address)
		}}
		return m.Run()
	}))
}

// The name servers and the search list of resolv.conf. The tests' own name server
// answers in the place of both, unless a test says otherwise.
const (
	firstServer  = "::1"
	secondServer = "127.0.0.1"
	resolvConf   = "nameserver " + firstServer + "\nnameserver " + secondServer + "\nsearch corp.test wild.test\noptions timeout:1 attempts:1\n"
)

// mountResolv puts resolvConf in the place of the machine's, for this process.
func mountResolv() error {
	file, err := os.CreateTemp("", "resolv.conf")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(resolvConf)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return unix.Mount(file.Name(), "/etc/resolv.conf", "", unix.MS_BIND, "")
}

// nameServer dials the name server of the test that runs.
var nameServer atomic.Pointer[dialFunc]

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func setNameServer(dial dialFunc) { nameServer.Store(&dial) }

// patience bounds every wait for an event that is certain to come.
const patience = time.Minute

// The prefixes that are the peer's, but for the first address of each: those for
// benchmarks (RFC 2544) and for documentation (RFC 3849).
var (
	prefix4 = netip.MustParsePrefix("198.18.0.0/16")
	prefix6 = netip.MustParsePrefix("2001:db8:1::/64")
)

// world is the network that a test checks.
type world struct {
	t    *testing.T
	peer *tunpeer.Peer
	dns  *dnsserver.Server
}

// newWorld returns a world for the time of a test. Names are resolved by its DNS
// server, in the whole process.
func newWorld(t *testing.T) *world {
	t.Helper()
	tunpeer.Require(t)
	peer, err := tunpeer.Open("peer0", prefix4, prefix6)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, peer.Close()) })
	w := &world{t: t, peer: peer, dns: dnsserver.New(t)}
	setNameServer(w.dns.Resolver().Dial)
	return w
}

// in returns the world for the time of a subtest.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	return &world{t: t, peer: w.peer, dns: w.dns}
}

// run runs a command that sets the network up, and undo at the end of the test.
func (w *world) run(command string, undo ...string) {
	w.t.Helper()
	w.shell(command)
	for _, command := range undo {
		w.t.Cleanup(func() { w.shell(command) })
	}
}

func (w *world) shell(command string) {
	w.t.Helper()
	output, err := exec.Command("sh", "-ec", command).CombinedOutput()
	require.NoError(w.t, err, "%s: %s", command, output)
}

// sysctl sets a parameter of the namespace for the time of the test.
func (w *world) sysctl(name, value string) {
	w.t.Helper()
	file := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	before, err := os.ReadFile(file)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(file, []byte(value), 0o600))
	w.t.Cleanup(func() { require.NoError(w.t, os.WriteFile(file, before, 0o600)) })
}

// nft loads rules into a table of their own, for the time of the test.
func (w *world) nft(rules string) {
	w.t.Helper()
	w.run(fmt.Sprintf("nft -f - <<'EOF'\ntable inet test {\n%s\n}\nEOF", rules), "nft delete table inet test")
}

// running is a receiver under test.
type running struct {
	t           *testing.T
	receiver    collector.Metrics
	collections chan []string
	logs        *observer.ObservedLogs
}

// start starts a receiver with options and one instance, of which all is YAML. After each
// collection, next is called before another one begins.
func (w *world) start(options, instance string, next func()) *running {
	w.t.Helper()
	return startReceiver(w.t, decode(w.t, options+"\ninitial_delay: 0\ninstances:\n  - {name: x, "+instance+"}"), next)
}

// decode returns a valid configuration of the receiver.
func decode(t *testing.T, yaml string) component.Config {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	config := factory.CreateDefaultConfig()
	require.NoError(t, conf.Unmarshal(config))
	require.NoError(t, confmap.Validate(config))
	return config
}

var factory = tcpcheckreceiver.NewFactory()

func startReceiver(t *testing.T, config component.Config, next func()) *running {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	settings := receivertest.NewNopSettings(factory.Type())
	settings.Logger = zap.New(core)
	r := &running{t: t, collections: make(chan []string, 1000), logs: logs}
	sink := &consumer{MetricsSink: new(consumertest.MetricsSink), consumed: func(metrics pmetric.Metrics) {
		if next != nil {
			next()
		}
		r.collections <- points(metrics)
	}}
	var err error
	r.receiver, err = factory.CreateMetrics(context.Background(), settings, config, sink)
	require.NoError(t, err)
	require.NoError(t, r.receiver.Start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, r.receiver.Shutdown(context.Background())) })
	return r
}

// consumer hands each collection on while the receiver waits.
type consumer struct {
	*consumertest.MetricsSink
	consumed func(pmetric.Metrics)
}

func (c *consumer) ConsumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	c.consumed(metrics)
	return nil
}

// collection returns the next collection, as lines of "family address value" for
// can_connect and "family error.type" for new errors, sorted.
func (r *running) collection() []string {
	r.t.Helper()
	select {
	case lines := <-r.collections:
		return lines
	case <-time.After(patience):
		require.FailNow(r.t, "no collection")
		return nil
	}
}

// points returns a line for each point of a collection: "ipv4 192.0.2.1 1" for
// can_connect, "ipv4 timeout 1" for errors, and "-" for what there is not.
func points(metrics pmetric.Metrics) []string {
	var lines []string
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			var key string
			var data pmetric.NumberDataPointSlice
			switch metric.Name() {
			case "network.tcp.can_connect":
				key, data = "network.peer.address", metric.Gauge().DataPoints()
			case "tcpcheck.errors":
				key, data = "error.type", metric.Sum().DataPoints()
			default:
				continue
			}
			for _, point := range data.All() {
				if point.Flags().NoRecordedValue() {
					continue // the series has ended
				}
				family, subject := "-", "-"
				if value, ok := point.Attributes().Get("network.type"); ok {
					family = value.Str()
				}
				if value, ok := point.Attributes().Get(key); ok {
					subject = value.Str()
				}
				lines = append(lines, fmt.Sprintf("%s %s %d", family, subject, point.IntValue()))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// entries is how full the connection tracking table is, and what is said of that.
var entries = regexp.MustCompile(`: \d+ of \d+ entries \(nf_conntrack_max\)\. A check that connects leaves an entry for 2m0s, so there is room for \d+ checks a second .+`)

// logged returns the messages that were logged since the last call, but for the
// text of a hint.
func (r *running) logged() []string {
	var messages []string
	for _, entry := range r.logs.TakeAll() {
		message := entry.Message
		if err, ok := entry.ContextMap()["error"]; ok && message == "Error scraping metrics" {
			message += fmt.Sprintf(": %v", err)
		}
		message = entries.ReplaceAllString(message, ": ENTRIES")
		if hint, ok := entry.ContextMap()["hint"].(string); ok {
			sentence, _, _ := strings.Cut(hint, ".")
			message += " (" + sentence + ")"
		}
		messages = append(messages, message)
	}
	return messages
}
