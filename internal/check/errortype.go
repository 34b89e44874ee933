package check

import "strings"

// ErrorType says why a check failed, in the words of the error.type attribute.
// The zero value means that it did not fail.
type ErrorType string

// The reasons for a failed check.
const (
	ConnectionRefused  ErrorType = "connection_refused"  // the host answered that nothing listens
	Timeout            ErrorType = "timeout"             // no answer within the timeout
	ConnectionReset    ErrorType = "connection_reset"    // the peer broke off the handshake
	HostUnreachable    ErrorType = "host_unreachable"    // a router or the neighbour discovery says so
	NetworkUnreachable ErrorType = "network_unreachable" // no route, here or at a router
	PermissionDenied   ErrorType = "permission_denied"   // a rule or route of this machine forbids it
	// AdministrativelyProhibited is the reason where a router or firewall on the way,
	// or the host, says by ICMP that it is forbidden (RFC 1812, section 5.2.7.1; RFC
	// 4443, section 3.1). Only Linux tells it from HostUnreachable, NetworkUnreachable
	// and PermissionDenied.
	AdministrativelyProhibited ErrorType = "administratively_prohibited"
	NoAddress                  ErrorType = "no_address"    // the name exists, without an address of the family
	DNSNotFound                ErrorType = "dns_not_found" // the name does not exist
	DNSTimeout                 ErrorType = "dns_timeout"   // name resolution had no answer within the timeout
	DNSFailure                 ErrorType = "dns_failure"   // name resolution was answered by an error
	Other                      ErrorType = "_OTHER"        // anything else, by the name that OpenTelemetry gives it; the log has the words
)

// The reasons for a handshake that failed, and for a certificate that is not verified.
const (
	TLSCertificateExpired        ErrorType = "tls_certificate_expired"         // of the leaf, or what it was issued by
	TLSCertificateNotYetValid    ErrorType = "tls_certificate_not_yet_valid"   // by the clock of this machine
	TLSNameMismatch              ErrorType = "tls_name_mismatch"               // the certificate is for other names (RFC 9525)
	TLSUnknownAuthority          ErrorType = "tls_unknown_authority"           // no chain leads to a root that the client trusts
	TLSCertificateInvalid        ErrorType = "tls_certificate_invalid"         // for another reason (RFC 5280, section 6)
	TLSProtocolVersion           ErrorType = "tls_protocol_version"            // there is none in common
	TLSClientCertificateRequired ErrorType = "tls_client_certificate_required" // and the client has none, or one that is refused
	TLSAlert                     ErrorType = "tls_alert"                       // the server ended it by another alert (RFC 8446, section 6.2)
	TLSTimeout                   ErrorType = "tls_timeout"                     // it was not completed within the timeout
	TLSNotTLS                    ErrorType = "tls_not_tls"                     // the server speaks something else
	TLSConnectionClosed          ErrorType = "tls_connection_closed"           // by the server, without an alert
	TLSProtocolError             ErrorType = "tls_protocol_error"              // the server said what it may not
)

// The reasons for a dialogue that failed.
const (
	UnexpectedAnswer ErrorType = "unexpected_answer" // the service said something else than is expected
	DialogTimeout    ErrorType = "dialog_timeout"    // it said nothing within the timeout
	ConnectionClosed ErrorType = "connection_closed" // it closed the connection, and said nothing before
	StartTLSRefused  ErrorType = "starttls_refused"  // it does not begin a TLS handshake
	DialogError      ErrorType = "dialog_error"      // anything else; the log has the words
)

// ErrorTypes are all reasons, in the order above, the last one in the end.
var ErrorTypes = []ErrorType{
	ConnectionRefused, Timeout, ConnectionReset, HostUnreachable, NetworkUnreachable, PermissionDenied, AdministrativelyProhibited,
	NoAddress, DNSNotFound, DNSTimeout, DNSFailure,
	TLSCertificateExpired, TLSCertificateNotYetValid, TLSNameMismatch, TLSUnknownAuthority, TLSCertificateInvalid, TLSProtocolVersion,
	TLSClientCertificateRequired, TLSAlert, TLSTimeout, TLSNotTLS, TLSConnectionClosed, TLSProtocolError,
	UnexpectedAnswer, DialogTimeout, ConnectionClosed, StartTLSRefused, DialogError, Other,
}

// ErrorSource says who said that an address cannot be reached. The zero value: nobody did, as of a
// timeout, or it is not known.
type ErrorSource uint8

// Those who may say so.
const (
	Peer  ErrorSource = iota + 1 // the host itself, by a reset
	ICMP                         // the host, or a router or firewall on the way, by an ICMP error
	Local                        // this machine, which has no route there, or a rule against it
)

// String returns the source in the words of the attribute tcpcheck.error.source: peer, icmp or local.
// It is empty for the zero value.
func (s ErrorSource) String() string { return [...]string{"", "peer", "icmp", "local"}[s] }

// Words returns the reason as a sentence has it, such as "connection refused".
func (e ErrorType) Words() string {
	if e == Other {
		return "another reason"
	}
	return strings.ReplaceAll(string(e), "_", " ")
}
