package check

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// TLS says how the certificates of a target are checked: over all of its addresses, at an interval of
// their own.
type TLS struct {
	// Client loads what a handshake is made with. What it returns is nobody else's to change.
	Client TLSClient
	// ServerName is what the client asks for (RFC 6066, section 3) and what the certificate has to be
	// for. It is the host of the target where it is empty.
	ServerName string
	// ALPN are the application protocols that the client offers (RFC 7301), in the order of its
	// choice; none is to offer none.
	ALPN []string
	// Interval is the time between two handshakes with an address. It is positive.
	Interval time.Duration
	// File is the path of a file that has the certificates, for a target that is no server and of which all
	// else is empty. It is empty for a server.
	File string
}

// TLSClient is a client's configuration as a user has written it.
type TLSClient interface {
	// Load reads the files that it names. The error is one of this machine.
	Load() (*tls.Config, error)
}

// TLSResult is what a handshake with an address found.
type TLSResult struct {
	Family  Family
	Address netip.Addr
	// Status is Up if the handshake was completed and the certificate is verified, Down if not, and
	// Unchecked if this machine was unable to make it, or if there was no connection, of which a Report
	// tells.
	Status Status
	// Err says why the status is not Up, and is nil if it is.
	Err error
	// ErrorType is the reason if the status is Down, and empty otherwise.
	ErrorType ErrorType
	// Lack is what this machine lacked if it was unable to; empty otherwise.
	Lack Lack
	// HandshakeTime is how long the handshake took, from the first byte that was sent to the last one that
	// was needed, without the time in which this machine had no processor for it, and without the
	// verification. It is 0 if it was not completed.
	HandshakeTime time.Duration
	// Certificate is what the server showed. It is nil if the handshake was not completed.
	Certificate *Certificate
}

// Reason returns why the result is not verified, as a sentence about TLS has it. It is empty if it is.
func (r *TLSResult) Reason() string {
	words := strings.TrimPrefix(r.ErrorType.Words(), "tls ")
	switch r.ErrorType {
	case TLSNotTLS:
		return "the server speaks something else"
	case TLSAlert, TLSProtocolError, TLSCertificateInvalid: // of which there are many
		return words + ": " + strings.TrimPrefix(strings.TrimPrefix(RootCause(r.Err).Error(), "tls: "), "x509: ")
	default:
		return words
	}
}

// Certificate is what is known of a server's certificate, and of the connection that it was shown on.
type Certificate struct {
	Subject, Issuer string   // distinguished names (RFC 4514)
	SerialNumber    string   // in upper-case hexadecimal, two digits a byte (RFC 5280, section 4.1.2.2)
	SHA256          [32]byte // of the whole certificate
	NotBefore       time.Time
	// NotAfter is when it ends, and ChainNotAfter when the first one of its chain does: of those that lead to
	// a root which the client trusts, the one that lasts longest; or where none does, of what the server
	// showed.
	NotAfter, ChainNotAfter time.Time
	Version                 uint16 // of TLS, as crypto/tls numbers them
	CipherSuite             uint16 // as crypto/tls numbers them
	Protocol                string // by ALPN; empty for none
	Stapled                 bool   // with an OCSP response (RFC 6066, section 8)
}

// Hash returns the SHA256 as text, in upper-case hexadecimal as the semantic conventions ask for.
func (c *Certificate) Hash() string { return fmt.Sprintf("%X", c.SHA256) }
