package source

import (
	"fmt"
	"regexp"
	"strings"
)

// checkTags checks the tags by the label that Prometheus makes of their keys: where two
// labels of a point are the same, the exporter's page is without its series.
func (v *instanceValidator) checkTags() {
	first := make(map[string]int, len(v.Tags))
	for i, tag := range v.Tags {
		option := fmt.Sprintf("tags[%d]", i)
		key, value, _ := strings.Cut(tag, ":")
		switch {
		case key == "":
			v.add(option, "%q has no key; write key:value", tag)
			continue
		case value == "":
			v.add(option, "%q has no value; write key:value", tag)
		case hasControl(tag):
			v.add(option, "%q has a control character in it", tag)
		case twoUnderscores.MatchString(key):
			v.add(option, "%q has a key that begins with two underscores, as Prometheus' own labels do", tag)
		case notInLabel.FindString(key) == key:
			v.add(option, "%q has a key without a letter or digit of ASCII, of which no label can be made", tag)
		}
		name := label(key)
		if owner := v.ownerOf(name); owner != "" {
			v.add(option, "%q is named like %s", tag, owner)
		}
		j, ok := first[name]
		switch {
		case !ok:
			first[name] = i
		case strings.HasPrefix(v.Tags[j]+":", key+":"):
			v.add(option, "%q has the key of tags[%d], %q", tag, j, v.Tags[j])
		default:
			v.add(option, "%q has the label of tags[%d], %q: both are %s in Prometheus", tag, j, v.Tags[j], name)
		}
	}
}

// ownerOf returns what a point of the instance has a label of, and an empty text if it has
// none of this name.
func (v *instanceValidator) ownerOf(label string) string {
	attribute, isAttribute := v.attributes[label]
	switch {
	case isAttribute:
		return fmt.Sprintf("the attribute %s of the receiver", attribute)
	case label == "otel_scope_name", label == "otel_scope_version", label == "otel_scope_schema_url":
		return "a label of the Prometheus exporter"
	case label == "service_name" && v.service != "":
		return "the resource's service.name, which is the service of the instance"
	case label == "job" && v.service != "":
		return "the label job, which the Prometheus exporter makes of the service of the instance"
	case label == "datadog_host_name" && bool(v.EmptyDefaultHostname):
		return "the resource's datadog.host.name"
	}
	return ""
}

// label returns the Prometheus label of an attribute: a run of what is no letter or digit
// becomes an underscore, and a key that would begin with an underscore or a digit gets a
// word in front of it. The exporter keeps runs in some releases; taken as one here, two
// labels that might be the same are the same.
func label(attribute string) string {
	name := notInLabel.ReplaceAllString(attribute, "_")
	switch {
	case strings.HasPrefix(name, "_"):
		return "key" + name
	case name != "" && name[0] >= '0' && name[0] <= '9':
		return "key_" + name
	}
	return name
}

var (
	notInLabel     = regexp.MustCompile(`[^a-zA-Z0-9]+`)
	twoUnderscores = regexp.MustCompile(`^[^a-zA-Z0-9]{2}`)
)
