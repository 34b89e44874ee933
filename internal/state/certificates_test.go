package state

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/check"
)

var (
	one, two = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	day      = 24 * time.Hour
)

// shows returns the result of an address that shows a certificate of a number, which ends so long after
// reports begin.
func shows(address netip.Addr, number byte, ends time.Duration) check.TLSResult {
	at := time.Unix(0, 0).Add(ends)
	return check.TLSResult{Address: address, Status: check.Up, Certificate: &check.Certificate{SHA256: [32]byte{number}, NotAfter: at, ChainNotAfter: at}}
}

// fails returns r as one that is not verified for a reason.
func fails(r check.TLSResult, reason check.ErrorType) check.TLSResult {
	r.Status, r.ErrorType, r.Err = check.Down, reason, errors.New("failed")
	return r
}

func unable(address netip.Addr) check.TLSResult {
	return check.TLSResult{Address: address, Status: check.Unchecked, Err: errors.New("refused")}
}

// What reports change, one after the other.
func TestCertificates(t *testing.T) {
	type report struct {
		at      time.Duration // since the first one
		results []check.TLSResult
		want    []CertificateKind
	}
	refused := fails(check.TLSResult{Address: one}, check.TLSConnectionClosed)
	at := func(at time.Duration, want []CertificateKind, results ...check.TLSResult) report {
		return report{at, results, want}
	}
	kinds := func(kinds ...CertificateKind) []CertificateKind { return kinds }
	for _, test := range []struct {
		name    string
		reports []report
	}{
		{"verified", []report{at(0, nil, shows(one, 1, 90*day)), at(day, nil, shows(one, 1, 90*day))}},
		{"failed at first", []report{at(0, kinds(NotVerified), refused), at(1, nil, refused), at(2, kinds(Verified), shows(one, 1, 90*day))}},
		{"fails, for one reason and another", []report{
			at(0, nil, shows(one, 1, 90*day)),
			at(1, kinds(NotVerified), fails(shows(one, 1, 90*day), check.TLSNameMismatch)),
			at(2, kinds(NotVerifiedOtherwise), fails(shows(one, 1, 90*day), check.TLSUnknownAuthority)),
			at(3, kinds(Verified), shows(one, 1, 90*day)),
		}},
		{"unknown in between", []report{
			at(0, nil, shows(one, 1, 90*day)), at(1, nil, unable(one)), at(2, nil, shows(one, 1, 90*day)),
			at(3, kinds(NotVerified), refused), at(4, nil, unable(one)), at(5, nil), at(6, nil, refused),
		}},
		{"unknown at first", []report{at(0, nil, unable(one)), at(1, nil, shows(one, 1, 90*day))}},
		{"expires", []report{
			at(0, nil, shows(one, 1, 40*day)), at(9*day, nil, shows(one, 1, 40*day)), at(10*day, kinds(Expiring), shows(one, 1, 40*day)),
			at(11*day, nil, shows(one, 1, 40*day)), at(33*day, kinds(Expiring), shows(one, 1, 40*day)), at(39*day, kinds(Expiring), shows(one, 1, 40*day)),
			at(39*day+1, nil, shows(one, 1, 40*day)), at(40*day, kinds(NotVerified), fails(shows(one, 1, 40*day), check.TLSCertificateExpired)),
		}},
		{"found late", []report{at(0, kinds(Expiring), shows(one, 1, 2*day)), at(day, kinds(Expiring), shows(one, 1, 2*day))}},
		{"has expired", []report{at(0, kinds(NotVerified), fails(shows(one, 1, -day), check.TLSCertificateExpired))}},
		{"has expired, and is not looked at", []report{
			at(0, kinds(Expiring), shows(one, 1, day)), at(day, kinds(Expiring), shows(one, 1, day)), at(2*day, nil, shows(one, 1, day)),
		}},
		{"one certificate of two addresses expires", []report{at(0, kinds(Expiring), shows(one, 1, day), shows(two, 1, day))}},
		{"renewed", []report{
			at(0, kinds(Expiring), shows(one, 1, 5*day), shows(two, 1, 5*day)), at(1, kinds(Renewed), shows(one, 2, 90*day), shows(two, 2, 90*day)),
			at(2, nil, shows(one, 2, 90*day), shows(two, 2, 90*day)),
		}},
		{"renewed on one address", []report{
			at(0, nil, shows(one, 1, 50*day), shows(two, 1, 50*day)), at(1, kinds(Renewed, Differing), shows(one, 2, 90*day), shows(two, 1, 50*day)),
			at(2, nil, shows(one, 2, 90*day), unable(two)), at(3, nil, shows(one, 2, 90*day), shows(two, 1, 50*day)),
			at(4, kinds(Renewed, Agreeing), shows(one, 2, 90*day), shows(two, 2, 90*day)),
		}},
		{"an address goes", []report{
			at(0, kinds(Differing), shows(one, 1, 90*day), shows(two, 2, 90*day)), at(1, kinds(Agreeing), shows(one, 1, 90*day)),
		}},
		{"each address to another one", []report{
			at(0, kinds(Differing), shows(one, 1, 90*day), shows(two, 2, 90*day)), at(1, kinds(Renewed, Renewed), shows(one, 3, 90*day), shows(two, 4, 90*day)),
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Certificates
			for i, r := range test.reports {
				var got []CertificateKind
				for _, change := range c.Observe(&check.SessionReport{Time: time.Unix(0, 0).Add(r.at), TLS: r.results}) {
					got = append(got, change.Kind)
				}
				assert.Equal(t, r.want, got, "report %d", i)
			}
		})
	}
}

// What the changes say.
func TestCertificateChange(t *testing.T) {
	var c Certificates
	observe := func(at time.Duration, results ...check.TLSResult) []CertificateChange {
		return c.Observe(&check.SessionReport{Time: time.Unix(0, 0).Add(at), TLS: results})
	}
	observe(0, shows(one, 1, 50*day), shows(two, 1, 50*day))
	changes := observe(30*day, shows(one, 2, 90*day), fails(shows(two, 1, 50*day), check.TLSTimeout))
	assert.Equal(t, []CertificateKind{Renewed, NotVerified, Expiring, Differing}, []CertificateKind{changes[0].Kind, changes[1].Kind, changes[2].Kind, changes[3].Kind})
	assert.Equal(t, []netip.Addr{one}, changes[0].Addresses)
	assert.Equal(t, [2]byte{2, 1}, [2]byte{changes[0].Certificate.SHA256[0], changes[0].Former.SHA256[0]})
	assert.Equal(t, two, changes[1].Address)
	assert.Equal(t, time.Unix(0, 0), changes[1].Since)
	assert.Equal(t, check.TLSTimeout, changes[1].Result.ErrorType)
	assert.Equal(t, 30*day, changes[2].Within)
	assert.Equal(t, []netip.Addr{two}, changes[2].Addresses)
	assert.Len(t, changes[3].Shown, 2)
	changes = observe(31*day, shows(one, 2, 90*day), fails(shows(two, 1, 50*day), check.TLSNameMismatch))
	assert.Equal(t, check.TLSTimeout, changes[0].Before)
	assert.Equal(t, time.Unix(0, 0).Add(30*day), changes[0].Since)
}
