// Package receiver runs the checks: it puts the targets on a schedule, has their reports
// told to whom they concern, and ends it all when it is shut down.
package receiver

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/schedule"
)

// Settings say what a receiver is to do.
type Settings struct {
	// List has the targets that are checked first, each at its own interval.
	check.List
	// Bind finds the extensions of the collector that Watch needs, which are by their IDs. It
	// returns an error if one is not there. It is nil if none is needed.
	Bind func(extension func(id string) any) error
	// Watch calls changed with each new list, until ctx ends. It is nil if there is none.
	Watch func(ctx context.Context, changed func(check.List))
	// CertificateFiles are patterns of files with certificates, as filepath.Match has them. They are looked at
	// every CertificateInterval, which is positive.
	CertificateFiles    []string
	CertificateInterval time.Duration
	// Elector is the ID of an extension that says when this collector is the one of several that
	// checks. It is empty if it always is.
	Elector string
	// Status is the ID of an extension that shows what is known of the targets. It is empty if none does,
	// and nothing is kept for it then.
	Status string
	// InitialDelay is the time from the start to the first checks; 0 is none.
	InitialDelay time.Duration
	// FlushInterval is how often what was found is handed over, but for changes of state.
	// It is positive.
	FlushInterval time.Duration
	// PhaseSeed moves the checks away from those of another receiver with the same targets.
	// Where it is empty, it is made of the name of the machine and the ID of the receiver.
	PhaseSeed string
	// MaxConcurrentChecks limits the addresses that are dialled at the same time; 0 has
	// as many as the limit of open files allows, which holds in any case.
	MaxConcurrentChecks int
	// Metrics are those to make.
	Metrics metadata.MetricsBuilderConfig
	// Events are those to tell to a pipeline of logs.
	Events metadata.EventsConfig
	// ShutDown is called when the receiver is shut down; nil is for nothing.
	ShutDown func()
}

// Receiver is a schedule, and what is told of its checks: to a pipeline of metrics, to one of logs, or
// to both.
type Receiver struct {
	set       collector.Settings
	settings  Settings
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	id        metric.MeasurementOption
	journal   *report.Journal
	machine   *report.Machine
	points    *report.Points
	parts     []*part          // one for each pipeline
	delivery  *report.Delivery // nil without a pipeline of metrics
	events    *report.Events   // nil without a pipeline of logs
	schedule  *schedule.Schedule[*target]
	// sessions is the schedule of what goes on over connections once they are made.
	sessions  *schedule.Schedule[*target]
	system    *probe.System
	addresses hostAddresses
	targets   []*target // on the schedule; nil if the list does not change
	sources   sources
	files     certificateFiles
	health    health
	// showing is nil where no extension shows the receiver.
	showing *showing
	// leadership counts if there is an elector.
	leadership leadership

	// cancel ends the checks that are under way, and give up the call of the consumer.
	running, consuming context.Context
	cancel, giveUp     context.CancelFunc
	ended              chan struct{} // all has

	mu     sync.Mutex
	life   life
	failed error // of the start
	runs   bool  // until ended is closed
}

// New returns a Receiver that does what settings say. It is of use once it has a pipeline.
func New(set collector.Settings, settings Settings) (*Receiver, error) {
	// The stack trace that the collector adds to an error is of no use to the one who
	// reads that the next consumer refuses metrics.
	set.Logger = set.Logger.WithOptions(zap.AddStacktrace(zapcore.FatalLevel))
	r := &Receiver{set: set, settings: settings, logger: set.Logger, id: report.OfReceiver(set.ID), system: probe.NewSystem(0), ended: make(chan struct{})}
	var err error
	if r.telemetry, err = metadata.NewTelemetryBuilder(set.TelemetrySettings); err != nil {
		return nil, err
	}
	r.points = report.NewPoints(set, settings.Metrics)
	r.journal = report.NewJournal(set.Logger)
	if r.showing = newShowing(&r.settings, set.ID); r.showing != nil {
		r.journal.Keep(r.showing.recent)
	}
	r.machine = report.NewMachine(set, r.journal, r.telemetry, probe.ReadConntrack, func(err error) { r.health.report(&r.health.machine, err) })
	r.schedule = schedule.New(schedule.Settings{
		Clock: schedule.SystemClock(), Seed: settings.seed(set.ID), Slots: settings.slots(), Workers: runtime.GOMAXPROCS(0),
	}, r.check)
	r.sessions = r.newSessions()
	r.files = newCertificateFiles(settings.CertificateFiles)
	r.running, r.cancel = context.WithCancel(context.Background())
	r.consuming, r.giveUp = context.WithCancel(context.Background())
	return r, nil
}

// seed returns that of the schedule.
func (s *Settings) seed(id component.ID) string {
	if s.PhaseSeed != "" {
		return s.PhaseSeed
	}
	name, err := os.Hostname()
	if err != nil {
		name = "" // the phases are those of any machine without a name
	}
	return name + "/" + id.String()
}

// slots returns how many addresses may be dialled at the same time.
func (s *Settings) slots() int {
	if s.MaxConcurrentChecks > 0 {
		return min(s.MaxConcurrentChecks, probe.MostDials())
	}
	return probe.MostDials()
}

// extensionsOf returns what finds an extension of the collector by its ID, or nil.
func extensionsOf(host component.Host) func(id string) any {
	return func(id string) any {
		for known, extension := range host.GetExtensions() {
			if known.String() == id {
				return extension
			}
		}
		return nil
	}
}

// observeSchedule has the collector's meter ask the schedule for its counts.
func (r *Receiver) observeSchedule() error {
	of := func(value func(schedule.Stats) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(value(r.schedule.Stats()), r.id)
			return nil
		}
	}
	return errors.Join(
		r.telemetry.RegisterReceiverTcpcheckTargetsCallback(of(func(s schedule.Stats) int64 { return int64(s.Targets) })),
		r.telemetry.RegisterReceiverTcpcheckChecksUnderWayCallback(of(func(s schedule.Stats) int64 { return int64(s.UnderWay) })),
		r.telemetry.RegisterReceiverTcpcheckChecksWaitingCallback(of(func(s schedule.Stats) int64 { return int64(s.Waiting) })),
		r.telemetry.RegisterReceiverTcpcheckChecksLeftOutCallback(of(func(s schedule.Stats) int64 { return s.LeftOut })),
		r.telemetry.RegisterReceiverTcpcheckTargetsRefusedCallback(of(func(schedule.Stats) int64 { return int64(r.sources.refusedNow()) })),
		r.telemetry.RegisterReceiverTcpcheckSourceStaleCallback(func(_ context.Context, o metric.Float64Observer) error {
			for _, s := range []*sources{&r.sources, &r.files.sources} {
				for source, age := range s.staleFor(time.Now()) {
					o.Observe(age.Seconds(), r.id, metric.WithAttributes(attribute.String("source", source)))
				}
			}
			return nil
		}),
	)
}

// run makes checks until the receiver is shut down, and hands over what is left then.
func (r *Receiver) run() {
	defer close(r.ended)
	defer r.telemetry.Shutdown()
	delivering, end := context.WithCancel(context.Background())
	var delivery sync.WaitGroup
	for _, p := range r.parts {
		delivery.Go(func() { p.run(delivering) })
	}
	r.runChecks()
	r.system.Close()
	end()
	delivery.Wait()
}

// runChecks makes checks until the receiver is shut down and the last one has ended.
func (r *Receiver) runChecks() {
	if delay := r.settings.InitialDelay; delay != 0 {
		select {
		case <-time.After(delay):
		case <-r.running.Done():
			return
		}
	}
	var running sync.WaitGroup
	defer running.Wait()
	itself := r.points.NewSeries(r.machine.Target(), time.Now())
	running.Go(func() { r.review(itself) })
	running.Go(func() { r.schedule.Run(r.running) })
	running.Go(func() { r.sessions.Run(r.running) })
	if len(r.settings.CertificateFiles) > 0 {
		running.Go(r.followFiles)
	}
	if r.settings.Elector != "" {
		r.follow(r.settings.List)
		if r.settings.Watch != nil {
			r.settings.Watch(r.running, r.follow)
		}
		return
	}
	targets, now := make([]*target, len(r.settings.Targets)), time.Now()
	for i, listed := range r.settings.Targets {
		if r.running.Err() != nil {
			return
		}
		targets[i] = r.newTarget(listed, now)
	}
	r.add(targets)
	r.showing.follow(targets, &r.settings.List)
	if r.settings.Watch != nil {
		r.targets = targets
		r.settings.Watch(r.running, r.change)
	}
}

// review has the machine reviewed until the receiver is shut down; itself has its series.
func (r *Receiver) review(itself *report.Series) {
	ticker := time.NewTicker(report.ReviewEvery)
	defer ticker.Stop()
	var told time.Time
	for {
		select {
		case now := <-ticker.C:
			news := r.machine.Review(now)
			if r.delivery != nil && (news || now.Sub(told) >= r.settings.FlushInterval) {
				told = now
				r.delivery.Add(itself, r.machine.Report(now), news)
			}
		case <-r.running.Done():
			return
		}
	}
}
