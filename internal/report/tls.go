package report

import (
	"crypto/tls"
	"strings"
	"time"
	"unique"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"example.com/tcpcheckreceiver/internal/check"
)

// The values of TLS are those of the last check of certificates, and come with each report.

func emitVerified(w *writer, s *Series, r *check.Report) {
	eachHandshake(r, func(result *check.TLSResult) {
		w.emitWorks(s.identityOf(result.Family, result.Address), result.Status)
	})
}

func emitHandshakeDuration(w *writer, s *Series, r *check.Report) {
	eachCertificate(r, func(result *check.TLSResult) {
		w.emitOf(s, result, result.HandshakeTime.Seconds())
	})
}

func emitTimeLeft(w *writer, s *Series, r *check.Report) {
	eachCertificate(r, func(result *check.TLSResult) {
		w.emitOf(s, result, timeLeft(result.Certificate.NotAfter, r.Time))
	})
}

func emitChainTimeLeft(w *writer, s *Series, r *check.Report) {
	eachCertificate(r, func(result *check.TLSResult) {
		w.emitOf(s, result, timeLeft(result.Certificate.ChainNotAfter, r.Time))
	})
}

// emitWorks takes 1 for a layer that works, and 0 for one that does not. Where the status is another one,
// that is not known.
func (w *writer) emitWorks(id identity, status check.Status) {
	switch status {
	case check.Up:
		w.emit(id, 1)
	case check.Down:
		w.emit(id, 0)
	default:
	}
}

// emitOf takes a value of a result that has a certificate.
func (w *writer) emitOf(s *Series, r *check.TLSResult, number float64) {
	id := s.identityOf(r.Family, r.Address)
	id.certificate = w.metric.shown(r.Certificate)
	w.emit(id, number)
}

// timeLeft returns how long it is to the end of a certificate, in whole seconds.
func timeLeft(end, now time.Time) float64 { return end.Sub(now).Truncate(time.Second).Seconds() }

func emitCertificates(w *writer, _ *Series, r *check.Report) {
	different := make(map[[32]byte]bool)
	eachCertificate(r, func(result *check.TLSResult) { different[result.Certificate.SHA256] = true })
	if len(different) > 0 {
		w.emit(identity{}, float64(len(different)))
	}
}

// eachHandshake calls f for each result of the last check of certificates.
func eachHandshake(r *check.Report, f func(*check.TLSResult)) {
	if r.Session == nil {
		return
	}
	for i := range r.Session.TLS {
		f(&r.Session.TLS[i])
	}
}

// eachCertificate calls f for each of these results that has a certificate.
func eachCertificate(r *check.Report, f func(*check.TLSResult)) {
	eachHandshake(r, func(result *check.TLSResult) {
		if result.Certificate != nil {
			f(result)
		}
	})
}

// shownCertificate is what the attributes of a metric show of a certificate, and nothing else of it. It is
// zero if none of them does. Certificates that look the same are equal.
type shownCertificate = unique.Handle[check.Certificate]

// certificateAttribute is an attribute that is of certificates, and of the connections on which they are shown.
type certificateAttribute struct {
	name string
	// show copies what it shows.
	show func(to, from *check.Certificate)
	// text returns its value. It is nil of tcpcheck.tls.ocsp_stapled, which is true or false.
	text func(*check.Certificate) string
	// connection says that it is of the connection, of which there is none to a file.
	connection bool
}

// certificateAttributes returns those of the attributes that are of certificates.
func certificateAttributes(names []string) []certificateAttribute {
	var all []certificateAttribute
	for _, name := range names {
		a := certificateAttribute{name: name}
		switch name {
		case "tls.server.subject":
			a.show = func(to, from *check.Certificate) { to.Subject = from.Subject }
			a.text = func(c *check.Certificate) string { return c.Subject }
		case "tls.server.issuer":
			a.show = func(to, from *check.Certificate) { to.Issuer = from.Issuer }
			a.text = func(c *check.Certificate) string { return c.Issuer }
		case "tls.server.hash.sha256":
			a.show = func(to, from *check.Certificate) { to.SHA256 = from.SHA256 }
			a.text = (*check.Certificate).Hash
		case "tcpcheck.tls.serial_number":
			a.show = func(to, from *check.Certificate) { to.SerialNumber = from.SerialNumber }
			a.text = func(c *check.Certificate) string { return c.SerialNumber }
		case "tls.protocol.version":
			a.show = func(to, from *check.Certificate) { to.Version = from.Version }
			a.text = func(c *check.Certificate) string { return strings.TrimPrefix(tls.VersionName(c.Version), "TLS ") }
			a.connection = true
		case "tls.cipher":
			a.show = func(to, from *check.Certificate) { to.CipherSuite = from.CipherSuite }
			a.text = func(c *check.Certificate) string { return tls.CipherSuiteName(c.CipherSuite) }
			a.connection = true
		case "tcpcheck.tls.ocsp_stapled":
			a.show = func(to, from *check.Certificate) { to.Stapled = from.Stapled }
			a.connection = true
		default:
			continue
		}
		all = append(all, a)
	}
	return all
}

// shown returns what the attributes of the metric show of a certificate.
func (m *metric) shown(c *check.Certificate) shownCertificate {
	if len(m.certificate) == 0 {
		return shownCertificate{}
	}
	var shown check.Certificate
	for _, a := range m.certificate {
		a.show(&shown, c)
	}
	return unique.Make(shown)
}

// putCertificate puts what the metric shows of a target's certificate onto a point, without what has no value.
func (m *metric) putCertificate(attributes pcommon.Map, t *check.Target, c check.Certificate) {
	for _, a := range m.certificate {
		if a.connection && t.File() != "" {
			continue
		}
		if a.text == nil {
			attributes.PutBool(a.name, c.Stapled)
		} else if text := a.text(&c); text != "" {
			attributes.PutStr(a.name, text)
		}
	}
}
