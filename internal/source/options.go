// Package source says where targets come from: the options that a user may write
// about them, in the collector's configuration or in a file, and all that can be
// wrong with these, with its place.
package source

import (
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// The defaults of the durations that a user may leave out, and the shortest interval.
const (
	defaultInterval      = 15 * time.Second
	defaultInitialDelay  = time.Second
	defaultFlushInterval = 5 * time.Second
	defaultTimeout       = 10 * time.Second
	defaultMaxIPCache    = 5 * time.Minute
	defaultRetryInterval = time.Second
	minDefaultTimeout    = time.Second            // that the default may give way to
	minInterval          = 100 * time.Millisecond // below it, checks are load and no news
	minRecheckInterval   = time.Second
	minFileInterval      = time.Second
	maxAttempts          = 100
)

// Options are what a user may write about targets. Pointers are nil where the user
// wrote nothing.
//
// The fields of this struct and of those below it are the list of options: their order
// is that of messages, their names are in the message about an unknown one, and the tags
// is and each say what a value, and each element of a list, has to be.
type Options struct {
	// CollectionInterval is the time between two checks of an instance that has
	// no interval of its own: 100ms or more, default 15s.
	CollectionInterval *Duration `mapstructure:"collection_interval"`
	// InitialDelay is the time from the start to the first checks: 0 or more, default 1s.
	InitialDelay *Duration `mapstructure:"initial_delay"`
	// FlushInterval is how often the results are handed over to the next component, but
	// for changes of state, which do not wait: more than 0, default 5s.
	FlushInterval *Duration `mapstructure:"flush_interval"`
	// K8sLeaderElector is the ID of an extension, contrib's k8s_leader_elector, by which one of
	// several collectors checks, and the others wait. By default all of them check.
	K8sLeaderElector string `mapstructure:"k8s_leader_elector"`
	// PhaseSeed is any text: agents with different ones check the same target at different
	// moments of its interval. By default it is the name of the machine and the ID of
	// the receiver.
	PhaseSeed string `mapstructure:"phase_seed"`
	// MaxConcurrentChecks is how many addresses are dialled at the same time: 1 or
	// more. By default they are as many as three eighths of the process's limit of open
	// files, which hold in any case.
	MaxConcurrentChecks *Integer `mapstructure:"max_concurrent_checks"`
	// MaxIPCacheDuration bounds how long the addresses of a name are used by the
	// instances without an ip_cache_duration, and is how long it may take until a
	// family that a name had no address in is asked for again: more than 0, default
	// 5m. Each instance has its own moment in the second half of it.
	MaxIPCacheDuration *Duration `mapstructure:"max_ip_cache_duration"`
	// Quiet is the Quiet of every instance that has none of its own.
	Quiet Bool `mapstructure:"quiet"`
	// AllowedAddresses are the only ones that are dialled, if there are any, as prefixes or
	// addresses. They are judged once a name is resolved.
	AllowedAddresses Texts `mapstructure:"allowed_addresses" is:"a list of prefixes" each:"a prefix of addresses, such as 10.0.0.0/8"`
	// DeniedAddresses are not dialled. By default they are those of links and of the metadata
	// of clouds, for targets that are discovered.
	DeniedAddresses Texts `mapstructure:"denied_addresses" is:"a list of prefixes" each:"a prefix of addresses, such as 10.0.0.0/8"`
	// Service is the service of every instance that has none of its own.
	Service string `mapstructure:"service"`
	// Endpoint is that of an instance which has all else from Defaults, and this for a name
	// if there is none. There may be no other instance beside it, nor a source of some: it is
	// for those who start a receiver for each port that they find.
	Endpoint string `mapstructure:"endpoint" is:"a text such as localhost:443"`
	// List has more of these, and the ports to check: at least one, here or in
	// InstancesFile.
	List `mapstructure:",squash"`
	// Targets are those of contrib's TCP check receiver: ports with nothing but a timeout.
	Targets []Target `mapstructure:"targets" is:"a list of targets" each:"a target, which is a mapping of endpoint and dialer"`
	// InstancesFile has the paths of YAML files with more instances, each perhaps with an
	// init_config and defaults of its own. A path may be a pattern, as filepath.Match has
	// them, of files that may come and go. The files are read when the configuration is,
	// and again when they change.
	InstancesFile Texts `mapstructure:"instances_file" is:"the path of a file, or a list of paths" each:"the path of a file"`

	// ScrapeConfigs are jobs as Prometheus has them, which discover targets. These are
	// checked; nothing is scraped.
	ScrapeConfigs []map[string]any `mapstructure:"scrape_configs" is:"a list of jobs" each:"a job, which is a mapping of options"`

	// Observers have those endpoints checked that observers of the collector find.
	Observers []Observer `mapstructure:"observers" is:"a list of observers" each:"an observer, which is a mapping of options"`
	// TargetAllocator has that part of the targets checked which an OpenTelemetry Operator's
	// Target Allocator gives to this collector.
	TargetAllocator TargetAllocator `mapstructure:"target_allocator" is:"a mapping of options"`
	// CertificateFiles are the paths of files with certificates, or patterns of them, as
	// filepath.Match has them. They are read again when they change.
	CertificateFiles Texts `mapstructure:"certificate_files" is:"the path of a file, or a list of paths" each:"the path of a file"`

	// undecoded is what Decode could not decode, and schema that of all options of the
	// receiver.
	undecoded Problems
	schema    *schema
	// outer are the lists from outside of the configuration, as they are now.
	outer []*outer
	own   []*Entry // those of Instances, as Check has judged them
	valid bool     // Instances were, so that own stays
	files []*file  // that were read first
	// compared is what compare has found since Check. It is nil before.
	compared *comparison
	// listed is the list that Targets are, and is nil if there are none.
	listed *outer
	jobs   []*job
	// observed are Observers, with what they mean.
	observed []*observed
	// allocator is TargetAllocator, with what it means. It is nil if there is none.
	allocator *allocator
	// sources say of which of them an older list is here.
	sources []check.Source
}

// List is what a configuration file of tcp_check has.
type List struct {
	// InitConfig is tcp_check's place for Options.Service.
	InitConfig InitConfig `mapstructure:"init_config" is:"a mapping of options"`
	// Defaults has the options of every instance that does not have them itself. Those of
	// the receiver are for its InstancesFile as well.
	Defaults Instance `mapstructure:"defaults" is:"a mapping of the options of an instance" each:"an instance"`
	// Instances are ports to check.
	Instances []Instance `mapstructure:"instances" is:"a list of instances" each:"an instance, which is a mapping of options"`

	discovered bool
}

// Target is a port to check, as contrib's TCP check receiver has it. The endpoint is its name.
type Target struct {
	// Endpoint is host and port in one, as host:port or [IPv6]:port. It is required.
	Endpoint string `mapstructure:"endpoint" is:"a text such as localhost:443"`
	// Dialer says how it is dialled.
	Dialer Dialer `mapstructure:"dialer" is:"a mapping of options"`
}

// Dialer has the options of a Target that say how it is dialled.
type Dialer struct {
	// Timeout is that of an Instance.
	Timeout *Duration `mapstructure:"timeout"`
}

// InitConfig is the section of that name in a configuration of tcp_check.
type InitConfig struct {
	// Service is the same as Options.Service.
	Service string `mapstructure:"service"`
}

// Instance is one port to check. Its options have the names and defaults of
// tcp_check's, and a few more.
type Instance struct {
	// Name identifies the instance in metrics and logs. It is required.
	Name string `mapstructure:"name"`
	// Host is a host name or an IP address, with or without brackets if it is an
	// IPv6 one. It is required unless Endpoint is set.
	Host string `mapstructure:"host"`
	// Port is a TCP port, 1 to 65535. It is required unless Endpoint is set.
	Port *Integer `mapstructure:"port"`
	// Endpoint is host and port in one, as host:port or [IPv6]:port.
	Endpoint string `mapstructure:"endpoint" is:"a text such as localhost:443"`
	// Timeout bounds each name resolution and each connection attempt: more than
	// 0, default 10s, or the interval where that is shorter, or what Retry leaves of it.
	Timeout *Duration `mapstructure:"timeout"`
	// CollectResponseTime reports network.tcp.response_time.
	CollectResponseTime *Bool `mapstructure:"collect_response_time"`
	// AddressFamilies are the families that must connect, of ipv4 and ipv6. By
	// default they are those that the name resolves to and that this machine has
	// an address for.
	AddressFamilies Texts `mapstructure:"address_families" is:"a list of address families" each:"an address family; they are ipv4 and ipv6"`
	// IPv4Only is short for AddressFamilies [ipv4].
	IPv4Only *Bool `mapstructure:"ipv4_only"`
	// MultipleIPs checks every address of each family, not only the first.
	MultipleIPs *Bool `mapstructure:"multiple_ips"`
	// SourceAddress is the address from which connections are made, or one for each family. Where
	// it is one alone, its family is the only one that is checked, and is required.
	SourceAddress Texts `mapstructure:"source_address" is:"an IP address, or one of each family" each:"an IP address"`
	// Interface is the name of the interface over which connections leave. Only Linux has that.
	Interface string `mapstructure:"interface"`
	// DSCP is the differentiated services code point of what is sent: 0 to 63, default 0. Only
	// Linux has that.
	DSCP *Integer `mapstructure:"dscp"`
	// Quiet resets the connection before the server accepts it, so that the check leaves no
	// trace there. Only Linux can.
	Quiet *Bool `mapstructure:"quiet"`
	// TLS has the certificates of every address checked as well.
	TLS *TLS `mapstructure:"tls" is:"a mapping of options"`
	// Steps are what is said to the service once the connection is made, and what it is to answer.
	Steps []Step `mapstructure:"steps" is:"a list of steps" each:"a step, which is a mapping of expect, send or starttls"`
	// StepsInterval is the time between two dialogues with each address: 1s or more, default 1m. With TLS it
	// is TLS.Interval.
	StepsInterval *Duration `mapstructure:"steps_interval"`
	// Retry has a failed check repeated before the target is said to be down.
	Retry Retry `mapstructure:"retry" is:"a mapping of attempts and interval"`
	// RecheckInterval is the time between two checks while an address is down: 1s or more,
	// and less than the interval. By default it is the interval.
	RecheckInterval *Duration `mapstructure:"recheck_interval"`
	// IPCacheDuration is how long resolved addresses are used: 0 resolves at
	// every check; unset, they are used until one fails to connect, but not longer
	// than Options.MaxIPCacheDuration.
	IPCacheDuration *Duration `mapstructure:"ip_cache_duration"`
	// Resolver has the name servers that resolve Host, in place of those of this system.
	Resolver Resolver `mapstructure:"resolver" is:"a mapping of servers"`
	// Tags are attributes on every point, each as key:value.
	Tags Texts `mapstructure:"tags" is:"a list of tags" each:"a tag; write key:value, without a space or in quotes"`
	// Service becomes service.name of the resource.
	Service string `mapstructure:"service"`
	// MinCollectionInterval is the time between two checks: 100ms or more, default
	// Options.CollectionInterval. Where neither is set and Timeout is longer than
	// the default interval, it is Timeout.
	MinCollectionInterval *Duration `mapstructure:"min_collection_interval"`
	// EmptyDefaultHostname makes the Datadog exporter send the points without a host.
	EmptyDefaultHostname *Bool `mapstructure:"empty_default_hostname"`
	// MetricPatterns select the metrics of this instance by name.
	MetricPatterns MetricPatterns `mapstructure:"metric_patterns" is:"a mapping of include and exclude"`

	origin origin
}

// Retry says how a failed check is repeated.
type Retry struct {
	// Attempts is how often it is repeated: 1 to 100. It is required.
	Attempts *Integer `mapstructure:"attempts"`
	// Interval is the time from a failure to the next attempt: 100ms or more, default 1s.
	Interval *Duration `mapstructure:"interval"`
}

// Resolver says by whom a name is resolved.
type Resolver struct {
	// Servers are name servers, each as an IP address or as address:port, 1 to 3 of them: the
	// next one is asked where one does not answer. The default port is 53.
	Servers Texts `mapstructure:"servers" is:"a list of name servers" each:"a name server, such as 10.0.0.53 or [2001:db8::53]:5353"`
}

// MetricPatterns are regular expressions (RE2) that match anywhere in the name of a metric.
// It is reported if one of Include matches, or there is none, and none of Exclude does.
type MetricPatterns struct {
	Include Texts `mapstructure:"include" is:"a list of regular expressions" each:"a regular expression; write it in quotes"`
	Exclude Texts `mapstructure:"exclude" is:"a list of regular expressions" each:"a regular expression; write it in quotes"`
}
