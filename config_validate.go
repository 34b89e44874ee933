package tcpcheckreceiver

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/target"
)

// Validate returns an error that has a line for each thing that is wrong, with
// its place and its value, or nil.
func (c *Config) Validate() error {
	p := c.undecoded.clone()
	c.addUnknown(p)
	checkPositive(p, "collection_interval", c.CollectionInterval)
	checkNotNegative(p, "initial_delay", c.InitialDelay)
	checkPositive(p, "max_ip_cache_duration", c.MaxIPCacheDuration)
	if limit := c.MaxConcurrentChecks; limit != nil && *limit < 1 {
		p.add("max_concurrent_checks", "%d is less than 1; leave the option out for as many as the limit of open files allows", *limit)
	}
	if c.Service != "" && c.InitConfig.Service != "" {
		p.add("init_config.service", "%q is written as service already, as %q; write one of them", c.InitConfig.Service, c.Service)
	}
	if c.InstancesFile != "" && !c.file.read {
		p.add(inFile, "%s has not been read; that is for Unmarshal to do", c.InstancesFile)
	} else if len(c.Instances)+len(c.file.Instances) == 0 && !p.has(inFile+".instances") {
		p.add("instances", "there are none, so there is nothing to check")
	}
	for place, instance := range c.instances() {
		v := instanceValidator{problems: p, at: place, config: c, instance: instance}
		v.validate()
	}
	c.checkDuplicates(p)
	return p.err()
}

func checkPositive(p *problems, place string, d *Duration) {
	if d != nil && *d <= 0 {
		p.add(place, "%v is not more than 0", time.Duration(*d))
	}
}

func checkNotNegative(p *problems, place string, d *Duration) {
	if d != nil && *d < 0 {
		p.add(place, "%v is less than 0", time.Duration(*d))
	}
}

// checkDuplicates finds instances whose series would be the same.
func (c *Config) checkDuplicates(p *problems) {
	first := make(map[string]string)
	for place, instance := range c.instances() {
		host, port := instance.hostPort()
		if instance.Name == "" || host == "" || port == 0 {
			continue // something else is wrong with it
		}
		service := instance.Service
		if service == "" {
			service = c.service()
		}
		families := instance.families()
		if len(families) == 0 {
			families = target.Families
		}
		tags := strings.Join(slices.Sorted(slices.Values(instance.Tags)), "\x00")
		for _, family := range families {
			key := strings.Join([]string{instance.Name, host, strconv.FormatInt(port, 10), family.String(), service, tags}, "\x00")
			if other, ok := first[key]; ok {
				p.add(place, "it has the name, target, service and tags of %s (%q, %s), so nothing would tell them apart", other, instance.Name, instance.address())
				break
			}
			first[key] = place
		}
	}
}

// instanceValidator finds what is wrong with one instance.
type instanceValidator struct {
	*problems
	at       string
	config   *Config
	instance *Instance
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
		v.add(v.place("name"), "there is none; every instance needs a name")
	case strings.TrimSpace(name) == "":
		v.add(v.place("name"), "%q is blank; every instance needs a name", name)
	}
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
		v.add(v.place("address_families"), "[] asks for no family; leave the option out for the families that the host has")
	}
	for i, name := range names {
		switch {
		case name != target.IPv4.String() && name != target.IPv6.String():
			v.add(v.element("address_families", i), "%q is no address family; they are ipv4 and ipv6", name)
		case slices.Contains(names[:i], name):
			v.add(v.element("address_families", i), "%q is there twice", name)
		}
	}
	if bool(v.instance.IPv4Only) && slices.Contains(names, target.IPv6.String()) {
		v.add(v.place("ipv4_only"), "true contradicts address_families, which asks for ipv6")
	}
}

func (v *instanceValidator) checkDurations() {
	checkPositive(v.problems, v.place("timeout"), v.instance.Timeout)
	checkPositive(v.problems, v.place("min_collection_interval"), v.instance.MinCollectionInterval)
	checkNotNegative(v.problems, v.place("ip_cache_duration"), v.instance.IPCacheDuration)

	interval, written := v.config.interval(v.instance)
	if v.instance.Timeout != nil && written != "" && interval > 0 && time.Duration(*v.instance.Timeout) > interval {
		v.add(v.place("timeout"), "%v is longer than the interval of %v (%s)", time.Duration(*v.instance.Timeout), interval, written)
	}
}

func (v *instanceValidator) checkTags() {
	first := make(map[string]int, len(v.instance.Tags))
	for i, tag := range v.instance.Tags {
		key, value, _ := strings.Cut(tag, ":")
		if key == "" {
			v.add(v.element("tags", i), "%q has no key; write key:value", tag)
			continue
		}
		if value == "" {
			v.add(v.element("tags", i), "%q has no value; write key:value", tag)
		}
		if attribute, ok := attributes[label(key)]; ok {
			v.add(v.element("tags", i), "%q is named like the attribute %s of the receiver", tag, attribute)
		}
		if j, ok := first[key]; ok {
			v.add(v.element("tags", i), "%q has the key of tags[%d], %q", tag, j, v.instance.Tags[j])
			continue
		}
		first[key] = i
	}
}

func (v *instanceValidator) checkPatterns(option string, patterns []string) {
	for i, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			v.add(v.element(option, i), "%q is not a regular expression: %v", pattern, err)
		}
	}
}

// attributes are the receiver's own, by the label that Prometheus makes of them.
var attributes = func() map[string]string {
	names := make(map[string]string)
	info := metadata.MetricsInfo
	for _, list := range [][]string{
		info.NetworkTCPCanConnect.Attributes, info.NetworkTCPErrors.Attributes,
		info.NetworkTCPResolveTime.Attributes, info.NetworkTCPResponseTime.Attributes,
		info.NetworkTCPSynRetransmits.Attributes,
	} {
		for _, name := range list {
			names[label(name)] = name
		}
	}
	return names
}()

// label returns the Prometheus label of an attribute: two of the same label
// would be thrown together.
func label(attribute string) string { return notInLabel.ReplaceAllString(attribute, "_") }

var notInLabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)
