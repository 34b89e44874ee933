package report

import (
	"regexp"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/state"
)

// FileTarget returns what stands for a file with certificates, of this path, in the reports on it.
func FileTarget(path string) *check.Target {
	return &check.Target{TLS: &check.TLS{File: path}, Labels: check.Labels{Metrics: ofFiles}}
}

// pathOfFile is the attribute that tells the points of files apart.
const pathOfFile = "file.path"

// ofFiles are the metrics that a file has values of.
var ofFiles = check.Patterns{Include: []*regexp.Regexp{
	regexp.MustCompile("^" + regexp.QuoteMeta(metadata.MetricsInfo.TcpcheckTLSCertificateTimeLeft.Name) + "$"),
	regexp.MustCompile("^" + regexp.QuoteMeta(metadata.MetricsInfo.TcpcheckTLSCertificateChainTimeLeft.Name) + "$"),
}}

// WithoutPath returns the names of those metrics of files that are enabled without the attribute that tells the
// points of files apart.
func WithoutPath(config *metadata.MetricsBuilderConfig) []string {
	var names []string
	for _, m := range metricsOf(&config.Metrics) {
		if ofFiles.Match(m.name) && !m.has(pathOfFile) {
			names = append(names, m.name)
		}
	}
	return names
}

// writeFile tells a change of what is in the file that is the target.
func (l *Log) writeFile(c *state.CertificateChange) {
	about := &state.Change{}
	in := " in " + l.name(about)
	switch c.Kind {
	case state.NotVerified, state.NotVerifiedOtherwise:
		what, ended := firstToEnd(c.Result.Certificate)
		l.warn(tlsFailed, about, what+in+" has ended, at "+dateOf(ended),
			append(certificate(c.Result.Certificate), attribute.String("error.type", string(c.Result.ErrorType)), attribute.String("tcpcheck.error.message", c.Result.Err.Error()))...)
	case state.Verified:
		what, ends := firstToEnd(c.Result.Certificate)
		l.info(tlsVerified, about, what+in+" is valid again, until "+dateOf(ends), append(certificate(c.Result.Certificate), timeOf(failedSince, c.Since))...)
	case state.Expiring:
		what, ends := firstToEnd(c.Certificate)
		l.warn(certificateExpiring, about, what+in+" ends within "+days(c.Within)+", at "+dateOf(ends),
			append(certificate(c.Certificate), timeOf(chainNotAfter, c.Certificate.ChainNotAfter))...)
	case state.Renewed:
		l.info(certificateChanged, about, "there is another certificate"+in+", until "+dateOf(c.Certificate.NotAfter),
			append(certificate(c.Certificate), attribute.String(previousHash, c.Former.Hash()))...)
	case state.Unchanged, state.Differing, state.Agreeing: // it is one place
	}
}

// WriteGone tells that the file that is the target is no longer there.
func (l *Log) WriteGone(now time.Time) {
	l.now = now
	l.warn("", &state.Change{}, "the file "+l.name(&state.Change{})+" is gone, so its certificate is no longer reported")
}

// firstToEnd returns when the first certificate of a chain ends, and what that is.
func firstToEnd(c *check.Certificate) (what string, ends time.Time) {
	if c.ChainNotAfter.Before(c.NotAfter) {
		return "the chain of the certificate", c.ChainNotAfter
	}
	return "the certificate", c.NotAfter
}

// dateOf returns a time as a sentence has it.
func dateOf(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }
