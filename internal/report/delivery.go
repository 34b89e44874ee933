package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"

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

	refusals  refusals
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
		points: points, next: next, interval: interval, observed: observed, telemetry: telemetry, receiver: OfReceiver(set.ID),
		wake: make(chan struct{}, 1), compact: compactFrom,
		refusals: refusals{logger: set.Logger, of: "metrics", kept: fmt.Sprintf("the newest of each series are kept, and handed over again in %v", interval)},
	}, nil
}

// Add adds the points of a report, whose target has the series s. It does not wait for the
// consumer. News is a report that says something else than the one before; one that begins or
// ends a series is in any case.
func (d *Delivery) Add(s *Series, r *check.Report, news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.writer.points)
	news = d.writer.add(d.points, s, r) || news
	d.added(before, news)
}

// End ends all series of s. Nothing of s may be added after that.
func (d *Delivery) End(s *Series, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.writer.points)
	d.writer.end(d.points, s, pcommon.NewTimestampFromTime(now))
	d.added(before, true)
}

// added takes note that there are more points than before. The caller holds mu.
func (d *Delivery) added(before int, news bool) {
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

// newest returns the last point of each series, in their order, but for the ends of series
// that the consumer does not have.
func newest(points []point) []point {
	// From the last one on, each is kept that its series has none of yet. A map of all would
	// take a second for a million targets, in which no check could add its points.
	kept := make([]point, 0, len(points)/2)
	for i := range points {
		points[i].series.waiting = points[i].series.waiting[:0]
	}
	for i := range slices.Backward(points) {
		p := &points[i]
		if slices.Contains(p.series.waiting, p.seriesKey) {
			continue
		}
		p.series.waiting = append(p.series.waiting, p.seriesKey)
		if !p.ends || slices.Contains(p.series.given, p.seriesKey) {
			kept = append(kept, *p)
		}
	}
	slices.Reverse(kept)
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
	taken := points
	if len(points) > 0 && points[0].refused > 0 {
		points = newest(points)
	}
	points = d.give(points)
	d.compact = compactFrom
	d.mu.Unlock()

	// Ends that were refused for good before come first, and by themselves: if it is one of
	// them that the consumer does not take, that is no reason to drop all else.
	again := 0
	for again < len(points) && points[again].refused > 0 {
		again++
	}
	err := d.handOver(ctx, points[:again])
	if other := d.handOver(ctx, points[again:]); err == nil {
		err = other
	}
	if err == nil && cap(taken) <= 4*len(taken) {
		clear(taken) // of what is gone
		d.mu.Lock()
		d.spare = taken
		d.mu.Unlock()
	}
}

// handOver hands over points.
func (d *Delivery) handOver(ctx context.Context, points []point) error {
	if len(points) == 0 {
		return nil
	}
	metrics := d.points.metricsOf(points)
	d.observeAge(points)
	ctx = d.observed.StartMetricsOp(ctx)
	d.mu.Lock()
	abandoned := d.abandoned
	d.mu.Unlock()
	err := errAbandoned
	if !abandoned {
		err = d.next.ConsumeMetrics(ctx, metrics)
	}
	d.observed.EndMetricsOp(ctx, format, len(points), err)

	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		take(points)
		d.keep(points, consumererror.IsPermanent(err))
	}
	if !abandoned {
		d.refusals.observe(err)
	}
	return err
}

// errAbandoned is the error of points that are not handed over any more.
var errAbandoned = errors.New("the receiver is shut down")

// give takes note of what the consumer will know once it has points, and returns these
// without the ends of series that it does not have: their values were dropped. The caller
// holds mu.
func (d *Delivery) give(points []point) []point {
	kept := points[:0]
	for _, p := range points {
		p.first = false
		given := &p.series.given
		place := slices.Index(*given, p.seriesKey)
		switch {
		case p.ends && place < 0:
			continue
		case p.ends:
			*given = slices.Delete(*given, place, place+1)
		case place < 0:
			p.first = true
			*given = slices.Concat(*given, []seriesKey{p.seriesKey}) // no longer than it has to be: there are few, and as many targets
		}
		kept = append(kept, p)
	}
	return kept
}

// take takes back what give took note of.
func take(points []point) {
	for i := range slices.Backward(points) {
		p := &points[i]
		switch given := &p.series.given; {
		case p.ends:
			*given = append(*given, p.seriesKey)
		case p.first:
			place := slices.Index(*given, p.seriesKey)
			*given = slices.Delete(*given, place, place+1)
		}
	}
}

// mostRefusals is how often the end of a series is handed over where it is refused for good.
const mostRefusals = 10

// keep has those points wait for the next flush that were refused. Of those that are
// refused for good, the ends of series are kept for some time: else they would go on for
// ever. The caller holds mu.
func (d *Delivery) keep(refused []point, permanent bool) {
	if permanent {
		before := len(refused)
		refused = slices.DeleteFunc(slices.Clone(refused), func(p point) bool { return !p.ends || p.refused >= mostRefusals })
		for i := range refused {
			refused[i].refused++
		}
		d.drop(before-len(refused), metadata.AttributeCauseRefused)
	}
	if len(refused) == 0 {
		return
	}
	d.writer.points = append(slices.Clip(refused), d.writer.points...)
	d.since = d.flushed // another try in an interval
	d.replace()
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
