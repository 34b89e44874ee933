package source

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-viper/mapstructure/v2"
	"go.opentelemetry.io/collector/confmap"
)

// Decode decodes what the user wrote into the struct of the receiver's options, of which
// o is a part, and reads InstancesFile. What it cannot decode is for Check to report,
// together with all else that is wrong.
func (o *Options) Decode(conf *confmap.Conf, into any) {
	o.undecoded, o.outer, o.own, o.files, o.sources, o.schema = Problems{}, nil, nil, nil, nil, schemaOf(reflect.TypeOf(into).Elem())
	if err := conf.Unmarshal(into); err != nil {
		o.undecoded.addUndecoded(o.schema, "", conf.ToStringMap(), err)
	}
	if o.Endpoint != "" || o.TargetAllocator.HTTPSDConfig != nil || len(o.ScrapeConfigs)+len(o.Observers) > 0 {
		written := conf.ToStringMap() // which takes its time with thousands of instances
		o.takePlain(written)
		o.takeEndpoint(len(written) == 1)
	}
	o.inherit(&o.Defaults, inDefaults)
	o.listTargets()
	o.readFiles()
	o.decodeJobs()
	o.decodeObservers()
	o.allocator = nil
	if conf.IsSet(inAllocator) {
		o.decodeAllocator()
	}
}

// takePlain takes plain values for what other libraries decode: what confmap decodes into a value
// of any type has marks in it where a variable was.
func (o *Options) takePlain(written map[string]any) {
	of := func(value any, key string) any {
		mapping, _ := value.(map[string]any)
		return mapping[key]
	}
	element := func(list any, i int) any {
		elements, _ := list.([]any)
		if i >= len(elements) {
			return nil
		}
		return elements[i]
	}
	take := func(into *map[string]any, value any) {
		if plain, isMapping := value.(map[string]any); isMapping && *into != nil {
			*into = plain
		}
	}
	for i := range o.ScrapeConfigs {
		take(&o.ScrapeConfigs[i], element(written[inJobs], i))
	}
	for i := range o.Observers {
		take(&o.Observers[i].Instance, of(element(written[inObservers], i), "instance"))
	}
	take(&o.TargetAllocator.HTTPSDConfig, of(written[inAllocator], "http_sd_config"))
}

// takeEndpoint makes Endpoint an instance, unless it is alone: whoever starts receivers for what
// it finds, as receiver_creator does, decodes one alone to learn whether the receiver has such
// an option, and would add it to instances that have it already.
func (o *Options) takeEndpoint(alone bool) {
	switch {
	case o.Endpoint == "":
	case alone:
		o.undecoded.Add("endpoint", "%q is alone; write another option beside it, such as defaults, or make it an instance", o.Endpoint)
	case len(o.Instances)+len(o.Targets) > 0 || o.Changes():
		o.undecoded.Add("endpoint", "%q is all that is checked where it is written; make it one of the instances", o.Endpoint)
	default:
		o.Instances = []Instance{{Name: cmp.Or(o.Defaults.Name, o.Endpoint), Endpoint: o.Endpoint}}
	}
}

// decode decodes what is written at a place of a file, as confmap does with what is in the
// collector's configuration, in half the time.
func (p *Problems) decode(options *schema, place string, written, into any) {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:      into,
		TagName:     "mapstructure",
		MatchName:   func(key, name string) bool { return key == name },
		ErrorUnused: true,
		DecodeNil:   true,
		DecodeHook:  mapstructure.TextUnmarshallerHookFunc(),
	})
	if err == nil {
		err = decoder.Decode(written)
	}
	if err != nil {
		p.addUndecoded(options, place, written, err)
	}
}

// addUndecoded adds the problems that a decoder had with what is written at a place.
func (p *Problems) addUndecoded(options *schema, outer string, written any, err error) {
	eachDecodeError("", err, func(place string, err error) {
		value := valueAt(written, place)
		place = strings.Trim(outer+"."+place, ".")
		option, _ := options.at(place)
		mapping, isMapping := value.(map[string]any)
		inside := isMapping && (option.is == "" || strings.Contains(option.is, "a mapping")) // is what is wrong
		var typeError *mapstructure.UnconvertibleTypeError
		switch {
		case inside && option.schema != nil:
			for key := range mapping {
				p.addUnknown(place, key, option.schema)
			}
		case option.is != "" && !inside:
			p.Add(place, "%s is not %s", quote(value), option.is)
		case errors.As(err, &typeError):
			p.Add(place, "%s is not a %s", quote(typeError.Value), typeError.Expected.Kind())
		default:
			p.Add(place, "%v", err)
		}
	})
}

// addUnknown adds a problem if a key is none of the options at place. Its value is not
// shown: it may be a secret that was put in a wrong place, or a line of a file that is no
// configuration.
func (p *Problems) addUnknown(place, key string, options *schema) {
	place = strings.Trim(place+"."+shown(key), ".")
	why, ofAgent := agentOptions[options.what][key]
	switch {
	case slices.Contains(options.names, key):
	case ofAgent:
		p.addNote(place, key, "it has no effect: "+why)
	case shown(key) == key:
		p.Add(place, "unknown option; %s has %s", options.what, options.list())
	default:
		p.Add(place, "unknown option, not shown since it does not look like one; %s has %s", options.what, options.list())
	}
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
		// A decoder names the type, which has a capital, of what has no place in it.
		if name := e.Name(); name == strings.ToLower(name) {
			place = strings.Trim(place+"."+name, ".")
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
		}
	}
	return written
}

// schema is the options that a struct has, in their order.
type schema struct {
	what   string // has these options, in a message
	names  []string
	fields map[string]field
}

// field is an option of a schema.
type field struct {
	is     string  // what its value has to be; empty if the value's own decoder says so
	each   string  // what each element of its value has to be
	schema *schema // of its value, or of each element; nil if that is no struct of options
}

// schemaOf returns the schema of a struct.
func schemaOf(t reflect.Type) *schema {
	s := &schema{what: "the receiver", fields: make(map[string]field)}
	for i := range t.NumField() {
		f := t.Field(i)
		name, flags, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		if flags == "squash" {
			squashed := schemaOf(f.Type)
			s.names = append(s.names, squashed.names...)
			maps.Copy(s.fields, squashed.fields)
		}
		if name == "" {
			continue
		}
		option := field{is: f.Tag.Get("is"), each: f.Tag.Get("each")}
		inner := f.Type
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case inner.Kind() == reflect.String && option.is == "":
			option.is = "a text; write it in quotes"
		case inner.Kind() == reflect.Struct && inner.PkgPath() == reflect.TypeFor[Options]().PkgPath():
			option.schema = schemaOf(inner)
			option.schema.what, _, _ = strings.Cut(cmp.Or(option.each, name), ",")
		}
		s.names = append(s.names, name)
		s.fields[name] = option
	}
	return s
}

// fileSchema returns the schema of an instances file.
var fileSchema = sync.OnceValue(func() *schema {
	s := schemaOf(reflect.TypeFor[List]())
	s.what = "the file"
	return s
})

// list returns the names of the options of a schema, as a message has them.
func (s *schema) list() string { return strings.Join(s.names, ", ") }

// at returns the option at a place such as instances[2].tags[0], which is the zero value if
// there is none, and what places are sorted by: the rank of each option, one that is
// unknown behind them, and the index of each element.
func (s *schema) at(place string) (option field, order []int) {
	option.schema = s
	if rest, found := strings.CutPrefix(place, inOuter+"["); found {
		index, inner, _ := strings.Cut(rest, "]")
		n, _ := strconv.Atoi(index)
		option, order = fileSchema().at(inner)
		return option, append([]int{len(s.names), n}, order...)
	}
	for _, step := range placeStep.FindAllString(place, -1) {
		i, err := strconv.Atoi(step)
		switch {
		case err == nil:
			option = field{is: option.each, schema: option.schema}
		case option.schema == nil:
			return field{}, order
		default:
			if i = slices.Index(option.schema.names, step); i < 0 {
				i = len(option.schema.names)
			}
			option = option.schema.fields[step]
		}
		order = append(order, i)
	}
	return option, order
}

var placeStep = regexp.MustCompile(`[^.\[\]]+`)
