package receiver

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report"
)

// life is how far the life of a Receiver has come.
type life uint8

const (
	notStarted life = iota
	started         // or failed to
	shutDown
)

// outlet hands over what is found to the next consumer of a pipeline.
type outlet interface {
	// Run hands over what comes until ctx ends, and then what is left. The consumer is called with
	// consuming.
	Run(ctx, consuming context.Context)
	// Abandon has no call of the consumer begin after it.
	Abandon()
}

// part is a Receiver as one of its pipelines has it. The collector starts and shuts down each part: the
// first call is that of the Receiver, and the others have its outcome.
type part struct {
	of      *Receiver
	to      outlet
	started chan struct{} // closed once the collector has started the pipeline
}

// newPart adds a part.
func (r *Receiver) newPart(to outlet) *part {
	p := &part{of: r, to: to, started: make(chan struct{})}
	r.parts = append(r.parts, p)
	return p
}

// run hands over what is found until ctx ends, and then what is left, once the collector has started the
// pipeline: no consumer is called before.
func (p *part) run(ctx context.Context) {
	select {
	case <-p.started:
	case <-ctx.Done():
	}
	if p.isStarted() {
		p.to.Run(ctx, p.of.consuming)
	}
}

// errTaken is the error of a second pipeline of a signal, and errUsed that of one that comes too late.
var (
	errTaken = errors.New("the receiver has a pipeline of this signal")
	errUsed  = errors.New("the receiver was started or shut down before")
)

// Joins reports whether the receiver can still be given a pipeline of metrics, or else of logs.
func (r *Receiver) Joins(metrics bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.life == notStarted && (metrics && r.delivery == nil || !metrics && r.events == nil)
}

// Metrics has the metrics given to next. It fails where Joins says no.
func (r *Receiver) Metrics(next consumer.Metrics) (collector.Metrics, error) {
	if !r.Joins(true) {
		return nil, errTaken
	}
	delivery, err := report.NewDelivery(r.set, r.points, r.settings.FlushInterval, r.telemetry, next)
	if err != nil {
		return nil, err
	}
	r.delivery = delivery
	return r.newPart(delivery), nil
}

// Logs has the events given to next. It fails where Joins says no.
func (r *Receiver) Logs(next consumer.Logs) (collector.Logs, error) {
	if !r.Joins(false) {
		return nil, errTaken
	}
	config := metadata.LogsBuilderConfig{Events: r.settings.Events, ResourceAttributes: r.settings.Metrics.ResourceAttributes}
	events, err := report.NewEvents(r.set, config, r.settings.FlushInterval, r.telemetry, next)
	if err != nil {
		return nil, err
	}
	r.journal.Emit(events)
	r.events = events
	return r.newPart(events), nil
}

// Start starts the checks, unless another part has. It fails after Shutdown, if it is called twice, and
// if an extension is missing that the receiver needs.
func (p *part) Start(_ context.Context, host component.Host) error {
	r := p.of
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life == shutDown || p.isStarted() {
		return errUsed
	}
	if r.life == notStarted {
		r.life = started
		if r.failed = r.start(host); r.failed != nil {
			r.hide()
			r.telemetry.Shutdown()
		}
	}
	if r.failed != nil {
		return r.failed
	}
	r.health.add(host)
	close(p.started)
	return nil
}

func (p *part) isStarted() bool {
	select {
	case <-p.started:
		return true
	default:
		return false
	}
}

// start starts the checks. The caller holds mu.
func (r *Receiver) start(host component.Host) error {
	if err := r.show(extensionsOf(host)); err != nil {
		return err
	}
	if r.settings.Bind != nil {
		if err := r.settings.Bind(extensionsOf(host)); err != nil {
			return err
		}
	}
	if r.settings.Elector != "" {
		if err := r.elect(r.settings.Elector, extensionsOf(host)(r.settings.Elector)); err != nil {
			return err
		}
	}
	if err := r.observeSchedule(); err != nil {
		return err
	}
	_, _ = r.sources.observe(r.logger, r.journal, &r.settings.List) // nothing is stale yet
	r.runs = true
	go r.run()
	return nil
}

// Shutdown ends all checks at once, of all parts. What they have found until then is still given to the
// next consumers. The error is ctx's where that ends before these have taken it: no call of them begins
// after that. A call before Start makes Start fail; a call after the first one waits for the same.
func (p *part) Shutdown(ctx context.Context) error {
	r := p.of
	r.cancel()
	r.mu.Lock()
	first := r.life != shutDown
	r.life = shutDown
	r.hide()
	runs := r.runs
	r.mu.Unlock()
	if first && r.settings.ShutDown != nil {
		r.settings.ShutDown()
	}
	if !runs {
		return nil
	}
	defer r.giveUp()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		for _, p := range r.parts {
			p.to.Abandon()
		}
		r.telemetry.Shutdown()
		return ctx.Err()
	}
}

// health is the status of the component: what ails this machine, what ails the sources of the list, and what
// ails the files with certificates; nil for nothing. It is that of each part.
type health struct {
	mu                      sync.Mutex
	machine, sources, files error
	hosts                   []component.Host // of the parts
}

// add adds the host of a part, which is told what ails already.
func (h *health) add(host component.Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hosts = append(h.hosts, host)
	if h.ails() != nil {
		componentstatus.ReportStatus(host, h.event())
	}
}

// report tells the collector that one of them is what it was not before.
func (h *health) report(which *error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*which = err
	for _, host := range h.hosts {
		componentstatus.ReportStatus(host, h.event())
	}
}

// ails returns all that ails, or nil. The caller holds mu.
func (h *health) ails() error { return errors.Join(h.machine, h.sources, h.files) }

// event returns the status. The caller holds mu.
func (h *health) event() *componentstatus.Event {
	if ails := h.ails(); ails != nil {
		return componentstatus.NewRecoverableErrorEvent(ails)
	}
	return componentstatus.NewEvent(componentstatus.StatusOK)
}
