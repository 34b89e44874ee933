package report

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

// What is shown of a certificate tells its series from those of others, and nothing else of it does: the series of one
// that was renewed ends where that can be seen, and addresses that show the same are one point.
func TestShownCertificates(t *testing.T) {
	type keys = []metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKey
	const (
		address = metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyNetworkPeerAddress
		subject = metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTLSServerSubject
		serial  = metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTcpcheckTLSSerialNumber
		version = metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTLSProtocolVersion
		stapled = metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTcpcheckTLSOcspStapled
	)
	one := check.Certificate{Subject: "CN=a", SerialNumber: "0A", Version: tls.VersionTLS13, Stapled: true, NotAfter: time.Unix(100, 0), ChainNotAfter: time.Unix(100, 0)}
	other := one
	other.SerialNumber, other.Stapled, other.NotAfter = "0B", false, time.Unix(200, 0)
	const stays = "{tls.protocol.version=1.3 tls.server.subject=CN=a}"
	steps := [][]check.Certificate{{one, one}, {one, one}, {one, other}, {other, other}, {}}
	for _, test := range []struct {
		name string
		keys keys
		want [][]string // of each step
	}{
		{"nothing", nil, [][]string{{"{} s"}, {"{} s"}, {"{} s"}, {"{} s"}, {"{} ended"}}},
		{"what stays", keys{subject, version}, [][]string{{stays + " s"}, {stays + " s"}, {stays + " s"}, {stays + " s"}, {stays + " ended"}}},
		{"what changes", keys{serial}, [][]string{
			{"{tcpcheck.tls.serial_number=0A} s"},
			{"{tcpcheck.tls.serial_number=0A} s"},
			{"{tcpcheck.tls.serial_number=0A} s", "{tcpcheck.tls.serial_number=0B} s"},
			{"{tcpcheck.tls.serial_number=0A} ended", "{tcpcheck.tls.serial_number=0B} s"},
			{"{tcpcheck.tls.serial_number=0B} ended"},
		}},
		{"true and false", keys{stapled}, [][]string{
			{"{tcpcheck.tls.ocsp_stapled=true} s"},
			{"{tcpcheck.tls.ocsp_stapled=true} s"},
			{"{tcpcheck.tls.ocsp_stapled=false} s", "{tcpcheck.tls.ocsp_stapled=true} s"},
			{"{tcpcheck.tls.ocsp_stapled=false} s", "{tcpcheck.tls.ocsp_stapled=true} ended"},
			{"{tcpcheck.tls.ocsp_stapled=false} ended"},
		}},
		{"each address", keys{address, serial}, [][]string{
			{"{network.peer.address=192.0.2.1 tcpcheck.tls.serial_number=0A} s", "{network.peer.address=192.0.2.2 tcpcheck.tls.serial_number=0A} s"},
			{"{network.peer.address=192.0.2.1 tcpcheck.tls.serial_number=0A} s", "{network.peer.address=192.0.2.2 tcpcheck.tls.serial_number=0A} s"},
			{
				"{network.peer.address=192.0.2.1 tcpcheck.tls.serial_number=0A} s", "{network.peer.address=192.0.2.2 tcpcheck.tls.serial_number=0A} ended",
				"{network.peer.address=192.0.2.2 tcpcheck.tls.serial_number=0B} s",
			},
			{
				"{network.peer.address=192.0.2.1 tcpcheck.tls.serial_number=0A} ended", "{network.peer.address=192.0.2.1 tcpcheck.tls.serial_number=0B} s",
				"{network.peer.address=192.0.2.2 tcpcheck.tls.serial_number=0B} s",
			},
			{"{network.peer.address=192.0.2.1 tcpcheck.tls.serial_number=0B} ended", "{network.peer.address=192.0.2.2 tcpcheck.tls.serial_number=0B} ended"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := reporttest.DefaultMetrics()
			config.Metrics.TcpcheckTLSCertificateTimeLeft.EnabledAttributes = test.keys
			p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
			target := check.Target{Host: "h", Port: 1, TLS: &check.TLS{}}
			s := p.NewSeries(&target, start)
			for n, step := range steps {
				r := check.SessionReport{Target: &target}
				for i := range step {
					address := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
					certificate := step[i] // each handshake makes one of its own
					r.TLS = append(r.TLS, check.TLSResult{Family: check.IPv4, Address: address, Status: check.Up, HandshakeTime: 1, Certificate: &certificate})
				}
				b := newBatch(p)
				b.add(s, &check.Report{Target: &target, Time: time.Unix(1, 0), Session: &r})
				var got []string
				for _, line := range reporttest.Lines(t, b.metrics()) {
					if _, after, ok := strings.Cut(line, "tls.certificate.time_left"); ok {
						got = append(got, after)
					}
				}
				slices.Sort(got)
				assert.Equal(t, test.want[n], got, "step %d", n)
			}
		})
	}
}

// What tells series apart is held and compared for each target, whose certificates are of no concern as a rule.
func TestShownCertificateIsAPointer(t *testing.T) {
	assert.Equal(t, unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(shownCertificate{}))
}
