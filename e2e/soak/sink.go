//go:build linux

package main

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// sink is the peer of the collector's exporter: it takes metrics by OTLP over
// HTTP, unless it is cut off.
type sink struct {
	latest    *latest
	delivered atomic.Int64 // points
	faulty    atomic.Int64 // requests that it could not make sense of
	server    *http.Server // nil while it is cut off
	serving   sync.WaitGroup
}

// startSink returns a sink that listens.
func startSink() (*sink, error) {
	s := &sink{latest: newLatest()}
	return s, s.restore()
}

// cut ends all connections of the sink, and lets it refuse new ones.
func (s *sink) cut() error {
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	s.serving.Wait()
	s.server = nil
	return err
}

// restore lets a sink listen that is cut off.
func (s *sink) restore() error {
	listener, err := net.Listen("tcp4", sinkAddress)
	if err != nil {
		return err
	}
	handler := http.NewServeMux()
	handler.HandleFunc("POST /v1/metrics", s.serve)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	s.server = server
	s.serving.Go(func() {
		_ = server.Serve(listener) // until cut
	})
	return nil
}

func (s *sink) serve(w http.ResponseWriter, request *http.Request) {
	if err := s.take(request); err != nil {
		s.faulty.Add(1)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// The answer is a message of protobuf without fields, which is empty.
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// take takes the points of a request.
func (s *sink) take(request *http.Request) error {
	body, err := decompressed(request)
	if err != nil {
		return err
	}
	// An export request has the fields of MetricsData, and no other ones.
	metrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
	if err != nil {
		return err
	}
	s.delivered.Add(int64(metrics.DataPointCount()))
	for _, resource := range metrics.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				if metric.Name() == "network.tcp.can_connect" {
					s.latest.set(collectionOf(metric.Gauge().DataPoints()))
				}
			}
		}
	}
	return nil
}

// collectionOf returns the points of one collection.
func collectionOf(points pmetric.NumberDataPointSlice) collection {
	c := collection{results: make(map[result]bool)}
	for _, point := range points.All() {
		text := func(name string) string {
			if value, ok := point.Attributes().Get(name); ok {
				return value.AsString()
			}
			return ""
		}
		address, _ := netip.ParseAddr(text("network.peer.address")) // invalid without one
		c.at = point.Timestamp().AsTime()
		if point.Flags().NoRecordedValue() {
			continue // the address is no longer checked
		}
		c.results[result{text("tcpcheck.instance"), address}] = point.IntValue() == 1
	}
	return c
}
