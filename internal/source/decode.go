package source

import (
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"go.opentelemetry.io/collector/confmap"
)

// Decode decodes what the user wrote into the struct of the receiver's options, of which
// o is a part, and reads InstancesFile. What it cannot decode is for Check to report,
// together with all else that is wrong.
func (o *Options) Decode(conf *confmap.Conf, into any) {
	o.undecoded, o.schema = Problems{}, schemaOf(reflect.TypeOf(into).Elem())
	decode(conf, into, o.schema, &o.undecoded, "")
	o.keepWhole(conf.Get("instances"))
	o.readFile()
}

// keepWhole makes each text that was written in the place of a list a list of one. confmap
// splits it at its commas, which a regular expression or a tag may have.
func (l *List) keepWhole(written any) {
	instances, _ := written.([]any)
	for i := range min(len(instances), len(l.Instances)) {
		options, _ := instances[i].(map[string]any)
		patterns, _ := options["metric_patterns"].(map[string]any)
		keep := func(list *[]string, value any) {
			if text, ok := value.(string); ok {
				*list = []string{text}
			}
		}
		instance := &l.Instances[i]
		keep(&instance.AddressFamilies, options["address_families"])
		keep(&instance.Tags, options["tags"])
		keep(&instance.MetricPatterns.Include, patterns["include"])
		keep(&instance.MetricPatterns.Exclude, patterns["exclude"])
	}
}

// decode decodes what the user wrote into a struct that has a schema, and adds what it
// cannot decode to problems, with a prefix to its place.
func decode(conf *confmap.Conf, into any, options *schema, problems *Problems, prefix string) {
	err := conf.Unmarshal(into)
	if err == nil {
		return
	}
	written := conf.ToStringMap()
	eachDecodeError("", err, func(place string, err error) {
		value := valueAt(written, place)
		is, _ := options.at(place)
		if _, isMapping := value.(map[string]any); isMapping && strings.HasPrefix(is, "a mapping") {
			is = "" // a generated section has the right shape, and says itself which key is wrong
		}
		var typeError *mapstructure.UnconvertibleTypeError
		switch {
		case is != "":
			problems.Add(prefix+place, "%s is not %s", quote(value), is)
		case errors.As(err, &typeError):
			problems.Add(prefix+place, "%s is not a %s", quote(typeError.Value), typeError.Expected.Kind())
		default:
			problems.Add(prefix+place, "%v", err)
		}
	})
}

// addUnknown adds a problem for each key that is no option. Its value is not shown: it
// may be a secret that was put in a wrong place, or a line of a file that is no
// configuration.
func (o *Options) addUnknown(p *Problems) {
	add := func(place, what string, unknown map[string]any, options *schema) {
		for _, key := range slices.Sorted(maps.Keys(unknown)) {
			text := "unknown option"
			if shown(key) != key {
				text = "unknown option, not shown since it does not look like one"
			}
			p.Add(strings.TrimPrefix(place+"."+shown(key), "."), "%s; %s has %s", text, what, options.list())
		}
	}
	list := schemaOf(reflect.TypeFor[List]())
	instance, initConfig := list.fields["instances"].schema, list.fields["init_config"].schema
	add("", "the receiver", o.Unknown, o.options())
	add("init_config", "init_config", o.InitConfig.Unknown, initConfig)
	if o.file != nil {
		add(inFile, "the file", o.file.Unknown, list)
		add(inFile+".init_config", "init_config", o.file.InitConfig.Unknown, initConfig)
	}
	for place, i := range o.instances() {
		add(place, "an instance", i.Unknown, instance)
		add(place+".metric_patterns", "metric_patterns", i.MetricPatterns.Unknown, instance.fields["metric_patterns"].schema)
	}
}

// options returns the schema of the receiver's options.
func (o *Options) options() *schema {
	if o.schema == nil {
		return schemaOf(reflect.TypeFor[Options]()) // they were not decoded
	}
	return o.schema
}

// shown returns a key as it is shown in a place.
func shown(key string) string {
	if optionName.MatchString(key) {
		return key
	}
	return "…"
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

// valueAt returns what the user wrote at place, or nil if there is nothing.
func valueAt(written any, place string) any {
	for _, step := range placeStep.FindAllString(place, -1) {
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
