package report

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

// BenchmarkPoints makes the points of 10,000 reports. Its time per operation, divided by
// that, is what they add to a check. BenchmarkPoint has the part of it that nothing can
// be done about.
func BenchmarkPoints(b *testing.B) {
	const n = 10_000
	targets := make([]check.Target, n)
	up, refused := make([]check.Report, n), make([]check.Report, n)
	for i := range targets {
		address := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
		targets[i] = check.Target{Host: address.String(), Port: 80, Labels: check.Labels{Name: fmt.Sprintf("target %d", i)}}
		up[i].Results = []check.Result{{Family: check.IPv4, Address: address, Status: check.Up, HandshakeTime: time.Millisecond}}
		refused[i].Results = []check.Result{{Family: check.IPv4, Address: address, Status: check.Down, Err: errors.New("refused"), ErrorType: check.ConnectionRefused}}
	}
	for name, reports := range map[string][]check.Report{"up": up, "refused": refused} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			p := NewPoints(receivertest.NewNopSettings(metadata.Type), reporttest.DefaultMetrics())
			series := make([]*Series, n)
			for i := range series {
				series[i] = p.NewSeries(&targets[i], start)
			}
			for b.Loop() {
				batch := newBatch(p)
				for i := range reports {
					batch.add(series[i], &reports[i])
				}
				if batch.metrics().DataPointCount() == 0 {
					b.Fatal("no points")
				}
			}
		})
	}
}

// BenchmarkPoint makes a point with the attributes of network.tcp.can_connect, which
// are as many as those of tcpcheck.errors, as plainly as pdata allows. A target
// that is up has one such point, and one that is down has two.
func BenchmarkPoint(b *testing.B) {
	b.ReportAllocs()
	points := pmetric.NewNumberDataPointSlice()
	for b.Loop() {
		point := points.AppendEmpty()
		point.SetIntValue(1)
		attributes := point.Attributes()
		attributes.EnsureCapacity(5)
		attributes.PutStr("tcpcheck.instance", "target 1")
		attributes.PutStr("server.address", "127.0.0.1")
		attributes.PutInt("server.port", 80)
		attributes.PutStr("network.type", "ipv4")
		attributes.PutStr("network.peer.address", "127.0.0.1")
		if points.Len() == 10_000 {
			points = pmetric.NewNumberDataPointSlice()
			points.EnsureCapacity(10_000)
		}
	}
}
