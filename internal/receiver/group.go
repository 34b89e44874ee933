package receiver

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/schedule"
	"example.com/tcpcheckreceiver/internal/state"
)

// target is one target, with all that lasts from check to check.
type target struct {
	check.Target
	probe  *probe.Probe
	known  state.Target
	log    report.Log
	series *report.Series
	report check.Report // of the collection that is under way
}

// group is the targets that are checked at the same interval.
type group struct {
	running  context.Context
	logger   *zap.Logger
	targets  []*target
	interval time.Duration
	schedule *schedule.Group[*target]
	points   *report.Points
	watch    *report.Watch
	host     *probe.HostAddresses
	late     bool // the last collection took longer than two intervals
}

// newGroup returns the group of targets, of which there is at least one, and which have
// the same interval. Their checks end when running does. Each takes one of slots, unless
// that is nil. What ails the machine is for machine to say.
func newGroup(running context.Context, set collector.Settings, metrics metadata.MetricsBuilderConfig, targets []check.Target, slots *semaphore.Weighted, machine *report.Machine) *group {
	g := &group{
		running: running, logger: set.Logger, interval: targets[0].Interval,
		points: report.NewPoints(set, metrics), watch: machine.Watch(len(targets)),
	}
	system := probe.NewSystem()
	for i := range targets {
		t := &target{Target: targets[i]}
		t.probe, t.log, t.series = system.Probe(&t.Target), report.NewLog(set.Logger, &t.Target), g.points.NewSeries(&t.Target)
		g.targets = append(g.targets, t)
	}
	g.schedule = schedule.NewGroup(g.targets, slots)
	return g
}

// collect makes one collection: it checks all targets at the same time and returns their
// points, which share a timestamp. Targets that are down are no error. It is a partial
// scrape error if this machine was unable to check an address. Where running ends, or
// ctx, the points are those of the checks that were done by then.
func (g *group) collect(ctx context.Context) (pmetric.Metrics, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.running, cancel)()

	now := time.Now()
	g.host = probe.ReadHostAddresses(g.host)
	for _, t := range g.targets {
		t.report = check.Report{Target: &t.Target, Time: now} // unless it is checked
	}
	g.schedule.Collect(ctx, func(ctx context.Context, t *target, handOff func()) bool {
		t.report = t.probe.Check(ctx, now, g.host, handOff)
		return t.report.Silent()
	})
	g.observeDuration(time.Since(now))

	reports, batch, stopped := make([]check.Report, 0, len(g.targets)), g.points.NewBatch(), 0
	for _, t := range g.targets {
		t.log.Flush(&t.report, &t.known)
		changes := t.known.Observe(&t.report)
		t.log.Write(&t.report, changes)
		batch.Add(t.series, &t.report)
		if slices.ContainsFunc(changes, stoppedAnswering) {
			stopped++
		}
		reports = append(reports, t.report)
	}
	if ctx.Err() == nil {
		g.watch.Observe(reports, stopped)
	}
	return batch.Metrics(), report.Fault(reports)
}

// stoppedAnswering reports whether an address answers no longer, be it told of it or not.
func stoppedAnswering(c state.Change) bool {
	switch c.Kind {
	case state.WentDown, state.Flapping, state.Held:
		return c.Result.ErrorType == check.Timeout
	default:
		return false
	}
}

// observeDuration takes note of how long a collection took. The next one is put off
// where that is more than the interval, as it is by a moment where a target is silent
// for a timeout of the same length. Where it is more than two, collections are left
// out, and the user ought to know.
func (g *group) observeDuration(took time.Duration) {
	if late := took > 2*g.interval; late != g.late {
		g.late = late
		fields := []zap.Field{zap.Duration("duration", took), zap.Duration("interval", g.interval), zap.Int("instances", len(g.targets))}
		if late {
			g.logger.Warn("a collection took longer than two intervals, so instances are checked less often: lengthen the interval, "+
				"shorten the timeouts, or raise the limit of open files or max_concurrent_checks", fields...)
		} else {
			g.logger.Info("collections take less than two intervals again", fields...)
		}
	}
}
