package source

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
