package scrape

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/target"
)

// unit is the indices of the targets whose points of a metric may be equal but
// for what they measured, because the user took away the attributes that would
// tell the targets apart. They have the same tags and resource.
type unit []int

// newPasses returns the passes that record all enabled metrics: one for those
// metrics whose attributes divide the targets into the same units. With the
// default attributes there is one pass, and each target is a unit.
func newPasses(set collector.Settings, config metadata.MetricsBuilderConfig, targets []target.Target) []pass {
	var divisions [][]unit
	divisionOf := make(map[string]int) // by metric
	for _, m := range metricsOf(&config.Metrics) {
		if !*m.enabled {
			continue
		}
		units := divide(targets, m.attributes)
		known := slices.IndexFunc(divisions, func(other []unit) bool { return slices.EqualFunc(units, other, slices.Equal) })
		if known < 0 {
			known = len(divisions)
			divisions = append(divisions, units)
		}
		divisionOf[m.name] = known
	}

	start := metadata.WithStartTime(pcommon.NewTimestampFromTime(time.Now()))
	passes := make([]pass, len(divisions))
	for i, units := range divisions {
		own := config
		for _, m := range metricsOf(&own.Metrics) {
			*m.enabled = *m.enabled && divisionOf[m.name] == i
		}
		passes[i] = pass{builder: metadata.NewMetricsBuilder(own, set, start), units: units}
	}
	return passes
}

// metric is what the configuration says about one metric.
type metric struct {
	name       string
	enabled    *bool
	attributes []string
}

func metricsOf(c *metadata.MetricsConfig) []metric {
	return []metric{
		{metadata.MetricsInfo.NetworkTCPCanConnect.Name, &c.NetworkTCPCanConnect.Enabled, toStrings(c.NetworkTCPCanConnect.EnabledAttributes)},
		{metadata.MetricsInfo.NetworkTCPErrors.Name, &c.NetworkTCPErrors.Enabled, toStrings(c.NetworkTCPErrors.EnabledAttributes)},
		{metadata.MetricsInfo.NetworkTCPResolveTime.Name, &c.NetworkTCPResolveTime.Enabled, toStrings(c.NetworkTCPResolveTime.EnabledAttributes)},
		{metadata.MetricsInfo.NetworkTCPResponseTime.Name, &c.NetworkTCPResponseTime.Enabled, toStrings(c.NetworkTCPResponseTime.EnabledAttributes)},
		{metadata.MetricsInfo.NetworkTCPSynRetransmits.Name, &c.NetworkTCPSynRetransmits.Enabled, toStrings(c.NetworkTCPSynRetransmits.EnabledAttributes)},
	}
}

func toStrings[K ~string](keys []K) []string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = string(key)
	}
	return texts
}

// divide returns the units of targets for a metric with these attributes.
func divide(targets []target.Target, attributes []string) []unit {
	var units []unit
	index := make(map[string]int)
	for i := range targets {
		key := seriesKey(&targets[i], attributes)
		u, ok := index[key]
		if !ok {
			u = len(units)
			index[key] = u
			units = append(units, nil)
		}
		units[u] = append(units[u], i)
	}
	return units
}

// seriesKey joins what the series of a metric with these attributes have that
// does not depend on what was measured.
func seriesKey(t *target.Target, attributes []string) string {
	parts := []string{t.Service, strconv.FormatBool(t.EmptyHostname)}
	for _, tag := range t.Tags {
		parts = append(parts, tag.Key, tag.Value)
	}
	for _, attribute := range attributes {
		switch attribute {
		case "tcpcheck.instance":
			parts = append(parts, t.Name)
		case "instance": // normalised on can_connect: names that differ may be equal
			parts = append(parts, normalizeTag(t.Name))
		case "server.address", "target_host":
			parts = append(parts, t.Host)
		case "server.port", "port":
			parts = append(parts, strconv.Itoa(int(t.Port)))
		case "url":
			parts = append(parts, t.HostPort())
		}
	}
	return strings.Join(parts, "\x00")
}
