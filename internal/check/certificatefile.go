package check

import (
	"errors"
	"time"
)

// CertificateFile is what is known of a file that has certificates.
type CertificateFile struct {
	// Source is the file by its path. Its Err is why it cannot be taken as it is now.
	Source
	// Certificate is what was in it the last time that it could be read. Its NotAfter is that of the first
	// certificate, and its ChainNotAfter that of the first one in the file to end. It is nil if the file never
	// could be read.
	Certificate *Certificate
}

// Report returns a report on the file, for which a target stands: Up until a certificate in it has ended. It
// is nil if nothing is known: there never was a certificate, or one has ended that may have been replaced
// since the file could be read.
func (f *CertificateFile) Report(t *Target, now time.Time) *SessionReport {
	if f.Certificate == nil {
		return nil
	}
	r := TLSResult{Status: Up, Certificate: f.Certificate}
	if now.After(f.Certificate.ChainNotAfter) {
		if f.Err != nil {
			return nil
		}
		r.Status, r.ErrorType, r.Err = Down, TLSCertificateExpired, errEnded
	}
	return &SessionReport{Target: t, Time: now, TLS: []TLSResult{r}}
}

var errEnded = errors.New("a certificate in the file has ended")
