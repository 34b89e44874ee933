package report

import (
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// The values of TLS are those of the last check of certificates, and come with each report.

func emitVerified(w *writer, s *Series, r *check.Report) {
	eachHandshake(r, func(result *check.TLSResult) {
		switch result.Status {
		case check.Up:
			w.emit(s.identityOf(result.Family, result.Address), 1)
		case check.Down:
			w.emit(s.identityOf(result.Family, result.Address), 0)
		default: // it is not known
		}
	})
}

func emitHandshakeDuration(w *writer, s *Series, r *check.Report) {
	eachCertificate(r, func(result *check.TLSResult) {
		w.emit(s.identityOf(result.Family, result.Address), result.HandshakeTime.Seconds())
	})
}

func emitTimeLeft(w *writer, s *Series, r *check.Report) {
	eachCertificate(r, func(result *check.TLSResult) {
		w.emit(s.identityOf(result.Family, result.Address), timeLeft(result.Certificate.NotAfter, r.Time))
	})
}

func emitChainTimeLeft(w *writer, s *Series, r *check.Report) {
	eachCertificate(r, func(result *check.TLSResult) {
		w.emit(s.identityOf(result.Family, result.Address), timeLeft(result.Certificate.ChainNotAfter, r.Time))
	})
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
	if r.TLS == nil {
		return
	}
	for i := range r.TLS.Results {
		f(&r.TLS.Results[i])
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
