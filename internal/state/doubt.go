package state

import (
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

// doubt is in whether an endpoint is down: it was not, and its last checks failed.
type doubt struct {
	Endpoint
	failures uint8 // of them
}

// Confirm returns a report as it is to be told: a failure counts as Down only once the
// check of it has been repeated as often as the target asks for. Until then it is
// Unconfirmed. What is down already needs no more proof.
func (t *Target) Confirm(report check.Report) check.Report {
	attempts, results := report.Target.Retry.Attempts, report.Results
	if attempts == 0 || len(results) == 0 {
		return report
	}
	if !slices.ContainsFunc(results, func(r check.Result) bool { return r.Status != check.Up }) {
		t.doubts = nil
		return report
	}
	var doubts []doubt
	report.Results = slices.Clone(results)
	for i := range report.Results {
		r := &report.Results[i]
		of := Endpoint{r.Family, r.Address}
		failures := t.failures(of, results, attempts+1)
		switch r.Status {
		case check.Down, check.Unresolved:
			failures++
		case check.Unchecked: // it is as doubtful as it was
		default:
			continue
		}
		if failures == 0 || failures > attempts {
			continue
		}
		doubts = append(doubts, doubt{of, failures})
		if r.Status != check.Unchecked {
			r.Status = check.Unconfirmed
		}
	}
	t.doubts = doubts
	return report
}

// Doubtful reports whether there is an endpoint that is down only if that is confirmed.
func (t *Target) Doubtful() bool { return len(t.doubts) > 0 }

// failures returns how often in a row the check of an endpoint failed so far, which is often
// enough where it is known to be down. One that is new stands for those of its family that
// these results no longer have: the addresses of a name may be others at each check.
func (t *Target) failures(of Endpoint, results []check.Result, enough uint8) (failures uint8) {
	isNew := t.find(of) == nil
	stands := func(e Endpoint) bool {
		if e == of || !isNew {
			return e == of
		}
		stays := slices.ContainsFunc(results, func(r check.Result) bool { return e == Endpoint{r.Family, r.Address} })
		return !stays && (e.Family == of.Family || e.Family == 0)
	}
	for i := range t.endpoints {
		if e := &t.endpoints[i]; !e.up && stands(e.Endpoint) {
			return enough
		}
	}
	for _, d := range t.doubts {
		if stands(d.Endpoint) {
			failures = max(failures, d.failures)
		}
	}
	return failures
}
