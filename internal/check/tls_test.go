package check

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a sentence about TLS has of a result: those reasons that stand for many say which one it was.
func TestTLSReason(t *testing.T) {
	for _, test := range []struct {
		result TLSResult
		want   string
	}{
		{TLSResult{Status: Up}, ""},
		{TLSResult{ErrorType: TLSTimeout, Err: errors.New("i/o timeout")}, "timeout"},
		{TLSResult{ErrorType: TLSNotTLS, Err: errors.New("tls: first record")}, "the server speaks something else"},
		{TLSResult{ErrorType: TLSAlert, Err: fmt.Errorf("remote error: %w", errors.New("tls: internal error"))}, "alert: internal error"},
		{TLSResult{ErrorType: TLSProtocolError, Err: errors.New("tls: unexpected message")}, "protocol error: unexpected message"},
		{TLSResult{ErrorType: TLSUnknownAuthority, Err: x509.UnknownAuthorityError{}}, "unknown authority"},
		{
			TLSResult{ErrorType: TLSCertificateInvalid, Err: x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}},
			"certificate invalid: certificate specifies an incompatible key usage",
		},
	} {
		assert.Equal(t, test.want, test.result.Reason())
	}
}
