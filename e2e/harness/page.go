package harness

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Page is what a Prometheus page has.
type Page []Sample

// Sample is a value of a gauge or a counter.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
	At     time.Time // 1970 where the page does not say
}

// ReadPage reads the page at an address.
func ReadPage(address string) (Page, error) {
	return readPage(&http.Client{Timeout: Patience}, address)
}

func readPage(client *http.Client, address string) (Page, error) {
	response, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	var page Page
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + metric.GetUntyped().GetValue() // all but one are nil
			page = append(page, Sample{name, labels, value, time.UnixMilli(metric.GetTimestampMs())})
		}
	}
	return page, nil
}

// Of returns the samples of a name.
func (p Page) Of(name string) Page {
	return slices.DeleteFunc(slices.Clone(p), func(s Sample) bool { return s.Name != name })
}

// Values returns the values of a name by their labels, as in "{label=value ...}".
func (p Page) Values(name string) map[string]float64 {
	values := make(map[string]float64)
	for _, s := range p.Of(name) {
		var labels []string
		for _, label := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, label+"="+s.Labels[label])
		}
		values["{"+strings.Join(labels, " ")+"}"] = s.Value
	}
	return values
}

// Newest returns the time of the newest sample.
func (p Page) Newest() time.Time {
	var newest time.Time
	for _, s := range p {
		if s.At.After(newest) {
			newest = s.At
		}
	}
	return newest
}
