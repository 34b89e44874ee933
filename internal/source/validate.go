package source

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"example.com/tcpcheckreceiver/internal/check"
)

// Check returns all that is wrong with the options. A tag is compared with the
// attributes of all metrics.
func (o *Options) Check(attributes []string) *Problems {
	p := &Problems{texts: maps.Clone(o.undecoded.texts)} // and no notes, which are Warnings
	p.checkDuration("collection_interval", o.CollectionInterval, minInterval)
	p.checkDuration("initial_delay", o.InitialDelay, 0)
	p.checkDuration("flush_interval", o.FlushInterval, 1)
	p.checkDuration("max_ip_cache_duration", o.MaxIPCacheDuration, 1)
	if limit := o.MaxConcurrentChecks; limit != nil && *limit < 1 {
		p.Add("max_concurrent_checks", "%d is less than 1; leave the option out for as many as the limit of open files allows", *limit)
	}
	p.checkQuiet("quiet", o.Quiet, runtime.GOOS)
	p.checkPrefixes("allowed_addresses", o.AllowedAddresses)
	p.checkPrefixes("denied_addresses", o.DeniedAddresses)
	p.checkControl("phase_seed", o.PhaseSeed)
	p.checkControl("service", o.Service)
	p.checkControl("init_config.service", o.InitConfig.Service)
	if o.Service != "" && o.InitConfig.Service != "" {
		p.Add("init_config.service", "%q is written as service already, as %q; write one of them", o.InitConfig.Service, o.Service)
	}
	labels := labelsOf(attributes)
	for _, list := range o.outer {
		list.judge(o, labels)
		p.merge("", list.wrong)
		for _, e := range list.entries {
			if e.wrong != nil {
				p.merge("", *e.wrong)
			}
		}
	}
	if !o.valid {
		o.own = o.judge(labels, nil).instances(o.Instances, p)
	}
	o.compared, p.notes = nil, nil
	p.checkPaths("instances_file", o.InstancesFile, len(o.InstancesFile) == 1)
	p.checkPaths("certificate_files", o.CertificateFiles, false)
	for i, path := range o.CertificateFiles {
		if strings.Contains(path, "**") {
			p.Add(fmt.Sprintf("certificate_files[%d]", i), "%q has **, which would be no more than *; write a * for each level of directories", path)
		}
	}
	switch {
	case o.schema == nil && (len(o.InstancesFile) > 0 || !reflect.ValueOf(o.Defaults).IsZero()):
		p.Add("instances_file", "it has not been read, nor have the defaults been; that is for Unmarshal to do")
	case o.count() == 0 && !o.mayFind() && len(o.CertificateFiles) == 0 && !p.Within("certificate_files") && !p.Within("instances_file") && !p.Within(inJobs) && !p.Within(inObservers) && !p.has("endpoint") && !o.isUnread(p):
		p.Add("instances", "there are none, so there is nothing to check")
	}
	known := make(labelsOfKeys)
	validateDefaults := func(place string, defaults *Instance) {
		v := instanceValidator{Instance: defaults, problems: p, place: place, service: defaults.Service, attributes: labels, labels: known}
		v.validateDefaults()
	}
	for prefix, list := range o.lists() {
		validateDefaults(prefix+inDefaults, &list.Defaults)
	}
	for _, j := range o.jobs {
		validateDefaults(j.place+"."+inDefaults, &j.defaults)
	}
	if o.allocator != nil {
		validateDefaults(inAllocator+"."+inDefaults, &o.allocator.defaults)
	}
	return p
}

// checkPaths adds a problem for each path that cannot be one, or a pattern of some. One that is empty may be
// allowed.
func (p *Problems) checkPaths(option string, paths []string, empty bool) {
	for i, path := range paths {
		place := fmt.Sprintf("%s[%d]", option, i)
		if _, err := filepath.Match(path, ""); err != nil {
			p.Add(place, "%q is not a pattern of paths", path)
		} else if path == "" && !empty {
			p.Add(place, "there is no path")
		}
	}
}

// labelsOf returns the labels that Prometheus makes of attributes, each with its attribute.
func labelsOf(attributes []string) map[string]string {
	labels := make(map[string]string, len(attributes))
	for _, attribute := range attributes {
		labels[label(attribute)] = attribute
	}
	return labels
}

// isUnread reports whether it is not known which instances there are in a file.
func (o *Options) isUnread(p *Problems) bool {
	for prefix, list := range o.lists() {
		if list != &o.List && p.has(prefix+inInstances) {
			return true
		}
	}
	return false
}

// checkDuration adds a problem if there is a duration and it is less than the least.
func (p *Problems) checkDuration(place string, d *Duration, least time.Duration) {
	switch duration := d.or(least); {
	case duration < 0 && least == 0:
		p.Add(place, "%v is less than 0", duration)
	case duration <= 0 && least > 0:
		p.Add(place, "%v is not more than 0", duration)
	case duration < least:
		p.Add(place, "%v is shorter than %v", duration, least)
	}
}

func (p *Problems) checkControl(place, text string) {
	if hasControl(text) {
		p.Add(place, "%q has a control character in it", text)
	}
}

// checkQuiet adds a problem if checks are to be quiet on a system that has none.
func (p *Problems) checkQuiet(place string, quiet Bool, system string) {
	if quiet && system != "linux" {
		p.Add(place, "true is for Linux alone, and this is %s: its checks cannot be quiet", system)
	}
}

// hasControl reports whether a text has a character that would break a line of the log,
// or hide in it.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// instanceValidator finds what is wrong with one instance.
type instanceValidator struct {
	*Instance
	problems   *Problems
	place      string
	service    string            // its own, or that of all
	attributes map[string]string // of all metrics, by the label that Prometheus makes of them
	labels     labelsOfKeys
	// interval and timeout are those that count.
	interval, timeout time.Duration
}

// at returns where an option of the instance is written.
func (v *instanceValidator) at(option string) string { return v.placeOf(v.place, option) }

// add adds a problem with an option of the instance, or with an element such as tags[0].
func (v *instanceValidator) add(option, format string, args ...any) {
	v.problems.Add(v.at(option), format, args...)
}

// addTogether adds a problem with an option that is only wrong beside others. It is the
// instance's own if one of them is.
func (v *instanceValidator) addTogether(option string, others []string, format string, args ...any) {
	place := v.at(option)
	if slices.ContainsFunc(others, v.has) {
		place = v.place + "." + option
	}
	v.problems.Add(place, format, args...)
}

func (v *instanceValidator) validate() {
	switch {
	case v.Name == "":
		v.add("name", "there is none; every instance needs a name")
	case strings.TrimSpace(v.Name) == "":
		v.add("name", "%q is blank; every instance needs a name", v.Name)
	}
	v.checkTarget()
	v.checkValues()
	v.checkAttempts()
	if recheck := v.RecheckInterval.or(0); recheck >= minRecheckInterval && v.interval >= minInterval && recheck >= v.interval {
		v.addTogether("recheck_interval", []string{"min_collection_interval", "timeout"},
			"%v is not shorter than the interval of %v, so it would change nothing", recheck, v.interval)
	}
	if len(v.Steps) == 0 && v.has("steps_interval") {
		v.add("steps_interval", "there are no steps")
	}
}

// validateDefaults finds what is wrong with the defaults of instances, whatever these are.
func (v *instanceValidator) validateDefaults() {
	switch {
	case v.Endpoint != "":
		v.checkEndpoint()
	case v.Host != "":
		v.checkHost("host", v.Host, v.Host)
	}
	v.checkPort()
	v.checkValues()
	secured := v.TLS.load()
	v.checkTLS(secured, v.Quiet.or(false))
	v.checkSteps(secured.target != nil, false, v.Quiet.or(false))
}

// checkValues checks the options that say what is wrong with them by themselves.
func (v *instanceValidator) checkValues() {
	v.checkControl("name", v.Name)
	v.checkControl("service", v.Service)
	v.checkFamilies()
	v.checkOutgoing()
	v.checkDuration("timeout", v.Timeout, 1)
	v.checkDuration("min_collection_interval", v.MinCollectionInterval, minInterval)
	v.checkDuration("ip_cache_duration", v.IPCacheDuration, 0)
	if v.Quiet.or(false) {
		v.problems.checkQuiet(v.at("quiet"), true, runtime.GOOS)
	}
	v.checkDuration("retry.interval", v.Retry.Interval, minInterval)
	v.checkDuration("recheck_interval", v.RecheckInterval, minRecheckInterval)
	v.checkServers()
	v.checkTags()
	v.checkPatterns("include", v.MetricPatterns.Include)
	v.checkPatterns("exclude", v.MetricPatterns.Exclude)
}

func (v *instanceValidator) checkControl(option, text string) {
	if text != "" { // most options of most instances are not written
		v.problems.checkControl(v.at(option), text)
	}
}

func (v *instanceValidator) checkDuration(option string, d *Duration, least time.Duration) {
	if d != nil {
		v.problems.checkDuration(v.at(option), d, least)
	}
}

func (v *instanceValidator) checkFamilies() {
	names := v.AddressFamilies
	if names != nil && len(names) == 0 {
		v.add("address_families", "[] asks for no family; leave the option out for the families that the host has")
	}
	for i, name := range names {
		option := fmt.Sprintf("address_families[%d]", i)
		switch {
		case name != check.IPv4.String() && name != check.IPv6.String():
			v.add(option, "%q is no address family; they are ipv4 and ipv6", name)
		case slices.Contains(names[:i], name):
			v.add(option, "%q is there twice", name)
		}
	}
	if v.IPv4Only.or(false) && slices.Contains(names, check.IPv6.String()) {
		v.add("ipv4_only", "true contradicts address_families, which asks for ipv6")
	}
}

// checkAttempts finds what is wrong with the repetitions of a failed check. All of them
// together may last an interval.
func (v *instanceValidator) checkAttempts() {
	attempts, pause := v.Retry.Attempts, v.Retry.interval()
	switch {
	case attempts == nil && v.Retry.Interval != nil:
		v.add("retry.attempts", "it is missing: how often is a failed check to be repeated?")
	case attempts == nil:
	case *attempts < 1 || *attempts > maxAttempts:
		v.add("retry.attempts", "%d is not in the range 1 to %d", *attempts, maxAttempts)
	case v.interval < minInterval || v.timeout <= 0 || pause < minInterval: // that is told
	case v.timeout > v.Retry.left(v.interval):
		v.addTogether("retry.attempts", []string{"timeout", "min_collection_interval"}, "%d of up to %v (timeout), each %v after the one before (retry.interval), may last longer than the interval of %v", *attempts, v.timeout, pause, v.interval)
	}
}

func (v *instanceValidator) checkPatterns(option string, patterns []string) {
	for i, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			v.add(fmt.Sprintf("metric_patterns.%s[%d]", option, i), "%q is not a regular expression: %v", pattern, err)
		}
	}
}
