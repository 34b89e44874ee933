package tlstable

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/testnet"
)

// row is a situation, and what is reported and logged of it. In its options, $address stands for the address of the
// server, $name for a name that resolves to it, as a.$name and a.b.$name do, $own for an address that is the row's own,
// and $folder for the folder that has ca.pem.
type row struct {
	group, situation string
	serve            server
	ipv6             bool // it takes IPv6
	addresses        int  // so many of IPv4 has the name, and with ipv6 one of IPv6; 0: it has that of the server
	host             string
	tls              string // options of TLS
	timeout          string
	steps            []step
}

// step is what comes of something that happens.
type step struct {
	then   string
	change func(w *world)
	found
	connects string // the value of can_connect
	log      []string
}

// situation is a row of a server at an IP address, whose authority the client trusts.
func situation(text string, serve server, steps ...step) row {
	return row{situation: text, serve: serve, host: "$address", tls: "ca_file: $folder/ca.pem", timeout: "3s", steps: steps}
}

// named is the row with a host.
func (r row) named(host string) row {
	r.host = host
	return r
}

// with is the row with more options of TLS.
func (r row) with(options string) row {
	r.tls += ", " + options
	return r
}

// shown is a step in which there is one certificate, which is verified.
func shown(left string, log ...string) step {
	return step{found: found{"1", "-", left, "1"}, connects: "1", log: log}
}

// unverified is a step in which there is one certificate, which is not verified.
func unverified(errorType, left, reason string) step {
	return step{found: found{"0", errorType, left, "1"}, connects: "1", log: []string{fails + reason}}
}

// failed is a step in which the handshake is not completed.
func failed(errorType, reason string) step {
	return step{found: found{"0", errorType, "-", "-"}, connects: "1", log: []string{fails + reason}}
}

// after is the step after something has happened.
func (s step) after(then string, change func(w *world)) step {
	s.then, s.change = then, change
	return s
}

const (
	fails = `TLS of "x" (ADDRESS:PORT) over ipv4 fails: `
	ends  = `the certificate of "x" (ADDRESS:PORT) ends within `
)

// of is a certificate of the root for names.
func of(names ...string) certificate { return issuedBy(theRoot, names) }

func theRoot(w *world) *testnet.Authority { return w.root }

// issuedBy is a certificate of an authority.
func issuedBy(authority func(w *world) *testnet.Authority, names []string, changes ...change) certificate {
	return func(w *world) tls.Certificate { return authority(w).Issue(w.fill(names...), changes...) }
}

func intermediate(changes ...change) func(w *world) *testnet.Authority {
	return func(w *world) *testnet.Authority { return w.root.Intermediate(changes...) }
}

var both = []string{"127.0.0.1", "::1", "$own", "$name"}

// good is a certificate that is verified at each address of the row, and at its name.
func good(changes ...change) certificate { return issuedBy(theRoot, both, changes...) }

func isRSA(c *x509.Certificate) { c.PublicKeyAlgorithm = x509.RSA }

// until has a certificate end so long from now.
func until(d time.Duration) change {
	return func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(d)
		c.NotBefore = c.NotAfter.AddDate(0, 0, -90)
	}
}

const day = 24 * time.Hour

// grouped are rows of a group.
func grouped(group string, rows ...row) []row {
	for i := range rows {
		rows[i].group = group
	}
	return rows
}

var rows = slices.Concat(verifiedRows, endingRows, unverifiedRows, protocolRows, clientRows, otherRows, addressRows, ownRows)

var verifiedRows = grouped("Verified",
	situation("TLS 1.3, ECDSA (OpenSSL)", openssl(good(), "-tls1_3"), shown("60 d")),
	situation("TLS 1.2, ECDSA (nginx)", nginx(good(), "ssl_protocols TLSv1.2;"), shown("60 d")),
	situation("TLS 1.3, RSA (nginx)", nginx(good(isRSA), "ssl_protocols TLSv1.3;"), shown("60 d")),
	situation("TLS 1.2, RSA (OpenSSL)", openssl(good(isRSA), "-tls1_2"), shown("60 d")),
	situation("TLS 1.3 over IPv6, with the address in the certificate (OpenSSL)", opensslAt("[::1]:0", good()), shown("60 d")).v6(),
	situation("an intermediate certificate (nginx)", nginx(issuedBy(intermediate(), both)), shown("60 d")),
	situation("two intermediate certificates (OpenSSL)", openssl(issuedBy(func(w *world) *testnet.Authority { return w.root.Intermediate().Intermediate() }, both)), shown("60 d")),
	situation("a chain of 100 kB (nginx)", nginx(long(100<<10)), shown("60 d")),
	situation("a host name", openssl(of("$name")), shown("60 d")).named("$name"),
	situation("a wildcard for a label (nginx)", nginx(of("*.$name")), shown("60 d")).named("a.$name"),
	situation("an IP address, and ~server_name~ with the name of the certificate", openssl(of("server.test")), shown("60 d")).with("server_name: server.test"),
	situation("two certificates at a port, the first one's name is asked for (nginx)", twoNames, shown("60 d")).named("a.$name"),
	situation("the second one's name is asked for", twoNames, shown("90 d")).named("a.b.$name"),
	situation("an application protocol in common (OpenSSL, ~alpn: [h2]~)", openssl(good(), "-alpn", "h2"), shown("60 d")).with("alpn: [h2]"),
	situation("a server without application protocols (OpenSSL, ~alpn: [h2]~)", openssl(good()), shown("60 d")).with("alpn: [h2]"),
	situation("an OCSP response is stapled (OpenSSL)", stapled, shown("60 d")),
	situation("a certificate that is an authority's as well", openssl(good(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })), shown("60 d")),
	situation("a byte each millisecond, within the timeout", trickle(openssl(good()), time.Millisecond), shown("60 d")),
)

var endingRows = grouped("The end of a certificate",
	situation("it ends within 30 days", nginx(good(until(20*day))), shown("20 d", ends+"30 days, at DATE UTC, shown by ADDRESS")),
	situation("within 7 days", nginx(good(until(6*day))), shown("6 d", ends+"7 days, at DATE UTC, shown by ADDRESS")),
	situation("within a day", nginx(good(until(20*time.Hour))), shown("1 d", ends+"a day, at DATE UTC, shown by ADDRESS")),
	situation("it has ended (nginx)", nginx(good(until(-2*day))), unverified("tls_certificate_expired", "-2 d", "certificate expired")),
	situation("it begins tomorrow", nginx(good(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(day) })),
		unverified("tls_certificate_not_yet_valid", "60 d", "certificate not yet valid")),
	situation("an intermediate certificate ends within 7 days", nginx(issuedBy(intermediate(until(5*day)), both)),
		shown("60 d, chain 5 d", "the chain of "+ends+"7 days, at DATE UTC, shown by ADDRESS")),
	situation("an intermediate certificate has ended", openssl(issuedBy(intermediate(until(-3*day)), both)),
		unverified("tls_certificate_expired", "60 d, chain -3 d", "certificate expired")),
	situation("the root has ended", openssl(underEndedRoot), unverified("tls_certificate_expired", "60 d", "certificate expired")),
	situation("it is renewed", farm(func(w *world) show { return every(w.farmed(until(60 * day))) }), shown("60 d"),
		shown("80 d", `there is another certificate of "x" (NAME:PORT), until DATE UTC, shown by 127.0.0.1`).
			after("there is a new one", func(w *world) { w.renew(every(w.farmed(until(80 * day)))) }),
	).farmed(1),
)

var unverifiedRows = grouped("Not verified",
	situation("it is for another name", openssl(of("other.test")), unverified("tls_name_mismatch", "60 d", "name mismatch")).named("$name"),
	situation("it is for a name, and the host is an IP address", openssl(of("$name")), unverified("tls_name_mismatch", "60 d", "name mismatch")),
	situation("it is for another name than ~server_name~", openssl(good()), unverified("tls_name_mismatch", "60 d", "name mismatch")).with("server_name: server.test"),
	situation("a wildcard, and two labels", nginx(of("*.$name")), unverified("tls_name_mismatch", "60 d", "name mismatch")).named("a.b.$name"),
	situation("the name stands in its common name alone", openssl(commonName), unverified("tls_name_mismatch", "60 d", "name mismatch")).named("$name"),
	situation("it has no name", openssl(of()), unverified("tls_name_mismatch", "60 d", "name mismatch")),
	situation("no certificate for the IP address that is asked for (nginx)", twoNames, unverified("tls_name_mismatch", "60 d", "name mismatch")),
	situation("it is self-signed", nginx(func(w *world) tls.Certificate { return testnet.SelfSigned(w.t, w.fill(both...)) }),
		unverified("tls_unknown_authority", "60 d", "unknown authority")),
	situation("its authority is unknown", openssl(issuedBy(func(w *world) *testnet.Authority { return testnet.NewAuthority(w.t) }, both)),
		unverified("tls_unknown_authority", "60 d", "unknown authority")),
	situation("its intermediate certificate is not shown", nginx(func(w *world) tls.Certificate {
		made := w.root.Intermediate().Issue(w.fill(both...))
		made.Certificate = made.Certificate[:1]
		return made
	}), unverified("tls_unknown_authority", "60 d", "unknown authority")),
	situation("it is for clients alone", openssl(good(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })),
		unverified("tls_certificate_invalid", "60 d", "certificate invalid: certificate specifies an incompatible key usage")),
	situation("its authority may not issue for that name", openssl(issuedBy(intermediate(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"other.test"} }), both)),
		unverified("tls_certificate_invalid", "60 d", `certificate invalid: a root or intermediate certificate is not authorized to sign for this name: DNS name "NAME" is not permitted by any constraint`)).named("$name"),
	situation("the one that issued it is no authority", openssl(issuedBy(intermediate(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }), both)),
		unverified("tls_unknown_authority", "60 d", "unknown authority")),
	situation("it is signed with SHA-1 (crypto/tls)", inGo(good(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })),
		unverified("tls_unknown_authority", "60 d", "unknown authority")),
	situation("it has ended, is for another name and self-signed, with ~insecure_skip_verify: true~", nginx(func(w *world) tls.Certificate {
		return testnet.SelfSigned(w.t, []string{"other.test"}, until(-2*day))
	}), shown("-2 d", `the certificate of "x" (ADDRESS:PORT) has ended, at DATE UTC, shown by ADDRESS`)).with("insecure_skip_verify: true"),
)

var protocolRows = grouped("Versions, cipher suites and protocols",
	situation("TLS 1.0 alone (OpenSSL)", openssl(good(), "-tls1", "-cipher", "ALL:@SECLEVEL=0"), failed("tls_protocol_version", "protocol version")),
	situation("TLS 1.1 alone (OpenSSL)", openssl(good(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), failed("tls_protocol_version", "protocol version")),
	situation("TLS 1.1 alone, with ~min_version: \"1.0\"~ (OpenSSL)", openssl(good(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), shown("60 d")).with(`min_version: "1.0"`),
	situation("TLS 1.3 alone, with ~max_version: \"1.2\"~ (OpenSSL)", openssl(good(), "-tls1_3"), failed("tls_protocol_version", "protocol version")).with(`max_version: "1.2"`),
	situation("TLS 1.2 alone, with ~min_version: \"1.3\"~ (nginx)", nginx(good(), "ssl_protocols TLSv1.2;"), failed("tls_protocol_version", "protocol version")).with(`min_version: "1.3"`),
	situation("no cipher suite in common (OpenSSL)", openssl(good(isRSA), "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"), failed("tls_alert", "alert: handshake failure")),
	situation("no application protocol in common (OpenSSL, ~alpn: [imap]~)", openssl(good(), "-alpn", "h2"), failed("tls_alert", "alert: no application protocol")).with("alpn: [imap]"),
	situation("no application protocol in common (nginx, ~alpn: [imap]~)", nginx(good()), failed("tls_alert", "alert: no application protocol")).with("alpn: [imap]"),
	situation("no certificate for any name (nginx, ~ssl_reject_handshake~)", nginx(good(), "ssl_reject_handshake on;"), failed("tls_alert", "alert: unrecognized name")),
	situation("an alert in place of a handshake", answers("\x15\x03\x03\x00\x02\x02\x50"), failed("tls_alert", "alert: internal error")),
	situation("a chain of 300 kB (nginx)", nginx(long(300<<10)), failed("tls_protocol_error", "protocol error: handshake message of length N bytes exceeds maximum of 262144 bytes")),
)

// clientRows are those in which the server asks for a certificate of the client, by each version.
var clientRows = func() []row {
	var rows []row
	for _, version := range []string{"1.2", "1.3"} {
		asks := func(how ...string) server {
			return openssl(good(), slices.Concat([]string{"-tls" + strings.ReplaceAll(version, ".", "_"), "-CAfile", "$folder/ca.pem", "-verify_return_error"}, how)...)
		}
		over := ", TLS " + version + " (OpenSSL)"
		rows = append(rows,
			situation("it is asked for, and there is none"+over, asks("-verify", "3"), shown("60 d")),
			situation("it is required, and there is none"+over, asks("-Verify", "3"), failed("tls_client_certificate_required", "client certificate required")),
			situation("it is required, and given"+over, withClient(asks("-Verify", "3"), good()), shown("60 d")).with(client),
			situation("it is required, and of an unknown authority"+over, withClient(asks("-Verify", "3"), func(w *world) tls.Certificate { return testnet.SelfSigned(w.t, nil) }),
				failed("tls_alert", "alert: unknown certificate authority")).with(client),
			situation("it is required, and has ended"+over, withClient(asks("-Verify", "3"), good(until(-2*day))),
				failed("tls_alert", "alert: expired certificate")).with(client),
		)
	}
	return grouped("A certificate of the client", append(rows,
		situation("it is required for what is served, not for the handshake (nginx, ~ssl_verify_client on~)",
			nginx(good(), "ssl_client_certificate $folder/ca.pem; ssl_verify_client on;"), shown("60 d")))...)
}()

const client = "cert_file: $folder/client.pem, key_file: $folder/client.key"

var otherRows = grouped("No TLS, and handshakes that end",
	situation("HTTP (nginx)", plainHTTP, failed("tls_not_tls", "the server speaks something else")),
	situation("the banner of SSH", banner("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), failed("tls_not_tls", "the server speaks something else")),
	situation("the banner of SMTP", banner("220 mail.test ESMTP\r\n"), failed("tls_not_tls", "the server speaks something else")),
	situation("bytes without sense", answers("\xde\xad\xbe\xef\x00\x11\x22\x33"), failed("tls_not_tls", "the server speaks something else")),
	situation("a record without sense", answers("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), failed("tls_protocol_error", "protocol error: error decoding message")),
	situation("it says nothing", banner(""), failed("tls_timeout", "timeout")).brief(),
	situation("it closes at once", says(func(net.Conn) {}), failed("tls_connection_closed", "connection closed")),
	situation("it resets", says(func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }), failed("tls_connection_closed", "connection closed")),
	situation("it resets after the client's hello", says(func(conn net.Conn) {
		hello(conn)
		_ = conn.(*net.TCPConn).SetLinger(0)
	}), failed("tls_connection_closed", "connection closed")),
	situation("it closes after the client's hello", answers(""), failed("tls_connection_closed", "connection closed")),
	situation("it closes within its first record", answers("\x16\x03\x03\x00\x40\x02"), failed("tls_connection_closed", "connection closed")),
	situation("text without end", endless("220 \r\n"), failed("tls_not_tls", "the server speaks something else")),
	situation("a message without end", endless("\x16\x03\x03\x00\x04\x0b\x03\xff\xff"), failed("tls_protocol_error", "protocol error: handshake message of length N bytes exceeds maximum of 65536 bytes")),
	situation("a byte each 100 ms, until the timeout", trickle(openssl(good()), 100*time.Millisecond), failed("tls_timeout", "timeout")).brief(),
)

// renewedAt are a log line of those addresses.
func renewedAt(addresses ...string) string {
	return `there is another certificate of "x" (NAME:PORT), until DATE UTC, shown by ` + strings.Join(addresses, ", ")
}

const (
	seven = "127.0.0.1, 127.0.0.2, 127.0.0.3, 127.0.0.4, 127.0.0.5, 127.0.0.6, 127.0.0.7"
	eight = "1 1 1 1 1 1 1 1"
)

var addressRows = grouped("Several addresses of a name",
	situation("two that show one certificate", farm(func(w *world) show { return every(w.farmed()) }), several("1 1", "60 d", "1")).farmed(2),
	situation("two that show different ones", farm(func(w *world) show { return unlike(w.farmed(), 2, w.farmed(until(90*day))) }),
		several("1 1", "60 d; 90 d", "2", `the addresses of "x" (NAME:PORT) show 2 different certificates: until DATE UTC, shown by 127.0.0.1; until DATE UTC, shown by 127.0.0.2`)).farmed(2),
	situation("two, and the certificate of one has ended", farm(func(w *world) show { return unlike(w.farmed(), 2, w.farmed(until(-2*day))) }),
		step{
			found: found{"1 0", "tls_certificate_expired", "60 d; -2 d", "2"}, connects: "1", log: []string{
				`TLS of "x" (127.0.0.2:PORT) over ipv4 fails: certificate expired`,
				`the addresses of "x" (NAME:PORT) show 2 different certificates: until DATE UTC, shown by 127.0.0.1; until DATE UTC, shown by 127.0.0.2`,
			},
		}).farmed(2),
	situation("one of each family, and they show different ones", farm(func(w *world) show { return unlike(w.farmed(), 2, w.farmed(until(90*day))) }),
		several("1 1", "60 d; 90 d", "2", `the addresses of "x" (NAME:PORT) show 2 different certificates: until DATE UTC, shown by 127.0.0.1; until DATE UTC, shown by ::1`)).farmed(1).v6(),
	situation("eight that show one certificate", farm(func(w *world) show { return every(w.farmed()) }), several(eight, "60 d", "1"),
		several(eight, "80 d; 80 d; 80 d; 80 d; 80 d; 80 d; 80 d; 60 d", "2", renewedAt(seven),
			`the addresses of "x" (NAME:PORT) show 2 different certificates: until DATE UTC, shown by `+seven+`; until DATE UTC, shown by 127.0.0.8`).
			after("it is renewed on seven of them", func(w *world) {
				w.current = w.farmed(until(80 * day))
				w.renew(unlike(w.current, 8, w.first))
			}),
		several(eight, "80 d", "1", renewedAt("127.0.0.8"), `the addresses of "x" (NAME:PORT) show one certificate again`).
			after("and on the eighth", func(w *world) { w.renew(every(w.current)) }),
		several(eight, "85 d", "1", renewedAt(seven+", 127.0.0.8")).
			after("it is renewed on all of them at a time", func(w *world) { w.renew(every(w.farmed(until(85 * day)))) }),
	).farmed(8),
)

var ownRows = grouped("No handshake",
	situation("the port accepts", ending(good()), shown("60 d"),
		step{
			found: found{"-", "connection_refused", "-", "-"}, connects: "0",
			log: []string{`cannot connect to "x" (ADDRESS:PORT) over ipv4: connection refused`},
		}.after("it refuses", func(w *world) { w.refuse() })),
	situation("a ~ca_file~ of the instance", openssl(good()), shown("60 d"),
		several("-", "-", "-", "this machine is unable to check some instances, which says nothing about them: failed to load TLS config: "+
			"failed to load CA CertPool File: failed to load cert FOLDER/ca.pem: open FOLDER/ca.pem: no such file or directory").
			after("it is removed", func(w *world) { require.NoError(w.t, os.Remove(filepath.Join(w.folder, "ca.pem"))) }),
		shown("60 d", "this machine is able to check all of its instances again").
			after("it is there again", func(w *world) { w.file("ca.pem", w.root.PEM()) })),
)

func several(verified, left, certificates string, log ...string) step {
	return step{found: found{verified, "-", left, certificates}, connects: "1", log: log}
}

func (r row) v6() row {
	r.ipv6 = true
	return r
}

// farmed is the row of a farm of n addresses.
func (r row) farmed(n int) row {
	r.addresses, r.host = n, "$name"
	return r
}

// brief is the row with a timeout that is soon over.
func (r row) brief() row {
	r.timeout = "500ms"
	return r
}

// farmed is a certificate for the name of the row.
func (w *world) farmed(changes ...change) tls.Certificate {
	made := w.root.Issue([]string{w.name}, changes...)
	if w.first.Certificate == nil {
		w.first = made
	}
	return made
}

// every has each address show a certificate.
func every(c tls.Certificate) show { return func(int) tls.Certificate { return c } }

// unlike has each address show a certificate, but for one of them.
func unlike(c tls.Certificate, at int, other tls.Certificate) show {
	return func(n int) tls.Certificate {
		if n == at {
			return other
		}
		return c
	}
}

// long is a certificate whose chain takes so many bytes.
func long(bytes int) certificate {
	return func(w *world) tls.Certificate {
		made := w.root.Issue(w.fill(both...))
		other := w.root.Intermediate().Cert.Raw
		for n := 0; n < bytes; n += len(other) {
			made.Certificate = append(made.Certificate, other)
		}
		return made
	}
}

func commonName(w *world) tls.Certificate {
	return w.root.Issue(nil, func(c *x509.Certificate) { c.Subject.CommonName = w.name })
}

// underEndedRoot is a certificate whose root has ended, and is the one that the client trusts.
func underEndedRoot(w *world) tls.Certificate {
	root := testnet.NewAuthority(w.t, until(-3*day))
	w.file("ca.pem", root.PEM())
	return root.Issue(w.fill(both...))
}

// withClient is a server, and files that have a certificate of the client.
func withClient(s server, c certificate) server {
	return func(w *world) {
		w.files("client", c(w))
		s(w)
	}
}

// twoNames is nginx with two certificates, each for its name, of which the first is shown to who asks for
// neither.
func twoNames(w *world) {
	var servers strings.Builder
	for name, days := range map[string]time.Duration{"a." + w.name: 60, "a.b." + w.name: 90} {
		chain, key := w.files(name, w.root.Issue([]string{name}, until(days*day)))
		first := ""
		if days == 60 {
			first = "default_server"
		}
		fmt.Fprintf(&servers, "server { listen %s:8443 ssl %s; server_name %s; ssl_certificate %s; ssl_certificate_key %s; }\n", w.own, first, name, chain, key)
	}
	w.nginx(servers.String())
}

// plainHTTP is nginx without TLS.
func plainHTTP(w *world) {
	w.nginx("server { listen " + netip.AddrPortFrom(w.own, 8443).String() + "; }")
}

// tryLater is the shortest OCSP response that there is (RFC 6960, section 4.2.1).
var tryLater = []byte{0x30, 0x03, 0x0a, 0x01, 0x03}

// stapled is OpenSSL with an OCSP response.
func stapled(w *world) {
	w.file("ocsp.der", tryLater)
	openssl(good(), "-status_file", "$folder/ocsp.der")(w)
}

// endless says a text again and again.
func endless(text string) server {
	return says(func(conn net.Conn) {
		for {
			if _, err := io.WriteString(conn, strings.Repeat(text, 100)); err != nil {
				return
			}
		}
	})
}
