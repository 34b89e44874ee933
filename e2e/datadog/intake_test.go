// Package datadog tests what arrives at Datadog: the distribution for Datadog as a
// process, and its intake for metrics on peers.
package datadog

import (
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/DataDog/agent-payload/v5/gogen"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

const (
	canConnect     = "network.tcp.can_connect"
	responseTime   = "network.tcp.response_time"
	failures       = "tcpcheck.errors"
	familyOmitted  = "tcpcheck.family.omitted"
	checks         = "tcpcheck.checks"
	synRetransmits = "tcpcheck.syn_retransmits"
	lookupDuration = "tcpcheck.dns.lookup.duration"
	verified       = "tcpcheck.tls.verified"
	timeLeft       = "tcpcheck.tls.certificate.time_left"
	chainTimeLeft  = "tcpcheck.tls.certificate_chain.time_left"
	handshakeTime  = "tcpcheck.tls.handshake.duration"
	certificates   = "tcpcheck.tls.certificates"
	dialogOK       = "tcpcheck.dialog.ok"
	dialogTime     = "tcpcheck.dialog.duration"
)

// The paths of what the intake takes.
const (
	metricsPath = "/api/v2/series"
	logsPath    = "/api/v2/logs"
)

// apiKey has the form of a key, and is none.
const apiKey = "00000000000000000000000000000000"

// point is one value that arrived, with what its series says of it. Datadog has a value of
// a series for each second. Since the second check of a target comes half an interval after
// the first one, or later, tests that count by seconds have an interval of three.
type point struct {
	metric  string
	kind    gogen.MetricPayload_MetricType
	tags    map[string]string
	hosts   []string
	seconds int64
	value   float64
}

// intake takes metrics and logs as Datadog does, and keeps the points and the logs.
type intake struct {
	t       *testing.T
	listen  func(network, address string) (net.Listener, error)
	address string
	server  *http.Server
	mu      sync.Mutex
	points  []point
	logs    []map[string]any
	refused map[string]int // requests, by path
	status  int            // to refuse metrics and logs with, or 0
}

// newIntake returns an intake for the time of the test.
func newIntake(t *testing.T) *intake {
	t.Helper()
	return newIntakeAt(t, net.Listen)
}

// newIntakeAt is newIntake with another way to listen.
func newIntakeAt(t *testing.T, listen func(network, address string) (net.Listener, error)) *intake {
	t.Helper()
	// No process takes a port of this address while the intake is down.
	i := &intake{t: t, listen: listen, address: "127.0.0.99:0", refused: make(map[string]int)}
	i.open()
	t.Cleanup(i.close)
	return i
}

// open has the intake listen, at the address that it had before.
func (i *intake) open() {
	i.t.Helper()
	listener, err := i.listen("tcp4", i.address)
	require.NoError(i.t, err)
	i.address = listener.Addr().String()
	i.server = &http.Server{Handler: i, ReadHeaderTimeout: harness.Patience}
	go func() { _ = i.server.Serve(listener) }() // always an error, in the end
}

// close ends the intake and its connections: further ones are refused.
func (i *intake) close() { assert.NoError(i.t, i.server.Close()) }

// refuseWith has metrics and logs refused with a status, and taken again with 0.
func (i *intake) refuseWith(status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status = status
}

// ServeHTTP implements http.Handler.
func (i *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	isLogs := r.URL.Path == logsPath
	if r.URL.Path != metricsPath && !isLogs {
		// Host metadata, and the question whether the key is valid.
		_, _ = io.WriteString(w, `{"valid": true}`)
		return
	}
	if i.status != 0 {
		i.refused[r.URL.Path]++
		w.WriteHeader(i.status)
		return
	}
	if isLogs {
		logs, err := decodeLogs(r)
		if err != nil {
			i.t.Errorf("the intake cannot read the logs that are sent: %v", err)
		}
		i.logs = append(i.logs, logs...)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "{}")
		return
	}
	points, err := decode(r)
	if err != nil {
		i.t.Errorf("the intake cannot read what is sent: %v", err)
	}
	i.points = append(i.points, points...)
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"errors": []}`)
}

// decode returns the points of a request.
func decode(r *http.Request) ([]point, error) {
	for header, want := range map[string]string{"Dd-Api-Key": apiKey, "Content-Type": "application/x-protobuf", "Content-Encoding": "deflate"} {
		if got := r.Header.Get(header); got != want {
			return nil, fmt.Errorf("the header %s is %q and not %q", header, got, want)
		}
	}
	body, err := zlib.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var payload gogen.MetricPayload
	if err := payload.Unmarshal(text); err != nil {
		return nil, err
	}
	var points []point
	for _, series := range payload.GetSeries() {
		arrived, err := pointsOf(series)
		if err != nil {
			return nil, err
		}
		points = append(points, arrived...)
	}
	return points, nil
}

// pointsOf returns the points of a series. Each of its tags has a key of its own.
func pointsOf(series *gogen.MetricPayload_MetricSeries) ([]point, error) {
	tags, hosts := make(map[string]string), []string(nil)
	for _, tag := range series.GetTags() {
		key, value, ok := strings.Cut(tag, ":")
		if _, twice := tags[key]; twice || !ok {
			return nil, fmt.Errorf("the tag %q is there twice or has no value: %v", tag, series.GetTags())
		}
		tags[key] = value
	}
	for _, resource := range series.GetResources() {
		if resource.GetType() == "host" && resource.GetName() != "" {
			hosts = append(hosts, resource.GetName())
		}
	}
	var points []point
	for _, p := range series.GetPoints() {
		points = append(points, point{series.GetMetric(), series.GetType(), tags, hosts, p.GetTimestamp(), p.GetValue()})
	}
	return points, nil
}

// arrived returns the points so far of those metrics.
func (i *intake) arrived(metrics ...string) []point {
	return only(i.all(), func(p point) bool { return slices.Contains(metrics, p.metric) })
}

// all returns the points so far.
func (i *intake) all() []point {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.points)
}

// await returns the points of a metric of an instance once there are as many as
// that.
func (i *intake) await(metric, instance string, count int) []point {
	i.t.Helper()
	return i.awaitThat(metric, instance, func(points []point) bool { return len(points) >= count })
}

// awaitThat returns the points of a metric of an instance once they are as wanted.
func (i *intake) awaitThat(metric, instance string, wanted func([]point) bool) []point {
	i.t.Helper()
	var points []point
	require.Eventually(i.t, func() bool {
		points = of(i.arrived(metric), instance)
		return wanted(points)
	}, harness.Patience, 50*time.Millisecond, "%s of %q is %v", metric, instance, &points)
	return points
}

// awaitRefused returns once so many more requests with metrics have been refused.
func (i *intake) awaitRefused(count int) {
	i.t.Helper()
	i.awaitRefusedAt(metricsPath, count)
}

// awaitRefusedAt returns once so many more requests to a path have been refused.
func (i *intake) awaitRefusedAt(path string, count int) {
	i.t.Helper()
	i.mu.Lock()
	enough := i.refused[path] + count
	i.mu.Unlock()
	require.Eventually(i.t, func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.refused[path] >= enough
	}, harness.Patience, 50*time.Millisecond, "%d more refused at %s", count, path)
}

// only returns the points that are wanted.
func only(points []point, wanted func(point) bool) []point {
	return slices.DeleteFunc(slices.Clone(points), func(p point) bool { return !wanted(p) })
}

// of returns the points of an instance.
func of(points []point, instance string) []point {
	return only(points, func(p point) bool { return p.tags["tcpcheck.instance"] == instance })
}

// values returns the values that a tag has on points, sorted; an empty one where
// a point has not got it.
func values(points []point, tag string) []string {
	var found []string
	for _, p := range points {
		found = append(found, p.tags[tag])
	}
	slices.Sort(found)
	return slices.Compact(found)
}
