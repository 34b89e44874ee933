package tcpcheckreceiver

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// Validate returns an error that has a line for each thing that is wrong, with
// its place and its value, or nil.
func (c *Config) Validate() error {
	p := c.undecoded.clone()
	c.addUnknown(p)
	checkInterval(p, "collection_interval", c.CollectionInterval)
	checkNotNegative(p, "initial_delay", c.InitialDelay)
	checkPositive(p, "max_ip_cache_duration", c.MaxIPCacheDuration)
	if limit := c.MaxConcurrentChecks; limit != nil && *limit < 1 {
		p.add("max_concurrent_checks", "%d is less than 1; leave the option out for as many as the limit of open files allows", *limit)
	}
	checkControl(p, "service", c.Service)
	checkControl(p, "init_config.service", c.InitConfig.Service)
	if c.Service != "" && c.InitConfig.Service != "" {
		p.add("init_config.service", "%q is written as service already, as %q; write one of them", c.InitConfig.Service, c.Service)
	}
	if c.InstancesFile != "" && !c.file.read {
		p.add(inFile, "%s has not been read; that is for Unmarshal to do", c.InstancesFile)
	} else if len(c.Instances)+len(c.file.Instances) == 0 && !p.has(inFile+".instances") {
		p.add("instances", "there are none, so there is nothing to check")
	}
	// A sum that only rises falls where it is averaged, or is the least or greatest of
	// several.
	if strategy := c.Metrics.TcpcheckErrors.AggregationStrategy; strategy != metadata.AggregationStrategySum && slices.Contains(strategies, strategy) {
		p.add("metrics."+metadata.MetricsInfo.TcpcheckErrors.Name+".aggregation_strategy", "%q makes a sum fall that only rises; write sum, or leave the option out", strategy)
	}
	for place, instance := range c.instances() {
		v := instanceValidator{problems: p, at: place, config: c, instance: instance}
		v.validate()
	}
	c.checkDuplicates(p)
	return p.err()
}

// strategies are those that merge the points of a metric; of another one, the generated
// section says that it is wrong.
var strategies = []string{metadata.AggregationStrategySum, metadata.AggregationStrategyAvg, metadata.AggregationStrategyMin, metadata.AggregationStrategyMax}

// minInterval is the shortest interval: below it, checks are load and no news.
const minInterval = 100 * time.Millisecond

func checkInterval(p *problems, place string, d *Duration) {
	checkPositive(p, place, d)
	if d != nil && time.Duration(*d) < minInterval {
		p.add(place, "%v is shorter than %v", time.Duration(*d), minInterval)
	}
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
			families = check.Families
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
	checkControl(v.problems, v.place("name"), v.instance.Name)
	checkControl(v.problems, v.place("service"), v.instance.Service)
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
		case name != check.IPv4.String() && name != check.IPv6.String():
			v.add(v.element("address_families", i), "%q is no address family; they are ipv4 and ipv6", name)
		case slices.Contains(names[:i], name):
			v.add(v.element("address_families", i), "%q is there twice", name)
		}
	}
	if bool(v.instance.IPv4Only) && slices.Contains(names, check.IPv6.String()) {
		v.add(v.place("ipv4_only"), "true contradicts address_families, which asks for ipv6")
	}
}

func (v *instanceValidator) checkDurations() {
	checkPositive(v.problems, v.place("timeout"), v.instance.Timeout)
	checkInterval(v.problems, v.place("min_collection_interval"), v.instance.MinCollectionInterval)
	checkNotNegative(v.problems, v.place("ip_cache_duration"), v.instance.IPCacheDuration)
}

// checkTags checks the tags by the label that Prometheus makes of their keys: where two
// labels of a point are the same, the exporter's page is without its series.
func (v *instanceValidator) checkTags() {
	first := make(map[string]int, len(v.instance.Tags))
	for i, tag := range v.instance.Tags {
		place := v.element("tags", i)
		key, value, _ := strings.Cut(tag, ":")
		characters := invalidInLabel.ReplaceAllString(key, "_")
		switch {
		case key == "":
			v.add(place, "%q has no key; write key:value", tag)
			continue
		case value == "":
			v.add(place, "%q has no value; write key:value", tag)
		case hasControl(tag):
			v.add(place, "%q has a control character in it", tag)
		case strings.HasPrefix(characters, "__"):
			v.add(place, "%q has a key that begins with two underscores, as Prometheus' own labels do", tag)
		case strings.Trim(characters, "_") == "":
			v.add(place, "%q has a key without a letter or digit of ASCII, of which no label can be made", tag)
		}
		name := labelOf(characters)
		if attribute, ok := attributes[name]; ok {
			v.add(place, "%q is named like the attribute %s of the receiver", tag, attribute)
		}
		if owner := v.ownerOf(name); owner != "" {
			v.add(place, "%q is named like %s", tag, owner)
		}
		if j, ok := first[name]; ok {
			other := v.instance.Tags[j]
			if otherKey, _, _ := strings.Cut(other, ":"); otherKey == key {
				v.add(place, "%q has the key of tags[%d], %q", tag, j, other)
			} else {
				v.add(place, "%q has the label of tags[%d], %q: both are %s in Prometheus", tag, j, other, name)
			}
			continue
		}
		first[name] = i
	}
}

// ownerOf returns what the Prometheus exporter makes a label of, if it is of the resource
// of the instance or of the scope, and an empty text for another one.
func (v *instanceValidator) ownerOf(label string) string {
	hasService := v.instance.Service != "" || v.config.service() != ""
	switch {
	case label == "otel_scope_name", label == "otel_scope_version", label == "otel_scope_schema_url":
		return "a label of the Prometheus exporter"
	case label == "service_name" && hasService:
		return "the resource's service.name, which is the service of the instance"
	case label == "job" && hasService:
		return "the label job, which the Prometheus exporter makes of the service of the instance"
	case label == "datadog_host_name" && bool(v.instance.EmptyDefaultHostname):
		return "the resource's datadog.host.name"
	}
	return ""
}

func checkControl(p *problems, place, text string) {
	if hasControl(text) {
		p.add(place, "%q has a control character in it", text)
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
			v.add(v.element(option, i), "%q is not a regular expression: %v", pattern, err)
		}
	}
}

// attributes are the receiver's own, by the label that Prometheus makes of them.
var attributes = func() map[string]string {
	names := make(map[string]string)
	info := metadata.MetricsInfo
	for _, list := range [][]string{
		info.NetworkTCPCanConnect.Attributes, info.TcpcheckErrors.Attributes,
		info.TcpcheckDNSLookupDuration.Attributes, info.NetworkTCPResponseTime.Attributes,
		info.TcpcheckSynRetransmits.Attributes, info.TcpcheckFamilyOmitted.Attributes,
	} {
		for _, name := range list {
			names[label(name)] = name
		}
	}
	return names
}()

// label returns the Prometheus label of an attribute: what is no letter, digit or
// underscore becomes an underscore, a run of these becomes one, and a key that would begin
// with an underscore or a digit gets a word in front of it. The exporter keeps runs in some
// releases; taken as one here, two labels that might be the same are the same.
func label(attribute string) string { return labelOf(invalidInLabel.ReplaceAllString(attribute, "_")) }

// labelOf is label for a name whose other characters are underscores already.
func labelOf(name string) string {
	if strings.Contains(name, "__") {
		name = runs.ReplaceAllString(name, "_")
	}
	switch {
	case strings.HasPrefix(name, "_"):
		return "key" + name
	case name != "" && name[0] >= '0' && name[0] <= '9':
		return "key_" + name
	}
	return name
}

var (
	invalidInLabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)
	runs           = regexp.MustCompile(`__+`)
)
