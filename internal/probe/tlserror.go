package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// hasRoots reports whether this system has root certificates: where there are none, as in an image from
// scratch, package x509 takes that for a list that is empty.
var hasRoots = sync.OnceValue(func() bool {
	roots, err := x509.SystemCertPool()
	return err != nil || !roots.Equal(x509.NewCertPool()) // an error is for Verify to return
})

// certificateErrorType names the reason for which a certificate was not verified at a time. It is empty if
// that is this machine's own.
func certificateErrorType(err error, now time.Time) check.ErrorType {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var roots x509.SystemRootsError
	switch {
	case errors.Is(err, errNoRoots), errors.As(err, &roots):
		return ""
	case errors.As(err, &name):
		return check.TLSNameMismatch
	case errors.As(err, &authority):
		return check.TLSUnknownAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && now.Before(invalid.Cert.NotBefore):
		return check.TLSCertificateNotYetValid
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return check.TLSCertificateExpired
	}
	return check.TLSCertificateInvalid
}

// The alerts that say more than that there is one (RFC 8446, section 6.2).
const (
	alertHandshakeFailure    = 40
	alertBadCertificate      = 42
	alertProtocolVersion     = 70
	alertCertificateRequired = 116
)

// alertOf returns the alert by which the server ended a handshake, or 0. An error of package tls has it as a
// number of a type that has no name outside.
func alertOf(err error) uint64 {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return 0
	}
	if number := reflect.ValueOf(remote.Err); number.Kind() == reflect.Uint8 {
		return number.Uint()
	}
	return 0
}

// handshakeErrorType names the reason for which a handshake was not completed; unanswered says that the
// server asked for a certificate of the client, which had none. It is empty if the reason is this machine's.
func handshakeErrorType(err error, unanswered bool) check.ErrorType {
	var record tls.RecordHeaderError
	switch alert := alertOf(err); {
	case alert == alertCertificateRequired, unanswered && (alert == alertHandshakeFailure || alert == alertBadCertificate):
		return check.TLSClientCertificateRequired
	case alert == alertProtocolVersion:
		return check.TLSProtocolVersion
	case alert != 0:
		return check.TLSAlert
	case errors.As(err, &record):
		return check.TLSNotTLS
	case isTimeout(err):
		return check.TLSTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), connectErrorType(err) == check.ConnectionReset:
		return check.TLSConnectionClosed
	case isUnsupportedVersion(err):
		return check.TLSProtocolVersion
	case lackOf(err) != "":
		return ""
	}
	return check.TLSProtocolError
}

// isUnsupportedVersion reports whether the server chose a version that the client does not have, of which
// package tls has no error but a text.
func isUnsupportedVersion(err error) bool {
	const text = "tls: server selected unsupported protocol version"
	return err != nil && strings.HasPrefix(err.Error(), text)
}
