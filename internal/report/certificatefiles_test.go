package report

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/state"
)

// The points of a file: of two metrics, with its path, what is asked for of its certificate, and nothing
// else.
func TestPointsOfAFile(t *testing.T) {
	config := metadata.NewDefaultMetricsBuilderConfig()
	config.Metrics.TcpcheckChecks.Enabled = true
	shows := &config.Metrics.TcpcheckTLSCertificateTimeLeft.EnabledAttributes
	*shows = append(*shows, metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTLSServerSubject, metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTLSProtocolVersion,
		metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTLSCipher, metadata.TcpcheckTLSCertificateTimeLeftMetricAttributeKeyTcpcheckTLSOcspStapled)
	p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
	target, now := FileTarget("/etc/web.crt"), time.Unix(1000, 0)
	s, b := p.NewSeries(target, start), newBatch(p)
	file := check.CertificateFile{Certificate: &check.Certificate{Subject: "CN=web", NotAfter: now.Add(time.Hour), ChainNotAfter: now.Add(time.Minute)}}
	b.add(s, &check.Report{Target: target, Time: now, Session: file.Report(target, now)})
	assert.Equal(t, []string{
		"{} tls.certificate.time_left{file.path=/etc/web.crt tls.server.subject=CN=web} s",
		"{} tls.certificate_chain.time_left{file.path=/etc/web.crt} s",
	}, reporttest.Lines(t, b.metrics()))
}

// The metrics that would not tell files apart.
func TestWithoutPath(t *testing.T) {
	config := metadata.NewDefaultMetricsBuilderConfig()
	assert.Empty(t, WithoutPath(&config))
	config.Metrics.TcpcheckTLSCertificateTimeLeft.EnabledAttributes = nil
	config.Metrics.TcpcheckTLSVerified.EnabledAttributes = nil
	assert.Equal(t, []string{"tcpcheck.tls.certificate.time_left"}, WithoutPath(&config))
	config.Metrics.TcpcheckTLSCertificateTimeLeft.Enabled = false
	assert.Empty(t, WithoutPath(&config))
}

// The lines about a file, whose path may have anything in it.
func TestLinesOfAFile(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	log := NewLog(NewJournal(zap.New(core)), FileTarget("a\nb"))
	leaf := check.Certificate{NotAfter: now, ChainNotAfter: now}
	chain := check.Certificate{NotAfter: now.Add(time.Hour), ChainNotAfter: now}
	result := func(c *check.Certificate) *check.TLSResult {
		return &check.TLSResult{Certificate: c, Err: errors.New("ended"), ErrorType: check.TLSCertificateExpired}
	}
	log.WriteTLS(&check.SessionReport{Time: now}, []state.CertificateChange{
		{Kind: state.Expiring, Certificate: &leaf, Within: state.Warnings[0]},
		{Kind: state.Expiring, Certificate: &chain, Within: state.Warnings[2]},
		{Kind: state.NotVerified, Result: result(&leaf)},
		{Kind: state.NotVerified, Result: result(&chain)},
		{Kind: state.Verified, Result: result(&leaf)},
		{Kind: state.Renewed, Certificate: &chain, Former: &leaf},
		{Kind: state.Differing},
	})
	log.WriteGone(now)
	var lines []string
	for _, entry := range logs.All() {
		lines = append(lines, entry.Level.String()+" "+entry.Message)
		assert.Equal(t, "a\nb", entry.ContextMap()[pathOfFile])
	}
	assert.Equal(t, []string{
		`warn the certificate in "a\nb" ends within 30 days, at 2026-01-02 03:04:05 UTC`,
		`warn the chain of the certificate in "a\nb" ends within a day, at 2026-01-02 03:04:05 UTC`,
		`warn the certificate in "a\nb" has ended, at 2026-01-02 03:04:05 UTC`,
		`warn the chain of the certificate in "a\nb" has ended, at 2026-01-02 03:04:05 UTC`,
		`info the certificate in "a\nb" is valid again, until 2026-01-02 03:04:05 UTC`,
		`info there is another certificate in "a\nb", until 2026-01-02 04:04:05 UTC`,
		`warn the file "a\nb" is gone, so its certificate is no longer reported`,
	}, lines)
}
