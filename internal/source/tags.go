package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// attribute is what a tag of an instance becomes.
type attribute struct {
	check.Tag
	tag        int    // its place among the tags
	kind, text string // of the note that it is not as it is written; empty if it is
}

// withoutValue is the value of the attribute of a tag that has none: an empty one is no label
// in Prometheus.
const withoutValue = "true"

// attributesOf returns what tags become. A tag without a value gets one, and of several tags with
// one key each but the first gets a number at its key, since a point has each attribute once. A
// tag that is there twice is one.
func attributesOf(tags []string) []attribute {
	if len(tags) == 0 {
		return nil
	}
	attributes := make([]attribute, 0, len(tags))
	for n, tag := range tags {
		key, value, _ := strings.Cut(tag, ":")
		if value == "" || len(tags) > fewTags || slices.ContainsFunc(attributes, func(a attribute) bool { return a.Key == key }) {
			return otherThanWritten(tags)
		}
		attributes = append(attributes, attribute{Tag: check.Tag{Key: key, Value: value}, tag: n})
	}
	return attributes
}

// fewTags is how many tags are compared with each other.
const fewTags = 16

// otherThanWritten is attributesOf for tags that may not all be as they are written.
func otherThanWritten(tags []string) []attribute {
	var attributes []attribute
	taken, seen := make(map[string]bool, len(tags)), make(map[check.Tag]bool, len(tags))
	for _, tag := range tags {
		key, _, _ := strings.Cut(tag, ":")
		taken[key] = true
	}
	used := make(map[string]bool, len(tags))
	for n, tag := range tags {
		a := attribute{tag: n}
		a.Key, a.Value, _ = strings.Cut(tag, ":")
		if a.Value == "" {
			a.Value, a.kind = withoutValue, "value"
			a.text = fmt.Sprintf("%q has no value, so it is the attribute %s with the value %s", tag, a.Key, withoutValue)
		}
		if seen[a.Tag] {
			continue
		}
		seen[a.Tag] = true
		if used[a.Key] {
			key := a.Key
			for number := 2; taken[a.Key]; number++ {
				a.Key = fmt.Sprintf("%s_%d", key, number)
			}
			a.kind, a.text = "key", fmt.Sprintf("%q has the key of another tag, so it is the attribute %s with the value %s", tag, a.Key, a.Value)
		}
		taken[a.Key], used[a.Key] = true, true
		attributes = append(attributes, a)
	}
	return attributes
}

// checkTags checks the tags by the label that Prometheus makes of their keys: where two
// labels of a point are the same, the exporter's page is without its series.
func (v *instanceValidator) checkTags() {
	first := make(map[string]int, len(v.Tags))
	for _, a := range attributesOf(v.Tags) {
		tag := v.Tags[a.tag]
		add := func(format string, args ...any) {
			v.add(fmt.Sprintf("tags[%d]", a.tag), "%q "+format, append([]any{tag}, args...)...)
		}
		if strings.HasPrefix(tag, ":") || tag == "" {
			add("has no key; write key:value")
			continue
		}
		of := v.labels.of(a.Key)
		switch {
		case hasControl(tag):
			add("has a control character in it")
		case of.wrong != "":
			add("%s", of.wrong)
		}
		if owner := v.ownerOf(of.label); owner != "" {
			add("is named like %s", owner)
		}
		if j, ok := first[of.label]; ok {
			add("has the label of tags[%d], %q: both are %s in Prometheus", j, v.Tags[j], of.label)
		} else {
			first[of.label] = a.tag
		}
	}
}

// labelsOfKeys knows the labels of those keys that have been seen: many instances have the same ones.
type labelsOfKeys map[string]labelOfKey

// labelOfKey is the label of a key.
type labelOfKey struct {
	label string
	wrong string // what is wrong with the key; empty for nothing
}

func (l labelsOfKeys) of(key string) labelOfKey {
	of, known := l[key]
	if known {
		return of
	}
	of.label = label(key)
	switch {
	case twoUnderscores.MatchString(key):
		of.wrong = "has a key that begins with two underscores, as Prometheus' own labels do"
	case notInLabel.FindString(key) == key:
		of.wrong = "has a key without a letter or digit of ASCII, of which no label can be made"
	}
	l[key] = of
	return of
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
	case label == "datadog_host_name" && v.EmptyDefaultHostname.or(false):
		return "the resource's datadog.host.name"
	}
	return ""
}

// otherLabels are those that a point has, or may have, of something else than an attribute.
var otherLabels = []string{"job", "service_name", "datadog_host_name", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}

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
