package report

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

func noConntrack() check.Conntrack { return check.Conntrack{} }

// machine is a Machine with its log and its statuses, and a second for each review.
type machine struct {
	*Machine
	logs     *observer.ObservedLogs
	meter    *componenttest.Telemetry
	statuses []string
	now      time.Time
}

func newMachine(t *testing.T, readConntrack func() check.Conntrack, targets int) *machine {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	m := &machine{logs: logs, now: start}
	m.meter = componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, m.meter.Shutdown(context.Background())) })
	telemetry, err := metadata.NewTelemetryBuilder(m.meter.NewTelemetrySettings())
	require.NoError(t, err)
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	m.Machine = NewMachine(set, NewJournal(set.Logger), telemetry, readConntrack, func(err error) {
		text := "OK"
		if err != nil {
			text = err.Error()
		}
		m.statuses = append(m.statuses, text)
	})
	for range targets {
		m.Add(&Watch{}, &check.Target{Interval: 15 * time.Second, Timeout: 10 * time.Second})
	}
	return m
}

// review returns what a review says.
func (m *machine) review() []string {
	m.now = m.now.Add(ReviewEvery)
	m.Review(m.now)
	return m.said()
}

func (m *machine) said() []string {
	var said []string
	for _, entry := range m.logs.TakeAll() {
		said = append(said, entry.Message)
	}
	return said
}

// What is logged of the connection tracking table, once for each change.
func TestMachine(t *testing.T) {
	const (
		filling = "the connection tracking table of this machine is filling"
		full    = "the connection tracking table of this machine is full, so it drops what the checks send, and targets that do not answer are left unchecked"
		room    = "the connection tracking table of this machine has room again"
	)
	size := func(message string, count int) string {
		return fmt.Sprintf("%s: %d of 1200 entries (nf_conntrack_max). A check that connects leaves an entry for 2m0s, so there is room for 10 checks a second "+
			"if nothing else uses the table: check less often, raise nf_conntrack_max, make the checks quiet, or exempt them from tracking", message, count)
	}
	fine := check.Report{Results: []check.Result{connected(v4)}}
	lost := check.Report{Results: []check.Result{connected(v4), {Family: check.IPv4, Address: other, Status: check.Unchecked, Lack: check.LacksConnectionTracking, Err: fmt.Errorf("dial: %w", check.ErrConntrackFull)}}}
	type collection struct {
		report check.Report
		count  int
		want   string
	}
	for name, collections := range map[string][]collection{
		"there is none":   {{fine, 0, ""}},
		"it has room":     {{fine, 960, ""}},
		"it fills":        {{fine, 100, ""}, {fine, 961, size(filling, 961)}, {fine, 1199, ""}},
		"around the mark": {{fine, 961, size(filling, 961)}, {fine, 900, ""}, {fine, 961, ""}, {fine, 840, ""}, {fine, 961, size(filling, 961)}},
		"it is full, and is not": {
			{fine, 961, size(filling, 961)},
			{lost, 1200, size(full, 1200)},
			{lost, 1199, ""},
			{fine, 1100, ""},
			{fine, 900, size(room, 900)},
			{fine, 961, ""},
			{fine, 100, ""},
			{lost, 1200, size(full, 1200)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var table check.Conntrack
			m := newMachine(t, func() check.Conntrack { return table }, 1)
			var watch Watch
			for n, c := range collections {
				table = check.Conntrack{Count: c.count, Max: 1200, TimeWait: 2 * time.Minute}
				if c.count == 0 {
					table = check.Conntrack{}
				}
				m.Observe(&watch, &c.report, false, 0)
				said := slices.DeleteFunc(m.review(), func(line string) bool {
					return !strings.Contains(line, "connection tracking table of this machine is f") && !strings.Contains(line, "has room") || strings.HasPrefix(line, cannotCheck)
				})
				assert.Equal(t, c.want, strings.Join(said, ""), "review %d", n)
			}
		})
	}
}

// What fits into the table is said where it is known, and nothing of a table of which the
// size is not.
func TestConntrackIsKnownInPart(t *testing.T) {
	for _, test := range []struct {
		table check.Conntrack
		want  []string
	}{
		{check.Conntrack{Count: 90, Max: 100}, []string{"the connection tracking table of this machine is filling: 90 of 100 entries (nf_conntrack_max)."}},
		{check.Conntrack{Count: 90, TimeWait: time.Minute}, nil},
	} {
		m := newMachine(t, func() check.Conntrack { return test.table }, 1)
		m.Review(start)
		var got []string
		for _, entry := range m.logs.All() {
			got = append(got, entry.Message)
			assert.Equal(t, map[string]any{"nf_conntrack_count": int64(90), "nf_conntrack_max": int64(100), "checks_per_second": int64(0)}, entry.ContextMap())
		}
		assert.Equal(t, test.want, got)
	}
}

// A line says that it may be this machine, where many addresses stop answering within an
// interval, and no second one does soon after it.
func TestManySilentAtOnce(t *testing.T) {
	for _, test := range []struct {
		name            string
		targets, silent int
		apart           time.Duration
		want            int
	}{
		{"few", 9, 9, 0, 0},
		{"all", 10, 10, 0, 1},
		{"a quarter", 40, 10, 2 * time.Second, 1},
		{"less than a quarter", 41, 10, 0, 0},
		{"many of many", 10000, 100, 0, 0},
		{"one after the other", 10, 30, 3 * time.Second, 0},
		{"all of many", 40, 40, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, noConntrack, test.targets)
			for n := range test.silent {
				down := check.Report{Time: start.Add(time.Duration(n) * test.apart), Results: []check.Result{{Family: check.IPv4, Address: v4, Status: check.Down, ErrorType: check.Timeout}}}
				m.Observe(&Watch{}, &down, true, 0)
				if test.apart > 0 {
					m.Review(down.Time)
				}
			}
			assert.Empty(t, m.said(), "there may be more")
			said := append(m.review(), m.review()...) // the first one only says that no more do
			assert.Len(t, said, test.want)
			for _, line := range said {
				assert.Contains(t, line, fmt.Sprintf("%d of %d instances stopped answering within 25s", test.silent, test.targets))
			}
			assert.Empty(t, m.review(), "it is said once")
		})
	}
}

// A family that this machine lacks is said once for all targets, when all of them have
// been checked, and again at each change.
func TestFamiliesThatTheMachineLacks(t *testing.T) {
	m := newMachine(t, noConntrack, 3)
	watches := make([]Watch, 3)
	lacks := check.Report{Results: []check.Result{connected(v4)}, Omissions: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}}
	has := check.Report{Results: []check.Result{connected(v4)}, Omissions: []check.Omission{{Family: check.IPv6, Reason: check.NameLacksFamily}}}
	line := func(n int) []string {
		return []string{fmt.Sprintf("%d of 3 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs", n)}
	}
	for n, step := range []struct {
		reports []*check.Report // nil for none
		want    []string
	}{
		{[]*check.Report{&lacks, nil, nil}, nil},
		{[]*check.Report{nil, &lacks, &has}, nil}, // not yet the same as before
		{nil, line(2)},
		{[]*check.Report{&lacks, &lacks, &has}, nil},
		{[]*check.Report{{}, {}, {}}, nil}, // they were ended
		{[]*check.Report{&has, nil, nil}, nil},
		{nil, line(1)},
		{[]*check.Report{nil, &has, nil}, nil},
		{nil, []string{"all instances that have an ipv6 address are checked over ipv6 again"}},
		{nil, nil},
	} {
		for i, report := range step.reports {
			if report != nil {
				m.Observe(&watches[i], report, false, 0)
			}
		}
		assert.Equal(t, step.want, m.review(), "step %d", n)
	}
	assert.Empty(t, m.statuses, "the names have another family")
}

// Why instances are left unchecked is said when that begins, when there is another
// reason, and when it ends; so is the status of the component.
func TestUnchecked(t *testing.T) {
	m := newMachine(t, noConntrack, 2)
	watches := make([]Watch, 2)
	because := func(err error) *check.Report {
		return &check.Report{Results: []check.Result{{Family: check.IPv4, Address: v4, Status: check.Unchecked, Err: fmt.Errorf("dial: %w", err)}}}
	}
	up := &check.Report{Results: []check.Result{connected(v4)}}
	descriptors, ports := because(syscall.EMFILE), because(syscall.EADDRNOTAVAIL)
	lack := func(reasons ...error) string {
		text := cannotCheck + ": "
		for i, reason := range reasons {
			if i > 0 {
				text += ", "
			}
			text += reason.Error()
		}
		return text
	}
	for n, step := range []struct {
		reports      [2]*check.Report
		want, status string
	}{
		{[2]*check.Report{up, up}, "", ""},
		{[2]*check.Report{descriptors, nil}, lack(syscall.EMFILE), lack(syscall.EMFILE)},
		{[2]*check.Report{nil, descriptors}, "", ""},
		{[2]*check.Report{up, nil}, "", ""},
		{[2]*check.Report{ports, nil}, lack(syscall.EADDRNOTAVAIL, syscall.EMFILE), lack(syscall.EADDRNOTAVAIL, syscall.EMFILE)},
		{[2]*check.Report{up, up}, "this machine is able to check all of its instances again", "OK"},
	} {
		for i, report := range step.reports {
			if report != nil {
				m.Observe(&watches[i], report, false, 0)
			}
		}
		m.statuses = nil
		said := strings.Join(m.review(), "")
		assert.Equal(t, step.want, said, "step %d", n)
		assert.Equal(t, step.status, strings.Join(m.statuses, ""), "step %d", n)
	}
	assert.Empty(t, m.unchecked)

	// One that is gone before the review is said as well.
	m.Observe(&watches[0], descriptors, false, 0)
	m.Observe(&watches[0], up, false, 0)
	assert.Equal(t, []string{lack(syscall.EMFILE)}, m.review())
}

// Handshakes that this machine is unable to make are said as well, as long as the reports have them, and are
// counted once.
func TestUnableToShake(t *testing.T) {
	m := newMachine(t, noConntrack, 1)
	var watch Watch
	unable := check.TLSResult{Status: check.Unchecked, Err: errors.New("ca.pem is gone"), Lack: check.LacksCertificates}
	shaken := &check.SessionReport{TLS: []check.TLSResult{{Status: check.Up}, unable}}
	m.ObserveSessions(shaken)
	for n, step := range []struct {
		tls  *check.SessionReport
		want []string
	}{
		{nil, nil},
		{shaken, []string{cannotCheck + ": ca.pem is gone"}},
		{shaken, nil},
		{&check.SessionReport{TLS: []check.TLSResult{{Status: check.Up}}}, []string{"this machine is able to check all of its instances again"}},
	} {
		m.Observe(&watch, &check.Report{Results: []check.Result{connected(v4)}, Session: step.tls}, false, 0)
		assert.Equal(t, step.want, m.review(), "step %d", n)
	}
	counted, err := m.meter.GetMetric("otelcol_receiver_tcpcheck_results_unchecked")
	require.NoError(t, err)
	points := counted.Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, points, 1)
	reason, _ := points[0].Attributes.Value("reason")
	assert.Equal(t, string(check.LacksCertificates), reason.AsString())
	assert.EqualValues(t, 1, points[0].Value)
}

// Checks that begin late are said when that begins, and when none has for a while.
func TestLate(t *testing.T) {
	m := newMachine(t, noConntrack, 1)
	var watch Watch
	up := &check.Report{Results: []check.Result{connected(v4)}}
	m.Observe(&watch, up, false, lateAfter-1)
	assert.Empty(t, m.review())
	for range 3 {
		m.Observe(&watch, up, false, 1200*time.Millisecond)
		m.Observe(&watch, up, false, lateAfter)
		m.review()
	}
	assert.Equal(t, []string{"checks begin late"}, m.statuses)
	for m.now.Before(start.Add(4*ReviewEvery + inTimeFor - ReviewEvery)) {
		assert.Empty(t, m.review())
	}
	assert.Equal(t, []string{"checks begin in time again"}, m.review())
	assert.Equal(t, []string{"checks begin late", "OK"}, m.statuses)
}

// Quiet checks that the server may have noticed are counted.
func TestNoticed(t *testing.T) {
	m := newMachine(t, noConntrack, 1)
	var watch Watch
	noticed := connected(v4)
	noticed.Noticed = true
	m.Observe(&watch, &check.Report{Results: []check.Result{noticed, connected(v6), noticed}}, false, 0)
	m.Observe(&watch, &check.Report{Results: []check.Result{connected(v4)}}, false, 0)
	metric, err := m.meter.GetMetric("otelcol_receiver_tcpcheck_quiet_checks_noticed")
	require.NoError(t, err)
	sum, ok := metric.Data.(metricdata.Sum[int64])
	require.True(t, ok)
	assert.EqualValues(t, 2, sum.DataPoints[0].Value)
}

// Addresses that are denied are counted.
func TestDenied(t *testing.T) {
	m := newMachine(t, noConntrack, 1)
	var watch Watch
	for range 3 {
		m.Observe(&watch, &check.Report{Denied: []netip.Addr{v4, v6}}, false, 0)
	}
	metric, err := m.meter.GetMetric("otelcol_receiver_tcpcheck_addresses_denied")
	require.NoError(t, err)
	sum, ok := metric.Data.(metricdata.Sum[int64])
	require.True(t, ok)
	assert.EqualValues(t, 6, sum.DataPoints[0].Value)
}

// The reasons of the metric are those that there are.
func TestReasons(t *testing.T) {
	for lack, reason := range map[check.Lack]metadata.AttributeReason{
		check.LacksFileDescriptors:    metadata.AttributeReasonFileDescriptors,
		check.LacksPorts:              metadata.AttributeReasonPorts,
		check.LacksMemory:             metadata.AttributeReasonMemory,
		check.LacksAddressFamily:      metadata.AttributeReasonAddressFamily,
		check.LacksConnectionTracking: metadata.AttributeReasonConnectionTracking,
		check.LacksOther:              metadata.AttributeReasonOther,
	} {
		assert.Equal(t, reason.String(), string(lack))
	}
}

// An outage is said once when it begins and once when it ends, and is the status meanwhile.
func TestOutage(t *testing.T) {
	m := newMachine(t, noConntrack, 0)
	watches := make([]Watch, 12)
	observe := func(result func(address netip.Addr) check.Result) {
		for i := range watches {
			address := netip.AddrFrom4([4]byte{10, 2, byte(i), 1})
			m.Observe(&watches[i], &check.Report{Time: m.now, Results: []check.Result{result(address)}}, false, 0)
		}
	}
	for i := range watches {
		m.Add(&watches[i], &check.Target{Interval: 15 * time.Second, Timeout: 10 * time.Second})
	}
	observe(connected)
	assert.Empty(t, m.review())
	observe(func(address netip.Addr) check.Result { return failed(address, check.Timeout) })
	lasts := "ipv4 of this machine: 12 of 12 targets in 10.2.0.0/20 down since " + m.now.Format(time.TimeOnly) + "; it or its network is a likelier cause than all of them"
	assert.Equal(t, []string{lasts}, append(m.review(), m.review()...))
	assert.Equal(t, []string{lasts}, m.statuses)
	observe(connected)
	assert.Equal(t, []string{"ipv4 of this machine: 0 of 12 targets down, the others are within reach again"}, m.review())
	assert.Equal(t, []string{lasts, "OK"}, m.statuses)
}
