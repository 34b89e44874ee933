//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
)

// changeTick is the time between two changes of the world.
const changeTick = time.Second

// finalCollections is how many collections begin after the last change before
// what is reported is compared with what is.
const finalCollections = 2

// soakRun is a run, and what it found.
type soakRun struct {
	plan   plan
	binary string

	folder    string // for files
	start     time.Time
	world     *world
	sink      *sink
	collector *collector
	figures   *figures
	sampler   *sampler
	number    int // of the configuration

	reloads  []reloaded
	stopping time.Duration // how long the collector took to end
	page     comparison    // of the last collection on the Prometheus page
	otlp     comparison    // of the last one that came by OTLP
}

// reloaded is a reload of the collector: when it was asked for, and how long it
// took to be ready again.
type reloaded struct{ at, took time.Duration }

// run makes the run. It returns an error if that could not be completed, the
// collector's death included. Nothing is left of it, whatever it returns.
func (r *soakRun) run(ctx context.Context) (err error) {
	var cleanup []func() error
	defer func() {
		for _, undo := range slices.Backward(cleanup) {
			err = errors.Join(err, undo())
		}
	}()
	if r.folder, err = os.MkdirTemp("", "soak"); err != nil {
		return err
	}
	cleanup = append(cleanup, func() error { return os.RemoveAll(r.folder) })

	server, err := dnsserver.Start()
	if err != nil {
		return err
	}
	cleanup = append(cleanup, server.Close)
	names, err := startNameserver(server.Addr())
	if err != nil {
		return err
	}
	cleanup = append(cleanup, names.close)
	r.world, err = newWorld(server)
	cleanup = append(cleanup, r.world.close)
	if err != nil {
		return err
	}
	if r.sink, err = startSink(); err != nil {
		return err
	}
	cleanup = append(cleanup, r.sink.cut)
	return r.measured(ctx)
}

// measured starts the collector and measures it throughout the run.
func (r *soakRun) measured(ctx context.Context) (err error) {
	if err := r.startCollector(ctx); err != nil {
		return err
	}
	r.sampler = &sampler{figures: r.figures, pid: r.collector.pid(), start: r.start, sink: r.sink, latest: newLatest()}
	sampling, stop := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	sampler.Go(func() { r.sampler.sample(sampling, r.plan.sample) })
	err = r.steps(ctx)
	if err == nil {
		err = r.compare(ctx)
	}
	stop()
	sampler.Wait()

	asked := time.Now()
	err = errors.Join(err, r.collector.stop())
	r.stopping = time.Since(asked)
	return err
}

// startCollector starts the collector and the run, and returns when the
// collector is ready. It is left to the caller to stop unless there is an error.
func (r *soakRun) startCollector(ctx context.Context) error {
	if err := r.configure(); err != nil {
		return err
	}
	resolv := filepath.Join(r.folder, "resolv.conf")
	if err := os.WriteFile(resolv, []byte(resolvConf), 0o600); err != nil {
		return err
	}
	r.figures, r.start = newFigures(), time.Now()
	counted := func(at time.Time, number int) { r.figures.goroutines.add(at.Sub(r.start), float64(number)) }
	var err error
	if r.collector, err = startCollector(r.binary, r.config(), resolv, r.plan.trace(), counted); err != nil {
		return err
	}
	if err := r.collector.awaitReady(ctx, 1); err != nil {
		return errors.Join(err, r.collector.stop())
	}
	return nil
}

func (r *soakRun) config() string { return filepath.Join(r.folder, "collector.yaml") }

// configure writes the configuration of the present number.
func (r *soakRun) configure() error {
	return os.WriteFile(r.config(), []byte(collectorConfig(r.world.configured(r.number))), 0o600)
}

// steps does what the plan says, until its end.
func (r *soakRun) steps(ctx context.Context) error {
	type step struct {
		at time.Duration
		do func() error
	}
	steps := []step{
		{r.plan.cut, func() error { r.say("The OTLP exporter is cut off."); return r.sink.cut() }},
		{r.plan.restore, func() error { r.say("The OTLP exporter has its peer back."); return r.sink.restore() }},
		{r.plan.duration, func() error { r.say("The changes stop."); return nil }},
	}
	for _, at := range r.plan.reloads {
		steps = append(steps, step{at, func() error { return r.reload(ctx) }})
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })

	ticks := time.NewTicker(changeTick)
	defer ticks.Stop()
	for _, s := range steps {
		if err := r.changeUntil(ctx, s.at, ticks.C); err != nil {
			return err
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

// changeUntil changes the world at each tick until a time of the run.
func (r *soakRun) changeUntil(ctx context.Context, at time.Duration, ticks <-chan time.Time) error {
	due := time.After(at - time.Since(r.start))
	for {
		select {
		case <-due:
			return nil
		case <-ticks:
			if err := r.world.change(changeTick); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-r.collector.ended:
			return r.collector.death()
		}
	}
}

// reload gives the collector another configuration.
func (r *soakRun) reload(ctx context.Context) error {
	r.number++
	if err := r.configure(); err != nil {
		return err
	}
	asked := time.Now()
	if err := r.collector.reload(); err != nil {
		return err
	}
	if err := r.collector.awaitReady(ctx, 1+r.number); err != nil {
		return err
	}
	took := time.Since(asked)
	r.reloads = append(r.reloads, reloaded{asked.Sub(r.start), took})
	r.say("The collector has its configuration number %d, %v after the signal.", r.number, took.Round(time.Millisecond))
	return nil
}

// compare waits for collections that began after the last change, and compares
// what they say, on both ways out of the collector.
func (r *soakRun) compare(ctx context.Context) error {
	stopped := time.Now()
	page, err := r.sampler.latest.await(ctx, finalCollections, stopped)
	if err != nil {
		return fmt.Errorf("the Prometheus page: %w", err)
	}
	otlp, err := r.sink.latest.await(ctx, finalCollections, stopped)
	if err != nil {
		return fmt.Errorf("OTLP: %w", err)
	}
	targets := r.world.configured(r.number)
	r.page, r.otlp = compare(targets, page), compare(targets, otlp)
	return nil
}

// say tells the user what happens.
func (r *soakRun) say(format string, args ...any) {
	fmt.Printf("%8v  %s\n", time.Since(r.start).Round(100*time.Millisecond), fmt.Sprintf(format, args...))
}
