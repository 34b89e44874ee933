// Command schema writes what is known of the options, for editors and for readers: the JSON
// Schema (draft 2020-12) of the receiver's section in the configuration of a collector, and of a file of instances, and
// docs/options.md. All are made of the structs that the configuration is decoded into, with their comments and tags, and
// of metadata.yaml. A schema says what shape a configuration has. What is wrong beyond that, the receiver tells.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"reflect"

	"example.com/tcpcheckreceiver/internal/factory"
	"example.com/tcpcheckreceiver/internal/source"
)

const draft = "https://json-schema.org/draft/2020-12/schema"

func main() {
	if err := run(".", "."); err != nil {
		log.Fatal(err)
	}
}

// run writes the schemas and the page of a module into a folder.
func run(module, folder string) error {
	w, err := newWriter(module)
	if err != nil {
		return err
	}
	text, err := pageOf(w, filepath.Join(module, "docs"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "docs", "options.md"), text, 0o644); err != nil { //nolint:gosec // it is for everybody to read
		return err
	}
	w.definition(reflect.TypeFor[factory.Config](), "receiver")
	w.definition(reflect.TypeFor[source.List](), "file")
	requireNames(w.definitions["receiver"])
	w.addJobs()
	w.addIgnored()
	err = write(filepath.Join(folder, "config.schema.json"), object{
		"$schema": draft,
		"title":   "The configuration of a collector that has the tcpcheck receiver",
		"type":    "object",
		"properties": object{"receivers": object{
			"type":              []string{"object", "null"},
			"properties":        object{"tcpcheck": ref("receiver")},
			"patternProperties": object{"^tcpcheck/.+$": ref("receiver")},
		}},
		"$defs": w.definitions,
	})
	if err != nil {
		return err
	}
	return write(filepath.Join(folder, "instances.schema.json"), object{
		"$schema": draft,
		"title":   "A file that instances_file of the tcpcheck receiver names",
		"$ref":    "config.schema.json#/$defs/file",
	})
}

// addJobs adds the options of jobs that Prometheus decodes or that have no effect.
func (w *writer) addJobs() {
	job := w.definitions["Job"]
	job["patternProperties"] = object{"^(static|[a-z0-9_]+_sd)_configs$": w.valueOf(reflect.TypeFor[[]map[string]any]())}
	for _, name := range source.IgnoredOfJob() {
		job["properties"].(object)[name] = noEffect("nothing is scraped")
	}
}

// addIgnored adds the options that are legal and have no effect.
func (w *writer) addIgnored() {
	ofInstance, ofInitConfig, besideInstances := source.Ignored()
	for definition, options := range map[string]map[string]string{"Instance": ofInstance, "Init": ofInitConfig, "receiver": besideInstances, "file": besideInstances} {
		for name, why := range options {
			w.definitions[definition]["properties"].(object)[name] = noEffect(why)
		}
	}
}

// noEffect returns the schema of an option that may have any value.
func noEffect(why string) object {
	return object{"description": "It has no effect: " + why + ".", "deprecated": true}
}

// requireNames has the instances of a receiver without defaults have a name and a target, which nothing else would give
// them.
func requireNames(receiver object) {
	receiver["if"] = object{"not": object{"required": []string{"defaults"}}}
	receiver["then"] = object{"properties": object{"instances": object{"items": object{
		"required": []string{"name"},
		"anyOf":    []object{{"required": []string{"endpoint"}}, {"required": []string{"host", "port"}}},
	}}}}
}

func write(path string, schema object) error {
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // it is for everybody to read
}
