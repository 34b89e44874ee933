package state

import (
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// Warnings are how long a certificate lasts when that is told, from the first one to the last. The last one,
// 0, is told of a certificate that has ended and is taken all the same; of others, that they are not verified.
var Warnings = []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour, 0}

// Certificates is what is known of the certificates that the addresses of a target show. The zero value
// knows nothing.
type Certificates struct {
	endpoints []secured
	told      []told // of those that are shown
	differ    bool   // addresses show different ones
}

// secured is what is known of TLS at an Endpoint.
type secured struct {
	layer                          // it works if the certificate is verified
	certificate *check.Certificate // the last one that it has shown; nil before
}

// told is how many of the Warnings have been told of a certificate.
type told struct {
	sha256   [32]byte
	warnings int
}

// Observe takes note of a report, and returns what it changes. Of an address whose state is not known now it
// keeps what it knew, as long as the address is one of the target.
func (c *Certificates) Observe(report *check.SessionReport) []CertificateChange {
	if len(report.TLS) == 0 {
		return nil
	}
	var changes []CertificateChange
	endpoints := make([]secured, 0, len(report.TLS))
	for i := range report.TLS {
		r := &report.TLS[i]
		at := Endpoint{r.Family, r.Address}
		e := secured{layer: layer{Endpoint: at}}
		before := slices.IndexFunc(c.endpoints, func(e secured) bool { return e.Endpoint == at })
		if before >= 0 {
			e = c.endpoints[before]
		}
		if r.Status == check.Unchecked {
			if before >= 0 {
				endpoints = append(endpoints, e)
			}
			continue
		}
		changes = e.observe(changes, r, report.Time, before >= 0)
		if r.Certificate != nil {
			if e.certificate != nil && e.certificate.SHA256 != r.Certificate.SHA256 {
				changes = appendChanged(changes, e.certificate, r)
			}
			e.certificate = r.Certificate
		}
		endpoints = append(endpoints, e)
	}
	c.endpoints = endpoints
	shown := c.shown()
	return c.compare(c.warn(changes, shown, report.Time), shown)
}

// observe takes note of a result at the endpoint, which is known or is not, and appends what that changes.
func (e *secured) observe(changes []CertificateChange, r *check.TLSResult, now time.Time, known bool) []CertificateChange {
	change := CertificateChange{Endpoint: e.Endpoint, Result: r, Since: e.since, Before: e.errorType}
	switch e.layer.observe(r.Status == check.Up, r.ErrorType, now, known) {
	case same:
		return changes
	case failed:
		change.Kind = NotVerified
	case failedOtherwise:
		change.Kind = NotVerifiedOtherwise
	case recovered:
		change.Kind = Verified
	}
	return append(changes, change)
}

// appendChanged appends that an address shows another certificate than before. Those that do so alike are
// one change.
func appendChanged(changes []CertificateChange, before *check.Certificate, r *check.TLSResult) []CertificateChange {
	for i := range changes {
		c := &changes[i]
		if c.Kind == Renewed && c.Certificate.SHA256 == r.Certificate.SHA256 && c.Former.SHA256 == before.SHA256 {
			c.Addresses = append(c.Addresses, r.Address)
			return changes
		}
	}
	return append(changes, CertificateChange{Kind: Renewed, Certificate: r.Certificate, Former: before, Addresses: []netip.Addr{r.Address}})
}

// shown returns the certificates that are shown, each once, with the addresses that show it.
func (c *Certificates) shown() []Shown {
	var all []Shown
	for i := range c.endpoints {
		e := &c.endpoints[i]
		if e.certificate == nil {
			continue
		}
		n := slices.IndexFunc(all, func(s Shown) bool { return s.Certificate.SHA256 == e.certificate.SHA256 })
		if n < 0 {
			n, all = len(all), append(all, Shown{Certificate: e.certificate})
		}
		all[n].Addresses = append(all[n].Addresses, e.Address)
	}
	return all
}

// warn appends a change for each certificate that has come to last no longer than one of the Warnings.
func (c *Certificates) warn(changes []CertificateChange, shown []Shown, now time.Time) []CertificateChange {
	var left []told
	for _, s := range shown {
		t := told{sha256: s.Certificate.SHA256}
		if i := slices.IndexFunc(c.told, func(other told) bool { return other.sha256 == t.sha256 }); i >= 0 {
			t = c.told[i]
		}
		before, lasts := t.warnings, s.Certificate.ChainNotAfter.Sub(now)
		for t.warnings < len(Warnings) && lasts <= Warnings[t.warnings] {
			t.warnings++
		}
		if t.warnings > before && (lasts > 0 || c.takes(t.sha256)) {
			changes = append(changes, CertificateChange{Kind: Expiring, Certificate: s.Certificate, Addresses: s.Addresses, Within: Warnings[t.warnings-1]})
		}
		left = append(left, t)
	}
	c.told = left
	return changes
}

// takes reports whether a certificate is verified by an address, be it that it is not looked at.
func (c *Certificates) takes(sha256 [32]byte) bool {
	return slices.ContainsFunc(c.endpoints, func(e secured) bool {
		return e.works && e.certificate != nil && e.certificate.SHA256 == sha256
	})
}

// compare appends that the addresses have come to show different certificates, or one again.
func (c *Certificates) compare(changes []CertificateChange, shown []Shown) []CertificateChange {
	differ := len(shown) > 1
	if differ == c.differ {
		return changes
	}
	c.differ = differ
	change := CertificateChange{Kind: Agreeing, Shown: shown}
	if differ {
		change.Kind = Differing
	}
	return append(changes, change)
}

// CertificateKind says what a CertificateChange is about.
type CertificateKind uint8

// The kinds of a CertificateChange, and which of its fields they set besides Kind.
const (
	// Unchanged is none.
	Unchanged CertificateKind = iota
	// NotVerified: a handshake failed, or its certificate is not verified, that was verified or not known.
	// Endpoint, Result; Since, if it was verified.
	NotVerified
	// NotVerifiedOtherwise: as before, for another reason. Endpoint, Result, Before, Since.
	NotVerifiedOtherwise
	// Verified: it is verified again. Endpoint, Result, Since.
	Verified
	// Expiring: a certificate, or one of its chain, lasts no longer than one of the Warnings. Certificate,
	// Addresses, Within.
	Expiring
	// Renewed: addresses show another certificate than before. Certificate, Former, Addresses.
	Renewed
	// Differing: addresses of the target show different certificates. Shown.
	Differing
	// Agreeing: they show one again. Shown.
	Agreeing
)

// CertificateChange is something that a report changes in what is known of the certificates of a target.
type CertificateChange struct {
	Kind CertificateKind
	Endpoint
	// Result is the one that says so. It is that of the report.
	Result *check.TLSResult
	// Before is the reason for which it was not verified until now.
	Before check.ErrorType
	// Since is when the state began that has ended. It is zero if there was none.
	Since time.Time
	// Certificate is shown by Addresses; Former was before.
	Certificate, Former *check.Certificate
	Addresses           []netip.Addr
	// Within is how long it lasts at most; 0 if it has ended.
	Within time.Duration
	// Shown are all certificates that are shown.
	Shown []Shown
}

// Shown is a certificate, and the addresses that show it.
type Shown struct {
	Certificate *check.Certificate
	Addresses   []netip.Addr
}
