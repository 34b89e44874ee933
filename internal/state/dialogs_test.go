package state

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/check"
)

// What reports of dialogues change, one after the other.
func TestDialogs(t *testing.T) {
	works := func(address netip.Addr) check.DialogResult {
		return check.DialogResult{Family: check.IPv4, Address: address, Status: check.Up}
	}
	fails := func(address netip.Addr, reason check.ErrorType) check.DialogResult {
		return check.DialogResult{Family: check.IPv4, Address: address, Status: check.Down, ErrorType: reason, Err: errors.New("failed")}
	}
	unknown := func(address netip.Addr) check.DialogResult {
		return check.DialogResult{Family: check.IPv4, Address: address, Status: check.Unchecked}
	}
	type change struct {
		kind    DialogKind
		address netip.Addr
		before  check.ErrorType
		since   int // the report since which it was so; 0 if it was not known
	}
	type results []check.DialogResult
	for _, test := range []struct {
		name    string
		reports []results // from the first one on
		want    [][]change
	}{
		{"works", []results{{works(one)}, {works(one)}}, [][]change{nil, nil}},
		{
			"fails at first",
			[]results{{fails(one, check.DialogTimeout)}, {fails(one, check.DialogTimeout)}, {works(one)}},
			[][]change{{{DialogFailed, one, "", 0}}, nil, {{DialogWorks, one, check.DialogTimeout, 1}}},
		},
		{
			"fails otherwise",
			[]results{{works(one)}, {fails(one, check.DialogTimeout)}, {fails(one, check.UnexpectedAnswer)}, {works(one)}},
			[][]change{nil, {{DialogFailed, one, "", 1}}, {{DialogFailedOtherwise, one, check.DialogTimeout, 2}}, {{DialogWorks, one, check.UnexpectedAnswer, 2}}},
		},
		{
			"unknown in between",
			[]results{{fails(one, check.DialogTimeout)}, {unknown(one)}, nil, {fails(one, check.DialogTimeout)}},
			[][]change{{{DialogFailed, one, "", 0}}, nil, nil, nil},
		},
		{"unknown at first", []results{{unknown(one)}, {works(one)}}, [][]change{nil, nil}},
		{
			"each address",
			[]results{{works(one), works(two)}, {works(one), fails(two, check.ConnectionClosed)}, {fails(one, check.ConnectionClosed), works(two)}},
			[][]change{nil, {{DialogFailed, two, "", 1}}, {{DialogFailed, one, "", 1}, {DialogWorks, two, check.ConnectionClosed, 2}}},
		},
		{
			"an address that is gone, and comes back",
			[]results{{fails(one, check.DialogTimeout), works(two)}, {works(two)}, {fails(one, check.DialogTimeout), works(two)}},
			[][]change{{{DialogFailed, one, "", 0}}, nil, {{DialogFailed, one, "", 0}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var known Dialogs
			for n, results := range test.reports {
				report := check.SessionReport{Time: time.Unix(int64(n+1), 0), Dialogs: results}
				var got []change
				for _, c := range known.Observe(&report) {
					assert.Equal(t, Endpoint{check.IPv4, c.Result.Address}, c.Endpoint)
					since := 0
					if !c.Since.IsZero() {
						since = int(c.Since.Unix())
					}
					got = append(got, change{c.Kind, c.Address, c.Before, since})
				}
				assert.Equal(t, test.want[n], got, "report %d", n)
			}
		})
	}
}
