// Package scrape makes collections: it runs the checks of all targets and turns
// their results into metrics and log lines. It opens no socket.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// Scraper makes collections of a fixed set of targets.
type Scraper struct {
	running  context.Context
	probes   []*probe.Probe
	order    []int // of the next collection's checks
	interval time.Duration
	late     bool // the last collection took longer than two intervals
	logger   *zap.Logger
	places   *semaphore.Weighted
	recorder *recorder
	journal  *journal
	machine  *Machine
	host     probe.HostAddresses
}

// New returns a Scraper of targets, of which there is at least one, and which have
// the same interval. Their checks end when running does. Each takes one of places,
// unless that is nil. What ails the machine is for machine to say.
func New(running context.Context, set collector.Settings, metrics metadata.MetricsBuilderConfig, targets []target.Target, places *semaphore.Weighted, machine *Machine) *Scraper {
	s := &Scraper{
		running:  running,
		probes:   probe.New(targets),
		order:    make([]int, len(targets)),
		interval: targets[0].Interval,
		logger:   set.Logger,
		places:   places,
		recorder: newRecorder(set, metrics, targets),
		journal:  newJournal(set.Logger, targets),
		machine:  machine,
	}
	for i := range s.order {
		s.order[i] = i
	}
	machine.join(s)
	return s
}

// ScrapeMetrics makes one collection: it checks all targets at the same time
// and returns their points, which share a timestamp. Targets that are down are
// no error. It is a partial scrape error if this machine was unable to check an
// address. Where running ends, or ctx, the points are those of the checks that
// were done by then.
func (s *Scraper) ScrapeMetrics(ctx context.Context) (pmetric.Metrics, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.running, cancel)()

	now := time.Now()
	outcomes := s.check(ctx)
	s.observeDuration(time.Since(now))
	s.journal.silent = 0
	for i := range outcomes {
		s.journal.observe(i, &outcomes[i], now)
	}
	if ctx.Err() == nil {
		s.machine.observe(outcomes)
		s.observeSilence(s.journal.silent)
		s.machine.observeOmissions(s, outcomes)
	}
	return s.recorder.record(pcommon.NewTimestampFromTime(now), outcomes), localFaults(outcomes)
}

// check returns the outcome of each target's check, an empty one where ctx ended
// first.
func (s *Scraper) check(ctx context.Context) []probe.Outcome {
	s.host = probe.ReadHostAddresses(s.host)
	c := &collection{
		ctx: ctx, probes: s.probes, order: s.order, places: s.places,
		host: s.host, outcomes: make([]probe.Outcome, len(s.probes)),
	}
	c.run()
	// Those that are silent are the last to start the next time: where they
	// take all that may be under way, nobody of this interval waits behind them.
	slices.SortStableFunc(s.order, func(a, b int) int { return silence(&c.outcomes[a]) - silence(&c.outcomes[b]) })
	return c.outcomes
}

// observeDuration takes note of how long a collection took. The next one is put off
// where that is more than the interval, as it is by a moment where a target is silent
// for a timeout of the same length. Where it is more than two, collections are left
// out, and the user ought to know.
func (s *Scraper) observeDuration(took time.Duration) {
	if late := took > 2*s.interval; late != s.late {
		s.late = late
		fields := []zap.Field{zap.Duration("duration", took), zap.Duration("interval", s.interval), zap.Int("instances", len(s.probes))}
		if late {
			s.logger.Warn("a collection took longer than two intervals, so instances are checked less often: lengthen the interval, "+
				"shorten the timeouts, or raise the limit of open files or max_concurrent_checks", fields...)
		} else {
			s.logger.Info("collections take less than two intervals again", fields...)
		}
	}
}

// Where at least so many targets, and so large a part of them, stop answering in one
// collection, they are not the likeliest cause.
const (
	manySilent     = 10
	manySilentPart = 4
)

// observeSilence takes note of how many targets stopped answering in a collection.
func (s *Scraper) observeSilence(silent int) {
	if silent < manySilent || silent*manySilentPart < len(s.probes) {
		return
	}
	s.logger.Warn(fmt.Sprintf("%d of %d instances do not answer since this collection: this machine or its network is a likelier cause than all of them. "+
		"In a container, the connection tracking table of the host may be full, which cannot be seen from here: compare nf_conntrack_count with nf_conntrack_max there",
		silent, len(s.probes)))
}

// silence returns 1 if an address or a name server did not answer, and 0 otherwise.
func silence(outcome *probe.Outcome) int {
	if slices.ContainsFunc(outcome.Results, func(r probe.Result) bool { return r.Silent() }) {
		return 1
	}
	return 0
}

// localFaults returns a partial scrape error if there are addresses that this
// machine was unable to check, with each distinct reason once.
func localFaults(outcomes []probe.Outcome) error {
	unchecked := 0
	var reasons []error
	seen := make(map[string]bool)
	for _, outcome := range outcomes {
		for _, result := range outcome.Results {
			if !result.LocalFault {
				continue
			}
			unchecked++
			if reason := rootCause(result.Err); !seen[reason.Error()] {
				seen[reason.Error()] = true
				reasons = append(reasons, reason)
			}
		}
	}
	if unchecked == 0 {
		return nil
	}
	err := fmt.Errorf("a fault of this machine, and not of its targets, left addresses unchecked (%d): %w", unchecked, errors.Join(reasons...))
	return scrapererror.NewPartialScrapeError(err, unchecked)
}

// rootCause returns the innermost error of err, which does not name the address.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
