package source

import (
	"regexp"
	"strings"
)

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
			v.Add(place, "%q has no key; write key:value", tag)
			continue
		case value == "":
			v.Add(place, "%q has no value; write key:value", tag)
		case hasControl(tag):
			v.Add(place, "%q has a control character in it", tag)
		case strings.HasPrefix(characters, "__"):
			v.Add(place, "%q has a key that begins with two underscores, as Prometheus' own labels do", tag)
		case strings.Trim(characters, "_") == "":
			v.Add(place, "%q has a key without a letter or digit of ASCII, of which no label can be made", tag)
		}
		name := labelOf(characters)
		if attribute, ok := v.attributes[name]; ok {
			v.Add(place, "%q is named like the attribute %s of the receiver", tag, attribute)
		}
		if owner := v.ownerOf(name); owner != "" {
			v.Add(place, "%q is named like %s", tag, owner)
		}
		if j, ok := first[name]; ok {
			other := v.instance.Tags[j]
			if otherKey, _, _ := strings.Cut(other, ":"); otherKey == key {
				v.Add(place, "%q has the key of tags[%d], %q", tag, j, other)
			} else {
				v.Add(place, "%q has the label of tags[%d], %q: both are %s in Prometheus", tag, j, other, name)
			}
			continue
		}
		first[name] = i
	}
}

// ownerOf returns what the Prometheus exporter makes a label of, if it is of the resource
// of the instance or of the scope, and an empty text for another one.
func (v *instanceValidator) ownerOf(label string) string {
	hasService := v.options.serviceOf(v.instance) != ""
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

// labelsOf returns attributes by the label that Prometheus makes of them.
func labelsOf(attributes []string) map[string]string {
	names := make(map[string]string, len(attributes))
	for _, attribute := range attributes {
		names[label(attribute)] = attribute
	}
	return names
}

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
