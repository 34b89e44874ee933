package factory

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// host is one of a part, which is told its status.
type host struct {
	mu       sync.Mutex
	statuses []componentstatus.Status
}

func (*host) GetExtensions() map[component.ID]component.Component { return nil }

func (h *host) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statuses = append(h.statuses, event.Status())
}

func (h *host) told() []componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]componentstatus.Status{}, h.statuses...)
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	require.Eventually(t, so, time.Minute, time.Millisecond)
}

// pair is a receiver in a pipeline of metrics and in one of logs.
type pair struct {
	metrics collector.Metrics
	logs    collector.Logs
}

// each calls do for both, in either order.
func (p pair) each(logsFirst bool, do func(component.Component)) {
	parts := []component.Component{p.metrics, p.logs}
	if logsFirst {
		parts[0], parts[1] = parts[1], parts[0]
	}
	for _, part := range parts {
		do(part)
	}
}

func configOf(t *testing.T, options map[string]any) *Config {
	t.Helper()
	config := createDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(options).Unmarshal(config))
	return config.(*Config)
}

// newPair returns both parts of a receiver.
func newPair(t *testing.T, f collector.Factory, config *Config, metrics consumer.Metrics, logs consumer.Logs) pair {
	t.Helper()
	set, ctx := receivertest.NewNopSettings(metadata.Type), context.Background()
	ofMetrics, err := f.CreateMetrics(ctx, set, config, metrics)
	require.NoError(t, err)
	ofLogs, err := f.CreateLogs(ctx, set, config, logs)
	require.NoError(t, err)
	return pair{ofMetrics, ofLogs}
}

// A receiver in a pipeline of metrics and in one of logs checks once, whatever the order of the calls,
// and can be made anew once it is shut down.
func TestOneReceiverInBothPipelines(t *testing.T) {
	for _, logsFirst := range []bool{false, true} {
		t.Run(fmt.Sprint("logs first: ", logsFirst), func(t *testing.T) {
			var mu sync.Mutex
			connections := 0
			up := testnet.ListenFunc(t, "tcp4", "127.0.0.1:0", func() { mu.Lock(); connections++; mu.Unlock() })
			closed := testnet.ClosedPort(t, "127.0.0.1")
			config := configOf(t, map[string]any{
				"collection_interval": "1h", "flush_interval": "100ms",
				"instances": []any{map[string]any{"name": "up", "endpoint": up.String()}, map[string]any{"name": "closed", "endpoint": closed.String()}},
			})
			f := New(metadata.Type)
			for n := range 2 {
				metrics, logs := new(consumertest.MetricsSink), new(consumertest.LogsSink)
				p := newPair(t, f, config, metrics, logs)
				p.each(logsFirst, func(c component.Component) { require.NoError(t, c.Start(context.Background(), &host{})) })
				eventually(t, func() bool { return logs.LogRecordCount() > 0 && metrics.DataPointCount() >= 3 })
				p.each(logsFirst, func(c component.Component) { require.NoError(t, c.Shutdown(context.Background())) })
				require.Equal(t, 1, logs.LogRecordCount())
				record := logs.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
				assert.Equal(t, "tcpcheck.address.down", record.EventName())
				assert.Equal(t, "peer", record.Attributes().AsRaw()["tcpcheck.error.source"])
				mu.Lock()
				assert.Equal(t, n+1, connections, "one check of each receiver")
				mu.Unlock()
			}
		})
	}
}

// In a pipeline of logs alone, it checks as well.
func TestLogsAlone(t *testing.T) {
	closed, logs := testnet.ClosedPort(t, "127.0.0.1"), new(consumertest.LogsSink)
	config := configOf(t, map[string]any{"endpoint": closed.String(), "collection_interval": "1h"})
	r, err := New(metadata.Type).CreateLogs(context.Background(), receivertest.NewNopSettings(metadata.Type), config, logs)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	eventually(t, func() bool { return logs.LogRecordCount() == 1 })
	require.NoError(t, r.Shutdown(context.Background()))
}

// A receiver of certificates in files alone, beside a file that is renewed.
func TestCertificateFilesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tls.crt")
	renew := func(days int) {
		chain, _ := testnet.PEM(t, testnet.SelfSigned(t, []string{"x"}, func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, days) }))
		require.NoError(t, os.WriteFile(path+".new", chain, 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	renew(5)
	config := configOf(t, map[string]any{"certificate_files": path, "initial_delay": 0, "collection_interval": "1s", "flush_interval": "100ms"})
	metrics, logs := new(consumertest.MetricsSink), new(consumertest.LogsSink)
	p := newPair(t, New(metadata.Type), config, metrics, logs)
	p.each(false, func(c component.Component) { require.NoError(t, c.Start(context.Background(), &host{})) })
	eventually(t, func() bool { return metrics.DataPointCount() >= 2 && logs.LogRecordCount() == 1 })
	renew(90)
	eventually(t, func() bool { return logs.LogRecordCount() == 2 })
	p.each(false, func(c component.Component) { require.NoError(t, c.Shutdown(context.Background())) })
	for i, want := range []string{"tcpcheck.certificate.expiring", "tcpcheck.certificate.changed"} {
		record := logs.AllLogs()[i].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		assert.Equal(t, want, record.EventName())
		attributes := record.Attributes().AsRaw()
		assert.Equal(t, path, attributes["file.path"])
		assert.Equal(t, "CN=leaf", attributes["tls.server.subject"])
		for _, key := range []string{"tcpcheck.instance", "server.address", "server.port", "tcpcheck.tls.addresses"} {
			assert.NotContains(t, attributes, key)
		}
	}
}

// A consumer is called once the collector has started its pipeline, and not before.
func TestConsumersOfPipelinesThatAreNotStarted(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	config := configOf(t, map[string]any{"endpoint": closed.String(), "collection_interval": "100ms", "flush_interval": "100ms"})
	metrics, logs := new(consumertest.MetricsSink), new(consumertest.LogsSink)
	p := newPair(t, New(metadata.Type), config, metrics, logs)
	require.NoError(t, p.metrics.Start(context.Background(), &host{}))
	eventually(t, func() bool { return metrics.DataPointCount() > 0 })
	assert.Zero(t, logs.LogRecordCount())
	require.NoError(t, p.logs.Start(context.Background(), &host{}))
	eventually(t, func() bool { return logs.LogRecordCount() > 0 })
	p.each(true, func(c component.Component) { require.NoError(t, c.Shutdown(context.Background())) })
	assert.Equal(t, 1, logs.LogRecordCount(), "nothing is told twice")
}

// Both parts have the error of a start that fails.
func TestStartErrorReachesBoth(t *testing.T) {
	config := configOf(t, map[string]any{"endpoint": "127.0.0.1:1", "k8s_leader_elector": "k8s_leader_elector"})
	const want = "k8s_leader_elector: there is no extension k8s_leader_elector; it has to be in extensions, and in service.extensions"
	for _, logsFirst := range []bool{false, true} {
		p := newPair(t, New(metadata.Type), config, consumertest.NewNop(), consumertest.NewNop())
		p.each(logsFirst, func(c component.Component) { require.EqualError(t, c.Start(context.Background(), &host{}), want) })
		p.each(logsFirst, func(c component.Component) { require.NoError(t, c.Shutdown(context.Background())) })
	}
}

// Both parts have the status, also that one which is started when there is one already.
func TestStatusReachesBoth(t *testing.T) {
	config := configOf(t, map[string]any{"collection_interval": "100ms", "instances": []any{map[string]any{"name": "a", "host": "fe80::1%nosuchif", "port": 80}}})
	p := newPair(t, New(metadata.Type), config, consumertest.NewNop(), consumertest.NewNop())
	ofMetrics, ofLogs := &host{}, &host{}
	require.NoError(t, p.metrics.Start(context.Background(), ofMetrics))
	eventually(t, func() bool { return len(ofMetrics.told()) == 1 })
	require.NoError(t, p.logs.Start(context.Background(), ofLogs))
	p.each(false, func(c component.Component) { require.NoError(t, c.Shutdown(context.Background())) })
	for _, h := range []*host{ofMetrics, ofLogs} {
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, h.told())
	}
}

// A consumer of logs that blocks holds up no metrics, and no shutdown longer than its context.
func TestSlowLogsHoldUpNoMetrics(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	config := configOf(t, map[string]any{"endpoint": closed.String(), "collection_interval": "100ms", "flush_interval": "100ms"})
	blocked, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error {
		blocked <- struct{}{}
		<-release
		return nil
	})
	require.NoError(t, err)
	metrics := new(consumertest.MetricsSink)
	p := newPair(t, New(metadata.Type), config, metrics, logs)
	p.each(false, func(c component.Component) { require.NoError(t, c.Start(context.Background(), &host{})) })
	<-blocked
	before := metrics.DataPointCount()
	eventually(t, func() bool { return metrics.DataPointCount() > before+5 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.each(false, func(c component.Component) { require.ErrorIs(t, c.Shutdown(ctx), context.Canceled) })
}

// Of one configuration, a second receiver in a pipeline of the same signal is another one, as is one
// that is asked for when the first has been started.
func TestOtherReceivers(t *testing.T) {
	config := configOf(t, map[string]any{"endpoint": "127.0.0.1:1", "collection_interval": "1h"})
	f := New(metadata.Type)
	first := newPair(t, f, config, consumertest.NewNop(), consumertest.NewNop())
	second := newPair(t, f, config, consumertest.NewNop(), consumertest.NewNop())
	for _, p := range []pair{first, second} {
		require.NoError(t, p.metrics.Start(context.Background(), &host{}))
		require.Error(t, p.metrics.Start(context.Background(), &host{}), "twice")
	}
	third := newPair(t, f, config, consumertest.NewNop(), consumertest.NewNop())
	for _, p := range []pair{first, second, third} {
		p.each(false, func(c component.Component) { require.NoError(t, c.Shutdown(context.Background())) })
	}
}

// A receiver that is shut down is forgotten, also where it never was started.
func TestReceiversAreForgotten(t *testing.T) {
	made := newReceivers()
	config := configOf(t, map[string]any{"endpoint": "127.0.0.1:1", "collection_interval": "1h"})
	for _, starts := range []bool{false, true} {
		r, err := made.createMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
		require.NoError(t, err)
		assert.Len(t, made.of, 1)
		if starts {
			require.NoError(t, r.Start(context.Background(), &host{}))
		}
		require.NoError(t, r.Shutdown(context.Background()))
		assert.Empty(t, made.of)
	}
}
