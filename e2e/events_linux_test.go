package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// recordedEvent is an event as it came to a recorder.
type recordedEvent struct {
	service              string
	name, body, severity string
	attributes           map[string]any
	at, observed         time.Time
}

// eventRecorder takes events by OTLP.
type eventRecorder struct {
	t      *testing.T
	mu     sync.Mutex
	events []recordedEvent
}

func (r *eventRecorder) take(logs plog.Logs) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				r.events = append(r.events, recordedEvent{
					service: harness.Text(resource.Resource().Attributes(), "service.name"), name: record.EventName(), body: record.Body().Str(), severity: record.SeverityText(), attributes: record.Attributes().AsRaw(),
					at: record.Timestamp().AsTime(), observed: record.ObservedTimestamp().AsTime(),
				})
			}
		}
	}
}

// await returns the events that came since the last call of it, once there are so many of a name.
func (r *eventRecorder) await(name string, n int) []recordedEvent {
	r.t.Helper()
	var events []recordedEvent
	require.Eventually(r.t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		found := 0
		for _, event := range r.events {
			if event.name == name {
				found++
			}
		}
		if found < n {
			return false
		}
		events, r.events = r.events, nil
		return true
	}, harness.Patience, 20*time.Millisecond, "%d of %s", n, name)
	return events
}

// of returns the events of a name.
func of(events []recordedEvent, name string) []recordedEvent {
	return slices.DeleteFunc(slices.Clone(events), func(e recordedEvent) bool { return e.name != name })
}

// The targets of shops and banks, each in a network of its own.
const eachOf = 12

func addressOf(network, i int) string { return fmt.Sprintf("10.%d.%d.1", network, i) }

// watchedFrom is a collector on a machine of its own, which checks the shops and banks of another one.
type watchedFrom struct {
	*eventRecorder
	collector *harness.Program
	far       *harness.Machine
	cable     *harness.Cable
	page      reader
}

func watchShopsAndBanks(t *testing.T) *watchedFrom {
	t.Helper()
	near, far := harness.NewMachine(t), harness.NewMachine(t)
	w := &watchedFrom{eventRecorder: &eventRecorder{t: t}, far: far, cable: connect(30, near, far)}
	w.page = func() (harness.Page, error) { return near.ReadPage("127.0.0.1:9464") }
	near.IP("route", "add", "10.0.0.0/8", "via", far4(30).Addr().String())
	far.Listen("tcp4", "0.0.0.0:80")
	var instances strings.Builder
	for network, service := range map[int]string{2: "shop", 3: "bank"} {
		for i := range eachOf {
			far.IP("addr", "add", addressOf(network, i)+"/32", "dev", "lo")
			fmt.Fprintf(&instances, "      - {name: %s %d, host: %s, port: 80, service: %s, tags: ['env:prod']}\n", service, i, addressOf(network, i), service)
		}
	}
	harness.StartLogSink(t, near.Listen("tcp4", "127.0.0.1:4318"), w.take)
	file := filepath.Join(t.TempDir(), "collector.yaml")
	harness.Write(t, file, `
receivers:
  tcpcheck:
    collection_interval: 1s
    flush_interval: 500ms
    defaults: {timeout: 500ms}
    instances:
`+instances.String()+`
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:4318
    sending_queue: {num_consumers: 1} # several would send side by side
  prometheus: {endpoint: "127.0.0.1:9464", metric_expiration: 1m}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [prometheus]}
    logs: {receivers: [tcpcheck], exporters: [otlp_http]}
`)
	command := near.Command(binary(t), "--config", file)
	command.Env = os.Environ()
	w.collector = harness.Start(t, command, harness.CollectorReady)
	w.awaitPage(2*eachOf, 0)
	return w
}

// awaitPage waits until so many targets connect, and the machine has an outage or has none.
func (w *watchedFrom) awaitPage(up int, outage float64) {
	w.t.Helper()
	harness.AwaitPage(w.t, w.page, func(page harness.Page) bool {
		connects := 0
		for _, value := range page.Values("network_tcp_can_connect") {
			connects += int(value)
		}
		outages := page.Values("tcpcheck_machine_outage")
		for _, value := range outages {
			if value != outage {
				return false
			}
		}
		return connects == up && len(outages) == 1
	})
}

// assertEach asserts that there is one event of a name for each of n targets, with the sentence of a line of
// the log; those of a service in the order in which they were observed.
func (w *watchedFrom) assertEach(events []recordedEvent, name string, n int) {
	w.t.Helper()
	said := make(map[string]bool)
	last := make(map[string]time.Time) // by service
	for _, event := range of(events, name) {
		assert.False(w.t, said[event.body], "twice: %s", event.body)
		said[event.body] = true
		w.collector.Await(event.body)
		assert.Equal(w.t, "prod", event.attributes["env"])
		assert.False(w.t, event.observed.Before(event.at))
		assert.False(w.t, event.observed.Before(last[event.service]), "it comes too late: %s", event.body)
		last[event.service] = event.observed
	}
	assert.Len(w.t, said, n, name)
}

// A cable that is cut is one warning and one event about this machine, and each target has its event
// once, in the log's words; when it is mended, the same. The values stay what was measured.
func TestEventsOfACutCable(t *testing.T) {
	w := watchShopsAndBanks(t)
	w.cable.Cut()
	events := w.await("tcpcheck.outage.began", 1)
	w.awaitPage(0, 1)
	w.assertEach(events, "tcpcheck.address.down", 2*eachOf)
	began := of(events, "tcpcheck.outage.began")
	require.Len(t, began, 1)
	assert.Equal(t, "tcpcheck.outage.began", events[len(events)-1].name, "it comes once all of them are down")
	assert.Equal(t, "WARN", began[0].severity)
	assert.Contains(t, began[0].body, "ipv4 of this machine: 24 of 24 targets in 10.2.0.0/15 down since ")
	assert.Equal(t, "machine", began[0].attributes["tcpcheck.outage.scope"])
	assert.EqualValues(t, 2*eachOf, began[0].attributes["tcpcheck.outage.down"])
	w.collector.Await("ipv4 of this machine: 24 of 24 targets")

	w.cable.Mend()
	events = w.await("tcpcheck.address.up", 2*eachOf)
	w.awaitPage(2*eachOf, 0)
	w.assertEach(events, "tcpcheck.address.up", 2*eachOf)
	assert.Empty(t, of(events, "tcpcheck.outage.began"))
	if len(of(events, "tcpcheck.outage.ended")) == 0 {
		w.await("tcpcheck.outage.ended", 1)
	}
	assert.NotContains(t, w.collector.Output(), "stopped answering", "one warning says it")
}

// Where half of the network is out of reach, it is said of the service that is there, and not of this
// machine.
func TestEventsOfHalfANetwork(t *testing.T) {
	w := watchShopsAndBanks(t)
	rules := filepath.Join(t.TempDir(), "rules")
	harness.Write(t, rules, "table ip half {\nchain input { type filter hook input priority 0; ip daddr 10.2.0.0/16 drop; }\n}\n")
	said, err := w.far.Command("nft", "-f", rules).CombinedOutput()
	require.NoError(t, err, "%s", said)
	events := w.await("tcpcheck.outage.began", 1)
	w.awaitPage(eachOf, 0)
	w.assertEach(events, "tcpcheck.address.down", eachOf)
	began := of(events, "tcpcheck.outage.began")
	require.Len(t, began, 1)
	assert.Contains(t, began[0].body, "service shop over ipv4: 12 of 12 targets in 10.2.0.0/20 down since ")
	for _, down := range of(events, "tcpcheck.address.down") {
		peer, err := netip.ParseAddr(fmt.Sprint(down.attributes["network.peer.address"]))
		require.NoError(t, err)
		assert.True(t, netip.MustParsePrefix("10.2.0.0/16").Contains(peer))
		assert.Equal(t, "timeout", down.attributes["error.type"])
		assert.NotZero(t, down.attributes["network.local.port"], "the flow")
	}

	said, err = w.far.Command("nft", "delete", "table", "ip", "half").CombinedOutput()
	require.NoError(t, err, "%s", said)
	events = w.await("tcpcheck.outage.ended", 1)
	w.awaitPage(2*eachOf, 0)
	assert.Equal(t, "shop", of(events, "tcpcheck.outage.ended")[0].attributes["tcpcheck.outage.name"])
	if ups := of(events, "tcpcheck.address.up"); len(ups) < eachOf {
		w.await("tcpcheck.address.up", eachOf-len(ups))
	}
}
