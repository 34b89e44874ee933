package state

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

var (
	v4    = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	v6    = netip.MustParseAddr("2001:db8::1")

	on4     = Endpoint{check.IPv4, v4}
	onOther = Endpoint{check.IPv4, other}
	on6     = Endpoint{check.IPv6, v6}

	up4, upOther, up6                = up(v4), up(other), up(v6)
	refused4, refused6               = down(v4, check.ConnectionRefused), down(v6, check.ConnectionRefused)
	silent4, silentOther, silent6    = down(v4, check.Timeout), down(other, check.Timeout), down(v6, check.Timeout)
	unresolved                       = check.Result{Status: check.Down, Err: errFailed, ErrorType: check.DNSNotFound}
	addressless                      = check.Result{Family: check.IPv6, Status: check.Down, Err: errFailed, ErrorType: check.NoAddress}
	lookupFailed                     = check.Result{Family: check.IPv6, Status: check.Unresolved, Err: errFailed, ErrorType: check.DNSTimeout}
	unchecked4, unchecked6           = check.Result{Family: check.IPv4, Address: v4, Status: check.Unchecked, Err: errFailed}, check.Result{Family: check.IPv6, Address: v6, Status: check.Unchecked, Err: errFailed}
	nameLacks4, nameLacks6, machine6 = check.Omission{Family: check.IPv4}, check.Omission{Family: check.IPv6}, check.Omission{Family: check.IPv6, Reason: check.MachineLacksFamily}

	errFailed = errors.New("it failed")
)

func up(address netip.Addr) check.Result {
	return check.Result{Family: check.FamilyOf(address), Address: address, Status: check.Up}
}

func down(address netip.Addr, errorType check.ErrorType) check.Result {
	return check.Result{Family: check.FamilyOf(address), Address: address, Status: check.Down, Err: errFailed, ErrorType: errorType}
}

// at is a moment, so long after the first report.
func at(after time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(after) }

// minute is a moment, so many minutes after the first report.
func minute(n int) time.Time { return at(time.Duration(n) * time.Minute) }

// observation is a report and what it changes.
type observation struct {
	time      time.Time
	results   []check.Result
	omissions []check.Omission
	excesses  []check.Excess
	want      []Change
	down      []Endpoint // afterwards
}

// observe observes one report after the other.
func observe(t *testing.T, known *Target, observations []observation) {
	t.Helper()
	for n, o := range observations {
		report := &check.Report{Time: o.time, Results: o.results, Omissions: o.omissions, Excesses: o.excesses}
		got := known.Observe(report)
		require.Equal(t, o.want, got, "report %d", n)
		require.ElementsMatch(t, o.down, known.Down(), "report %d", n)
		for _, change := range got {
			assert.True(t, change.Result == nil || isOf(report, change.Result), "report %d: the result is that of the report", n)
		}
	}
}

func isOf(report *check.Report, result *check.Result) bool {
	for i := range report.Results {
		if result == &report.Results[i] {
			return true
		}
	}
	return false
}

// What each report of a series changes.
func TestObserve(t *testing.T) {
	tooMany4, tooMany6 := check.Excess{Family: check.IPv4, Found: 100, Checked: 64}, check.Excess{Family: check.IPv6, Found: 80, Checked: 64}
	results := func(results ...check.Result) []check.Result { return results }
	for _, test := range []struct {
		name         string
		observations []observation
	}{
		{"up, and it stays so", []observation{
			{time: minute(0), results: results(up4)},
			{time: minute(1), results: results(up4)},
		}},
		{"down at first, and it stays so", []observation{
			{time: minute(0), results: results(refused4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4}}, down: []Endpoint{on4}},
			{time: minute(1), results: results(refused4), down: []Endpoint{on4}},
		}},
		{"up, down, up, down", []observation{
			{time: minute(0), results: results(up4)},
			{time: minute(1), results: results(up4)},
			{time: minute(2), results: results(refused4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(0)}}, down: []Endpoint{on4}},
			{time: minute(3), results: results(refused4), down: []Endpoint{on4}},
			{time: minute(4), results: results(up4), want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(2)}}},
			{time: minute(5), results: results(silent4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4, Since: minute(4)}}, down: []Endpoint{on4}},
		}},
		{"another reason", []observation{
			{time: minute(0), results: results(refused4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4}}, down: []Endpoint{on4}},
			{time: minute(1), results: results(silent4), want: []Change{{Kind: ReasonChanged, Endpoint: on4, Result: &silent4, Before: check.ConnectionRefused, Since: minute(0)}}, down: []Endpoint{on4}},
			{time: minute(2), results: results(silent4), down: []Endpoint{on4}},
			{time: minute(3), results: results(refused4), want: []Change{{Kind: ReasonChanged, Endpoint: on4, Result: &refused4, Before: check.Timeout, Since: minute(0)}}, down: []Endpoint{on4}},
			{time: minute(4), results: results(up4), want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(0)}}},
		}},
		{"the reason of an earlier outage is no reason now", []observation{
			{time: minute(0), results: results(refused4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4}}, down: []Endpoint{on4}},
			{time: minute(1), results: results(up4), want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(0)}}},
			{time: minute(2), results: results(up4)},
			{time: minute(3), results: results(silent4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4, Since: minute(1)}}, down: []Endpoint{on4}},
			{time: minute(4), results: results(silent4), down: []Endpoint{on4}},
		}},
		{"each endpoint by itself", []observation{
			{time: minute(0), results: results(up4, refused6), want: []Change{{Kind: WentDown, Endpoint: on6, Result: &refused6}}, down: []Endpoint{on6}},
			{time: minute(1), results: results(silent4, up6), want: []Change{
				{Kind: WentDown, Endpoint: on4, Result: &silent4, Since: minute(0)},
				{Kind: CameUp, Endpoint: on6, Result: &up6, Since: minute(0)},
			}, down: []Endpoint{on4}},
			{time: minute(2), results: results(silent4, refused6), want: []Change{{Kind: WentDown, Endpoint: on6, Result: &refused6, Since: minute(1)}}, down: []Endpoint{on4, on6}},
		}},
		{"an address that is down is gone", []observation{
			{time: minute(0), results: results(silent4, upOther), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4}}, down: []Endpoint{on4}},
			{time: minute(1), results: results(upOther), want: []Change{{Kind: Gone, Endpoint: on4, Since: minute(0)}}},
			{time: minute(2), results: results(upOther)},
			{time: minute(3), results: results(silent4, upOther), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4}}, down: []Endpoint{on4}},
		}},
		{"an address that is up is gone, and comes again", []observation{
			{time: minute(0), results: results(up4)},
			{time: minute(1), results: results(upOther)},
			{time: minute(2), results: results(silent4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4}}, down: []Endpoint{on4}},
		}},
		{"several are gone", []observation{
			{time: minute(0), results: results(silent4, silentOther, refused6), want: []Change{
				{Kind: WentDown, Endpoint: on4, Result: &silent4}, {Kind: WentDown, Endpoint: onOther, Result: &silentOther}, {Kind: WentDown, Endpoint: on6, Result: &refused6},
			}, down: []Endpoint{on4, onOther, on6}},
			{time: minute(1), results: results(silentOther), want: []Change{{Kind: Gone, Endpoint: on4, Since: minute(0)}, {Kind: Gone, Endpoint: on6, Since: minute(0)}}, down: []Endpoint{onOther}},
		}},
		{"a name that did not resolve", []observation{
			{time: minute(0), results: results(unresolved), want: []Change{{Kind: WentDown, Result: &unresolved}}, down: []Endpoint{{}}},
			{time: minute(1), results: results(up4), want: []Change{{Kind: Gone, Since: minute(0)}}},
		}},
		{"a family that is not confirmed is down", []observation{
			{time: minute(0), results: results(up4, lookupFailed), want: []Change{{Kind: WentDown, Endpoint: Endpoint{Family: check.IPv6}, Result: &lookupFailed}}, down: []Endpoint{{Family: check.IPv6}}},
		}},
		{"a check that was not done changes nothing", []observation{
			{time: minute(0), omissions: []check.Omission{nameLacks6}, excesses: []check.Excess{tooMany4}},
			{time: minute(1), results: results(silent4), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4}}, down: []Endpoint{on4}},
			{time: minute(2), down: []Endpoint{on4}},
			{time: minute(3), results: results(silent4), down: []Endpoint{on4}},
		}},
		{"a fault of this machine changes nothing", []observation{
			{time: minute(0), results: results(unchecked4, up6)},
			{time: minute(1), results: results(silent4, up6), want: []Change{{Kind: WentDown, Endpoint: on4, Result: &silent4}}, down: []Endpoint{on4}},
			{time: minute(2), results: results(unchecked4, unchecked6), down: []Endpoint{on4}},
			{time: minute(3), results: results(silent4, refused6), want: []Change{{Kind: WentDown, Endpoint: on6, Result: &refused6, Since: minute(0)}}, down: []Endpoint{on4, on6}},
		}},
		{"a family is lost, and comes back", []observation{
			{time: minute(0), results: results(up4, up6)},
			{time: minute(1), results: results(up4), omissions: []check.Omission{nameLacks6}, want: []Change{{Kind: FamilyLost, Endpoint: Endpoint{Family: check.IPv6}}}},
			{time: minute(2), results: results(up4), omissions: []check.Omission{nameLacks6}},
			{time: minute(3), results: results(up4, up6), want: []Change{{Kind: FamilyBack, Endpoint: Endpoint{Family: check.IPv6}}}},
			{time: minute(4), results: results(up4, up6)},
			{time: minute(5), results: results(up6), omissions: []check.Omission{nameLacks4}, want: []Change{{Kind: FamilyLost, Endpoint: Endpoint{Family: check.IPv4}}}},
			{time: minute(6), results: results(up4, up6), want: []Change{{Kind: FamilyBack, Endpoint: Endpoint{Family: check.IPv4}}}},
		}},
		{"a family that was down is lost", []observation{
			{time: minute(0), results: results(up4, refused6), want: []Change{{Kind: WentDown, Endpoint: on6, Result: &refused6}}, down: []Endpoint{on6}},
			{time: minute(1), results: results(up4), omissions: []check.Omission{nameLacks6}, want: []Change{
				{Kind: Gone, Endpoint: on6, Since: minute(0)}, {Kind: FamilyLost, Endpoint: Endpoint{Family: check.IPv6}},
			}},
		}},
		{"a family that the name never had is not lost", []observation{
			{time: minute(0), results: results(up4), omissions: []check.Omission{nameLacks6}},
			{time: minute(1), results: results(up4), omissions: []check.Omission{nameLacks6}},
			{time: minute(2), results: results(up4, up6)},
		}},
		{"a family in which no address was known is not lost", []observation{
			{time: minute(0), results: results(up4, addressless), want: []Change{{Kind: WentDown, Endpoint: Endpoint{Family: check.IPv6}, Result: &addressless}}, down: []Endpoint{{Family: check.IPv6}}},
			{time: minute(1), results: results(up4), omissions: []check.Omission{nameLacks6}, want: []Change{{Kind: Gone, Endpoint: Endpoint{Family: check.IPv6}, Since: minute(0)}}},
		}},
		{"a family that this machine lacks is not lost", []observation{
			{time: minute(0), results: results(up4, up6)},
			{time: minute(1), results: results(up4), omissions: []check.Omission{machine6}},
			{time: minute(2), results: results(up4, up6)},
		}},
		{"a family of which an address is left is not lost", []observation{
			{time: minute(0), results: results(up4, up6)},
			{time: minute(1), results: results(up4, up6), omissions: []check.Omission{nameLacks6}},
		}},
		{"too many addresses, which is told once", []observation{
			{time: minute(0), results: results(up4, up6), excesses: []check.Excess{tooMany4}, want: []Change{{Kind: Truncated, Endpoint: Endpoint{Family: check.IPv4}, Excess: tooMany4}}},
			{time: minute(1), results: results(up4, up6), excesses: []check.Excess{tooMany4}},
			{time: minute(2), results: results(up4, up6), excesses: []check.Excess{tooMany4, tooMany6}, want: []Change{{Kind: Truncated, Endpoint: Endpoint{Family: check.IPv6}, Excess: tooMany6}}},
			{time: minute(3), results: results(up4, up6), excesses: []check.Excess{tooMany6}},
			{time: minute(4), results: results(up4, up6), excesses: []check.Excess{tooMany4, tooMany6}, want: []Change{{Kind: Truncated, Endpoint: Endpoint{Family: check.IPv4}, Excess: tooMany4}}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			observe(t, new(Target), test.observations)
		})
	}
}

// The sixth turn within ten minutes says that the endpoint flaps, and the next ones are
// held. It has settled when it has not turned for ten minutes.
func TestFlapping(t *testing.T) {
	turns := func() []observation {
		return []observation{
			{time: minute(0), results: []check.Result{up4}},
			{time: minute(1), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(0)}}, down: []Endpoint{on4}},
			{time: minute(2), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(1)}}},
			{time: minute(3), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(2)}}, down: []Endpoint{on4}},
			{time: minute(4), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(3)}}},
			{time: minute(5), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(4)}}, down: []Endpoint{on4}},
		}
	}
	const almost = 20*time.Minute - 1
	for _, test := range []struct {
		name string
		then []observation
	}{
		{"it settles up", []observation{
			{time: minute(6), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(5)}}},
			{time: minute(7), results: []check.Result{refused4}, want: []Change{{Kind: Held, Endpoint: on4, Result: &refused4, Since: minute(6)}}, down: []Endpoint{on4}},
			{time: minute(8), results: []check.Result{silent4}, down: []Endpoint{on4}},
			{time: minute(10), results: []check.Result{up4}, want: []Change{{Kind: Held, Endpoint: on4, Result: &up4, Since: minute(7)}}},
			{time: at(almost), results: []check.Result{up4}},
			{time: minute(20), results: []check.Result{up4}, want: []Change{{Kind: Settled, Endpoint: on4, Result: &up4, Since: minute(10)}}},
			{time: minute(21), results: []check.Result{up4}},
			{time: minute(22), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(10)}}, down: []Endpoint{on4}},
		}},
		{"it settles down, for the reason that it has then", []observation{
			{time: minute(6), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(5)}}},
			{time: minute(10), results: []check.Result{refused4}, want: []Change{{Kind: Held, Endpoint: on4, Result: &refused4, Since: minute(6)}}, down: []Endpoint{on4}},
			{time: at(almost), results: []check.Result{silent4}, down: []Endpoint{on4}},
			{time: minute(20), results: []check.Result{silent4}, want: []Change{{Kind: Settled, Endpoint: on4, Result: &silent4, Since: minute(10)}}, down: []Endpoint{on4}},
			{time: minute(21), results: []check.Result{refused4}, want: []Change{{Kind: ReasonChanged, Endpoint: on4, Result: &refused4, Before: check.Timeout, Since: minute(10)}}, down: []Endpoint{on4}},
		}},
		{"it goes on for longer than ten minutes", []observation{
			{time: minute(6), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(5)}}},
			{time: minute(15), results: []check.Result{refused4}, want: []Change{{Kind: Held, Endpoint: on4, Result: &refused4, Since: minute(6)}}, down: []Endpoint{on4}},
			{time: minute(24), results: []check.Result{up4}, want: []Change{{Kind: Held, Endpoint: on4, Result: &up4, Since: minute(15)}}},
			{time: minute(33), results: []check.Result{refused4}, want: []Change{{Kind: Held, Endpoint: on4, Result: &refused4, Since: minute(24)}}, down: []Endpoint{on4}},
		}},
		{"the next time it flaps, it is told again", []observation{
			{time: minute(6), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(5)}}},
			{time: minute(16), results: []check.Result{up4}, want: []Change{{Kind: Settled, Endpoint: on4, Result: &up4, Since: minute(6)}}},
			{time: minute(17), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(6)}}, down: []Endpoint{on4}},
			{time: minute(18), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(17)}}},
			{time: minute(19), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(18)}}, down: []Endpoint{on4}},
			{time: minute(20), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(19)}}},
			{time: minute(21), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(20)}}, down: []Endpoint{on4}},
			{time: minute(22), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(21)}}},
		}},
		{"the sixth turn comes just in time", []observation{
			{time: at(10*time.Minute - 1), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(5)}}},
		}},
		{"the sixth turn comes ten minutes after the first report", []observation{
			{time: minute(10), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(5)}}},
			{time: minute(11), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(10)}}, down: []Endpoint{on4}},
			{time: minute(12), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(11)}}},
			{time: minute(13), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4, Since: minute(12)}}, down: []Endpoint{on4}},
			{time: minute(14), results: []check.Result{up4}, want: []Change{{Kind: CameUp, Endpoint: on4, Result: &up4, Since: minute(13)}}},
			{time: minute(15), results: []check.Result{refused4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &refused4, Since: minute(14)}}, down: []Endpoint{on4}},
		}},
		{"an address that flaps and is gone is forgotten", []observation{
			{time: minute(6), results: []check.Result{up4}, want: []Change{{Kind: Flapping, Endpoint: on4, Result: &up4, Since: minute(5)}}},
			{time: minute(7), results: []check.Result{upOther}, want: []Change{{Kind: Gone, Endpoint: on4}}},
			{time: minute(8), results: []check.Result{refused4}, want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4}}, down: []Endpoint{on4}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			observe(t, new(Target), append(turns(), test.then...))
		})
	}
}

// What is behind a translator is told of an address with each change, as it is known then, and is no change itself.
func TestTranslated(t *testing.T) {
	behind, otherBehind := check.Translated{192, 0, 2, 1}, check.Translated{192, 0, 2, 2}
	of := func(result check.Result, behind check.Translated) check.Result {
		result.Translated = behind
		return result
	}
	refused, silent, connects, unknown := of(refused6, behind), of(silent6, behind), of(up6, otherBehind), of(unchecked6, otherBehind)
	observe(t, new(Target), []observation{
		{time: minute(0), results: []check.Result{refused6}, want: []Change{{Kind: WentDown, Endpoint: on6, Result: &refused6}}, down: []Endpoint{on6}},
		{time: minute(1), results: []check.Result{refused}, down: []Endpoint{on6}},
		{time: minute(2), results: []check.Result{silent}, want: []Change{{Kind: ReasonChanged, Endpoint: on6, Translated: behind, Result: &silent, Before: check.ConnectionRefused, Since: minute(0)}}, down: []Endpoint{on6}},
		{time: minute(3), results: []check.Result{connects}, want: []Change{{Kind: CameUp, Endpoint: on6, Translated: otherBehind, Result: &connects, Since: minute(0)}}},
		{time: minute(4), results: []check.Result{refused}, want: []Change{{Kind: WentDown, Endpoint: on6, Translated: behind, Result: &refused, Since: minute(3)}}, down: []Endpoint{on6}},
		{time: minute(5), results: []check.Result{unknown}, down: []Endpoint{on6}},
		{time: minute(6), results: []check.Result{up4}, want: []Change{{Kind: Gone, Endpoint: on6, Translated: otherBehind, Since: minute(4)}}},
	})
	observe(t, new(Target), []observation{
		{time: minute(0), results: []check.Result{refused}, want: []Change{{Kind: WentDown, Endpoint: on6, Translated: behind, Result: &refused}}, down: []Endpoint{on6}},
	})
}

// Five changes of the reason within ten minutes are told, the sixth says that they will
// not be for the rest of that time.
func TestChangingReasons(t *testing.T) {
	reasons := []check.Result{silent4, refused4}
	observations := []observation{
		{time: minute(0), results: reasons[1:], want: []Change{{Kind: WentDown, Endpoint: on4, Result: &refused4}}, down: []Endpoint{on4}},
	}
	changed := func(n int, to *check.Result, before check.ErrorType) observation {
		return observation{
			time: minute(n), results: []check.Result{*to}, down: []Endpoint{on4},
			want: []Change{{Kind: ReasonChanged, Endpoint: on4, Result: to, Before: before, Since: minute(0)}},
		}
	}
	observations = append(
		observations,
		changed(1, &silent4, check.ConnectionRefused), changed(2, &refused4, check.Timeout), changed(3, &silent4, check.ConnectionRefused),
		changed(4, &refused4, check.Timeout), changed(5, &silent4, check.ConnectionRefused),
		observation{time: minute(6), results: []check.Result{refused4}, want: []Change{{Kind: ReasonFlapping, Endpoint: on4, Result: &refused4, Before: check.Timeout, Since: minute(0), Until: minute(11)}}, down: []Endpoint{on4}},
		observation{time: minute(7), results: []check.Result{silent4}, down: []Endpoint{on4}},
		observation{time: at(11*time.Minute - 1), results: []check.Result{refused4}, down: []Endpoint{on4}},
		changed(11, &silent4, check.ConnectionRefused), changed(12, &refused4, check.Timeout), changed(13, &silent4, check.ConnectionRefused),
		changed(14, &refused4, check.Timeout), changed(15, &silent4, check.ConnectionRefused),
		observation{time: minute(16), results: []check.Result{refused4}, want: []Change{{Kind: ReasonFlapping, Endpoint: on4, Result: &refused4, Before: check.Timeout, Since: minute(0), Until: minute(21)}}, down: []Endpoint{on4}},
	)
	observe(t, new(Target), observations)
}
