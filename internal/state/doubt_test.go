package state

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// When a failure counts: each report, and what becomes of the statuses of its results.
func TestConfirm(t *testing.T) {
	type step struct {
		results  []check.Result
		want     []check.Status
		doubtful bool
	}
	of := func(doubtful bool, want []check.Status, results ...check.Result) step {
		return step{results, want, doubtful}
	}
	isUp, isDown, maybe := []check.Status{check.Up}, []check.Status{check.Down}, []check.Status{check.Unconfirmed}
	unchecked := []check.Status{check.Unchecked}
	for _, test := range []struct {
		name     string
		attempts uint8
		steps    []step
	}{
		{"without attempts, at once", 0, []step{of(false, isUp, up4), of(false, isDown, refused4)}},
		{"the first check fails", 1, []step{of(true, maybe, refused4), of(false, isDown, refused4), of(false, isDown, refused4)}},
		{"one fails in between", 1, []step{of(false, isUp, up4), of(true, maybe, refused4), of(false, isUp, up4), of(true, maybe, refused4), of(false, isDown, silent4)}},
		{"twice is not enough", 2, []step{of(false, isUp, up4), of(true, maybe, refused4), of(true, maybe, silent4), of(false, isDown, refused4)}},
		{"it was down, and came up", 1, []step{of(true, maybe, refused4), of(false, isDown, refused4), of(false, isUp, up4), of(true, maybe, refused4)}},
		{"this machine is unable to check meanwhile", 1, []step{
			of(false, isUp, up4), of(false, unchecked, unchecked4), of(true, maybe, refused4), of(true, unchecked, unchecked4), of(false, isDown, refused4), of(false, unchecked, unchecked4),
		}},
		{"a check is cut short meanwhile", 1, []step{of(true, maybe, refused4), of(true, nil), of(false, isDown, refused4)}},
		{"each address on its own", 1, []step{
			of(true, []check.Status{check.Up, check.Unconfirmed}, up4, refused6),
			of(true, []check.Status{check.Unconfirmed, check.Down}, refused4, refused6),
			of(false, []check.Status{check.Down, check.Up}, refused4, up6),
		}},
		{"another address of the same family fails as well", 1, []step{of(false, isUp, up4), of(true, maybe, refused4), of(false, isDown, silentOther)}},
		{"another address takes the place of one that is down", 1, []step{of(true, maybe, refused4), of(false, isDown, refused4), of(false, isDown, silentOther)}},
		{"another address, beside one that is down", 1, []step{
			of(true, maybe, refused4), of(false, isDown, refused4),
			of(true, []check.Status{check.Down, check.Unconfirmed}, refused4, silentOther), of(false, []check.Status{check.Down, check.Down}, refused4, silentOther),
		}},
		{"another family", 1, []step{of(true, maybe, refused4), of(true, maybe, refused6)}},
		{"the addresses of a name that did not resolve", 1, []step{of(true, maybe, unresolved), of(false, []check.Status{check.Down, check.Down}, refused4, refused6)}},
		{"a family that may not be there", 1, []step{of(true, []check.Status{check.Up, check.Unconfirmed}, up4, lookupFailed), of(false, []check.Status{check.Up, check.Unresolved}, up4, lookupFailed)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var known Target
			for n, s := range test.steps {
				found := check.Report{Target: &check.Target{Retry: check.Retry{Attempts: test.attempts}}, Time: minute(n), Results: s.results}
				before := slices.Clone(s.results)
				told := known.Confirm(found)
				var got []check.Status
				for i, r := range told.Results {
					got = append(got, r.Status)
					r.Status = s.results[i].Status
					assert.Equal(t, s.results[i], r, "the rest of it is as it was")
				}
				require.Equal(t, s.want, got, "report %d", n)
				assert.Equal(t, before, s.results, "nobody changes a report")
				known.Observe(&told)
				assert.Equal(t, s.doubtful, known.Doubtful(), "report %d", n)
			}
		})
	}
}

// An endpoint goes down once it has failed once more often than a check is repeated, and
// not before, whatever there was earlier.
func TestConfirmModel(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 19))
		attempts := uint8(1 + random.IntN(3))
		target := &check.Target{Retry: check.Retry{Attempts: attempts}}
		var known Target
		failures, down := make(map[netip.Addr]uint8), make(map[netip.Addr]bool)
		for n := range 200 {
			var results []check.Result
			for _, a := range []netip.Addr{v4, other, v6} {
				switch random.IntN(4) {
				case 0:
					results = append(results, up(a))
					failures[a], down[a] = 0, false
				case 1:
					results = append(results, check.Result{Family: check.FamilyOf(a), Address: a, Status: check.Unchecked, Err: errFailed})
				default:
					results = append(results, downOf(a))
					failures[a]++
					down[a] = down[a] || failures[a] > attempts
				}
			}
			told := known.Confirm(check.Report{Target: target, Time: at(time.Duration(n) * time.Second), Results: results})
			known.Observe(&told)
			doubtful := false
			for _, r := range told.Results {
				doubtful = doubtful || failures[r.Address] > 0 && !down[r.Address]
				if r.ErrorType != "" {
					require.Equal(t, down[r.Address], r.Status == check.Down, "seed %d, report %d", seed, n)
				}
			}
			require.Equal(t, doubtful, known.Doubtful(), "seed %d, report %d", seed, n)
		}
	}
}

func downOf(address netip.Addr) check.Result { return down(address, check.ConnectionRefused) }
