// Package scrape makes collections: it runs the checks of all targets and turns
// their results into metrics and log lines. It opens no socket.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper/scrapererror"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// Scraper makes collections of a fixed set of targets.
type Scraper struct {
	running  context.Context
	probes   []*probe.Probe
	recorder *recorder
	journal  *journal
}

// New returns a Scraper of targets whose checks end when running does.
func New(running context.Context, set collector.Settings, metrics metadata.MetricsBuilderConfig, targets []target.Target) *Scraper {
	return &Scraper{
		running:  running,
		probes:   probe.New(targets),
		recorder: newRecorder(set, metrics, targets),
		journal:  newJournal(set.Logger, targets),
	}
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
	for i := range outcomes {
		s.journal.observe(i, outcomes[i].Results, now)
	}
	return s.recorder.record(pcommon.NewTimestampFromTime(now), outcomes), localFaults(outcomes)
}

// check returns the outcome of each target's check, an empty one where ctx ended
// first.
func (s *Scraper) check(ctx context.Context) []probe.Outcome {
	host := probe.ReadHostAddresses()
	outcomes := make([]probe.Outcome, len(s.probes))
	var checks sync.WaitGroup
	checks.Add(len(s.probes))
	for i, p := range s.probes {
		go func() {
			defer checks.Done()
			// The only error is that of ctx: nothing is known then.
			outcomes[i], _ = p.Check(ctx, host)
		}()
	}
	checks.Wait()
	return outcomes
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
