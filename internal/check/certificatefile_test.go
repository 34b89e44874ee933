package check

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What a file says at a time, with a certificate that ends at 100 and a chain that ends at 50.
func TestCertificateFile(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	known := &Certificate{NotAfter: at(100), ChainNotAfter: at(50)}
	target := &Target{TLS: &TLS{File: "f"}}
	for _, test := range []struct {
		name string
		file CertificateFile
		now  int64
		want Status // 0 where nothing is known
	}{
		{"lasts", CertificateFile{Certificate: known}, 50, Up},
		{"has ended", CertificateFile{Certificate: known}, 51, Down},
		{"lasts, as far as is known", CertificateFile{Certificate: known, Source: Source{Err: errors.New("denied")}}, 50, Up},
		{"may have been replaced", CertificateFile{Certificate: known, Source: Source{Err: errors.New("denied")}}, 51, 0},
		{"never read", CertificateFile{Source: Source{Err: errors.New("denied")}}, 1, 0},
	} {
		r := test.file.Report(target, at(test.now))
		if test.want == 0 {
			assert.Nil(t, r, test.name)
			continue
		}
		assert.Same(t, target, r.Target)
		assert.Equal(t, at(test.now), r.Time)
		assert.Equal(t, test.want, r.TLS[0].Status, test.name)
		assert.Same(t, known, r.TLS[0].Certificate)
		assert.Equal(t, test.want == Down, r.TLS[0].Err != nil && r.TLS[0].ErrorType == TLSCertificateExpired, test.name)
	}
	assert.Equal(t, "f", target.File())
	assert.Empty(t, (&Target{}).File())
	assert.Equal(t, `the certificate in "a\nb"`, (&Source{Name: "a\nb", Certificates: true}).Title())
	assert.Equal(t, "the list of a", (&Source{Name: "a"}).Title())
}
