package tcpcheckreceiver

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"go.opentelemetry.io/collector/confmap"
)

// Unmarshal decodes what the user wrote, and reads InstancesFile. What it cannot
// decode is for Validate to report, together with all else that is wrong. It returns
// that report itself only where the receiver is given an endpoint: whoever starts
// receivers for what it finds, as receiver_creator does, decodes an endpoint alone
// to learn whether the receiver has one, and adds it to the configuration if that
// is no error.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	c.undecoded = problems{}
	if err := conf.Unmarshal(c); err != nil {
		written := conf.ToStringMap()
		eachDecodeError("", err, func(place string, err error) { addDecodeError(&c.undecoded, written, "", place, err) })
	}
	c.readFile()
	if _, ok := c.Unknown["endpoint"]; ok {
		return confmap.Validate(c)
	}
	return nil
}

// addUnknown adds a problem for each key that is no option. Its value is not shown: it
// may be a secret that was put in a wrong place, or a line of a file that is no
// configuration.
func (c *Config) addUnknown(p *problems) {
	add := func(place, what string, unknown map[string]any, options string) {
		for _, key := range slices.Sorted(maps.Keys(unknown)) {
			text := "unknown option"
			if !optionName.MatchString(key) {
				key, text = "…", "unknown option, not shown since it does not look like one"
			}
			p.add(strings.TrimPrefix(place+"."+key, "."), "%s; %s has %s", text, what, options)
		}
	}
	add("", "the receiver", c.Unknown, "collection_interval, initial_delay, max_concurrent_checks, max_ip_cache_duration, service, init_config, instances, instances_file, metrics, resource_attributes")
	add("init_config", "init_config", c.InitConfig.Unknown, "service")
	add(inFile, "the file", c.file.Unknown, "init_config, instances")
	add(inFile+".init_config", "init_config", c.file.InitConfig.Unknown, "service")
	for place, instance := range c.instances() {
		add(place, "an instance", instance.Unknown, "name, host, port, endpoint, timeout, collect_response_time, "+
			"address_families, ipv4_only, multiple_ips, ip_cache_duration, tags, service, min_collection_interval, "+
			"empty_default_hostname, metric_patterns")
		add(place+".metric_patterns", "metric_patterns", instance.MetricPatterns.Unknown, "include, exclude")
	}
}

// optionName is what the name of an option looks like, misspelt ones as well.
var optionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// eachDecodeError calls found for each error in the tree that confmap made of
// what its nested decoders returned, with the place below place where it is.
func eachDecodeError(place string, err error, found func(string, error)) {
	switch e := err.(type) { //nolint:errorlint // the tree itself is walked, level by level
	case *mapstructure.DecodeError:
		// A generated section's own decoder names its type instead of a place.
		if name := e.Name(); name != "" && !strings.HasPrefix(name, "metadata.") {
			place = strings.TrimPrefix(place+"."+name, ".")
		}
		eachDecodeError(place, e.Unwrap(), found)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			eachDecodeError(place, inner, found)
		}
	case interface{ Unwrap() error }:
		eachDecodeError(place, e.Unwrap(), found)
	default:
		found(place, err)
	}
}

// addDecodeError adds the problem of a value of a wrong type at a place in what was
// written, with a prefix to the place. The scalars of this package say themselves
// what is wrong, and so does a generated section of the keys that it does not know.
func addDecodeError(p *problems, written map[string]any, prefix, place string, err error) {
	value := valueAt(written, place)
	option := placeIndex.ReplaceAllString(place[strings.LastIndex(place, ".")+1:], "[]")
	shape, ok := shapes[option]
	if _, isMapping := value.(map[string]any); isMapping && generated[option] {
		ok = false // it has the right shape, so the fault is in a key
	}
	var typeError *mapstructure.UnconvertibleTypeError
	switch {
	case ok:
		p.add(prefix+place, "%s is not %s", quote(value), shape)
	case errors.As(err, &typeError):
		p.add(prefix+place, "%s is not a %s", quote(typeError.Value), typeError.Expected.Kind())
	default:
		p.add(prefix+place, "%v", err)
	}
}

// generated are the sections whose decoders mdatagen wrote.
var generated = map[string]bool{"metrics": true, "resource_attributes": true}

// shapes says what is expected of the options that confmap decodes.
var shapes = map[string]string{
	"instances":           "a list of instances",
	"instances[]":         "an instance, which is a mapping of options",
	"name":                "a text; write it in quotes",
	"instances_file":      "the path of a file",
	"host":                "a text; write it in quotes",
	"endpoint":            "a text such as localhost:443",
	"service":             "a text; write it in quotes",
	"address_families":    "a list of address families",
	"address_families[]":  "an address family; they are ipv4 and ipv6",
	"tags":                "a list of tags",
	"tags[]":              "a tag; write key:value, without a space or in quotes",
	"init_config":         "a mapping of options",
	"metrics":             "a mapping of metrics",
	"resource_attributes": "a mapping of attributes",
	"metric_patterns":     "a mapping of include and exclude",
	"include":             "a list of regular expressions",
	"include[]":           "a regular expression; write it in quotes",
	"exclude":             "a list of regular expressions",
	"exclude[]":           "a regular expression; write it in quotes",
}

var placeIndex = regexp.MustCompile(`\[(\d+)\]`)

// valueAt returns what the user wrote at place, or nil if there is nothing.
func valueAt(written any, place string) any {
	for _, step := range strings.Split(placeIndex.ReplaceAllString(place, ".$1"), ".") {
		switch v := written.(type) {
		case map[string]any:
			written = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return nil
			}
			written = v[i]
		default:
			return written // a single value was taken for a list of one
		}
	}
	return written
}
