package main

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.yaml.in/yaml/v3"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/source"
)

// object is a schema, or a part of one.
type object = map[string]any

func ref(definition string) object { return object{"$ref": "#/$defs/" + definition} }

// writer makes definitions of types.
type writer struct {
	definitions map[string]object
	comments    map[string]string // of fields, as in Instance.Timeout, and of types
	options     map[string]string // the names of options by those of fields
	told        map[string]string // what metadata.yaml says of metrics, events and attributes
}

// newWriter reads the comments of the module in a folder.
func newWriter(folder string) (*writer, error) {
	w := &writer{definitions: make(map[string]object), comments: make(map[string]string), options: make(map[string]string), told: make(map[string]string)}
	for _, room := range []string{"source", "factory"} {
		paths, err := filepath.Glob(filepath.Join(folder, "internal", room, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range paths {
			if err := w.readComments(file); err != nil {
				return nil, err
			}
		}
	}
	for _, o := range generated {
		w.comments[o.structure+"."+o.field] = o.comment
	}
	return w, w.readMetadata(filepath.Join(folder, "metadata.yaml"))
}

// readComments takes the comments of the structs in a file.
func (w *writer) readComments(name string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		declaration, isDeclaration := node.(*ast.GenDecl)
		if !isDeclaration || declaration.Tok != token.TYPE {
			return true
		}
		declared := declaration.Specs[0].(*ast.TypeSpec)
		fields, isStruct := declared.Type.(*ast.StructType)
		if !isStruct {
			return true
		}
		w.comments[declared.Name.Name] = declaration.Doc.Text()
		for _, field := range fields.Fields.List {
			if field.Tag == nil || len(field.Names) == 0 {
				continue
			}
			name := field.Names[0].Name
			w.comments[declared.Name.Name+"."+name] = field.Doc.Text()
			w.options[name], _, _ = strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("mapstructure"), ",")
		}
		return true
	})
	return nil
}

// readMetadata takes the descriptions in metadata.yaml.
func (w *writer) readMetadata(name string) error {
	text, err := os.ReadFile(name) //nolint:gosec // it is the module's
	if err != nil {
		return err
	}
	type described map[string]struct {
		Description string `yaml:"description"`
	}
	var written struct {
		Metrics    described `yaml:"metrics"`
		Events     described `yaml:"events"`
		Attributes described `yaml:"resource_attributes"`
	}
	if err := yaml.Unmarshal(text, &written); err != nil {
		return err
	}
	for _, all := range []described{written.Metrics, written.Events, written.Attributes} {
		for name, about := range all {
			w.told[name] = strings.TrimSpace(about.Description)
		}
	}
	return nil
}

// definition makes the schema of a struct of options, by a name.
func (w *writer) definition(t reflect.Type, name string) object {
	if w.definitions[name] == nil {
		schema := object{}
		w.definitions[name] = schema // before its own options, which may have it
		properties := object{}
		w.addOptions(properties, t)
		schema["type"], schema["pattern"], schema["properties"], schema["additionalProperties"] = []string{"object", "string", "null"}, variable, properties, false
	}
	return ref(name)
}

// addOptions adds the options that a struct has.
func (w *writer) addOptions(properties object, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, flags, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		switch {
		case strings.Contains(flags, "squash"):
			w.addOptions(properties, field.Type)
		case name != "":
			option := w.valueOf(decodedType(t, field))
			if words := wordsOf(t.Name(), field.Name); words != nil {
				word := object{"anyOf": []object{{"enum": words}, {"type": "string", "pattern": variable}, {"type": "null"}}}
				if field.Type.Kind() == reflect.Slice {
					option["items"] = word
				} else {
					option = word
				}
			}
			if told := cmp.Or(w.described(keyOf(t, field)), w.told[name]); told != "" {
				if fallback := field.Tag.Get("default"); fallback != "" {
					told += " Default: " + fallback + "."
				}
				option["description"] = told
			}
			properties[name] = option
		}
	}
}

// decodedType returns the type of what an option is. In the structs it is a mapping where it is decoded later.
func decodedType(structure reflect.Type, field reflect.StructField) reflect.Type {
	switch structure.Name() + "." + field.Name {
	case "Options.ScrapeConfigs":
		return reflect.TypeFor[[]source.Job]()
	case "Observer.Instance":
		return reflect.TypeFor[source.Instance]()
	}
	return field.Type
}

// keyOf returns the key of the comment of a field. The structs that mdatagen makes for each metric, each event and each
// resource attribute have one for all.
func keyOf(structure reflect.Type, field reflect.StructField) string {
	name := structure.Name()
	if structure.PkgPath() == reflect.TypeFor[metadata.MetricsConfig]().PkgPath() {
		for _, kind := range []string{"MetricConfig", "EventConfig", "ResourceAttributeConfig"} {
			if strings.HasSuffix(name, kind) {
				name = kind
			}
		}
	}
	return name + "." + field.Name
}

// wordsOf returns what a field, or each element of it, may be, or nil if it may be any text.
func wordsOf(structure, field string) []string {
	metric, ofMetric := strings.CutSuffix(structure, "MetricConfig")
	switch {
	case structure+"."+field == "Instance.AddressFamilies":
		return []string{check.IPv4.String(), check.IPv6.String()}
	case ofMetric && field == "EnabledAttributes":
		return reflect.ValueOf(metadata.MetricsInfo).FieldByName(metric).FieldByName("Attributes").Interface().([]string)
	case ofMetric && field == "AggregationStrategy":
		return []string{metadata.AggregationStrategySum, metadata.AggregationStrategyAvg, metadata.AggregationStrategyMin, metadata.AggregationStrategyMax}
	}
	return nil
}

// A text with a variable, which the collector expands, may stand for any value, and so may one with an expression in
// backquotes, which an observer does.
const variable = `\$\{|` + "`"

// texts are what the text of a value looks like.
func texts(pattern string) string { return `^(` + pattern + `)$|` + variable }

const (
	number    = `[+-]?(\d+\.?\d*|\.\d+)`
	durations = number + `|[+-]?(` + number + `(ns|us|µs|ms|s|m|h))+`
	bools     = `[Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo]|[Oo][Ff][Ff]`
)

// valueOf returns the schema of a value of a type.
func (w *writer) valueOf(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[source.Duration]():
		return object{"type": []string{"number", "string", "null"}, "pattern": texts(durations)}
	case reflect.TypeFor[source.Integer]():
		return object{"type": []string{"integer", "string", "null"}, "pattern": texts(`0|-?[1-9]\d*`)}
	case reflect.TypeFor[source.Bool]():
		return object{"type": []string{"boolean", "string", "null"}, "pattern": texts(bools)}
	case reflect.TypeFor[source.Texts]():
		return object{"type": []string{"array", "string", "null"}, "items": w.valueOf(reflect.TypeFor[string]())}
	case reflect.TypeFor[model.Duration]():
		return object{"type": []string{"string", "null"}, "pattern": texts(`0|(\d+(y|w|d|h|m|s|ms))+`)}
	case reflect.TypeFor[source.StartTLS]():
		return object{"enum": []any{true, "true", "postgresql", "mysql"}}
	case reflect.TypeFor[configopaque.String]():
		return object{"type": []string{"string", "null"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return w.valueOf(t.Elem())
	case reflect.Slice:
		return object{"type": []string{"array", "string", "null"}, "pattern": variable, "items": w.valueOf(t.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "string", "null"}, "pattern": variable}
	case reflect.Struct:
		return w.definition(t, cmp.Or(strings.TrimSuffix(t.Name(), "Config"), path.Base(t.PkgPath())))
	case reflect.Bool:
		return object{"type": []string{"boolean", "string", "null"}, "pattern": texts(bools)}
	case reflect.String:
		return object{"type": []string{"string", "null"}}
	default: // the numbers and durations of other libraries
		return object{"type": []string{"number", "string", "null"}}
	}
}

// described returns the comment of a field, or the first paragraph of that of a type, for who writes a configuration:
// with the names of options in place of those of fields. A name in capitals, such as TLS, is one only where the comment
// begins with it, or behind the name of a struct: it is what the option is named after otherwise.
func (w *writer) described(key string) string {
	text, _, _ := strings.Cut(w.comments[key], "\n\n")
	text = strings.Join(strings.Fields(text), " ")
	names := identifier.FindAllStringIndex(text, -1)
	var told strings.Builder
	last := 0
	for _, at := range names {
		word := text[at[0]:at[1]]
		told.WriteString(text[last:at[0]])
		told.WriteString(w.optionOf(word, at[0] == 0))
		last = at[1]
	}
	told.WriteString(text[last:])
	return told.String()
}

// optionOf returns a word, or the option that is named by it, in backquotes.
func (w *writer) optionOf(word string, begins bool) string {
	structure, field, isQualified := strings.Cut(word, ".")
	if !isQualified {
		structure, field = "", word
	}
	option := w.options[field]
	switch {
	case option == "" || !begins && !isQualified && field == strings.ToUpper(field):
		return word
	case structure == "Options":
		return "`" + option + "` of the receiver"
	case structure == "" || structure == "Instance":
		return "`" + option + "`"
	}
	return "`" + w.options[structure] + "." + option + "`"
}

// identifier is what the name of a field looks like.
var identifier = regexp.MustCompile(`\b([A-Z][A-Za-z0-9]*\.)?[A-Z][A-Za-z0-9]*\b`)
