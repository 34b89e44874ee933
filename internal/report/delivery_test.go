package report

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
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
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

const flushInterval = 5 * time.Second

// pass lets time pass on the clock of testing/synctest, which takes none.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // it is not waited for anything

// sink is a consumer that does as it is told. It is a fake, since no real one refuses, drops
// or blocks at a given moment.
type sink struct {
	answer func() error // may block

	mu    sync.Mutex
	taken []payload
}

// payloads returns what was taken since the last call of it.
func (s *sink) payloads() []payload {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.taken
	s.taken = nil
	return taken
}

type payload struct {
	at      time.Time
	metrics pmetric.Metrics
}

func (s *sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeMetrics(_ context.Context, m pmetric.Metrics) error {
	if s.answer != nil {
		if err := s.answer(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, payload{time.Now(), m})
	return nil
}

// delivering is a Delivery that runs.
type delivering struct {
	*Delivery
	sink      *sink
	logs      *observer.ObservedLogs
	telemetry *componenttest.Telemetry
	end       func()
}

func deliver(t *testing.T, answer func() error) *delivering {
	t.Helper()
	d := &delivering{sink: &sink{answer: answer}, telemetry: componenttest.NewTelemetry()}
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = d.telemetry.NewTelemetrySettings()
	var core zapcore.Core
	core, d.logs = observer.New(zapcore.DebugLevel)
	set.Logger = zap.New(core)
	d.start(t, set)
	return d
}

func (d *delivering) start(t *testing.T, set collector.Settings) {
	t.Helper()
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	require.NoError(t, err)
	d.Delivery, err = NewDelivery(set, NewPoints(set, reporttest.DefaultMetrics()), flushInterval, telemetry, d.sink)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx, context.Background())
	}()
	d.end = func() { cancel(); <-done }
}

func (d *delivering) messages() []string {
	var messages []string
	for _, entry := range d.logs.TakeAll() {
		messages = append(messages, entry.Message)
	}
	return messages
}

// dropped returns how many points were dropped, by their cause.
func (d *delivering) dropped(t *testing.T) map[string]int64 {
	t.Helper()
	dropped := make(map[string]int64)
	got, err := d.telemetry.GetMetric("otelcol_receiver_tcpcheck_points_dropped")
	if err != nil {
		return dropped // none so far
	}
	for _, point := range got.Data.(metricdata.Sum[int64]).DataPoints {
		cause, _ := point.Attributes.Value("cause")
		dropped[cause.AsString()] = point.Value
	}
	return dropped
}

// a returns a target and its series.
func (d *delivering) target(name string) *Series {
	return d.points.NewSeries(&check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: name, CollectResponseTime: true}}, time.Now())
}

func (d *delivering) add(s *Series, news bool, results ...check.Result) {
	d.Add(s, &check.Report{Target: s.target, Time: time.Now(), Results: results}, news)
}

func up(a netip.Addr) check.Result {
	r := connected(a)
	r.HandshakeTime = time.Second
	return r
}

func down(a netip.Addr) check.Result {
	return check.Result{Family: check.FamilyOf(a), Address: a, Status: check.Down, ErrorType: check.Timeout}
}

// News does not wait for a second, and all else comes once in an interval; there are no
// empty payloads.
func TestWhenPayloadsCome(t *testing.T) {
	type added struct {
		at   time.Duration
		news bool
	}
	for _, test := range []struct {
		name string
		adds []added
		want []time.Duration
	}{
		{"nothing", nil, nil},
		{"one", []added{{time.Second, false}}, []time.Duration{6 * time.Second}},
		{"more in an interval", []added{{0, false}, {3 * time.Second, false}, {6 * time.Second, false}}, []time.Duration{5 * time.Second, 11 * time.Second}},
		{"news", []added{{time.Hour, true}}, []time.Duration{time.Hour + newsWait}},
		{"news with what waits", []added{{0, false}, {time.Second, true}}, []time.Duration{time.Second + newsWait}},
		{"more news", []added{{0, true}, {10 * time.Millisecond, true}, {100 * time.Millisecond, true}, {200 * time.Millisecond, true}}, []time.Duration{newsWait, newsWait + newsGap}},
		{"news before what waits is due", []added{{0, false}, {flushInterval - newsWait/2, true}}, []time.Duration{flushInterval}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deliver(t, nil)
				s := d.target("a")
				d.add(s, false, up(v4))
				pass(time.Minute)
				synctest.Wait()
				d.sink.payloads()
				begin := time.Now()
				for _, a := range test.adds {
					pass(time.Until(begin.Add(a.at)))
					d.add(s, a.news, up(v4))
				}
				pass(time.Minute)
				d.end()
				var got []time.Duration
				for _, p := range d.sink.payloads() {
					assert.Positive(t, p.metrics.DataPointCount())
					got = append(got, p.at.Sub(begin))
				}
				assert.Equal(t, test.want, got)
			})
		})
	}
}

// What is refused is handed over again at the next flush, the newest value of each series;
// what is refused for good is dropped, but for the ends of series.
func TestRefusals(t *testing.T) {
	errRefused := errors.New("no room")
	for _, test := range []struct {
		name    string
		err     error
		lines   []string // at the first refusal
		want    []string // that arrive
		dropped map[string]int64
	}{
		{
			"for now", errRefused,
			[]string{"the next consumer refuses metrics; the newest of each series are kept, and handed over again in 5s"},
			[]string{"can_connect 0", "errors 2", "response_time ends"},
			map[string]int64{"replaced": 2},
		},
		{
			"for good", consumererror.NewPermanent(errRefused),
			[]string{"the next consumer refuses metrics for good, so they are dropped"},
			[]string{"response_time ends"},
			map[string]int64{"refused": 4},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var answer atomic.Pointer[error]
				d := deliver(t, func() error {
					if err := answer.Load(); err != nil {
						return *err
					}
					return nil
				})
				s := d.target("a")
				d.add(s, false, up(v4))
				pass(2 * flushInterval)
				answer.Store(&test.err)
				for range 2 {
					d.add(s, false, down(v4))
					pass(flushInterval - time.Second)
				}
				pass(2 * flushInterval)
				assert.Equal(t, test.lines, d.messages(), "once")
				answer.Store(nil)
				pass(2 * flushInterval)
				assert.Equal(t, []string{"the next consumer takes metrics again"}, d.messages())
				d.end()
				payloads := d.sink.payloads()
				require.Len(t, payloads, 2)
				var got []string
				for _, point := range series(payloads[1].metrics) {
					got = append(got, point.text())
				}
				slices.Sort(got)
				assert.Equal(t, test.want, got)
				assert.Equal(t, test.dropped, d.dropped(t))
			})
		})
	}
}

// A series that begins or ends is news, whatever the state of the target is said to be.
func TestSeriesAreNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deliver(t, nil)
		s := d.target("a")
		unchecked := check.Result{Family: check.IPv4, Address: v4, Status: check.Unchecked, SYNRetransmits: check.UnknownRetransmits}
		for n, step := range []struct {
			results []check.Result
			news    bool
		}{
			{[]check.Result{unchecked}, false},
			{[]check.Result{up(v4)}, true},
			{[]check.Result{up(v4)}, false},
			{[]check.Result{up(v4), up(v6)}, true},
			{[]check.Result{up(v6), up(v4)}, false},
			{[]check.Result{up(v6)}, true},
			{[]check.Result{unchecked}, false},
			{[]check.Result{up(v6)}, false},
		} {
			d.sink.payloads()
			d.add(s, false, step.results...)
			pass(time.Second)
			synctest.Wait()
			assert.Equal(t, step.news, len(d.sink.payloads()) > 0, "step %d", n)
			pass(time.Minute)
			synctest.Wait()
		}
		d.end()
	})
}

// A consumer that does not take the end of a series takes all else, and is left alone with
// the end after some time.
func TestEndThatIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, sink := 0, &sink{}
		d := deliver(t, nil)
		d.next, _ = consumer.NewMetrics(func(ctx context.Context, m pmetric.Metrics) error {
			if slices.ContainsFunc(series(m), func(p seriesPoint) bool { return p.ends }) {
				calls++
				return consumererror.NewPermanent(errors.New("an end"))
			}
			return sink.ConsumeMetrics(ctx, m)
		})
		s := d.target("a")
		d.add(s, false, up(v4))
		pass(time.Minute)
		for range 20 {
			d.add(s, false, down(v4))
			pass(time.Minute)
		}
		d.end()
		assert.Equal(t, 1+mostRefusals, calls)
		assert.Len(t, sink.payloads(), 1+20-1, "but for that of the first refusal")
	})
}

// Addresses that come and go while the consumer blocks leave nothing behind.
func TestChurnBesideAConsumerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := deliver(t, func() error {
			<-release
			return nil
		})
		s := d.target("a")
		for n := range 5000 {
			d.add(s, false, up(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})))
			pass(100 * time.Millisecond)
			d.mu.Lock()
			waiting := len(d.writer.points)
			d.mu.Unlock()
			require.LessOrEqual(t, waiting, compactFrom+3)
		}
		close(release)
		d.end()
	})
}

// The consumer is not called once its Delivery was abandoned; what waited is dropped.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, calls := make(chan struct{}), 0
		d := deliver(t, func() error {
			calls++
			<-release
			return nil
		})
		s := d.target("a")
		d.add(s, true, up(v4))
		pass(time.Second)
		d.add(s, true, up(v4))
		ended := make(chan struct{})
		go func() { d.end(); close(ended) }()
		synctest.Wait()
		d.Abandon()
		close(release)
		<-ended
		assert.Equal(t, 1, calls)
	})
}

// What is found until the end is handed over, and what is refused then is counted.
func TestEndOfDelivery(t *testing.T) {
	for _, err := range []error{nil, errors.New("no room")} {
		synctest.Test(t, func(t *testing.T) {
			d := deliver(t, func() error { return err })
			d.add(d.target("a"), false, up(v4))
			d.end()
			if err == nil {
				assert.Len(t, d.sink.payloads(), 1)
				assert.Empty(t, d.dropped(t))
			} else {
				assert.Equal(t, map[string]int64{"refused": 2}, d.dropped(t))
			}
		})
	}
}

// seriesPoint is a point as a sink has it.
type seriesPoint struct {
	key, metric string
	time        pcommon.Timestamp
	value       float64
	ends, sum   bool
}

func (p seriesPoint) text() string {
	if p.ends {
		return p.metric + " ends"
	}
	return fmt.Sprint(p.metric, " ", p.value)
}

// series returns the points of a payload, in their order.
func series(metrics pmetric.Metrics) []seriesPoint {
	var points []seriesPoint
	for _, resource := range metrics.ResourceMetrics().All() {
		for _, m := range resource.ScopeMetrics().At(0).Metrics().All() {
			for _, p := range pointsOf(m).All() {
				point := seriesPoint{metric: m.Name()[strings.LastIndex(m.Name(), ".")+1:], time: p.Timestamp(), ends: p.Flags().NoRecordedValue(), sum: m.Type() == pmetric.MetricTypeSum}
				if point.value = p.DoubleValue(); p.ValueType() == pmetric.NumberDataPointValueTypeInt {
					point.value = float64(p.IntValue())
				}
				attributes := p.Attributes().AsRaw()
				for _, name := range slices.Sorted(maps.Keys(attributes)) {
					point.key += fmt.Sprint(name, "=", attributes[name], " ")
				}
				point.key = point.metric + "{" + point.key + "}"
				points = append(points, point)
			}
		}
	}
	return points
}

// Whatever the consumer does, once it takes metrics again it has the true last value of
// every series: times and sums rise, each end comes once, and no more waits than
// there are series and two intervals. Where targets come and go as well, and ends are refused
// for good, an end may come when the target is back: then the last value alone is true.
func TestDeliveryModel(t *testing.T) {
	addresses := []netip.Addr{v4, other, v6}
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 18))
				comeAndGo, forGood := seed%2 == 1, seed%4 != 1
				var healthy atomic.Bool
				moods := rand.New(rand.NewPCG(seed, 19)) // of the consumer
				d := deliver(t, func() error {
					switch n := moods.IntN(10); {
					case healthy.Load():
					case n < 3:
						return errors.New("refused")
					case n < 5 && forGood:
						return consumererror.NewPermanent(errors.New("dropped"))
					case n < 7:
						pass(time.Duration(moods.IntN(100)) * time.Second)
					}
					return nil
				})
				d.compact = 50
				all := []*Series{d.target("a"), d.target("b"), d.target("c"), d.target("d")}
				report := func(s *Series) []check.Result {
					var results []check.Result
					for _, a := range addresses {
						switch random.IntN(6) {
						case 0, 1:
							results = append(results, up(a))
						case 2:
							results = append(results, down(a))
						case 3:
							results = append(results, check.Result{Family: check.FamilyOf(a), Address: a, Status: check.Unchecked, Err: errors.New("this machine"), SYNRetransmits: check.UnknownRetransmits})
						}
					}
					if len(results) == 0 {
						results = append(results, up(v4))
					}
					d.add(s, random.IntN(5) == 0, results...)
					return results
				}
				for range 500 {
					pass(time.Duration(1+random.IntN(400)) * time.Millisecond)
					n := random.IntN(len(all))
					report(all[n])
					if comeAndGo && random.IntN(50) == 0 { // its target goes, and one of the same name comes
						pass(time.Millisecond)
						d.End(all[n], time.Now())
						all[n] = d.target(all[n].target.Labels.Name)
					}
					d.mu.Lock()
					waiting := len(d.writer.points)
					d.mu.Unlock()
					require.LessOrEqual(t, waiting, max(compactFrom, 2*len(all)*30)+200)
				}
				healthy.Store(true)
				pass(5 * time.Minute)
				// The truth: what a payload of a last complete report of each target says.
				for _, s := range all {
					d.add(s, false, up(v4), down(v6))
				}
				pass(time.Minute)
				d.end()
				last := make(map[string]seriesPoint)
				for _, p := range d.sink.payloads() {
					for _, point := range series(p.metrics) {
						before, known := last[point.key]
						if known && (!comeAndGo || !forGood) {
							require.Greater(t, point.time, before.time, point.key)
							require.False(t, point.ends && before.ends, "%s ends twice", point.key)
							require.True(t, !point.sum || point.ends || before.ends || point.value >= before.value, "%s falls", point.key)
						}
						last[point.key] = point
					}
				}
				live := 0
				for key, point := range last {
					switch {
					case point.sum:
					case strings.HasPrefix(key, "can_connect") && strings.Contains(key, v4.String()+" "):
						assert.Equal(t, "can_connect 1", point.text(), key)
						live++
					case strings.HasPrefix(key, "can_connect") && strings.Contains(key, v6.String()+" "):
						assert.Equal(t, "can_connect 0", point.text(), key)
						live++
					case strings.HasPrefix(key, "response_time") && strings.Contains(key, v4.String()+" "):
						assert.Equal(t, "response_time 1", point.text(), key)
						live++
					default:
						assert.True(t, point.ends, key)
					}
				}
				assert.Equal(t, 3*len(all), live)
				for _, s := range all {
					for _, c := range s.tallies {
						key := fmt.Sprintf("errors{error.type=%s network.type=%s server.address=h server.port=1 tcpcheck.instance=%s }", c.errorType, c.family, s.target.Labels.Name)
						if c.errorType == "" {
							key = fmt.Sprintf("checks{network.type=%s server.address=h server.port=1 tcpcheck.instance=%s }", c.family, s.target.Labels.Name)
						}
						assert.InDelta(t, c.results, last[key].value, 0, key)
					}
				}
			})
		})
	}
}
