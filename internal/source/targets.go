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

// identifying are the options that say which series an instance has.
var identifying = []string{
	"name", "host", "port", "endpoint", "address_families", "ipv4_only", "tags", "service", "collect_response_time", "metric_patterns",
}

// Identified returns the instances whose series are known in spite of the problems, by their
// places: in plain values, with every default applied. Without problems, these are all, but
// for those that an earlier list has as well.
func (o *Options) Identified(problems *Problems) iter.Seq2[string, check.Target] {
	return func(yield func(string, check.Target) bool) {
		duplicates := o.duplicates()
		for prefix, list := range o.lists() {
			addresses := o.addresses(list.discovered)
			for i := range list.Instances {
				instance, place := &list.Instances[i], instancePlace(prefix, i)
				if duplicates[place] != "" || len(problems.texts) > 0 && !instance.isIdentified(problems, place) {
					continue
				}
				target := o.target(instance)
				target.Addresses = addresses
				if !yield(place, target) {
					return
				}
			}
		}
	}
}

// ToCheck returns what is to be checked by options that have problems.
func (o *Options) ToCheck(problems *Problems) check.List {
	list := check.List{Warnings: append(o.Warnings(), o.sentences(problems)...), Sources: o.sources}
	for place, target := range o.Identified(problems) {
		if problems.Within(place) {
			list.Kept = append(list.Kept, target.Key())
		} else {
			list.Targets = append(list.Targets, target)
		}
	}
	if len(problems.texts) > 0 {
		for place := range o.instances() {
			if problems.Within(place) {
				list.Refused++
			}
		}
	}
	return list
}

// isIdentified reports whether the series of i, which is at a place, are known in spite of the
// problems.
func (i *Instance) isIdentified(problems *Problems, place string) bool {
	wrong := func(option string) bool { return problems.Within(i.placeOf(place, option)) }
	return !problems.has(place) && !slices.ContainsFunc(identifying, wrong)
}

// duplicates returns the places of those instances that an earlier list has as well, each with
// the place there.
func (o *Options) duplicates() map[string]string {
	if len(o.outer) == 0 || o.twice != nil {
		return o.twice
	}
	duplicates, first := make(map[string]string), make(map[check.Key]string)
	for prefix, list := range o.lists() {
		for i := range list.Instances {
			key, place := list.Instances[i].key(), instancePlace(prefix, i)
			switch before, known := first[key]; {
			case !known:
				first[key] = place
			case !strings.HasPrefix(before, prefix+inInstances): // one list may have it twice, with other tags
				duplicates[place] = before
			}
		}
	}
	o.twice = duplicates
	return duplicates
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

// target returns the target of an instance that has no problem in what identifies it.
func (o *Options) target(i *Instance) check.Target {
	interval, timeout := o.timing(i)
	key := i.key()
	t := check.Target{
		Host:             key.Host,
		Port:             key.Port,
		Families:         i.families(),
		MultipleIPs:      i.MultipleIPs.or(false),
		Timeout:          timeout,
		Interval:         interval,
		CacheDuration:    i.IPCacheDuration.or(check.UntilError),
		MaxCacheDuration: o.MaxIPCacheDuration.or(defaultMaxIPCache),
		Quiet:            i.Quiet.or(bool(o.Quiet)),
		RecheckInterval:  i.RecheckInterval.or(0),
		Labels: check.Labels{
			Name:                i.Name,
			CollectResponseTime: i.CollectResponseTime.or(false),
			Service:             o.serviceOf(i),
			EmptyHostname:       i.EmptyDefaultHostname.or(false),
			Metrics:             check.Patterns{Include: compile(i.MetricPatterns.Include), Exclude: compile(i.MetricPatterns.Exclude)},
		},
	}
	if i.Retry.Attempts != nil {
		t.Retry = check.Retry{Attempts: uint8(*i.Retry.Attempts), Interval: i.Retry.interval()} //nolint:gosec // it is 100 at most
	}
	for _, a := range attributesOf(i.Tags) {
		t.Labels.Tags = append(t.Labels.Tags, a.Tag)
	}
	return t
}

// Delay returns the time from the start to the first checks.
func (o *Options) Delay() time.Duration { return o.InitialDelay.or(defaultInitialDelay) }

// Flush returns the time between two payloads.
func (o *Options) Flush() time.Duration { return o.FlushInterval.or(defaultFlushInterval) }

// serviceOf returns the service of i, or an empty text if it has none.
func (o *Options) serviceOf(i *Instance) string {
	return cmp.Or(i.Service, o.Service, o.InitConfig.Service)
}

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
// place.
func (o *Options) Warnings() []string {
	notes := Problems{notes: slices.Clone(o.undecoded.notes)}
	for i, list := range o.outer {
		notes.merge(outerPrefix(i), Problems{notes: list.undecoded.notes})
	}
	duplicates := o.duplicates()
	for place, i := range o.instances() {
		interval, timeout := o.timing(i)
		if written := i.Timeout.or(timeout); written > interval {
			option := "collection_interval"
			if i.MinCollectionInterval != nil {
				option = "min_collection_interval"
			}
			notes.addNote(i.placeOf(place, "timeout"), "timeout", fmt.Sprintf("%v is longer than the interval of %v (%s), which counts", written, interval, option))
		}
		if len(i.Tags) > 0 {
			for _, a := range attributesOf(i.Tags) {
				if a.text != "" {
					notes.addNote(i.placeOf(place, fmt.Sprintf("tags[%d]", a.tag)), "tags "+a.kind, a.text)
				}
			}
		}
		if before := duplicates[place]; before != "" {
			notes.addNote(place, "twice", fmt.Sprintf("it is %s as well, and is checked once", o.Place(before)))
		}
	}
	return o.tell(notes.notes)
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

// families returns the families asked for, in the order of reports; none means automatic.
func (i *Instance) families() []check.Family {
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
