package report

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

const (
	// newsGap is the time between two payloads at least: news that comes after one waits
	// for the next, and is not a second old then.
	newsGap = 900 * time.Millisecond
	// newsWait is how long news waits for more of its kind.
	newsWait = 50 * time.Millisecond
	// compactFrom is how many points may wait, whatever the number of series.
	compactFrom = 1024
)

// OfReceiver is what tells the self-telemetry of a receiver from that of the others in the
// same collector.
func OfReceiver(id component.ID) otelmetric.MeasurementOption {
	return otelmetric.WithAttributeSet(attribute.NewSet(attribute.String("receiver", id.String())))
}

// Delivery hands the points of reports over to the next consumer: what is new of the state
// of a target within a second, all else once in an interval. A consumer that blocks or
// refuses is given the newest point of each series once it no longer does.
type Delivery struct {
	points    *Points
	next      consumer.Metrics
	interval  time.Duration
	logger    *zap.Logger
	observed  *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder
	receiver  otelmetric.MeasurementOption
	wake      chan struct{} // the next flush may be due earlier

	mu      sync.Mutex
	writer  writer    // with the points that wait
	since   time.Time // when the first of them came
	news    time.Time // when the first news of them came; zero for none
	flushed time.Time // when the last flush began
	spare   []point   // the memory of points that were handed over
	compact int       // how many may wait, before a consumer that is late costs them

	refusing  bool // the last payload was refused
	abandoned bool // nothing is to be handed over any more
}

// format is that of receiverhelper's spans.
const format = "tcpcheck"

// NewDelivery returns a Delivery to next. Self-telemetry goes to telemetry.
func NewDelivery(set collector.Settings, points *Points, interval time.Duration, telemetry *metadata.TelemetryBuilder, next consumer.Metrics) (*Delivery, error) {
	observed, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set, LongLivedCtx: true})
	if err != nil {
		return nil, err
	}
	return &Delivery{
		points: points, next: next, interval: interval, logger: set.Logger, observed: observed, telemetry: telemetry, receiver: OfReceiver(set.ID),
		wake: make(chan struct{}, 1), compact: compactFrom,
	}, nil
}

// Add adds the points of a report, whose target has the series s. It does not wait for the
// consumer. News is a report that says something else than the one before.
func (d *Delivery) Add(s *Series, r *check.Report, news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.writer.points)
	d.writer.add(d.points, s, r)
	if len(d.writer.points) == before {
		return
	}
	now := time.Now()
	if before == 0 {
		d.since = now
		d.notify()
	}
	if news && d.news.IsZero() {
		d.news = now
		d.notify()
	}
	if len(d.writer.points) > d.compact && now.Sub(d.since) > 2*d.interval {
		d.replace()
	}
}

// replace has newer points of a series take the place of older ones. The caller holds mu.
func (d *Delivery) replace() {
	before := len(d.writer.points)
	d.writer.points = newest(d.writer.points)
	d.compact = max(compactFrom, 2*len(d.writer.points))
	d.drop(before-len(d.writer.points), metadata.AttributeCauseReplaced)
}

// newest returns the last point of each series, in their order.
func newest(points []point) []point {
	last := make(map[key]int, len(points))
	for i := range points {
		last[points[i].key] = i
	}
	kept := make([]point, 0, len(last))
	for i := range points {
		if last[points[i].key] == i {
			kept = append(kept, points[i])
		}
	}
	return kept
}

func (d *Delivery) drop(points int, cause metadata.AttributeCause) {
	if points > 0 {
		d.telemetry.ReceiverTcpcheckPointsDropped.Add(context.Background(), int64(points), d.receiver, otelmetric.WithAttributes(attribute.String("cause", cause.String())))
	}
}

// notify has Run look when the next flush is due.
func (d *Delivery) notify() {
	select {
	case d.wake <- struct{}{}:
	default: // it will
	}
}

// Run hands over what is added until ctx ends, and then what is left. The consumer is
// called with consuming.
func (d *Delivery) Run(ctx, consuming context.Context) {
	for d.await(ctx) {
		d.flush(consuming)
	}
	d.flush(consuming)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(len(d.writer.points), metadata.AttributeCauseRefused)
	d.writer.points = nil
}

// Abandon has no call of the consumer begin after it.
func (d *Delivery) Abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandoned = true
}

// await waits until a flush is due, and reports whether that is before ctx ends.
func (d *Delivery) await(ctx context.Context) bool {
	for {
		wait := d.due()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-d.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// nothingDue is how long to wait where nothing is to be handed over.
const nothingDue = time.Hour

// due returns how long it is until the next flush.
func (d *Delivery) due() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.writer.points) == 0 {
		return nothingDue
	}
	due := d.since.Add(d.interval)
	if !d.news.IsZero() {
		early := d.news.Add(newsWait)
		if gap := d.flushed.Add(newsGap); early.Before(gap) {
			early = gap
		}
		if early.Before(due) {
			due = early
		}
	}
	return time.Until(due)
}

// flush hands over the points that wait.
func (d *Delivery) flush(ctx context.Context) {
	d.mu.Lock()
	points := d.writer.points
	d.writer.points, d.spare, d.news, d.flushed = d.spare[:0], nil, time.Time{}, time.Now()
	if d.abandoned || len(points) == 0 {
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()

	taken := points
	points, before := d.give(points)
	if len(points) == 0 {
		return
	}
	d.observeAge(points)
	ctx = d.observed.StartMetricsOp(ctx)
	err := d.next.ConsumeMetrics(ctx, d.points.metricsOf(points))
	d.observed.EndMetricsOp(ctx, format, len(points), err)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.compact = compactFrom
	permanent := consumererror.IsPermanent(err)
	if err != nil {
		for _, b := range slices.Backward(before) {
			b.series.given[b.metric] = b.identities
		}
		d.keep(points, permanent)
	}
	d.observeRefusal(err, permanent)
	if err == nil && cap(taken) <= 4*len(taken) {
		clear(taken) // of what is gone
		d.spare = taken
	}
}

// given is what Series.given was of a metric.
type given struct {
	series     *Series
	metric     int
	identities []identity
}

// give takes note of what the consumer will know once it has points, and returns what
// it knew before where that is something else. It leaves out the ends of series that the
// consumer does not have: their values were dropped.
func (d *Delivery) give(points []point) ([]point, []given) {
	var before []given
	kept := points[:0]
	for _, p := range points {
		if !d.points.metrics[p.metric].staleWhenGone {
			kept = append(kept, p)
			continue
		}
		has := p.series.given[p.metric]
		place := slices.Index(has, p.identity)
		if p.ends && place < 0 {
			continue
		}
		kept = append(kept, p)
		if !p.ends && place >= 0 {
			continue
		}
		if before = append(before, given{p.series, p.metric, has}); p.ends {
			has = slices.Delete(slices.Clone(has), place, place+1)
		} else {
			has = append(slices.Clip(has), p.identity)
		}
		p.series.given[p.metric] = has
	}
	return kept, before
}

// keep has those points wait for the next flush that were refused. Of those that are
// refused for good, the ends of series are kept: else they would go on for ever. The
// caller holds mu.
func (d *Delivery) keep(refused []point, permanent bool) {
	if permanent {
		ends := make([]point, 0)
		for _, p := range refused {
			if p.ends {
				ends = append(ends, p)
			}
		}
		d.drop(len(refused)-len(ends), metadata.AttributeCauseRefused)
		refused = ends
	}
	if len(refused) == 0 {
		return
	}
	d.writer.points = append(refused, d.writer.points...)
	d.since = d.flushed // another try in an interval
	d.replace()
}

// observeRefusal logs when the consumer begins to refuse points, and when it no longer
// does.
func (d *Delivery) observeRefusal(err error, permanent bool) {
	switch {
	case err != nil && !d.refusing && permanent:
		d.logger.Error("the next consumer refuses metrics for good, so they are dropped", zap.Error(err))
	case err != nil && !d.refusing:
		d.logger.Warn(fmt.Sprintf("the next consumer refuses metrics; the newest of each series are kept, and handed over again in %v", d.interval), zap.Error(err))
	case err == nil && d.refusing:
		d.logger.Info("the next consumer takes metrics again")
	}
	d.refusing = err != nil
}

// observeAge records how old the results are whose points are handed over.
func (d *Delivery) observeAge(points []point) {
	ctx, now := context.Background(), time.Now()
	for i := range points {
		if p := &points[i]; i == 0 || p.series != points[i-1].series || p.time != points[i-1].time {
			d.telemetry.ReceiverTcpcheckDeliveryAge.Record(ctx, max(0, now.Sub(p.time.AsTime()).Seconds()), d.receiver)
		}
	}
}
