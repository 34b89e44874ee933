package source

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"example.com/tcpcheckreceiver/internal/files"
)

// file is an instances file.
type file struct {
	path string
	hash [sha256.Size]byte // of what is in it
	outer
}

// inInstances is the place of the list of a List.
const inInstances = "instances"

// readFile reads a file of instances. What is wrong with it as a whole has no place in it.
//
// A file is there for the number of instances. The collector copies its own configuration
// again and again: it took 5 s until the first points of ten thousand instances, and 0.8 s
// where only the receiver reads them (make bench).
func readFile(path string) *file {
	f := &file{path: path}
	text, err := files.Read(path, maxFile)
	if err != nil {
		f.undecoded.Add("", "%v", err)
		return f
	}
	f.hash = sha256.Sum256(text)
	written, root, err := parse(text)
	if err != nil {
		f.undecoded.Add("", "%s: %v", path, err)
		return f
	}
	addOctals(&f.undecoded, func() string { return "" }, root.Content[0])
	instances, isList := written[inInstances].([]any)
	if isList {
		delete(written, inInstances)
	}
	f.undecoded.decode(fileSchema(), "", written, &f.List)
	f.decodeInstances(instances)
	for i := range f.Instances {
		f.Instances[i].Service = cmp.Or(f.Instances[i].Service, f.InitConfig.Service)
	}
	return f
}

// decodeInstances decodes the instances that are written in the file, on all processors.
func (f *file) decodeInstances(written []any) {
	f.Instances = make([]Instance, len(written))
	parts := make([]Problems, runtime.GOMAXPROCS(0))
	var decoding sync.WaitGroup
	for n := range parts {
		decoding.Go(func() {
			for i := n * len(written) / len(parts); i < (n+1)*len(written)/len(parts); i++ {
				parts[n].decode(fileSchema(), instancePlace("", i), written[i], &f.Instances[i])
			}
		})
	}
	decoding.Wait()
	for _, part := range parts {
		f.undecoded.merge("", part)
	}
}

// maxFile is the size of an instances file at most: 64 MiB are some 500,000 instances.
const maxFile = 64 << 20

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
			addOctals(p, func() string { return strings.TrimPrefix(place()+"."+shown(node.Content[i-1].Value), ".") }, inner)
		}
	}
}
