package report

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/filter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/state"
)

// logSink is a consumer of logs that does as it is told, as sink is one of metrics.
type logSink struct {
	answer func() error // may block

	mu    sync.Mutex
	taken []plog.Logs
}

func (s *logSink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *logSink) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	if s.answer != nil {
		if err := s.answer(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, logs)
	return nil
}

// bodies returns those of the records that were taken since the last call of it, in their order.
func (s *logSink) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, logs := range s.taken {
		for record := range recordsOf(logs) {
			bodies = append(bodies, record.Body().Str())
		}
	}
	s.taken = nil
	return bodies
}

// recordsOf calls yield with each record of logs, and its resource.
func recordsOf(logs plog.Logs) func(yield func(plog.LogRecord, pcommon.Map) bool) {
	return func(yield func(plog.LogRecord, pcommon.Map) bool) {
		for _, resource := range logs.ResourceLogs().All() {
			for _, record := range resource.ScopeLogs().At(0).LogRecords().All() {
				if !yield(record, resource.Resource().Attributes()) {
					return
				}
			}
		}
	}
}

// telling is Events that run.
type telling struct {
	*Events
	sink      *logSink
	logs      *observer.ObservedLogs
	telemetry *componenttest.Telemetry
	end       func()
}

func tell(t *testing.T, config metadata.LogsBuilderConfig, answer func() error) *telling {
	t.Helper()
	e := &telling{sink: &logSink{answer: answer}, telemetry: componenttest.NewTelemetry()}
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = e.telemetry.NewTelemetrySettings()
	var core zapcore.Core
	core, e.logs = observer.New(zapcore.DebugLevel)
	set.Logger = zap.New(core)
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	require.NoError(t, err)
	e.Events, err = NewEvents(set, config, flushInterval, telemetry, e.sink)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx, context.Background())
	}()
	e.end = func() {
		cancel()
		<-done
		require.NoError(t, e.telemetry.Shutdown(context.Background()))
	}
	return e
}

// happen adds an event.
func (e *telling) happen(body string) { e.add(&event{name: addressDown, body: body}) }

// dropped returns how many events were dropped for a cause.
func (e *telling) dropped(t *testing.T, cause string) int64 {
	t.Helper()
	metric, err := e.telemetry.GetMetric("otelcol_receiver_tcpcheck_events_dropped")
	if err != nil {
		return 0
	}
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		if value, _ := point.Attributes.Value("cause"); value.AsString() == cause {
			return point.Value
		}
	}
	return 0
}

// Events are handed over at once, each once and in their order, whatever the consumer says.
func TestEventsAreHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refusal atomic.Pointer[error] // nil for none
		refuse := func(err error) { refusal.Store(&err) }
		e := tell(t, metadata.DefaultLogsBuilderConfig(), func() error {
			if err := refusal.Load(); err != nil {
				return *err
			}
			return nil
		})
		e.happen("a")
		e.happen("b")
		pass(eventsWait)
		synctest.Wait()
		assert.Equal(t, []string{"a", "b"}, e.sink.bodies())

		refuse(errors.New("not now"))
		e.happen("c")
		pass(time.Second)
		e.happen("d")
		pass(2 * flushInterval)
		synctest.Wait()
		assert.Empty(t, e.sink.bodies())
		refuse(nil)
		pass(flushInterval)
		synctest.Wait()
		assert.Equal(t, []string{"c", "d"}, e.sink.bodies())

		refuse(consumererror.NewPermanent(errors.New("never")))
		e.happen("e")
		pass(flushInterval)
		synctest.Wait()
		refuse(nil)
		e.happen("f")
		pass(flushInterval)
		synctest.Wait()
		assert.Equal(t, []string{"f"}, e.sink.bodies())
		assert.Equal(t, int64(1), e.dropped(t, "refused"))

		e.add(&event{body: "what the log alone has"})
		e.happen("g")
		e.end()
		assert.Equal(t, []string{"g"}, e.sink.bodies(), "what is left at the end")
		var said []string
		for _, entry := range e.logs.All() {
			said = append(said, entry.Message)
		}
		assert.Equal(t, []string{
			"the next consumer refuses events; the last 10000 are kept, and handed over again in 5s", "the next consumer takes events again",
			"the next consumer refuses events for good, so they are dropped", "the next consumer takes events again",
		}, said)
	})
}

// What a consumer that blocks has not room for is dropped, from the oldest on, and counted. Nobody
// waits for it.
func TestEventsBesideAConsumerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := tell(t, metadata.DefaultLogsBuilderConfig(), func() error { <-release; return nil })
		e.happen("first")
		pass(eventsWait)
		synctest.Wait() // it blocks
		for n := range mostEvents + 3 {
			e.happen(fmt.Sprint(n))
		}
		close(release)
		pass(eventsWait)
		synctest.Wait()
		bodies := e.sink.bodies()
		require.Len(t, bodies, 1+mostEvents)
		assert.Equal(t, []string{"first", "3", "4"}, bodies[:3])
		assert.Equal(t, int64(3), e.dropped(t, "overflow"))
		e.end()
	})
}

// After Abandon, no call of the consumer begins, and what is left is counted.
func TestAbandonedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := tell(t, metadata.DefaultLogsBuilderConfig(), nil)
		e.happen("a")
		e.Abandon()
		pass(time.Minute)
		assert.Empty(t, e.sink.bodies())
		e.end()
		assert.Empty(t, e.sink.bodies())
		assert.Empty(t, e.logs.All())
	})
}

// An event that is disabled is not told, nor one of a resource that the user's filters take out.
func TestUnwantedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := metadata.DefaultLogsBuilderConfig()
		config.Events.TcpcheckAddressUp.Enabled = false
		config.ResourceAttributes.ServiceName.EventsExclude = []filter.Config{{Strict: "s"}}
		e := tell(t, config, nil)
		for _, name := range []string{addressUp, addressDown} {
			for _, service := range []string{"s", "t", ""} {
				e.add(&event{name: name, body: name + " " + service, target: &check.Target{Labels: check.Labels{Service: service}}})
			}
		}
		e.end()
		assert.Equal(t, []string{addressDown + " t", addressDown + " "}, e.sink.bodies())
	})
}

// declared has the attributes of each event as metadata.yaml declares them.
func declared(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../metadata.yaml")
	require.NoError(t, err)
	var file struct {
		Events map[string]struct {
			Attributes []string `yaml:"attributes"`
		} `yaml:"events"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	attributes := make(map[string][]string)
	for name, event := range file.Events {
		attributes[name] = event.Attributes
	}
	return attributes
}

// attempt is the error of an attempt that a router has ended.
type attempt struct{ error }

func (attempt) Source() check.ErrorSource { return check.ICMP }
func (attempt) Sender() netip.Addr        { return netip.MustParseAddr("10.9.1.2") }
func (attempt) Message() string           { return "no route" }
func (attempt) LocalAddress() netip.AddrPort {
	return netip.MustParseAddrPort("192.0.2.7:40000")
}

// Every event that is declared is told, with all attributes that are declared for it and no others:
// its body and facts are those of the line of the log.
func TestEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := tell(t, metadata.DefaultLogsBuilderConfig(), nil)
		core, logs := observer.New(zapcore.DebugLevel)
		journal := NewJournal(zap.New(core))
		journal.Emit(e.Events)
		target := &check.Target{Host: "web.example", Port: 443, Labels: check.Labels{
			Name: "web", Service: "shop", EmptyHostname: true, Tags: []check.Tag{{Key: "env", Value: "prod"}},
		}}
		began := time.Now()

		down := translated(failed(viaNAT64, check.NetworkUnreachable))
		down.Err = attempt{down.Err}
		results := []check.Result{down, connected(v4)}
		endpoint := state.Endpoint{Family: check.IPv6, Address: viaNAT64}
		log := NewLog(journal, target)
		var changes []state.Change
		for kind := state.WentDown; kind <= state.Denied; kind++ {
			change := state.Change{Kind: kind, Endpoint: endpoint, Translated: down.Translated, Result: &results[0], Since: began, Before: check.Timeout}
			if kind == state.FamilyLost || kind == state.FamilyBack {
				change.Endpoint, change.Translated = state.Endpoint{Family: check.IPv6}, check.Translated{}
			}
			if kind == state.WentDown {
				change.Before = ""
			}
			changes = append(changes, change)
		}
		log.Write(&check.Report{Time: began, Results: results}, changes)
		shown := check.Certificate{Subject: "CN=web", Issuer: "CN=root", NotAfter: began.Add(time.Hour), ChainNotAfter: began.Add(time.Hour)}
		failed := check.TLSResult{Family: check.IPv4, Address: v4, Status: check.Down, Err: errors.New("it failed"), ErrorType: check.TLSNameMismatch, Certificate: &shown}
		var certificates []state.CertificateChange
		for kind := state.NotVerified; kind <= state.Agreeing; kind++ {
			certificates = append(certificates, state.CertificateChange{
				Kind: kind, Endpoint: map[bool]state.Endpoint{true: endpoint}[kind <= state.Verified], Result: &failed, Before: check.TLSTimeout, Since: began, Certificate: &shown, Former: &shown, Addresses: []netip.Addr{v4},
				Within: 24 * time.Hour, Shown: []state.Shown{{Certificate: &shown, Addresses: []netip.Addr{v4}}},
			})
		}
		talks := NewLog(journal, log.target) // not held back for what is told before
		silent := check.DialogResult{Family: check.IPv4, Address: v4, Status: check.Down, Err: errors.New("it failed"), ErrorType: check.DialogTimeout}
		for kind := state.DialogFailed; kind <= state.DialogWorks; kind++ {
			talks.WriteDialogs(&check.SessionReport{Time: began}, []state.DialogChange{{Kind: kind, Endpoint: endpoint, Result: &silent, Before: check.UnexpectedAnswer, Since: began}})
		}
		log.WriteTLS(&check.SessionReport{Time: began}, certificates)
		file := NewLog(journal, FileTarget("/etc/web.crt"))
		file.WriteTLS(&check.SessionReport{Time: began}, certificates)
		journal.SourceStale(&check.Source{Name: "a.yaml", Err: errors.New("bad"), Stale: began})
		journal.SourceFresh(&check.Source{Name: "a.yaml", Stale: began})
		machine := NewMachine(receivertest.NewNopSettings(metadata.Type), journal, nil, noConntrack, func(error) {})
		machine.seen["too many open files"] = true
		outage := state.Outage{
			Group: state.Group{Scope: state.OfTag, Key: "env", Value: "prod"}, Family: check.IPv4, Since: began, Down: 40, Targets: 41,
			Network: netip.MustParsePrefix("10.2.0.0/16"),
		}
		_, _ = machine.review(check.Conntrack{}, []state.Outage{outage}, began)
		outage.Over = true
		_, _ = machine.review(check.Conntrack{}, []state.Outage{outage}, began)

		e.end()
		attributes, told := declared(t), make(map[string][]string)
		require.Len(t, e.sink.taken, 1)
		for record, resource := range recordsOf(e.sink.taken[0]) {
			name := record.EventName()
			for key, value := range record.Attributes().All() {
				if key != "env" && !slices.Contains(told[name], key) {
					told[name] = append(told[name], key)
				}
				assert.NotEmpty(t, value.AsString(), "%s of %s", key, name)
			}
			if _, ok := told[name]; !ok {
				told[name] = nil
			}
			ofTarget := strings.HasPrefix(name, "tcpcheck.address.") || strings.HasPrefix(name, "tcpcheck.family.") ||
				strings.HasPrefix(name, "tcpcheck.certificate") || strings.HasPrefix(name, "tcpcheck.dialog.") || strings.HasPrefix(name, "tcpcheck.tls.")
			if _, ofFile := record.Attributes().Get(pathOfFile); ofFile {
				ofTarget = false // which has neither a service nor tags
			}
			assert.Equal(t, ofTarget, resource.Len() == 2, name)
			if ofTarget {
				assert.Equal(t, map[string]any{"service.name": "shop", "datadog.host.name": ""}, resource.AsRaw())
				assert.Equal(t, "prod", record.Attributes().AsRaw()["env"], "the tags are those of the points")
			}
			assert.Equal(t, began.UnixNano(), record.Timestamp().AsTime().UnixNano())
			assert.NotZero(t, record.ObservedTimestamp())

			lines := logs.FilterMessage(record.Body().Str()).All()
			require.NotEmpty(t, lines, "it is the log's sentence: %s", record.Body().Str())
			assert.Equal(t, strings.ToUpper(lines[0].Level.String()), record.SeverityText())
			assert.Equal(t, severities[lines[0].Level], record.SeverityNumber())
			for key, value := range lines[0].ContextMap() {
				assert.Equal(t, fmt.Sprint(value), fmt.Sprint(record.Attributes().AsRaw()[key]), key)
			}
		}
		for name, want := range attributes {
			assert.Contains(t, told, name)
			assert.ElementsMatch(t, want, told[name], name)
		}
		assert.Len(t, told, len(attributes))
		for _, want := range []string{
			`cannot connect to "web" ([64:ff9b::c000:201]:443, 192.0.2.1 behind NAT64) over ipv6: network unreachable: no route, said by 10.9.1.2`,
			`tag env:prod over ipv4: 40 of 41 targets in 10.2.0.0/16 down since ` + began.Format(time.TimeOnly) + `; what they have in common is a likelier cause than each of them`,
		} {
			assert.Len(t, logs.FilterMessage(want).All(), 1, want)
		}
	})
}

// A target that is no longer checked has an end for what was told of it, once.
func TestEndOfATarget(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	w := newWatched(zap.New(core), "web")
	w.observe(&check.Report{Results: []check.Result{failed(v4, check.Timeout), connected(v6)}}, time.Unix(1, 0))
	logs.TakeAll()
	w.log.End(&w.known, time.Unix(2, 0))
	assert.Equal(t, []string{`info "web" (192.0.2.1:443) over ipv4 is no longer checked, down since 1`}, logLines(t, logs))
}

// The machine's own metric says over which families there is an outage, and ends where no target has
// worked any more.
func TestPointsOfTheMachine(t *testing.T) {
	config := metadata.NewDefaultMetricsBuilderConfig()
	set := receivertest.NewNopSettings(metadata.Type)
	p := NewPoints(set, config)
	m := newMachine(t, noConntrack, 0)
	s := p.NewSeries(m.Target(), start)
	w, target := Watch{}, &check.Target{Host: "h", Port: 1, Interval: time.Second, Timeout: time.Second}
	m.Add(&w, target)
	lines := func() []string {
		b := newBatch(p)
		b.add(s, m.Report(m.now))
		var lines []string
		for _, rm := range b.metrics().ResourceMetrics().All() {
			for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
				for _, point := range pointsOf(metric).All() {
					line := fmt.Sprint(metric.Name(), " ", point.Attributes().AsRaw(), " ", point.IntValue())
					if point.Flags().NoRecordedValue() {
						line = fmt.Sprint(metric.Name(), " ", point.Attributes().AsRaw(), " ended")
					}
					lines = append(lines, line)
				}
			}
		}
		return lines
	}
	assert.Empty(t, lines(), "nothing has worked")
	m.Observe(&w, &check.Report{Target: target, Results: []check.Result{connected(v4)}}, false, 0)
	series := "tcpcheck.machine.outage map[network.type:ipv4 tcpcheck.receiver:" + set.ID.String() + "] "
	assert.Equal(t, []string{series + "0"}, lines())
	m.Remove(&w)
	assert.Equal(t, []string{series + "ended"}, lines())
}
