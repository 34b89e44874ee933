package factory

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/receiver"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/source"
)

// Config is what a user may write below the receiver's name.
type Config struct {
	// Options say what is checked, and when.
	Options source.Options `mapstructure:",squash"`

	// Metrics says which metrics there are and with which attributes.
	Metrics metadata.MetricsConfig `mapstructure:"metrics" default:"those of documentation.md" is:"a mapping of metrics"`
	// Events says which events a pipeline of logs is given.
	Events metadata.EventsConfig `mapstructure:"events" default:"those of documentation.md" is:"a mapping of events"`
	// ResourceAttributes says which attributes the resource has.
	ResourceAttributes metadata.ResourceAttributesConfig `mapstructure:"resource_attributes" default:"those of documentation.md" is:"a mapping of attributes"`
}

func createDefaultConfig() component.Config {
	c := &Config{Metrics: metadata.DefaultMetricsConfig(), Events: metadata.DefaultEventsConfig(), ResourceAttributes: metadata.DefaultResourceAttributesConfig()}
	// What becomes of the points of an instance that are equal once the user has taken
	// attributes away: it connects if every address does, and is as slow as the slowest.
	c.Metrics.NetworkTCPCanConnect.AggregationStrategy = metadata.AggregationStrategyMin
	c.Metrics.NetworkTCPResponseTime.AggregationStrategy = metadata.AggregationStrategyMax
	c.Metrics.TcpcheckDialogDuration.AggregationStrategy = metadata.AggregationStrategyMax
	c.Metrics.TcpcheckDialogOk.AggregationStrategy = metadata.AggregationStrategyMin
	c.Metrics.TcpcheckDNSLookupDuration.AggregationStrategy = metadata.AggregationStrategyMax
	c.Metrics.TcpcheckMachineOutage.AggregationStrategy = metadata.AggregationStrategyMax
	c.Metrics.TcpcheckSynRetransmits.AggregationStrategy = metadata.AggregationStrategySum
	c.Metrics.TcpcheckTLSCertificateTimeLeft.AggregationStrategy = metadata.AggregationStrategyMin
	c.Metrics.TcpcheckTLSCertificateChainTimeLeft.AggregationStrategy = metadata.AggregationStrategyMin
	c.Metrics.TcpcheckTLSCertificates.AggregationStrategy = metadata.AggregationStrategyMax
	c.Metrics.TcpcheckTLSHandshakeDuration.AggregationStrategy = metadata.AggregationStrategyMax
	c.Metrics.TcpcheckTLSVerified.AggregationStrategy = metadata.AggregationStrategyMin
	c.Metrics.TcpcheckFamilyOmitted.AggregationStrategy = metadata.AggregationStrategySum
	return c
}

// Unmarshal decodes what the user wrote, and reads InstancesFile. What is wrong is for
// Validate to report. It returns that report itself only where the receiver is given an
// endpoint: decoding one alone is how receiver_creator learns whether it is to add one.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	c.Options.Decode(conf, c)
	if conf.IsSet("endpoint") {
		return confmap.Validate(c)
	}
	return nil
}

// Validate returns an error that has a line for each thing that is wrong, with
// its place and its value, or nil.
func (c *Config) Validate() error {
	problems := c.Options.Check(attributes())
	checkSum(problems, metadata.MetricsInfo.TcpcheckChecks.Name, c.Metrics.TcpcheckChecks.AggregationStrategy)
	checkSum(problems, metadata.MetricsInfo.TcpcheckErrors.Name, c.Metrics.TcpcheckErrors.AggregationStrategy)
	// Where the attributes are wrong, nothing can be said about what they tell apart.
	if !problems.Within("metrics") && !problems.Within("resource_attributes") && confmap.Validate(&c.Metrics) == nil {
		c.addClashes(&c.Options, problems)
		c.checkPath(problems)
	}
	return c.Options.Err(problems)
}

// checkSum adds a problem if a sum that only rises would fall: where it is averaged, or is the
// least or greatest of several. Of a word that is no strategy, the generated section says
// that it is wrong.
func checkSum(problems *source.Problems, metric, strategy string) {
	if slices.Contains([]string{metadata.AggregationStrategyAvg, metadata.AggregationStrategyMin, metadata.AggregationStrategyMax}, strategy) {
		problems.Add("metrics."+metric+".aggregation_strategy", "%q makes a sum fall that only rises; write sum, or leave the option out", strategy)
	}
}

// checkPath adds a problem for each metric in which nothing would tell the files with certificates apart.
func (c *Config) checkPath(problems *source.Problems) {
	if len(c.Options.CertificateFiles) == 0 {
		return
	}
	metrics := c.metrics()
	for _, name := range report.WithoutPath(&metrics) {
		problems.Add("metrics."+name+".attributes", "nothing would tell the certificate_files apart; enable the attribute file.path")
	}
}

// addClashes adds a problem for each instance of options that nothing would tell from another
// one.
func (c *Config) addClashes(options *source.Options, problems *source.Problems) {
	metrics := c.metrics()
	identified := options.Identified
	if report.ShowKeys(&metrics) {
		identified = options.IdentifiedAlike
	}
	var entries []*source.Entry
	var targets []*check.Target
	for e := range identified(problems) {
		entries, targets = append(entries, e), append(targets, e.Target)
	}
	for _, clash := range report.Clashes(&metrics, targets) {
		other, place, first := targets[clash.First], entries[clash.Second].Place(), options.Place(entries[clash.First].Place())
		if len(clash.Enable) == 0 {
			problems.Add(place, "it has the name, target, service and tags of %s (%s), so nothing would tell them apart",
				first, other.HostPort())
		} else {
			problems.Add(place, "nothing would tell its %s from that of %s (%s); enable the attribute %s",
				clash.Metric, first, other.HostPort(), strings.Join(clash.Enable, " or "))
		}
	}
}

// attributes returns those of all metrics.
func attributes() []string {
	var names []string
	for metrics, i := reflect.ValueOf(metadata.MetricsInfo), 0; i < metrics.NumField(); i++ {
		names = append(names, metrics.Field(i).FieldByName("Attributes").Interface().([]string)...)
	}
	return names
}

func (c *Config) metrics() metadata.MetricsBuilderConfig {
	return metadata.MetricsBuilderConfig{Metrics: c.Metrics, ResourceAttributes: c.ResourceAttributes}
}

// settings returns what a valid Config asks for, with every default applied.
func (c *Config) settings() receiver.Settings {
	settings := receiver.Settings{
		InitialDelay: c.Options.Delay(), FlushInterval: c.Options.Flush(), PhaseSeed: c.Options.PhaseSeed, Elector: c.Options.K8sLeaderElector, Status: c.Options.Status,
		List: c.Options.ToCheck(&source.Problems{}), CertificateFiles: c.Options.CertificateFiles, CertificateInterval: c.Options.FileInterval(), Metrics: c.metrics(), Events: c.Events,
	}
	if limit := c.Options.MaxConcurrentChecks; limit != nil {
		settings.MaxConcurrentChecks = int(*limit)
	}
	if c.Options.Changes() {
		settings.Watch, settings.Bind = c.watch, c.Options.Bind
	}
	return settings
}

// watch calls changed with each new list that the sources have, until ctx ends.
func (c *Config) watch(ctx context.Context, changed func(check.List)) {
	attributes := attributes()
	c.Options.Watch(ctx, attributes, func(options *source.Options) { changed(c.listOf(options, attributes)) })
}

// listOf returns the list that the sources have now, which options have.
func (c *Config) listOf(options *source.Options, attributes []string) check.List {
	problems := options.Check(attributes)
	c.addClashes(options, problems)
	return options.ToCheck(problems)
}

// Once returns the list of a valid Config when each of its sources has said what it has, or when
// ctx ends. Observers are not asked, since they are extensions of a collector.
func Once(ctx context.Context, c *Config) check.List {
	attributes := attributes()
	return c.listOf(c.Options.Once(ctx, attributes), attributes)
}
