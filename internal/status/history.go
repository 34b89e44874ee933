package status

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"example.com/tcpcheckreceiver/internal/check"
)

// History is what is kept of a target for a status page: less than a KiB where it has two addresses. A nil one
// keeps nothing. Its caller sees to it that one call is made after the other.
type History struct {
	id     uint64
	lines  []line
	rest   *rest // nil while there is nothing of it
	events [mostEvents]told
}

// line is what was found of an endpoint.
type line struct {
	result    check.Result // the last one
	unchecked int64        // since when it has been that, in Unix seconds; 0 if it is not
	past      past
	seen      bool // in the report that is observed
}

// rest is what a report says of what is not checked.
type rest struct {
	denied    []netip.Addr
	omissions []check.Omission
	excesses  []check.Excess
}

// told is an Event of the target.
type told struct {
	at       int64 // in Unix milliseconds
	name     string
	severity Severity
	text     string
}

const (
	// mostEvents is how many events are kept of a target, as far as their texts are not longer than
	// mostText bytes together.
	mostEvents = 3
	mostText   = 280
)

// NewHistory returns the History of a target of which nothing is known, and whose Instance has an ID.
func NewHistory(id uint64) *History { return &History{id: id} }

// ID returns that of the Instance.
func (h *History) ID() uint64 { return h.id }

// Observe takes note of a report that was told. An address that is new goes on with what is known of one of its
// family that is gone.
func (h *History) Observe(r *check.Report) {
	if h == nil || !r.Done() {
		return
	}
	if h.rest == nil && len(r.Denied)+len(r.Omissions)+len(r.Excesses) > 0 {
		h.rest = new(rest)
	}
	if h.rest != nil {
		*h.rest = rest{r.Denied, r.Omissions, r.Excesses}
	}
	for i := range h.lines {
		h.lines[i].seen = false
	}
	for i := range r.Results {
		if l := h.find(&r.Results[i]); l != nil {
			l.take(&r.Results[i], r.Time)
		}
	}
	for i := range r.Results {
		if h.find(&r.Results[i]) == nil {
			h.successor(r.Results[i].Family).take(&r.Results[i], r.Time)
		}
	}
	h.lines = slices.DeleteFunc(h.lines, func(l line) bool { return !l.seen })
}

// find returns the line of the endpoint of a result, or nil.
func (h *History) find(of *check.Result) *line {
	for i := range h.lines {
		if r := &h.lines[i].result; r.Family == of.Family && r.Address == of.Address {
			return &h.lines[i]
		}
	}
	return nil
}

// successor returns the line of an endpoint of a family that is gone, or a new one.
func (h *History) successor(family check.Family) *line {
	for i := range h.lines {
		if l := &h.lines[i]; !l.seen && l.result.Family == family {
			return l
		}
	}
	if h.lines == nil {
		h.lines = make([]line, 0, 2) // as a rule
	}
	h.lines = append(h.lines, line{})
	return &h.lines[len(h.lines)-1]
}

// take takes note of a result at a time.
func (l *line) take(r *check.Result, now time.Time) {
	l.result, l.seen = *r, true
	if r.Status != check.Unchecked {
		l.unchecked = 0
	} else if l.unchecked == 0 {
		l.unchecked = now.Unix()
	}
	l.past.mark(now, markOf(r.Status), r.HandshakeTime)
}

// markOf returns what is kept of a result of a status. A failure that is not confirmed does not count.
func markOf(s check.Status) Mark {
	switch s {
	case check.Up:
		return WasUp
	case check.Down, check.Unresolved:
		return WasDown
	case check.Unchecked:
		return WasUnchecked
	default:
		return 0
	}
}

// Endpoints returns how many endpoints there are.
func (h *History) Endpoints() int { return len(h.lines) }

// Lines returns the last result of each endpoint, and what was before as it is at a time. The result is to
// be copied.
func (h *History) Lines(now time.Time) iter.Seq2[*check.Result, Past] {
	return func(yield func(*check.Result, Past) bool) {
		for i := range h.lines {
			l := &h.lines[i]
			var past Past
			past.Strip, past.Average = l.past.look(now)
			if l.unchecked != 0 {
				past.Unchecked = time.Unix(l.unchecked, 0)
			}
			if !yield(&l.result, past) {
				return
			}
		}
	}
}

// Past is what was found of an endpoint in its last hours.
type Past struct {
	Strip     Strip
	Average   time.Duration // of the handshakes; 0 if there was none
	Unchecked time.Time     // since when it is Unchecked; zero if it is not
}

// Rest puts what the last report said of what is not checked into an Instance.
func (h *History) Rest(into *Instance) {
	if h.rest != nil {
		into.Denied, into.Omissions, into.Excesses = h.rest.denied, h.rest.omissions, h.rest.excesses
	}
}

// Add takes note of an event about the target.
func (h *History) Add(e *Event) {
	if h == nil {
		return
	}
	copy(h.events[:], h.events[1:])
	last := len(h.events) - 1
	h.events[last] = told{e.Time.UnixMilli(), e.Name, e.Severity, cut(e.Text, mostText)}
	left := mostText - len(h.events[last].text)
	for i := last - 1; i >= 0; i-- {
		if left -= len(h.events[i].text); left < 0 {
			h.events[i] = told{}
		}
	}
}

// Events returns the last events about the target, the oldest first.
func (h *History) Events(target *check.Target) []Event {
	var events []Event
	for _, e := range h.events {
		if e.text != "" {
			events = append(events, Event{time.UnixMilli(e.at), e.name, e.severity, e.text, target})
		}
	}
	return events
}

// cut returns a text of so many bytes at most, in memory of its own if it is cut.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const more = "…"
	end := most - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.Clone(text[:end]) + more
}

// Recent are the last events of a receiver. A nil one keeps none. Several goroutines may use it.
type Recent struct {
	mu     sync.Mutex
	events []Event // a ring once it is full
	next   int     // where the next one goes then
}

const (
	// mostRecent is how many events are kept of a receiver, and recentText of how many bytes each.
	mostRecent = 1000
	recentText = 1024
)

// Add takes note of an event.
func (r *Recent) Add(e *Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := *e
	kept.Text = cut(e.Text, recentText)
	if len(r.events) < mostRecent {
		r.events = append(r.events, kept)
		return
	}
	r.events[r.next] = kept
	r.next = (r.next + 1) % mostRecent
}

// Events returns them, the oldest first.
func (r *Recent) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(slices.Clone(r.events[r.next:]), r.events[:r.next]...)
}
