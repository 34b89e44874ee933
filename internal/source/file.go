package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"regexp"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
)

// file is the content of Options.InstancesFile: a configuration file of tcp_check is one.
//
// It is there for the number of instances. The collector copies its own
// configuration again and again before it starts a receiver: it took 5 s until the
// first points of ten thousand instances, and 0.8 s where only the receiver reads
// them (make bench).
type file struct {
	InitConfig InitConfig `mapstructure:"init_config" is:"a mapping of options"`
	Instances  []Instance `mapstructure:"instances" is:"a list of instances" each:"an instance, which is a mapping of options"`

	// Unknown has what the user wrote that is no option. It is always an error.
	Unknown map[string]any `mapstructure:",remain"`

	// read says that this is what the file has, or as much as could be decoded.
	read bool
}

// inFile is the place of what is in the file, in front of its place there.
const inFile = "instances_file"

// readFile reads the file that InstancesFile names, if any. What is wrong with it is
// for Check to report.
func (o *Options) readFile() {
	o.file = file{}
	if o.InstancesFile == "" {
		return
	}
	text, err := readRegular(o.InstancesFile)
	if err != nil {
		o.undecoded.Add(inFile, "%v", err)
		return
	}
	written, octals, err := parse(text)
	if err != nil {
		o.undecoded.Add(inFile, "%s: %v", o.InstancesFile, err)
		return
	}
	for _, n := range octals {
		o.undecoded.Add(inFile+"."+n.place, "%s is %s in YAML, where a leading 0 makes a number octal; write it without", n.written, n.means)
	}
	o.file.read = true
	decode(confmap.NewFromStringMap(written), &o.file, schemaOf(reflect.TypeFor[file]()), &o.undecoded, inFile+".")
	for i := range o.file.Instances {
		if instance := &o.file.Instances[i]; instance.Service == "" {
			instance.Service = o.file.InitConfig.Service
		}
	}
}

// maxFile is the size of an instances file at most: 64 MiB are some 500,000 instances.
const maxFile = 64 << 20

// readRegular reads a regular file of at most maxFile. Anything else, such as a named
// pipe, may block for ever or have no end.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes; %d are the most that are read", path, info.Size(), maxFile)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// A file such as those of /proc has a size of 0, and may have no end.
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s has more than the %d bytes that are read", path, maxFile)
	}
	return text, err
}

// parse returns the options in a text of YAML, of which a document has to be a
// mapping, and the only one, and the numbers in it that are octal.
func parse(text []byte) (map[string]any, []octal, error) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := documents.Decode(&first); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("it has more than one document; write one")
	}
	var document any
	if err := first.Decode(&document); first.Kind != 0 && err != nil {
		return nil, nil, err
	}
	options, ok := document.(map[string]any)
	if !ok {
		return nil, nil, errors.New("it is no mapping; write the instances as a list below the key instances")
	}
	return options, octals("", &first), nil
}

// octal is a number that was written with a leading 0.
type octal struct{ place, written, means string }

var leadingZero = regexp.MustCompile(`^[-+]?0[0-7]+$`)

// octals returns the octal numbers below a node at a place. Only a file has them: the
// collector's own YAML comes as numbers.
func octals(place string, node *yaml.Node) []octal {
	var found []octal
	switch node.Kind {
	case yaml.ScalarNode:
		var means int64
		if node.Tag == "!!int" && leadingZero.MatchString(node.Value) && node.Decode(&means) == nil {
			found = append(found, octal{place, node.Value, fmt.Sprint(means)})
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			found = append(found, octals(strings.TrimPrefix(place+"."+node.Content[i].Value, "."), node.Content[i+1])...)
		}
	case yaml.SequenceNode:
		for i, element := range node.Content {
			found = append(found, octals(fmt.Sprintf("%s[%d]", place, i), element)...)
		}
	case yaml.AliasNode: // what it stands for is found where it is
	case yaml.DocumentNode:
		for _, content := range node.Content {
			found = append(found, octals(place, content)...)
		}
	}
	return found
}

// instances are those of the configuration and of the file, with their places.
func (o *Options) instances() iter.Seq2[string, *Instance] {
	return func(yield func(string, *Instance) bool) {
		for i := range o.Instances {
			if !yield(fmt.Sprintf("instances[%d]", i), &o.Instances[i]) {
				return
			}
		}
		for i := range o.file.Instances {
			if !yield(fmt.Sprintf(inFile+".instances[%d]", i), &o.file.Instances[i]) {
				return
			}
		}
	}
}
