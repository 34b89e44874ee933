package tcpcheckreceiver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"
)

// instancesFile is the content of Config.InstancesFile: a configuration file of
// tcp_check is one.
//
// It is there for the number of instances. The collector copies its own
// configuration again and again before it starts a receiver: it took 5 s until the
// first points of ten thousand instances, and 0.8 s where only the receiver reads
// them (make bench).
type instancesFile struct {
	InitConfig InitConfig `mapstructure:"init_config"`
	Instances  []Instance `mapstructure:"instances"`

	// Unknown has what the user wrote that is no option. It is always an error.
	Unknown map[string]any `mapstructure:",remain"`

	// read says that this is what the file has, or as much as could be decoded.
	read bool
}

// inFile is the place of what is in the file, in front of its place there.
const inFile = "instances_file"

// readFile reads the file that InstancesFile names, if any. What is wrong with it is
// for Validate to report.
func (c *Config) readFile() {
	c.file = instancesFile{}
	if c.InstancesFile == "" {
		return
	}
	text, err := os.ReadFile(c.InstancesFile)
	if err != nil {
		c.undecoded.add(inFile, "%v", err)
		return
	}
	options, err := parse(text)
	if err != nil {
		c.undecoded.add(inFile, "%s: %v", c.InstancesFile, err)
		return
	}
	c.file.read = true
	if err := decode(options, &c.file); err != nil {
		eachDecodeError("", err, func(place string, err error) {
			addDecodeError(&c.undecoded, options, inFile+".", place, err)
		})
	}
	for i := range c.file.Instances {
		if instance := &c.file.Instances[i]; instance.Service == "" {
			instance.Service = c.file.InitConfig.Service
		}
	}
}

// parse returns the options in a text of YAML, of which a document has to be a
// mapping, and the only one.
func parse(text []byte) (map[string]any, error) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var first, second any
	if err := documents.Decode(&first); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document; write one")
	}
	options, ok := first.(map[string]any)
	if !ok {
		return nil, errors.New("it is no mapping; write the instances as a list below the key instances")
	}
	return options, nil
}

// decode decodes what a user wrote into a struct, as confmap does.
func decode(written map[string]any, into any) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: into, MatchName: func(option, field string) bool { return option == field },
	})
	if err != nil {
		return err
	}
	return decoder.Decode(written)
}

// instances are those of the configuration and of the file, with their places.
func (c *Config) instances() iter.Seq2[string, *Instance] {
	return func(yield func(string, *Instance) bool) {
		for i := range c.Instances {
			if !yield(fmt.Sprintf("instances[%d]", i), &c.Instances[i]) {
				return
			}
		}
		for i := range c.file.Instances {
			if !yield(fmt.Sprintf(inFile+".instances[%d]", i), &c.file.Instances[i]) {
				return
			}
		}
	}
}
