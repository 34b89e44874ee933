package source

import (
	"cmp"
	"fmt"
	"iter"
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
// places: in plain values, with every default applied. Without problems, these are all.
func (o *Options) Identified(problems *Problems) iter.Seq2[string, check.Target] {
	return func(yield func(string, check.Target) bool) {
		for place, instance := range o.instances() {
			wrong := func(option string) bool { return problems.Within(place + "." + option) }
			known := !problems.has(place) && !slices.ContainsFunc(identifying, wrong)
			if known && !yield(place, o.target(instance)) {
				return
			}
		}
	}
}

// target returns the target of an instance that has no problem in what identifies it.
func (o *Options) target(i *Instance) check.Target {
	interval, timeout := o.timing(i)
	t := check.Target{
		Host:             unbracket(i.Host),
		Families:         i.families(),
		MultipleIPs:      bool(i.MultipleIPs),
		Timeout:          timeout,
		Interval:         interval,
		CacheDuration:    i.IPCacheDuration.or(check.UntilError),
		MaxCacheDuration: o.MaxIPCacheDuration.or(defaultMaxIPCache),
		Quiet:            bool(*cmp.Or(i.Quiet, &o.Quiet)),
		RecheckInterval:  i.RecheckInterval.or(0),
		Labels: check.Labels{
			Name:                i.Name,
			CollectResponseTime: bool(i.CollectResponseTime),
			Service:             o.serviceOf(i),
			EmptyHostname:       bool(i.EmptyDefaultHostname),
			Metrics:             check.Patterns{Include: compile(i.MetricPatterns.Include), Exclude: compile(i.MetricPatterns.Exclude)},
		},
	}
	if i.Endpoint != "" {
		host, digits, _ := net.SplitHostPort(i.Endpoint)
		port, _ := strconv.ParseUint(digits, 10, 16)
		t.Host, t.Port = host, uint16(port)
	} else if i.Port != nil {
		t.Port = uint16(*i.Port)
	}
	if i.Retry.Attempts != nil {
		t.Retry = check.Retry{Attempts: uint8(*i.Retry.Attempts), Interval: i.Retry.interval()} //nolint:gosec // it is 100 at most
	}
	for _, tag := range i.Tags {
		key, value, _ := strings.Cut(tag, ":")
		t.Labels.Tags = append(t.Labels.Tags, check.Tag{Key: key, Value: value})
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

// Warnings are what is not as written in valid Options: a line at most for each kind.
func (o *Options) Warnings() []string {
	var longer []string
	for place, i := range o.instances() {
		interval, timeout := o.timing(i)
		written := i.Timeout.or(timeout)
		if written <= interval {
			continue
		}
		option := "collection_interval"
		if i.MinCollectionInterval != nil {
			option = "min_collection_interval"
		}
		longer = append(longer, fmt.Sprintf("%s: %v is longer than the interval of %v (%s), which counts", named(place+".timeout", i.Name), written, interval, option))
	}
	if len(longer) > 1 {
		return []string{fmt.Sprintf("%s; so it is of %d more instances", longer[0], len(longer)-1)}
	}
	return longer
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
	if i.IPv4Only {
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
