package source

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// Identified returns the entries whose targets are known in spite of the problems. Without
// problems, these are all, but for those that an earlier list has as well. Check has to be
// called before.
func (o *Options) Identified(problems *Problems) iter.Seq[*Entry] {
	return o.identified(o.entries(), problems)
}

// IdentifiedAlike returns those of Identified whose key another entry has as well, and perhaps
// some more, which takes less time than to compare the keys of all.
func (o *Options) IdentifiedAlike(problems *Problems) iter.Seq[*Entry] {
	return o.identified(slices.Values(o.compare().alike), problems)
}

func (o *Options) identified(of iter.Seq[*Entry], problems *Problems) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		duplicates := o.compare().duplicates
		for e := range of {
			if e.Target == nil || duplicates[e] != nil || len(problems.texts) > 0 && problems.has(e.Place()) {
				continue
			}
			if !yield(e) {
				return
			}
		}
	}
}

// ToCheck returns what is to be checked by options that have problems. Check has to be called
// before.
func (o *Options) ToCheck(problems *Problems) check.List {
	list := check.List{Warnings: append(o.Warnings(), o.sentences(problems)...), Sources: o.sources}
	list.Targets = make([]*check.Target, 0, o.count())
	for e := range o.Identified(problems) {
		if len(problems.texts) > 0 && problems.Within(e.Place()) {
			list.Kept = append(list.Kept, e.key)
		} else {
			list.Targets = append(list.Targets, e.Target)
		}
	}
	if len(problems.texts) > 0 {
		for e := range o.entries() {
			if problems.Within(e.Place()) {
				list.Refused++
			}
		}
	}
	if o.Status != "" {
		list.NotChecked = o.notChecked(problems)
	}
	return list
}

// notChecked returns the entries that are not checked by options that have problems, and why.
func (o *Options) notChecked(problems *Problems) []check.NotChecked {
	duplicates := o.compare().duplicates
	if len(problems.texts)+len(duplicates) == 0 {
		return nil
	}
	wrong := make(map[string][]string) // by the place of the entry
	for place := range problems.texts {
		of := listPlace.FindString(place)
		wrong[of] = append(wrong[of], place)
	}
	var all []check.NotChecked
	for e := range o.entries() {
		left := check.NotChecked{Key: e.key}
		switch before := duplicates[e]; {
		case problems.Within(e.Place()):
			left.Reason, left.Text = check.Refused, o.sentenceOf(problems, wrong[e.Place()])
		case before != nil:
			left.Reason, left.Text = check.Duplicate, o.Place(e.Place())+": "+fmt.Sprintf(twice, o.Place(before.Place()))
		default:
			continue
		}
		all = append(all, left)
	}
	return all
}

// twice is said of an entry that an earlier list has as well, at a place.
const twice = "it is %s as well, and is checked once"

// sentenceOf returns what is wrong at places, as one text.
func (o *Options) sentenceOf(problems *Problems, places []string) string {
	var sentences []string
	for _, place := range o.sorted(slices.Values(places)) {
		if text := problems.texts[place]; text != "" {
			sentences = append(sentences, o.Place(place)+": "+text)
		}
	}
	return strings.Join(sentences, "; ")
}

// comparison is what comes of comparing the keys of all entries.
type comparison struct {
	alike      []*Entry          // those whose key has the hash of that of another one, in their order
	duplicates map[*Entry]*Entry // those that an earlier list has as well, each with the one there
}

// compare compares the keys of all entries, unless that is done.
func (o *Options) compare() *comparison {
	if o.compared != nil {
		return o.compared
	}
	several := make(map[uint64]bool, o.count()) // by the hash
	for e := range o.entries() {
		_, several[e.hash] = several[e.hash]
	}
	c, first := &comparison{duplicates: make(map[*Entry]*Entry)}, make(map[check.Key]*Entry)
	for e := range o.entries() {
		if !several[e.hash] {
			continue
		}
		c.alike = append(c.alike, e)
		switch before := first[e.key]; {
		case before == nil:
			first[e.key] = e
		case before.list != e.list: // one list may have it twice, with other tags
			c.duplicates[e] = before
		}
	}
	o.compared = c
	return c
}

// key returns the key of the target of i.
func (i *Instance) key() check.Key {
	key := check.Key{Host: unbracket(i.Host), Name: i.Name}
	if i.Endpoint != "" {
		host, digits, _ := net.SplitHostPort(i.Endpoint)
		port, _ := strconv.ParseUint(digits, 10, 16)
		key.Host, key.Port = host, uint16(port)
	} else if i.Port != nil {
		key.Port = uint16(*i.Port) //nolint:gosec // it is in the range, or there is a problem with it
	}
	return key
}

// Delay returns the time from the start to the first checks.
func (o *Options) Delay() time.Duration { return o.InitialDelay.or(defaultInitialDelay) }

// FileInterval returns the time between two looks at CertificateFiles.
func (o *Options) FileInterval() time.Duration {
	return max(o.CollectionInterval.or(defaultInterval), minFileInterval)
}

// Flush returns the time between two payloads.
func (o *Options) Flush() time.Duration { return o.FlushInterval.or(defaultFlushInterval) }

// timing returns the interval and the timeout of i. A default gives way to what is written:
// the timeout's to a shorter interval and to the repetitions of a failed check, as long as
// these leave a second, the interval's to a longer timeout. Where both are
// written, a timeout longer than the interval is the interval: tcp_check accepts it.
func (o *Options) timing(i *Instance) (interval, timeout time.Duration) {
	written := cmp.Or(i.MinCollectionInterval, o.CollectionInterval)
	interval = written.or(defaultInterval)
	timeout = min(defaultTimeout, interval)
	if left := i.Retry.left(interval); left >= minDefaultTimeout {
		timeout = min(timeout, left)
	}
	timeout = i.Timeout.or(timeout)
	if written == nil {
		interval = max(interval, timeout)
	}
	return interval, min(timeout, interval)
}

// left returns how long each attempt may take, so that all together last an interval at most.
func (r *Retry) left(interval time.Duration) time.Duration {
	if r.Attempts == nil || *r.Attempts < 1 {
		return interval
	}
	return interval/time.Duration(*r.Attempts) - r.interval()
}

// interval returns the time from a failure to the next attempt.
func (r *Retry) interval() time.Duration { return r.Interval.or(defaultRetryInterval) }

// Warnings are what is not as written in valid Options: a line for each kind, with the first
// place. Check has to be called before.
func (o *Options) Warnings() []string {
	notes := slices.Clone(o.undecoded.notes)
	for _, list := range o.outer {
		notes = append(notes, list.wrong.notes...)
	}
	duplicates := o.compare().duplicates
	for e := range o.entries() {
		if e.wrong != nil {
			notes = append(notes, e.wrong.notes...)
		}
		notes = append(notes, e.notes...)
		if before := duplicates[e]; before != nil {
			notes = append(notes, note{e.Place(), "twice", fmt.Sprintf(twice, o.Place(before.Place()))})
		}
	}
	return o.tell(notes)
}

// tell returns a sentence for each kind of notes.
func (o *Options) tell(notes []note) []string {
	at := make(map[string][]note)
	for _, n := range notes {
		at[n.place] = append(at[n.place], n)
	}
	var sentences, kinds []string
	instances := make(map[string]map[string]bool) // by kind
	for _, place := range o.sorted(maps.Keys(at)) {
		for _, n := range at[place] {
			if instances[n.kind] == nil {
				instances[n.kind] = make(map[string]bool)
				kinds, sentences = append(kinds, n.kind), append(sentences, o.Place(place)+": "+n.text)
			}
			instances[n.kind][listPlace.FindString(place)] = true
		}
	}
	for i, kind := range kinds {
		if more := len(instances[kind]) - 1; more > 0 {
			sentences[i] += fmt.Sprintf("; %d more are like it", more)
		}
	}
	return sentences
}

// unbracket takes the brackets off [IPv6].
func unbracket(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1]
	}
	return host
}

// families returns those that are required, in the order of reports; none means automatic. That of a
// source address is the only one that can be checked.
func (i *Instance) families() []check.Family {
	asked := i.askedFamilies()
	if sources := i.sources(); len(asked) == 0 && len(sources) == 1 {
		return []check.Family{check.FamilyOf(sources[0])}
	}
	return asked
}

// askedFamilies returns the families that are written.
func (i *Instance) askedFamilies() []check.Family {
	if i.IPv4Only.or(false) {
		return []check.Family{check.IPv4}
	}
	var families []check.Family
	for _, family := range check.Families {
		if slices.Contains(i.AddressFamilies, family.String()) {
			families = append(families, family)
		}
	}
	return families
}

func compile(patterns []string) []*regexp.Regexp {
	var compiled []*regexp.Regexp
	for _, pattern := range patterns {
		compiled = append(compiled, regexp.MustCompile(pattern))
	}
	return compiled
}
