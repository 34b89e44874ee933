package report

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/metadata"
)

const (
	// mostEvents is how many events may wait for a consumer that blocks or refuses. The oldest
	// ones make room.
	mostEvents = 10_000
	// eventsWait is how long an event waits for others.
	eventsWait = 50 * time.Millisecond
)

// Events hands events over to the next consumer as log records: each once, those of a resource in the
// order in which they happened, and at once. A consumer that blocks or refuses is given them once it no longer
// does.
type Events struct {
	next      consumer.Logs
	interval  time.Duration // after which what was refused is handed over again
	enabled   map[string]bool
	builder   *metadata.LogsBuilder
	observed  *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder
	receiver  otelmetric.MeasurementOption
	wake      chan struct{} // events have come

	mu        sync.Mutex
	waiting   []record
	refusals  refusals
	abandoned bool // nothing is to be handed over any more
}

// record is an event, and when it came.
type record struct {
	event
	observed time.Time
}

// NewEvents returns Events of those that config enables, to next. What is refused is handed over
// again after an interval. Self-telemetry goes to telemetry.
func NewEvents(set collector.Settings, config metadata.LogsBuilderConfig, interval time.Duration, telemetry *metadata.TelemetryBuilder, next consumer.Logs) (*Events, error) {
	observed, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set, LongLivedCtx: true})
	if err != nil {
		return nil, err
	}
	return &Events{
		next: next, interval: interval, enabled: enabledEvents(config.Events), builder: metadata.NewLogsBuilder(config, set),
		observed: observed, telemetry: telemetry, receiver: OfReceiver(set.ID), wake: make(chan struct{}, 1),
		refusals: refusals{logger: set.Logger, of: "events", kept: fmt.Sprintf("the last %d are kept, and handed over again in %v", mostEvents, interval)},
	}, nil
}

// enabledEvents returns the names of those events that are enabled.
func enabledEvents(config metadata.EventsConfig) map[string]bool {
	enabled := make(map[string]bool)
	for fields, i := reflect.ValueOf(config), 0; i < fields.NumField(); i++ {
		name := fields.Type().Field(i).Tag.Get("mapstructure")
		enabled[name] = fields.Field(i).FieldByName("Enabled").Bool()
	}
	return enabled
}

// add adds an event, if it is one of those. It does not wait for the consumer.
func (e *Events) add(added *event) {
	if !e.enabled[added.name] {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = append(e.waiting, record{*added, time.Now()})
	e.limit()
	select {
	case e.wake <- struct{}{}:
	default: // Run will look
	}
}

// limit drops the oldest events if there are too many. The caller holds mu.
func (e *Events) limit() {
	if excess := len(e.waiting) - mostEvents; excess > 0 {
		e.waiting = e.waiting[excess:]
		e.drop(excess, metadata.AttributeCauseOverflow)
	}
}

func (e *Events) drop(events int, cause metadata.AttributeCause) {
	if events > 0 {
		e.telemetry.ReceiverTcpcheckEventsDropped.Add(context.Background(), int64(events), e.receiver, otelmetric.WithAttributes(attribute.String("cause", cause.String())))
	}
}

// Run hands over what is added until ctx ends, and then what is left. The consumer is called with
// consuming.
func (e *Events) Run(ctx, consuming context.Context) {
	for e.await(ctx) {
		e.flush(consuming)
	}
	e.flush(consuming)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(len(e.waiting), metadata.AttributeCauseRefused)
	e.waiting = nil
}

// Abandon has no call of the consumer begin after it.
func (e *Events) Abandon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.abandoned = true
}

// await waits until events are to be handed over, and reports whether that is before ctx ends.
func (e *Events) await(ctx context.Context) bool {
	e.mu.Lock()
	wait := eventsWait
	if e.refusals.refusing {
		wait = e.interval
	}
	idle := len(e.waiting) == 0
	e.mu.Unlock()
	if idle {
		select {
		case <-e.wake:
		case <-ctx.Done():
			return false
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// flush hands over the events that wait.
func (e *Events) flush(ctx context.Context) {
	e.mu.Lock()
	given, abandoned := e.waiting, e.abandoned
	e.waiting = nil
	e.mu.Unlock()
	if len(given) == 0 {
		return
	}
	logs := e.logsOf(given)
	if logs.LogRecordCount() == 0 {
		return // the user's filters take them all out
	}
	ctx = e.observed.StartLogsOp(ctx)
	err := errAbandoned
	if !abandoned {
		err = e.next.ConsumeLogs(ctx, logs)
	}
	e.observed.EndLogsOp(ctx, format, len(given), err)

	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil:
	case consumererror.IsPermanent(err):
		e.drop(len(given), metadata.AttributeCauseRefused)
	default:
		e.waiting = append(given, e.waiting...)
		e.limit()
	}
	if !abandoned {
		e.refusals.observe(err)
	}
}

// severities are those of OpenTelemetry for the levels of the log.
var severities = map[zapcore.Level]plog.SeverityNumber{
	zapcore.InfoLevel: plog.SeverityNumberInfo, zapcore.WarnLevel: plog.SeverityNumberWarn, zapcore.ErrorLevel: plog.SeverityNumberError,
}

// logsOf returns events as OpenTelemetry has them: each resource once, and in it its events in their
// order.
//
// The generated builder makes the resource and its scope. It has no severity and no body for an
// event, and gives them sorted by their names.
func (e *Events) logsOf(events []record) plog.Logs {
	logs := plog.NewLogs()
	of := make(map[resourceKey]plog.LogRecordSlice)
	for i := range events {
		given := &events[i]
		var key resourceKey
		if given.target != nil {
			key = resourceOf(given.target)
		}
		records, ok := of[key]
		if !ok {
			records = e.resource(logs, key)
			of[key] = records
		}
		given.put(records.AppendEmpty())
	}
	return logs
}

// resource adds a resource to logs, and returns where its records go. Those that the user's filters
// take out go nowhere.
func (e *Events) resource(logs plog.Logs, key resourceKey) plog.LogRecordSlice {
	e.builder.AppendLogRecord(plog.NewLogRecord())
	made := e.builder.Emit(metadata.WithLogsResource(key.resource(e.builder.NewResourceBuilder()))).ResourceLogs()
	if made.Len() == 0 {
		return plog.NewLogRecordSlice()
	}
	added := logs.ResourceLogs().AppendEmpty()
	made.At(0).MoveTo(added)
	records := added.ScopeLogs().At(0).LogRecords()
	records.RemoveIf(func(plog.LogRecord) bool { return true })
	return records
}

// put puts the event into a log record.
func (r *record) put(into plog.LogRecord) {
	into.SetEventName(r.name)
	into.SetTimestamp(pcommon.NewTimestampFromTime(r.time))
	into.SetObservedTimestamp(pcommon.NewTimestampFromTime(r.observed))
	into.SetSeverityNumber(severities[r.level])
	into.SetSeverityText(r.level.CapitalString())
	into.Body().SetStr(r.body)
	attributes := into.Attributes()
	if r.target != nil {
		for _, tag := range r.target.Labels.Tags {
			attributes.PutStr(tag.Key, tag.Value)
		}
	}
	for _, a := range r.attributes {
		value, key := a.Value, string(a.Key)
		switch value.Type() {
		case attribute.INT64:
			attributes.PutInt(key, value.AsInt64())
		case attribute.BOOL:
			attributes.PutBool(key, value.AsBool())
		case attribute.STRINGSLICE:
			slice := attributes.PutEmptySlice(key)
			for _, text := range value.AsStringSlice() {
				slice.AppendEmpty().SetStr(text)
			}
		default:
			attributes.PutStr(key, value.AsString())
		}
	}
}
