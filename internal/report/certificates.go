package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/state"
)

// WriteTLS tells the changes that a check of the target's certificates brought.
func (l *Log) WriteTLS(report *check.SessionReport, changes []state.CertificateChange) {
	l.now = report.Time
	for i := range changes {
		if l.target.File() != "" {
			l.writeFile(&changes[i])
		} else {
			l.writeCertificate(&changes[i])
		}
	}
}

func (l *Log) writeCertificate(c *state.CertificateChange) {
	about := &state.Change{Endpoint: c.Endpoint}
	name := l.name(about)
	switch c.Kind {
	case state.NotVerified, state.NotVerifiedOtherwise:
		why, since := c.Result.Reason(), time.Time{}
		if c.Kind == state.NotVerifiedOtherwise {
			why, since = why+", no longer "+strings.TrimPrefix(c.Before.Words(), "tls "), c.Since
		}
		l.warn(tlsFailed, about, "TLS of "+name+" fails: "+why, append(certificate(c.Result.Certificate),
			attribute.String("error.type", string(c.Result.ErrorType)), attribute.String("tcpcheck.error.message", c.Result.Err.Error()),
			attribute.String(previousType, string(c.Before)), timeOf(failedSince, since))...)
	case state.Verified:
		l.info(tlsVerified, about, "the certificate of "+name+" is verified again", append(certificate(c.Result.Certificate), timeOf(failedSince, c.Since))...)
	case state.Expiring:
		what, ends := firstToEnd(c.Certificate)
		when := " ends within " + days(c.Within)
		if c.Within == 0 {
			when = " has ended"
		}
		l.warn(certificateExpiring, about, what+" of "+name+when+", at "+dateOf(ends)+shown(c.Addresses),
			append(certificate(c.Certificate), timeOf(chainNotAfter, c.Certificate.ChainNotAfter), attribute.StringSlice(tlsAddresses, texts(c.Addresses)))...)
	case state.Renewed:
		l.info(certificateChanged, about, "there is another certificate of "+name+", until "+dateOf(c.Certificate.NotAfter)+shown(c.Addresses),
			append(certificate(c.Certificate), attribute.StringSlice(tlsAddresses, texts(c.Addresses)), attribute.String(previousHash, c.Former.Hash()))...)
	case state.Differing:
		l.warn(certificatesDiffer, about, "the addresses of "+name+" "+Differing(c.Shown),
			attribute.StringSlice(tlsCertificates, certificates(c.Shown)))
	case state.Agreeing:
		l.info(certificatesAgree, about, "the addresses of "+name+" show one certificate again", attribute.StringSlice(tlsCertificates, certificates(c.Shown)))
	case state.Unchanged:
	}
}

// Differing returns which certificates addresses show, and which one shows which, as a sentence about the
// addresses goes on.
func Differing(different []state.Shown) string {
	all := make([]string, len(different))
	for i, s := range different {
		all[i] = "until " + dateOf(s.Certificate.NotAfter) + shown(s.Addresses)
	}
	return fmt.Sprintf("show %d different certificates: %s", len(different), strings.Join(all, "; "))
}

// shown returns by which addresses something is shown, as a sentence ends.
func shown(addresses []netip.Addr) string {
	return ", shown by " + strings.Join(texts(addresses), ", ")
}

// The attributes that several events about certificates have.
const (
	failedSince     = "tcpcheck.failed_since"
	chainNotAfter   = "tcpcheck.tls.chain.not_after"
	previousHash    = "tcpcheck.tls.previous.hash.sha256"
	tlsAddresses    = "tcpcheck.tls.addresses"
	tlsCertificates = "tcpcheck.tls.certificates"
)

// certificate returns the attributes of a certificate, or none if there is none.
func certificate(c *check.Certificate) []attribute.KeyValue {
	if c == nil {
		return nil
	}
	return []attribute.KeyValue{
		attribute.String("tls.server.subject", c.Subject), attribute.String("tls.server.issuer", c.Issuer),
		attribute.String("tls.server.hash.sha256", c.Hash()), timeOf("tls.server.not_after", c.NotAfter),
	}
}

// certificates returns the hashes of certificates, each with the addresses that show it.
func certificates(shown []state.Shown) []string {
	all := make([]string, len(shown))
	for i, s := range shown {
		all[i] = s.Certificate.Hash() + " " + strings.Join(texts(s.Addresses), " ")
	}
	slices.Sort(all)
	return all
}

// texts returns addresses as texts.
func texts(addresses []netip.Addr) []string {
	all := make([]string, len(addresses))
	for i, address := range addresses {
		all[i] = address.String()
	}
	return all
}

// days returns a duration of whole days in words.
func days(d time.Duration) string {
	if n := int(d.Hours() / 24); n != 1 {
		return fmt.Sprintf("%d days", n)
	}
	return "a day"
}
