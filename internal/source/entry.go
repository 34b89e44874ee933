package source

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

// Entry is an instance of a list, and what has been found out about it.
type Entry struct {
	// Target is what it says, in plain values and with every default applied. It is nil if
	// that cannot be known, since something is wrong with it.
	Target *check.Target

	list   *outer // nil for that of the configuration
	number int    // in the list: it does not change while the entry is in it
	key    check.Key
	hash   uint64 // of the key: many keys are compared with each other at each change
	// wrong is what is wrong with it, with places in the configuration. It is nil for nothing,
	// and if that is told with all that is wrong with the list.
	wrong *Problems
	notes []note
}

var keySeed = maphash.MakeSeed()

// Place returns the place of the instance.
func (e *Entry) Place() string {
	if e.list == nil {
		return instancePlace("", e.number)
	}
	return instancePlace(e.list.prefix(), e.number)
}

// judge finds out what there is to be known about the instances of one list.
type judge struct {
	*Options
	attributes map[string]string // of all metrics, by the label that Prometheus makes of them
	labels     labelsOfKeys
	addresses  *check.Addresses
	tls        map[*TLS]*loadedTLS // of those that were judged: many instances have one in common
	list       *outer              // nil for that of the configuration
}

// judge returns a judge of a list.
func (o *Options) judge(attributes map[string]string, list *outer) *judge {
	discovered := list != nil && list.discovered
	return &judge{Options: o, attributes: attributes, labels: make(labelsOfKeys), addresses: o.addresses(discovered), tls: make(map[*TLS]*loadedTLS), list: list}
}

// instances returns the entries of instances, and adds what is wrong with them.
func (j *judge) instances(instances []Instance, problems *Problems) []*Entry {
	entries := make([]*Entry, len(instances))
	for i := range instances {
		entries[i] = j.instance(&instances[i], i, problems)
	}
	return entries
}

// instance returns the entry of an instance, and adds what is wrong with it to that which
// decoding it has found.
func (j *judge) instance(i *Instance, number int, problems *Problems) *Entry {
	e := &Entry{list: j.list, number: number, key: i.key()}
	e.hash = maphash.Comparable(keySeed, e.key)
	place := e.Place()
	v := instanceValidator{Instance: i, problems: problems, place: place, service: j.serviceOf(i), attributes: j.attributes, labels: j.labels}
	v.interval, v.timeout = j.timing(i)
	loaded := j.loadTLS(i.TLS)
	v.validate()
	v.checkTLS(loaded, i.Quiet.or(bool(j.Quiet)))
	v.checkSteps(loaded.target != nil, loaded.target == nil && loaded.wrong == nil, i.Quiet.or(bool(j.Quiet)))
	if len(problems.texts) == 0 || i.isIdentified(problems, place) {
		e.Target = j.target(i)
		e.Target.Addresses, e.Target.TLS, e.Target.Dialog = j.addresses, loaded.target, i.dialog(loaded.target)
	}
	j.note(e, i, place)
	return e
}

// identifying are the options that say which series an instance has.
var identifying = []string{
	"name", "host", "port", "endpoint", "address_families", "ipv4_only", "source_address", "tags", "service", "collect_response_time", "metric_patterns",
}

// isIdentified reports whether the series of i, which is at a place, are known in spite of the
// problems.
func (i *Instance) isIdentified(problems *Problems, place string) bool {
	wrong := func(option string) bool { return problems.Within(i.placeOf(place, option)) }
	return !problems.has(place) && !slices.ContainsFunc(identifying, wrong)
}

// note notes what is not as written in an instance.
func (j *judge) note(e *Entry, i *Instance, place string) {
	interval, timeout := j.timing(i)
	if written := i.Timeout.or(timeout); written > interval {
		option := "collection_interval"
		if i.MinCollectionInterval != nil {
			option = "min_collection_interval"
		}
		e.notes = append(e.notes, note{i.placeOf(place, "timeout"), "timeout", fmt.Sprintf("%v is longer than the interval of %v (%s), which counts", written, interval, option)})
	}
	if isAddress(e.key.Host) && i.has("resolver") {
		e.notes = append(e.notes, note{i.placeOf(place, "resolver"), "resolver", "it has no effect: the host is an address"})
	}
	if i.TLS != nil && i.TLS.ClientConfig.ReloadInterval != 0 {
		e.notes = append(e.notes, note{i.placeOf(place, "tls") + ".reload_interval", "tls.reload_interval", "it has no effect: the files are read again for each handshake"})
	}
	for _, a := range attributesOf(i.Tags) {
		if a.text != "" {
			e.notes = append(e.notes, note{i.placeOf(place, fmt.Sprintf("tags[%d]", a.tag)), "tags " + a.kind, a.text})
		}
	}
}

// target returns the target of an instance that has no problem in what identifies it.
func (o *Options) target(i *Instance) *check.Target {
	interval, timeout := o.timing(i)
	key := i.key()
	t := &check.Target{
		Host:             key.Host,
		Port:             key.Port,
		Families:         i.families(),
		MultipleIPs:      i.MultipleIPs.or(false),
		Timeout:          timeout,
		Interval:         interval,
		CacheDuration:    i.IPCacheDuration.or(check.UntilError),
		MaxCacheDuration: o.MaxIPCacheDuration.or(defaultMaxIPCache),
		Outgoing:         i.outgoing(),
		Quiet:            i.Quiet.or(bool(o.Quiet)),
		RecheckInterval:  i.RecheckInterval.or(0),
		Servers:          i.Resolver.addresses(),
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

// serviceOf returns the service of i, or an empty text if it has none.
func (o *Options) serviceOf(i *Instance) string {
	return cmp.Or(i.Service, o.Service, o.InitConfig.Service)
}
