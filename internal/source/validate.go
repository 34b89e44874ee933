package source

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"example.com/tcpcheckreceiver/internal/check"
)

// Check returns all that is wrong with the options. A tag is compared with the
// attributes of all metrics.
func (o *Options) Check(attributes []string) *Problems {
	p := &Problems{found: slices.Clone(o.undecoded.found), places: maps.Clone(o.undecoded.places)}
	checkInterval(p, "collection_interval", o.CollectionInterval)
	checkNotNegative(p, "initial_delay", o.InitialDelay)
	checkPositive(p, "max_ip_cache_duration", o.MaxIPCacheDuration)
	if limit := o.MaxConcurrentChecks; limit != nil && *limit < 1 {
		p.Add("max_concurrent_checks", "%d is less than 1; leave the option out for as many as the limit of open files allows", *limit)
	}
	checkControl(p, "service", o.Service)
	checkControl(p, "init_config.service", o.InitConfig.Service)
	if o.Service != "" && o.InitConfig.Service != "" {
		p.Add("init_config.service", "%q is written as service already, as %q; write one of them", o.InitConfig.Service, o.Service)
	}
	if o.InstancesFile != "" && o.schema == nil {
		p.Add(inFile, "%s has not been read; that is for Unmarshal to do", o.InstancesFile)
	} else if len(o.Instances)+len(o.file.Instances) == 0 && !p.has(inFile+".instances") {
		p.Add("instances", "there are none, so there is nothing to check")
	}
	labels := labelsOf(attributes)
	for place, instance := range o.instances() {
		v := instanceValidator{Problems: p, at: place, options: o, instance: instance, attributes: labels}
		v.validate()
	}
	return p
}

// minInterval is the shortest interval: below it, checks are load and no news.
const minInterval = 100 * time.Millisecond

func checkInterval(p *Problems, place string, d *Duration) {
	checkPositive(p, place, d)
	if d != nil && time.Duration(*d) < minInterval {
		p.Add(place, "%v is shorter than %v", time.Duration(*d), minInterval)
	}
}

func checkPositive(p *Problems, place string, d *Duration) {
	if d != nil && *d <= 0 {
		p.Add(place, "%v is not more than 0", time.Duration(*d))
	}
}

func checkNotNegative(p *Problems, place string, d *Duration) {
	if d != nil && *d < 0 {
		p.Add(place, "%v is less than 0", time.Duration(*d))
	}
}

// instanceValidator finds what is wrong with one instance.
type instanceValidator struct {
	*Problems
	at       string
	options  *Options
	instance *Instance
	// attributes are those of all metrics, by the label that Prometheus makes of them.
	attributes map[string]string
}

// place returns the place of an option.
func (v *instanceValidator) place(option string) string {
	return v.at + "." + option
}

// element returns the place of the element n of the list that an option is.
func (v *instanceValidator) element(option string, n int) string {
	return fmt.Sprintf("%s[%d]", v.place(option), n)
}

func (v *instanceValidator) validate() {
	switch name := v.instance.Name; {
	case name == "":
		v.Add(v.place("name"), "there is none; every instance needs a name")
	case strings.TrimSpace(name) == "":
		v.Add(v.place("name"), "%q is blank; every instance needs a name", name)
	}
	checkControl(v.Problems, v.place("name"), v.instance.Name)
	checkControl(v.Problems, v.place("service"), v.instance.Service)
	v.checkTarget()
	v.checkFamilies()
	v.checkDurations()
	v.checkTags()
	v.checkPatterns("metric_patterns.include", v.instance.MetricPatterns.Include)
	v.checkPatterns("metric_patterns.exclude", v.instance.MetricPatterns.Exclude)
}

func (v *instanceValidator) checkFamilies() {
	names := v.instance.AddressFamilies
	if names != nil && len(names) == 0 {
		v.Add(v.place("address_families"), "[] asks for no family; leave the option out for the families that the host has")
	}
	for i, name := range names {
		switch {
		case name != check.IPv4.String() && name != check.IPv6.String():
			v.Add(v.element("address_families", i), "%q is no address family; they are ipv4 and ipv6", name)
		case slices.Contains(names[:i], name):
			v.Add(v.element("address_families", i), "%q is there twice", name)
		}
	}
	if bool(v.instance.IPv4Only) && slices.Contains(names, check.IPv6.String()) {
		v.Add(v.place("ipv4_only"), "true contradicts address_families, which asks for ipv6")
	}
}

func (v *instanceValidator) checkDurations() {
	checkPositive(v.Problems, v.place("timeout"), v.instance.Timeout)
	checkInterval(v.Problems, v.place("min_collection_interval"), v.instance.MinCollectionInterval)
	checkNotNegative(v.Problems, v.place("ip_cache_duration"), v.instance.IPCacheDuration)
}

func checkControl(p *Problems, place, text string) {
	if hasControl(text) {
		p.Add(place, "%q has a control character in it", text)
	}
}

// hasControl reports whether a text has a character that would break a line of the log,
// or hide in it.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

func (v *instanceValidator) checkPatterns(option string, patterns []string) {
	for i, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			v.Add(v.element(option, i), "%q is not a regular expression: %v", pattern, err)
		}
	}
}
