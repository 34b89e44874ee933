package scrape

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// BenchmarkRecord turns the outcomes of 10,000 targets into metrics. Its time per
// operation, divided by that, is what recording adds to a check. BenchmarkPoint has
// the part of it that nothing can be done about.
func BenchmarkRecord(b *testing.B) {
	const n = 10_000
	targets := make([]target.Target, n)
	up, refused := make([]probe.Outcome, n), make([]probe.Outcome, n)
	for i := range targets {
		address := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
		targets[i] = target.Target{Name: fmt.Sprintf("target %d", i), Host: address.String(), Port: 80}
		up[i].Results = []probe.Result{{Family: target.IPv4, Address: address, HandshakeTime: time.Millisecond}}
		refused[i].Results = []probe.Result{{Family: target.IPv4, Address: address, Err: errors.New("refused"), ErrorType: probe.ConnectionRefused}}
	}
	for name, outcomes := range map[string][]probe.Outcome{"up": up, "refused": refused} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := newRecorder(receivertest.NewNopSettings(metadata.Type), defaultMetrics(), targets)
			for b.Loop() {
				if r.record(pcommon.NewTimestampFromTime(time.Now()), outcomes).DataPointCount() == 0 {
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
