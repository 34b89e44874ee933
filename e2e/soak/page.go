//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// The names of the metrics on the pages.
const (
	canConnectSeries = "network_tcp_can_connect"
	errorSeries      = "tcpcheck_errors_total"
	heapSeries       = "otelcol_process_runtime_heap_alloc_bytes"
)

// sample is a point of a Prometheus page.
type sample struct {
	labels map[string]string
	value  float64
	at     time.Time // 1970 where the page does not say
}

// readPage returns the points of a Prometheus page by the name of their metric.
func readPage(ctx context.Context, address string) (map[string][]sample, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	return parsePage(response.Body)
}

func parsePage(text io.Reader) (map[string][]sample, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	samples := make(map[string][]sample)
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + metric.GetUntyped().GetValue() // all but one are nil
			samples[name] = append(samples[name], sample{labels, value, time.UnixMilli(metric.GetTimestampMs())})
		}
	}
	return samples, nil
}

// newestOf returns the newest of the collections that a page shows.
func newestOf(samples []sample) collection {
	newest := collection{results: make(map[result]bool)}
	for _, s := range samples {
		switch {
		case s.at.Before(newest.at):
			continue
		case s.at.After(newest.at):
			newest = collection{at: s.at, results: make(map[result]bool)}
		}
		address, _ := netip.ParseAddr(s.labels["network_peer_address"]) // invalid without one
		newest.results[result{s.labels["tcpcheck_instance"], address}] = s.value == 1
	}
	return newest
}
