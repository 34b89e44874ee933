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
// is and each say what a value, and each element of a list, has to be. The comment of a field and
// its tag default, which is a value or words, are what the schemas and docs/options.md say of it:
// names of fields become those of options there, and pages of docs become links.
type Options struct {
	// CollectionInterval is the time between two checks of an instance that has
	// no interval of its own: 100ms or more. Each instance has its own moment in it. See
	// docs/measurement.md#when-a-check-is-made.
	CollectionInterval *Duration `mapstructure:"collection_interval" default:"15s"`
	// InitialDelay is the time from the start to the first checks: 0 or more.
	InitialDelay *Duration `mapstructure:"initial_delay" default:"1s"`
	// FlushInterval is how often the results are handed over to the next component: more than 0.
	// A change of state does not wait for it. See docs/measurement.md#when-a-result-is-handed-over.
	FlushInterval *Duration `mapstructure:"flush_interval" default:"5s"`
	// K8sLeaderElector is the ID of an extension, contrib's k8s_leader_elector: of several collectors,
	// the one that it elects checks, and the others wait. Without it all of them check. See
	// docs/scaling.md#one-of-several.
	K8sLeaderElector string `mapstructure:"k8s_leader_elector"`
	// Status is the ID of an extension, tcpcheck_status, that shows what is known of the targets, on a page.
	// Without it nothing is kept for one. See docs/status.md.
	Status string `mapstructure:"status"`
	// PhaseSeed is any text. It moves the checks within the interval: collectors with different ones
	// check the same instance at different moments, and with the same one at the same moment.
	PhaseSeed string `mapstructure:"phase_seed" default:"the name of the machine and the ID of the receiver"`
	// MaxConcurrentChecks is how many addresses are dialled at the same time: 1 or more, and never
	// more than the default. A quarter of them is kept for instances that answered the last time.
	// Lookups have another eighth of the limit of open files.
	MaxConcurrentChecks *Integer `mapstructure:"max_concurrent_checks" default:"three eighths of the process's limit of open files"`
	// MaxIPCacheDuration is how long the addresses of a name are used at most by the
	// instances without an ip_cache_duration, and how long it may take until a
	// family that a name had no address in is asked for again: more than 0. Each instance has its
	// own moment in the second half of it.
	MaxIPCacheDuration *Duration `mapstructure:"max_ip_cache_duration" default:"5m"`
	// Quiet is the Quiet of every instance that has none of its own.
	Quiet Bool `mapstructure:"quiet" default:"false"`
	// AllowedAddresses are the only ones that are dialled, as prefixes or addresses. They are
	// judged once a name is resolved. See docs/lists.md#who-may-be-checked.
	AllowedAddresses Texts `mapstructure:"allowed_addresses" default:"all" is:"a list of prefixes" each:"a prefix of addresses, such as 10.0.0.0/8"`
	// DeniedAddresses are not dialled, also where they are among AllowedAddresses. See
	// docs/lists.md#who-may-be-checked.
	DeniedAddresses Texts `mapstructure:"denied_addresses" default:"none, or for targets that are discovered those of links and of the metadata of clouds" is:"a list of prefixes" each:"a prefix of addresses, such as 10.0.0.0/8"`
	// Service is service.name of the resource of every instance that has no service of its own.
	Service string `mapstructure:"service"`
	// Endpoint is the one port that is checked, as host:port or [IPv6]:port, with all else from
	// Defaults, and with this for a name if there is none. There may be no other list of instances
	// beside it: it is for receiver_creator, and what else starts a receiver for each port that it
	// finds.
	Endpoint string `mapstructure:"endpoint" is:"a text such as localhost:443"`
	// List has more of these, and the ports to check: at least one, here or in
	// InstancesFile.
	List `mapstructure:",squash"`
	// Targets are those of contrib's TCP check receiver: ports with nothing but a timeout. See
	// docs/migrating-from-contrib.md.
	Targets []Target `mapstructure:"targets" is:"a list of targets" each:"a target, which is a mapping of endpoint and dialer"`
	// InstancesFile is the path of a YAML file with more instances, such as that of tcp_check itself,
	// or a list of paths. Each file may have Defaults and an InitConfig of its own. A path may be a
	// pattern, such as conf.d/*.yaml, and a relative one starts at the collector's working directory.
	// The files are regular ones, of 64 MiB at most, and are taken as they are: ${env:...} means nothing there.
	// They are read when the configuration is, and again when they change, come or go (see
	// docs/lists.md). With thousands of instances the collector starts faster by it (see
	// docs/performance.md#what-a-user-waits-for).
	InstancesFile Texts `mapstructure:"instances_file" is:"the path of a file, or a list of paths" each:"the path of a file"`

	// ScrapeConfigs are jobs as Prometheus has them, which discover targets. These are
	// checked; nothing is scraped. A job for the blackbox exporter can be pasted. See
	// docs/lists.md#prometheus-service-discovery and docs/migrating-from-blackbox-exporter.md.
	ScrapeConfigs []map[string]any `mapstructure:"scrape_configs" is:"a list of jobs" each:"a job, which is a mapping of options"`

	// Observers have those endpoints checked that observers of the collector find, such as the
	// ports of this machine or the pods of Kubernetes. See docs/lists.md#observers.
	Observers []Observer `mapstructure:"observers" is:"a list of observers" each:"an observer, which is a mapping of options"`
	// TargetAllocator has that part of the targets of Prometheus' jobs checked which the
	// OpenTelemetry Operator's Target Allocator gives to this collector. See
	// docs/lists.md#target-allocator.
	TargetAllocator TargetAllocator `mapstructure:"target_allocator" is:"a mapping of options"`
	// CertificateFiles are the paths of files with certificates, or patterns of them such as
	// /etc/ssl/shop/*.crt: how long each lasts is reported, without a server that shows it. They
	// are read again when they change. There need be no instance beside it. See
	// docs/tls.md#certificates-in-files.
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
	// Defaults are any options of an instance, for all that do not have them themselves. Those of
	// the receiver are for its InstancesFile as well. See docs/lists.md#defaults.
	Defaults Instance `mapstructure:"defaults" is:"a mapping of the options of an instance" each:"an instance"`
	// Instances are the ports to check. They are required where nothing else is to be checked.
	Instances []Instance `mapstructure:"instances" is:"a list of instances" each:"an instance, which is a mapping of options"`

	discovered bool
}

// Target is a port to check, as contrib's TCP check receiver has it. Its endpoint is its name.
type Target struct {
	// Endpoint is host and port in one, as host:port or [IPv6]:port. It is required.
	Endpoint string `mapstructure:"endpoint" is:"a text such as localhost:443"`
	// Dialer says how it is dialled.
	Dialer Dialer `mapstructure:"dialer" is:"a mapping of options"`
}

// Dialer says how a target is dialled.
type Dialer struct {
	// Timeout is that of an instance.
	Timeout *Duration `mapstructure:"timeout" default:"10s"`
}

// InitConfig is the section of that name in a configuration of tcp_check.
type InitConfig struct {
	// Service is the same as Options.Service. One of the two is written.
	Service string `mapstructure:"service"`
}

// Instance is one port to check. Its options have the names and defaults of
// tcp_check's, and there are a few more.
type Instance struct {
	// Name identifies the instance in metrics and logs. It is required.
	Name string `mapstructure:"name"`
	// Host is a host name or an IP address, possibly with a zone; an IPv6 one with or without
	// brackets. It is required unless Endpoint is written.
	Host string `mapstructure:"host"`
	// Port is a TCP port, 1 to 65535. It is required unless Endpoint is written.
	Port *Integer `mapstructure:"port"`
	// Endpoint is host and port in one, as host:port or [IPv6]:port. It is required unless Host and
	// Port are written.
	Endpoint string `mapstructure:"endpoint" is:"a text such as localhost:443"`
	// Timeout bounds each name resolution and each connection attempt: more than 0. The default
	// gives way to a shorter interval, and to what Retry leaves of the interval, down to 1s. Where it
	// is longer than an interval that is written, the interval counts, and a line of the log says so.
	Timeout *Duration `mapstructure:"timeout" default:"10s"`
	// CollectResponseTime reports network.tcp.response_time.
	CollectResponseTime *Bool `mapstructure:"collect_response_time" default:"false"`
	// AddressFamilies are the families that have to connect, of ipv4 and ipv6. Automatic are those
	// that the name resolves to and in which this machine has an address that can reach it. See
	// docs/measurement.md#which-families.
	AddressFamilies Texts `mapstructure:"address_families" default:"automatic" is:"a list of address families" each:"an address family; they are ipv4 and ipv6"`
	// IPv4Only is short for AddressFamilies with ipv4 alone.
	IPv4Only *Bool `mapstructure:"ipv4_only" default:"false"`
	// MultipleIPs checks every address of each family, not only the first.
	MultipleIPs *Bool `mapstructure:"multiple_ips" default:"false"`
	// SourceAddress is the address from which connections are made, or one for each family. Where
	// it is one alone, its family is the only one that is checked, and has to connect. See
	// docs/outgoing.md.
	SourceAddress Texts `mapstructure:"source_address" default:"the system's choice" is:"an IP address, or one of each family" each:"an IP address"`
	// Interface is the name of the interface over which connections leave, whatever the routes over
	// others say. Only Linux has that. See docs/outgoing.md.
	Interface string `mapstructure:"interface" default:"the routes' choice"`
	// DSCP is the differentiated services code point (RFC 2474) of what is sent: 0 to 63. Only Linux
	// has that. See docs/outgoing.md.
	DSCP *Integer `mapstructure:"dscp" default:"0"`
	// Quiet leaves no trace: the connection is reset before the server accepts it, so there is no
	// line in its log, and little in connection tracking. Only Linux can. See docs/quiet.md.
	Quiet *Bool `mapstructure:"quiet" default:"that of the receiver"`
	// TLS makes a TLS handshake with every address of the name as well, at an interval of its own,
	// and verifies the certificate. It is not possible with Quiet. See docs/tls.md.
	TLS *TLS `mapstructure:"tls" is:"a mapping of options"`
	// Steps are what is said to the service of every address of the name once the connection is made,
	// and what it is to answer, one step after the other. They are not possible with Quiet. See
	// docs/dialogues.md.
	Steps []Step `mapstructure:"steps" is:"a list of steps" each:"a step, which is a mapping of expect, send or starttls"`
	// StepsInterval is the time between two dialogues with each address: 1s or more. With TLS it
	// is TLS.Interval, and is not written.
	StepsInterval *Duration `mapstructure:"steps_interval" default:"1m"`
	// Retry has a failed check repeated before the target is said to be down. All attempts, each
	// with its Timeout, have to fit into the interval. See docs/measurement.md#when-a-failure-counts.
	Retry Retry `mapstructure:"retry" is:"a mapping of attempts and interval"`
	// RecheckInterval is the time between two checks while an address is down: 1s or more,
	// and less than the interval.
	RecheckInterval *Duration `mapstructure:"recheck_interval" default:"the interval"`
	// IPCacheDuration is how long resolved addresses are used: 0 resolves at every check. Unset,
	// they are used until one fails to connect, but not longer than Options.MaxIPCacheDuration.
	IPCacheDuration *Duration `mapstructure:"ip_cache_duration" default:"until an error"`
	// Resolver says which name servers resolve Host. Nobody else is asked, not even the hosts file:
	// it is for names that other servers know otherwise, or not at all. See
	// docs/measurement.md#name-servers-of-ones-own.
	Resolver Resolver `mapstructure:"resolver" is:"a mapping of servers"`
	// Tags are attributes on every point, each as key:value. A tag without a value, such as `prod`,
	// has the value `true`, and the second value of a key has a number at it, as in team_2. No two keys
	// may be the same label in Prometheus, as `team-a` and `team.a` are, nor one be a label of the
	// receiver, the resource or the exporter: its page would be without the instance.
	Tags Texts `mapstructure:"tags" is:"a list of tags" each:"a tag; write key:value, without a space or in quotes"`
	// Service becomes service.name of the resource.
	Service string `mapstructure:"service" default:"that of the receiver"`
	// MinCollectionInterval is the time between two checks: 100ms or more. Where the receiver has
	// none either, and Timeout is longer than 15s, it is Timeout.
	MinCollectionInterval *Duration `mapstructure:"min_collection_interval" default:"collection_interval of the receiver"`
	// EmptyDefaultHostname makes the Datadog exporter send the points without a host.
	EmptyDefaultHostname *Bool `mapstructure:"empty_default_hostname" default:"false"`
	// MetricPatterns select the metrics of this instance by name.
	MetricPatterns MetricPatterns `mapstructure:"metric_patterns" default:"all metrics" is:"a mapping of include and exclude"`

	origin origin
}

// Retry says how a failed check is repeated.
type Retry struct {
	// Attempts is how often it is repeated: 1 to 100. It is required.
	Attempts *Integer `mapstructure:"attempts"`
	// Interval is the time from a failure to the next attempt: 100ms or more.
	Interval *Duration `mapstructure:"interval" default:"1s"`
}

// Resolver says by whom a name is resolved.
type Resolver struct {
	// Servers are name servers, each as an IP address or as address:port, 1 to 3 of them: the
	// next one is asked where one does not answer. The default port is 53.
	Servers Texts `mapstructure:"servers" default:"those of this machine" is:"a list of name servers" each:"a name server, such as 10.0.0.53 or [2001:db8::53]:5353"`
}

// MetricPatterns are regular expressions (RE2, https://github.com/google/re2/wiki/Syntax) that match
// anywhere in the name of a metric.
type MetricPatterns struct {
	// Include are those of the metrics that are reported.
	Include Texts `mapstructure:"include" default:"all metrics" is:"a list of regular expressions" each:"a regular expression; write it in quotes"`
	// Exclude are those of the metrics that are not, also where one of Include matches.
	Exclude Texts `mapstructure:"exclude" is:"a list of regular expressions" each:"a regular expression; write it in quotes"`
}
