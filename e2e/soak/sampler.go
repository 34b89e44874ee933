//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const mebibyte = 1 << 20

// sampler measures a collector.
type sampler struct {
	figures *figures
	pid     int
	start   time.Time // of the run
	sink    *sink
	// latest gets what the collector's Prometheus page shows.
	latest *latest
	// missing counts the samples for which a page could not be read, as while
	// the collector is reloaded.
	missing int
}

// sample measures at the interval every until ctx ends.
func (s *sampler) sample(ctx context.Context, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		at := time.Since(s.start)
		s.figures.delivered.add(at, float64(s.sink.delivered.Load())/1000)
		if err := s.sampleProcess(at); err != nil {
			return // the process has ended, which is for others to notice
		}
		if err := s.samplePages(ctx, at); err != nil && ctx.Err() == nil {
			s.missing++
		}
	}
}

// sampleProcess measures what the kernel knows of the process.
func (s *sampler) sampleProcess(at time.Duration) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return err
	}
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	if err != nil {
		return err
	}
	kibibytes, err := statusValue(string(status), "VmRSS")
	if err != nil {
		return err
	}
	threads, err := statusValue(string(status), "Threads")
	if err != nil {
		return err
	}
	s.figures.resident.add(at, kibibytes*1024/mebibyte)
	s.figures.threads.add(at, threads)
	s.figures.descriptors.add(at, float64(len(descriptors)))
	return nil
}

// statusValue returns a number of /proc/PID/status, without its unit.
func statusValue(status, name string) (float64, error) {
	for line := range strings.Lines(status) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			return strconv.ParseFloat(fields[1], 64)
		}
	}
	return 0, fmt.Errorf("the process has no %s", name)
}

// samplePages measures what the collector says about itself and its targets.
func (s *sampler) samplePages(ctx context.Context, at time.Duration) error {
	own, err := readPage(ctx, telemetryAddress)
	if err != nil {
		return err
	}
	for _, heap := range own[heapSeries] {
		s.figures.heap.add(at, heap.value/mebibyte)
	}
	page, err := readPage(ctx, pageAddress)
	if err != nil {
		return err
	}
	if len(page[canConnectSeries]) == 0 {
		return nil // no collection has been made since the collector was reloaded
	}
	s.figures.resultSeries.add(at, float64(len(page[canConnectSeries])))
	s.figures.errorMap.add(at, float64(len(page[errorSeries])))
	s.latest.set(newestOf(page[canConnectSeries]))
	return nil
}
