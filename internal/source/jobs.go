package source

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/dns"  // dns_sd_configs
	_ "github.com/prometheus/prometheus/discovery/file" // file_sd_configs
	_ "github.com/prometheus/prometheus/discovery/http" // http_sd_configs
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// job is a job of Prometheus' scrape_configs: the targets that it finds are checked, and nothing
// is scraped.
type job struct {
	place      string // scrape_configs[0]
	name       string
	discovery  discovery.Configs
	relabel    []*relabel.Config
	labels     map[string]string // that a target has unless it has them itself
	most       int               // targets; 0 for any number
	defaults   Instance
	hasService bool   // there is a default one, so the name of the job is none
	broken     bool   // what is written about it is wrong
	version    uint64 // differs from that of the job before, if there was one
}

// inJobs is the option that has the jobs.
const inJobs = "scrape_configs"

// Job is a job of Prometheus, whose targets are checked. It has one way to discover them at least:
// static_configs, dns_sd_configs, file_sd_configs or http_sd_configs, each as Prometheus has it, or
// another one that the distribution has for its Prometheus receiver.
//
// It says which options there are, and no value is in it: a job is decoded option by option.
type Job struct {
	// JobName names the job, and is the service of its targets where there is no other one. It is required.
	JobName string `mapstructure:"job_name"`
	// RelabelConfigs are rules that change the labels of each target, or leave it out, as Prometheus has
	// them. In the configuration of a collector, a $ is written $$.
	RelabelConfigs []map[string]any `mapstructure:"relabel_configs" is:"a list of rules"`
	// Params become labels for the rules: the first value of target is __param_target, and so on.
	Params map[string][]string `mapstructure:"params" is:"a mapping of lists"`
	// ScrapeInterval is min_collection_interval of its targets, such as 1m, in the units of Prometheus.
	ScrapeInterval model.Duration `mapstructure:"scrape_interval"`
	// ScrapeTimeout is the timeout of its targets, such as 10s, in the units of Prometheus.
	ScrapeTimeout model.Duration `mapstructure:"scrape_timeout"`
	// Defaults are any options of the instance that each target is.
	Defaults Instance `mapstructure:"defaults" is:"a mapping of the options of an instance" each:"an instance"`
	// MaxTargets is how many targets it may have: 1 or more. A list with more is not taken.
	MaxTargets *Integer `mapstructure:"max_targets" default:"any number"`
}

// jobOptions are those of a job that are not a way to discover targets.
var jobOptions = schemaOf(reflect.TypeFor[Job]()).names

// scrapeOptions are those of Prometheus that say how a target is scraped.
var scrapeOptions = []string{
	"always_scrape_classic_histograms", "authorization", "basic_auth", "body_size_limit", "convert_classic_histograms_to_nhcb", "enable_compression",
	"enable_http2", "extra_scrape_metrics", "fallback_scrape_protocol", "follow_redirects", "honor_labels", "honor_timestamps", "http_headers",
	"keep_dropped_targets", "label_limit", "label_name_length_limit", "label_value_length_limit", "metric_name_escaping_scheme",
	"metric_name_validation_scheme", "metric_relabel_configs", "metrics_path", "native_histogram_bucket_limit", "native_histogram_min_bucket_factor",
	"no_proxy", "oauth2", "proxy_connect_header", "proxy_from_environment", "proxy_url", "sample_limit", "scheme", "scrape_classic_histograms",
	"scrape_failure_log_file", "scrape_native_histograms", "scrape_protocols", "target_limit", "tls_config", "track_timestamps_staleness",
}

// IgnoredOfJob returns the options of Prometheus' jobs that have no effect, since nothing is scraped. Nobody
// changes them.
func IgnoredOfJob() []string { return scrapeOptions }

// discoveries returns the options that are ways to discover targets: those that are built in.
var discoveries = sync.OnceValue(func() []string {
	options := []string{discoveryOption(static)}
	for _, name := range discovery.RegisteredConfigNames() {
		if name != static {
			options = append(options, discoveryOption(name))
		}
	}
	return options
})

// static is Prometheus' name for the targets of the configuration itself.
const static = "static"

// discoveryOption returns the option that has a way to discover targets.
func discoveryOption(name string) string {
	if name == static {
		return "static_configs"
	}
	return name + "_sd_configs"
}

// decodeJobs decodes the jobs of ScrapeConfigs.
func (o *Options) decodeJobs() {
	o.jobs = make([]*job, len(o.ScrapeConfigs))
	for i, written := range o.ScrapeConfigs {
		o.jobs[i] = newJob(fmt.Sprintf("%s[%d]", inJobs, i))
		o.jobs[i].decode(&o.undecoded, written)
		o.jobs[i].defaults.inherit(&o.Defaults, inDefaults)
		o.jobs[i].hasService = o.serviceOf(&o.jobs[i].defaults) != ""
		o.sources = append(o.sources, o.jobs[i].found(0).sources()...)
	}
}

// newJob returns a job at a place of which nothing is known.
func newJob(place string) *job {
	return &job{place: place, labels: map[string]string{model.SchemeLabel: "http", model.MetricsPathLabel: "/metrics"}}
}

// found returns what the job has found before it has begun. Its list has a number among the
// outer ones.
func (j *job) found(number int) *found {
	var sources []string
	counts := make(map[string]int)
	for _, c := range j.discovery {
		option := discoveryOption(c.Name())
		sources = append(sources, fmt.Sprintf("%s.%s[%d]", j.place, option, counts[option]))
		counts[option]++
	}
	return newFound(outer{number: number, option: j.place, name: j.name, List: List{Defaults: j.defaults}}, j.most, sources...)
}

// decode decodes what is written, and adds what is wrong with it.
func (j *job) decode(p *Problems, written map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(written)) {
		place, value := j.place+"."+shown(key), written[key]
		switch {
		case slices.Contains(discoveries(), key):
			j.decodeDiscovery(p, place, key, value)
		case slices.Contains(jobOptions, key):
			j.decodeOption(p, place, key, value)
		case slices.Contains(scrapeOptions, key):
			p.addNote(place, inJobs+key, "it has no effect: nothing is scraped")
		default:
			p.Add(place, "unknown option; a job has %s", strings.Join(append(slices.Clone(jobOptions), discoveries()...), ", "))
		}
	}
	if j.name == "" {
		p.Add(j.place+".job_name", "there is none; every job needs a name")
	}
	if len(j.discovery) == 0 && !p.Within(j.place) {
		p.Add(j.place, "it has no way to discover targets; they are %s", strings.Join(discoveries(), ", "))
	}
}

// decodeDiscovery decodes a way to discover targets.
func (j *job) decodeDiscovery(p *Problems, place, key string, value any) {
	var found discovery.Configs
	if err := decodeYAML(map[string]any{key: value}, &found); err != nil {
		p.Add(place, "%v", err)
		return
	}
	j.discovery = append(j.discovery, found...)
}

// decodeOption decodes an option that is none.
func (j *job) decodeOption(p *Problems, place, key string, value any) {
	switch key {
	case "job_name":
		name, isText := value.(string)
		if !isText {
			p.Add(place, "%s is not a text; write it in quotes", quote(value))
		}
		p.checkControl(place, name)
		j.name, j.labels[model.JobLabel] = name, name
	case "relabel_configs":
		rules, isList := value.([]any)
		if !isList && value != nil {
			p.Add(place, "%s is not a list of rules", quote(value))
		}
		for i, rule := range rules {
			j.decodeRule(p, fmt.Sprintf("%s[%d]", place, i), rule)
		}
	case "params":
		var parameters map[string][]string
		if err := decodeYAML(value, &parameters); err != nil {
			p.Add(place, "%v", err)
		}
		for name, values := range parameters {
			if len(values) > 0 {
				j.labels[model.ParamLabelPrefix+name] = values[0]
			}
		}
	case "scrape_interval":
		j.labels[model.ScrapeIntervalLabel] = decodeDuration(p, place, value)
	case "scrape_timeout":
		j.labels[model.ScrapeTimeoutLabel] = decodeDuration(p, place, value)
	case "max_targets":
		var most Integer
		if err := most.UnmarshalMapstructure(value); err != nil {
			p.Add(place, "%v", err)
		} else {
			j.most = p.mostTargets(place, &most)
		}
	case "defaults":
		var inside Problems
		inside.decode(fileSchema(), inDefaults, value, &j.defaults)
		p.merge(j.place+".", inside)
	}
}

func (j *job) decodeRule(p *Problems, place string, value any) {
	rule := &relabel.Config{}
	err := decodeYAML(value, rule)
	if err == nil {
		err = rule.Validate(model.UTF8Validation)
	}
	if err != nil {
		p.Add(place, "%v", err)
		return
	}
	j.relabel = append(j.relabel, rule)
}

// decodeDuration returns a duration as Prometheus writes them.
func decodeDuration(p *Problems, place string, value any) string {
	text := fmt.Sprint(value)
	if d, err := model.ParseDuration(text); err != nil {
		p.Add(place, "%v", err)
	} else if d == 0 {
		p.Add(place, "0 is not more than 0")
	}
	return text
}

// durationOf returns a duration that is written as in Prometheus, where 1d is one, as Go writes it.
func durationOf(text string) string {
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d).String()
	}
	return text
}

// decodeYAML decodes a value as Prometheus would from YAML.
func decodeYAML(value, into any) error {
	text, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	err = decoder.Decode(into)
	var typeErrors *yaml.TypeError
	if errors.As(err, &typeErrors) {
		var lines []string
		for _, line := range typeErrors.Errors { // whose numbers are not those of the user's text
			lines = append(lines, goType.ReplaceAllString(lineNumber.ReplaceAllString(line, ""), ""))
		}
		return errors.New(strings.Join(lines, "; "))
	}
	if err != nil {
		return errors.New(lineNumber.ReplaceAllString(err.Error(), ""))
	}
	return nil
}

var (
	lineNumber = regexp.MustCompile(`^(yaml: )?line \d+: `)
	goType     = regexp.MustCompile(`( in type .*| into config\.plain)$`)
)

// fromTargets are the options of an instance that a target may have by a label __tcpcheck_OPTION:
// who writes targets may not be who runs the collector.
var fromTargets = []string{
	"name", "address_families", "ipv4_only", "multiple_ips", "timeout", "min_collection_interval", "service", "collect_response_time",
}

const (
	optionLabel = "__tcpcheck_"
	// minFoundInterval is the shortest interval that a target may have by itself.
	minFoundInterval = time.Second
)

// instance returns the instance that a discovered target is, or nil if the job's rules drop it.
// What is wrong with it is added at a place of its list.
func (j *job) instance(p *Problems, place string, target, group model.LabelSet, builder *labels.Builder, reserved func(key string) bool) *Instance {
	builder.Reset(labels.EmptyLabels())
	for name, value := range group {
		builder.Set(string(name), string(value))
	}
	for name, value := range target {
		builder.Set(string(name), string(value))
	}
	for name, value := range j.labels {
		if builder.Get(name) == "" {
			builder.Set(name, value)
		}
	}
	if !relabel.ProcessBuilder(builder, j.relabel...) {
		return nil
	}
	i, options := &Instance{}, make(map[string]any)
	address := builder.Get(model.AddressLabel)
	if probed := builder.Get(model.ParamLabelPrefix + "target"); probed != "" {
		address = probed // a job of the blackbox exporter, whose own address is the other one
	}
	if hasPort.MatchString(address) {
		i.Endpoint = address
	} else {
		i.Host = address
	}
	i.Name = address
	builder.Labels().Range(func(l labels.Label) {
		switch option, isOption := strings.CutPrefix(l.Name, optionLabel); {
		case isOption && slices.Contains(fromTargets, option):
			options[option] = l.Value
			if option == "address_families" {
				options[option] = strings.Split(l.Value, ",")
			}
		case isOption:
			p.Add(place+"."+optionLabel+shown(option), "a target may have no such option; it may have %s", strings.Join(fromTargets, ", "))
		case l.Name == model.ScrapeIntervalLabel: // it comes before the target's own option
			options["min_collection_interval"] = durationOf(l.Value)
		case l.Name == model.ScrapeTimeoutLabel:
			options["timeout"] = durationOf(l.Value)
		case l.Name == model.InstanceLabel:
			i.Name = l.Value
		case l.Name == model.JobLabel:
		case !strings.HasPrefix(l.Name, model.ReservedLabelPrefix):
			name := l.Name
			if reserved(name) {
				name = model.ExportedLabelPrefix + name // as Prometheus does it
			}
			i.Tags = append(i.Tags, name+":"+l.Value)
		}
	})
	if len(options) > 0 {
		p.decode(fileSchema(), place, options, i)
	}
	if d := i.MinCollectionInterval.or(minFoundInterval); d < minFoundInterval {
		p.Add(place+".min_collection_interval", "%v is shorter than %v, the shortest that a target may have by itself", d, minFoundInterval)
	}
	if i.Service == "" && !j.hasService {
		i.Service = builder.Get(model.JobLabel)
	}
	return i
}
