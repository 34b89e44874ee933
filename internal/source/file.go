package source

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v3"
)

// inFile is the place of what is in the file, in front of its place there.
const inFile = "instances_file"

const inInstances = "instances" // the list of a List

// readFile reads the file that InstancesFile names.
//
// A file is there for the number of instances. The collector copies its own configuration
// again and again: it took 5 s until the first points of ten thousand instances, and 0.8 s
// where only the receiver reads them (make bench).
func (o *Options) readFile() {
	text, err := readRegular(o.InstancesFile, maxFile)
	if err != nil {
		o.undecoded.Add(inFile, "%v", err)
		return
	}
	written, root, err := parse(text)
	if err != nil {
		o.undecoded.Add(inFile, "%s: %v", o.InstancesFile, err)
		return
	}
	addOctals(&o.undecoded, func() string { return inFile }, root.Content[0])
	instances, isList := written[inInstances].([]any)
	if isList {
		delete(written, inInstances)
	}
	o.undecoded.decode(o.schema, inFile+"[0]", written, &o.file) // what the option names, not its value
	o.file.Instances = o.decodeInstances(inFile+"."+inInstances, instances)
	for i := range o.file.Instances {
		instance := &o.file.Instances[i]
		instance.Service = cmp.Or(instance.Service, o.file.InitConfig.Service)
	}
}

// decodeInstances decodes the instances that are written at a place, on all processors.
func (o *Options) decodeInstances(place string, written []any) []Instance {
	instances := make([]Instance, len(written))
	parts := make([]Problems, runtime.GOMAXPROCS(0))
	var decoding sync.WaitGroup
	for n := range parts {
		decoding.Go(func() {
			for i := n * len(written) / len(parts); i < (n+1)*len(written)/len(parts); i++ {
				parts[n].decode(o.schema, fmt.Sprintf("%s[%d]", place, i), written[i], &instances[i])
			}
		})
	}
	decoding.Wait()
	for _, part := range parts {
		o.undecoded.merge(part)
	}
	return instances
}

// maxFile is the size of an instances file at most: 64 MiB are some 500,000 instances.
const maxFile = 64 << 20

// readRegular reads a regular file of at most so many bytes. Anything else, such as a
// named pipe, may block for ever or have no end.
func readRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > most:
		return nil, fmt.Errorf("%s has %d bytes; %d are the most that are read", path, info.Size(), most)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// A file such as those of /proc has a size of 0, and may have no end.
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than the %d bytes that are read", path, most)
	}
	return text, err
}

// parse returns the options in a text of YAML, which has to be one document that is a
// mapping, and its node.
func parse(text []byte) (map[string]any, *yaml.Node, error) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var node yaml.Node
	var document any
	err := documents.Decode(&node)
	if err == nil && !errors.Is(documents.Decode(&yaml.Node{}), io.EOF) {
		return nil, nil, errors.New("it has more than one document; write one")
	}
	if err == nil {
		err = node.Decode(&document)
	}
	options, ok := document.(map[string]any)
	if !ok && (err == nil || errors.Is(err, io.EOF)) {
		err = errors.New("it is no mapping; write the instances as a list below the key instances")
	}
	return options, &node, err
}

var leadingZero = regexp.MustCompile(`^[-+]?0[0-7]+$`)

// addOctals adds a problem for each number that was written with a leading 0 at or below
// a node at a place. Only a file has them: the collector's own YAML comes as numbers.
func addOctals(p *Problems, place func() string, node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!int" && leadingZero.MatchString(node.Value) {
		if means, err := strconv.ParseInt(node.Value, 8, 64); err == nil {
			p.Add(place(), "%s is %d in YAML, where a leading 0 makes a number octal; write it without", node.Value, means)
		}
	}
	for i, inner := range node.Content {
		switch {
		case node.Kind == yaml.SequenceNode:
			addOctals(p, func() string { return fmt.Sprintf("%s[%d]", place(), i) }, inner)
		case i%2 == 1: // the value of a mapping's key
			addOctals(p, func() string { return place() + "." + shown(node.Content[i-1].Value) }, inner)
		}
	}
}

// instances are those of the configuration and of the file, with their places.
func (o *Options) instances() iter.Seq2[string, *Instance] {
	return func(yield func(string, *Instance) bool) {
		for n, list := range []*List{&o.List, &o.file} {
			prefix := []string{"", inFile + "."}[n]
			for i := range list.Instances {
				if !yield(fmt.Sprintf("%sinstances[%d]", prefix, i), &list.Instances[i]) {
					return
				}
			}
		}
	}
}
