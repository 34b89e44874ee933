package tcpcheckstatus

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/status"
)

// mostShown is how many characters of a text a table shows. The page of a target shows all.
const mostShown = 160

// visible returns a text in which every character can be seen: controls, and what changes the order of others
// (Unicode Standard Annex 9) or has no width, are their code points.
func visible(text string) string {
	hidden := func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	}
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var shown strings.Builder
	for _, r := range text {
		switch {
		case r == utf8.RuneError || !hidden(r):
			shown.WriteRune(r)
		case r < ' ': // U+2400 is the symbol for NUL, and so on
			shown.WriteRune('␀' + r)
		default:
			fmt.Fprintf(&shown, "⟨U+%04X⟩", r)
		}
	}
	return shown.String()
}

// short is visible, of the beginning of a long text.
func short(text string) string {
	n := 0
	for i := range text {
		if n == mostShown {
			return visible(text[:i]) + "…"
		}
		n++
	}
	return visible(text)
}

// sentence says what is wrong, or that nothing is.
func (o *overview) sentence() string {
	all, c := len(o.entries), &o.counts
	known := all - c[isUnknown]
	switch {
	case len(o.snapshots) == 0:
		return "No receiver is shown here"
	case all == 0:
		return "No target is checked yet"
	case known == 0:
		return fmt.Sprintf("Nothing is known yet of %s", targets(all))
	}
	var said []string
	say := func(n int, state, how string) {
		switch {
		case n == 0:
		case len(said) == 0:
			said = append(said, fmt.Sprintf("%s of %s %s %s", thousands(n), targets(all), isOrAre(n), strings.TrimSpace(state+" "+how)))
		default:
			said = append(said, fmt.Sprintf("%s more %s", thousands(n), cmp.Or(how, state)))
		}
	}
	say(c[isDown], "down", "")
	over := o.over()
	for _, family := range check.Families {
		say(over[family], "down", "over "+familyName(family)+" only")
	}
	say(c[isPartly], "down", "at some addresses")
	say(c[isFailing], "", "failing above TCP")
	say(c[isUnchecked], "", "not checked by this machine")
	if n := len(said); n > 1 {
		said[n-1] = "and " + said[n-1]
	}
	if len(said) > 0 {
		return strings.Join(said, ", ")
	}
	if c[isUnknown] > 0 {
		return fmt.Sprintf("%d of %s connect, of the others nothing is known yet", known, targets(all))
	}
	switch all {
	case 1:
		return "The one target connects"
	case 2:
		return "Both targets connect"
	}
	return fmt.Sprintf("All %s connect", targets(all))
}

// over returns how many targets are down over each family alone.
func (o *overview) over() (n [check.IPv6 + 1]int) {
	for _, e := range o.troubled {
		if e.Verdict == isOneFamily {
			n[e.Over]++
		}
	}
	return n
}

func targets(n int) string {
	if n == 1 {
		return "1 target"
	}
	return thousands(n) + " targets"
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// thousands returns a number with a comma between its thousands.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// familyName returns a family as people write it.
func familyName(f check.Family) string {
	switch f {
	case check.IPv4:
		return "IPv4"
	case check.IPv6:
		return "IPv6"
	}
	return ""
}

// milliseconds returns a response time; a dash where there is none.
func milliseconds(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d <= 0:
		return "–"
	case ms < 1:
		return fmt.Sprintf("%d µs", max(1, d.Microseconds()))
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", ms)
	}
}

// lasting returns how long something lasts, in its two largest units.
func lasting(d time.Duration) string {
	seconds := max(0, int64(d/time.Second))
	days, hours, minutes := seconds/86400, seconds/3600%24, seconds/60%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, seconds%60)
	}
	return fmt.Sprintf("%d s", seconds)
}

// shownTime returns a time as the page has it.
func shownTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// at returns the address of an endpoint, or what is known in its place.
func at(e status.Endpoint) string {
	if !e.Address.IsValid() {
		return "no address known"
	}
	return visible(e.Address.String())
}

// saidBy returns who said that an address cannot be reached, as a sentence has it.
func saidBy(source check.ErrorSource, sender netip.Addr) string {
	switch {
	case source == check.Local:
		return "this machine"
	case sender.IsValid():
		return sender.String()
	case source == check.Peer:
		return "the host itself"
	}
	return ""
}

// omissionText returns why a family is not checked.
func omissionText(o check.Omission) string {
	if o.Reason == check.MachineLacksFamily {
		return familyName(o.Family) + " is not checked: this machine has no address that could reach it."
	}
	return familyName(o.Family) + " is not checked: the name has no such address."
}

// stripRun is a part of a strip that looks the same.
type stripRun struct {
	Class string
	Path  string
}

// the shapes of marks: a strip is 10 high, and has a unit for each bucket.
var shapes = map[byte][]stripRun{
	'u': {{"u", "M%d 6h%dv4h-%dz"}},
	'd': {{"d", "M%d 0h%dv10h-%dz"}},
	'm': {{"d", "M%d 0h%dv5h-%dz"}, {"u", "M%d 6h%dv4h-%dz"}},
	'?': {{"n", "M%d 8h%dv1h-%dz"}},
}

// stripRuns returns what is drawn of a strip: up is low, down is high.
func stripRuns(s *status.Strip) []stripRun {
	var runs []stripRun
	text := stripText(s)
	for from := 0; from < len(text); {
		to := from + 1
		for to < len(text) && text[to] == text[from] {
			to++
		}
		for _, shape := range shapes[text[from]] {
			runs = append(runs, stripRun{shape.Class, fmt.Sprintf(shape.Path, from, to-from, to-from)})
		}
		from = to
	}
	return runs
}

// stripWords says what a strip shows.
func stripWords(s *status.Strip) string {
	text := stripText(s)
	failed, checked := strings.Count(text, "d")+strings.Count(text, "m"), len(text)-strings.Count(text, ".")
	span := lastHours
	switch {
	case checked == 0:
		return span + ": not checked"
	case failed == 0 && strings.Count(text, "u") == 0:
		return span + ": this machine was unable to check"
	case failed == 0:
		return span + ": up"
	case failed == checked:
		return span + ": down"
	}
	return fmt.Sprintf("%s: down in %d of %d spans of 5 minutes", span, failed, checked)
}

const lastHours = "last 6 hours"
