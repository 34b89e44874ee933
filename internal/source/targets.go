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

// Identified returns the instances of which it is known by problems which series they have,
// in plain values with every default applied, by their places. Without problems, these are
// all.
func (o *Options) Identified(problems *Problems) iter.Seq2[string, check.Target] {
	return func(yield func(string, check.Target) bool) {
		for place, instance := range o.instances() {
			wrong := func(option string) bool { return problems.Within(place + "." + option) }
			if problems.has(place) || slices.ContainsFunc(identifying, wrong) {
				continue
			}
			if !yield(place, o.target(instance)) {
				return
			}
		}
	}
}

func (o *Options) target(i *Instance) check.Target {
	host, port := i.hostPort()
	interval, timeout := o.timing(i)
	t := check.Target{
		Host:             host,
		Port:             uint16(port),
		Families:         i.families(),
		MultipleIPs:      bool(i.MultipleIPs),
		Timeout:          timeout,
		Interval:         interval,
		CacheDuration:    i.IPCacheDuration.or(check.UntilError),
		MaxCacheDuration: o.MaxIPCacheDuration.or(defaultMaxIPCache),
		Labels: check.Labels{
			Name:                i.Name,
			CollectResponseTime: bool(i.CollectResponseTime),
			Service:             o.serviceOf(i),
			EmptyHostname:       bool(i.EmptyDefaultHostname),
			Metrics:             check.Patterns{Include: compile(i.MetricPatterns.Include), Exclude: compile(i.MetricPatterns.Exclude)},
		},
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

// interval returns the interval of i and the place where the user wrote it,
// which is empty for the default.
func (o *Options) interval(i *Instance) (time.Duration, string) {
	switch {
	case i.MinCollectionInterval != nil:
		return time.Duration(*i.MinCollectionInterval), "min_collection_interval"
	case o.CollectionInterval != nil:
		return time.Duration(*o.CollectionInterval), "collection_interval"
	}
	return defaultInterval, ""
}

// timing returns the interval and the timeout of i. A default gives way to what
// is written: the timeout's to a shorter interval, the interval's to a longer
// timeout. Where both are written, a timeout longer than the interval is the interval:
// tcp_check accepts it.
func (o *Options) timing(i *Instance) (interval, timeout time.Duration) {
	interval, written := o.interval(i)
	if i.Timeout == nil {
		return interval, min(defaultTimeout, interval)
	}
	timeout = time.Duration(*i.Timeout)
	if written == "" {
		return max(interval, timeout), timeout
	}
	return interval, min(timeout, interval)
}

// Warnings are what a user should know about valid Options that is not as written: a
// line at most for each kind.
func (o *Options) Warnings() []string {
	text, more := "", 0
	for place, i := range o.instances() {
		interval, written := o.interval(i)
		switch {
		case i.Timeout == nil || written == "" || time.Duration(*i.Timeout) <= interval:
		case text != "":
			more++
		default:
			text = fmt.Sprintf("%s: %v is longer than the interval of %v (%s), which counts", named(place+".timeout", i.Name), time.Duration(*i.Timeout), interval, written)
		}
	}
	switch {
	case text == "":
		return nil
	case more > 0:
		text += fmt.Sprintf("; so it is of %d more instances", more)
	}
	return []string{text}
}

// hostPort returns host and port from wherever they are written: the host
// without brackets, and 0 for a port that is no number.
func (i *Instance) hostPort() (host string, port int64) {
	if i.Endpoint != "" {
		host, digits, err := net.SplitHostPort(i.Endpoint)
		if err != nil {
			return "", 0
		}
		port, _ = strconv.ParseInt(digits, 10, 64)
		return host, port
	}
	if i.Port != nil {
		port = int64(*i.Port)
	}
	return unbracket(i.Host), port
}

// unbracket takes the brackets off [IPv6].
func unbracket(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if inner, ok := strings.CutSuffix(inner, "]"); ok {
			return inner
		}
	}
	return host
}

// families returns the families asked for, in the order in which they are
// reported; none means automatic.
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
