package source

import (
	"errors"
	"reflect"
	"regexp"
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
	o.decode(conf, into, "")
	if o.InstancesFile != "" {
		o.readFile()
	}
}

// decode decodes what the user wrote at a place into a struct.
func (o *Options) decode(conf *confmap.Conf, into any, at string) {
	err := conf.Unmarshal(into)
	if err == nil {
		return
	}
	written := conf.ToStringMap()
	eachDecodeError(at, err, func(place string, err error) {
		value := valueAt(written, strings.TrimPrefix(place, at))
		mapping, isMapping := value.(map[string]any)
		is, options, _ := o.schema.at(place)
		var typeError *mapstructure.UnconvertibleTypeError
		unconvertible := errors.As(err, &typeError)
		switch {
		case isMapping && options != nil && !unconvertible:
			for key := range mapping {
				o.addUnknown(place, key, options)
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

// addUnknown adds a problem if a key is none of the options at place. Its value is not
// shown: it may be a secret that was put in a wrong place, or a line of a file that is no
// configuration.
func (o *Options) addUnknown(place, key string, options *schema) {
	if _, ok := options.fields[key]; ok {
		return
	}
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
