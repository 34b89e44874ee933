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
	o.undecoded, o.file, o.schema = Problems{}, List{}, schemaOf(reflect.TypeOf(into).Elem())
	o.decode(conf, into)
	if o.InstancesFile != "" {
		o.readFile()
	}
}

// decode decodes what the user wrote into a struct.
func (o *Options) decode(conf *confmap.Conf, into any) {
	err := conf.Unmarshal(into)
	if err == nil {
		return
	}
	written := conf.ToStringMap()
	eachDecodeError("", err, func(place string, err error) {
		value := valueAt(written, place)
		mapping, isMapping := value.(map[string]any)
		place = strings.Replace(place, inFile+"[0]", inFile, 1)
		is, options, _ := o.schema.at(place)
		var typeError *mapstructure.UnconvertibleTypeError
		unconvertible := errors.As(err, &typeError)
		switch {
		case isMapping && options != nil && !unconvertible:
			for key := range mapping {
				if !slices.Contains(options.names, key) {
					o.addUnknown(place, key, options)
				}
			}
		case is != "" && !(isMapping && strings.HasPrefix(is, "a mapping")):
			o.undecoded.Add(place, "%s is not %s", quote(value), is)
		case unconvertible:
			o.undecoded.Add(place, "%s is not a %s", quote(typeError.Value), typeError.Expected.Kind())
		default: // of the right shape: its own decoder says what is wrong in it
			o.undecoded.Add(place, "%v", err)
		}
	})
}

// addUnknown adds a problem for a key that is none of the options at place. Its value is
// not shown: it may be a secret that was put in a wrong place, or a line of a file that is
// no configuration.
func (o *Options) addUnknown(place, key string, options *schema) {
	text := "unknown option"
	if shown(key) != key {
		text = "unknown option, not shown since it does not look like one"
	}
	o.undecoded.Add(strings.Trim(place+"."+shown(key), "."), "%s; %s has %s", text, options.what, options.list())
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
		inner, what := f.Type, name
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
			what, _, _ = strings.Cut(option.each, ",")
		}
		if name == inFile {
			inner, what = reflect.TypeFor[List](), "the file"
		}
		switch {
		case inner.Kind() == reflect.String && option.is == "":
			option.is = "a text; write it in quotes"
		case inner.Kind() == reflect.Struct && inner.PkgPath() == reflect.TypeFor[Options]().PkgPath():
			option.schema = schemaOf(inner)
			option.schema.what = what
		}
		s.names = append(s.names, name)
		s.fields[name] = option
	}
	return s
}

// list returns the names of the options of a schema, as a message has them.
func (s *schema) list() string { return strings.Join(s.names, ", ") }

// at returns what a value has to be at a place such as instances[2].tags[0], the options
// that it has if it is a mapping, and what places are sorted by: the rank of each option,
// one that is unknown behind them, and the index of each element.
func (s *schema) at(place string) (is string, options *schema, order []int) {
	var option field
	for _, step := range placeStep.FindAllString(place, -1) {
		if i, err := strconv.Atoi(step); err == nil {
			is, s, order = option.each, option.schema, append(order, i)
			continue
		}
		if s == nil {
			return "", nil, order
		}
		rank := slices.Index(s.names, step)
		if rank < 0 {
			return "", nil, append(order, len(s.names))
		}
		option = s.fields[step]
		is, s, order = option.is, option.schema, append(order, rank)
		if option.each != "" {
			s = nil // its elements have options
		}
	}
	return is, s, order
}

var placeStep = regexp.MustCompile(`[^.\[\]]+`)
