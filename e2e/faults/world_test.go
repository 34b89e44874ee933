// Package faults tests what is reported and logged of each fault that a network
// can have, in a network namespace of its own.
package faults

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

// The name servers and the search list of resolv.conf. The tests' own name server
// answers in the place of both, unless a test says otherwise.
const (
	firstServer  = "::1"
	secondServer = "127.0.0.1"
	resolvConf   = "nameserver " + firstServer + "\nnameserver " + secondServer + "\nsearch corp.test wild.test\noptions timeout:1 attempts:1\n"
)

// The process has one resolver, set before anything can resolve: Go goes on with
// a lookup for a while after its end, and reads net.DefaultResolver then.
func TestMain(m *testing.M) {
	os.Exit(harness.InNamespace(resolvConf, func() int {
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return (*nameServer.Load())(ctx, network, address)
		}}
		return m.Run()
	}))
}

// nameServer dials the name server of the test that runs.
var nameServer atomic.Pointer[dialFunc]

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// setNameServer has names resolved by a name server.
func setNameServer(dial dialFunc) { nameServer.Store(&dial) }

// world is the network that a test checks.
type world struct {
	t     *testing.T
	hosts *peers.Hosts
	dns   *dnsserver.Server
	port  uint16 // that a situation is about
}

// newWorld returns a world for the time of a test.
func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, hosts: peers.New(t), dns: dnsserver.New(t, "127.0.0.1:0")}
}

// in returns the world for the time of a subtest. Names are resolved by its DNS server,
// in the whole process, unless the subtest has another one.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	setNameServer(w.dns.Dial)
	return &world{t: t, hosts: w.hosts, dns: w.dns}
}

// running is a receiver under test, with one instance, whose checks begin when the test
// says so.
type running struct {
	t        *testing.T
	receiver collector.Metrics
	due      chan struct{} // a check is to begin
	begin    chan struct{} // and may
	payloads chan pmetric.Metrics
	logs     *observer.ObservedLogs
}

// start starts a receiver with a configuration in YAML. What a check finds is handed over
// before the next one begins, in a payload of its own.
func start(t *testing.T, config string) *running {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte("initial_delay: 0\nflush_interval: 1ms\n" + config))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	core, logs := observer.New(zapcore.InfoLevel)
	r := &running{t: t, due: make(chan struct{}), begin: make(chan struct{}), payloads: make(chan pmetric.Metrics, 1000), logs: logs}
	r.receiver = harness.StartReceiverGated(t, conf, zap.New(core), r.gate, func(_ context.Context, metrics pmetric.Metrics) error {
		if len(points(metrics)) > 0 {
			r.payloads <- metrics
		}
		return nil
	})
	t.Cleanup(func() { assert.NoError(t, r.receiver.Shutdown(context.Background())) })
	return r
}

// gate holds a check until the test lets it begin.
func (r *running) gate(ctx context.Context) {
	for _, step := range []chan struct{}{r.due, r.begin} {
		select {
		case step <- struct{}{}:
		case <-ctx.Done():
		}
	}
}

// awaitDue returns once a check is about to begin: the one before has ended then.
func (r *running) awaitDue() {
	r.t.Helper()
	select {
	case <-r.due:
	case <-time.After(harness.Patience):
		require.FailNow(r.t, "no check is due")
	}
}

// check lets the check begin that is due.
func (r *running) check() { <-r.begin }

// payload returns the next one.
func (r *running) payload() pmetric.Metrics {
	r.t.Helper()
	select {
	case metrics := <-r.payloads:
		return metrics
	case <-time.After(harness.Patience):
		require.FailNow(r.t, "no payload")
		return pmetric.Metrics{}
	}
}

// points returns a line for each point of a payload: "ipv4 192.0.2.1 1" for
// can_connect, "ipv4 timeout 1" for errors, with who said so if that is not the host itself by a
// reset, and "-" for what there is not. They are sorted.
func points(metrics pmetric.Metrics) []string {
	lines := []string{}
	for name, key := range map[string]string{"network.tcp.can_connect": "network.peer.address", "tcpcheck.errors": "error.type"} {
		for _, point := range harness.Points(metrics, name) {
			family, subject := harness.Text(point.Attributes(), "network.type"), harness.Text(point.Attributes(), key)
			if source := harness.Text(point.Attributes(), "tcpcheck.error.source"); source != "" && source != "peer" {
				subject += " by " + source
			}
			lines = append(lines, fmt.Sprintf("%s %s %d", cmp.Or(family, "-"), cmp.Or(subject, "-"), point.IntValue()))
		}
	}
	slices.Sort(lines)
	return lines
}

// entries is how full the connection tracking table is, and what is said of that.
var entries = regexp.MustCompile(`: \d+ of \d+ entries \(nf_conntrack_max\)\. A check that connects leaves an entry for 2m0s, so there is room for \d+ checks a second .+`)

// awaitLogged returns the messages that are logged once there are so many that were not
// returned before, but for the text of a hint.
func (r *running) awaitLogged(n int) []string {
	r.t.Helper()
	for began, poll := time.Now(), time.Tick(time.Millisecond); r.logs.Len() < n && time.Since(began) < harness.Patience; {
		<-poll
	}
	messages := []string{}
	for _, entry := range r.logs.TakeAll() {
		message := entries.ReplaceAllString(entry.Message, ": ENTRIES")
		if hint, ok := entry.ContextMap()["tcpcheck.hint"].(string); ok {
			sentence, _, _ := strings.Cut(hint, ".")
			message += " (" + sentence + ")"
		}
		messages = append(messages, message)
	}
	return messages
}
