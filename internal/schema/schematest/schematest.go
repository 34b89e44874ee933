// Package schematest compares what the receiver says of configurations with what the schema does.
package schematest

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// receiver is the schema of the receiver's section.
var receiver = sync.OnceValues(func() (*jsonschema.Schema, error) {
	path, err := filepath.Abs(filepath.Join("..", "..", "config.schema.json")) // from a room of the module
	if err != nil {
		return nil, err
	}
	return jsonschema.NewCompiler().Compile(path + "#/$defs/receiver")
})

// shape is what the receiver says of what the schema refuses as well: of a value of a wrong type, and of an
// option that there is not.
var shape = regexp.MustCompile(`: unknown option` +
	`|: (".*"|\S+|a (list of \d+|mapping|date)|nothing) is (neither true nor false|not (a whole number|a duration, such as 10s|a list|a mapping|an instance|a text|a target|a job|an observer|a step|a bool))` +
	`|: has invalid keys: |: metric \S+ doesn't have an attribute |: invalid aggregation strategy `)

// noJSON is a number that JSON does not have.
const noJSON = ": NaN is"

// Judge requires the schema to take what the receiver takes, and to refuse what it refuses for its shape: err
// is what it says of a configuration.
func Judge(t testing.TB, configuration string, err error) {
	t.Helper()
	schema, compiled := receiver()
	require.NoError(t, compiled)
	var written any
	if yaml.Unmarshal([]byte(configuration), &written) != nil {
		return // which no schema is asked about
	}
	judged := schema.Validate(written)
	if err == nil {
		require.NoError(t, judged, configuration)
		return
	}
	for line := range strings.Lines(err.Error()) {
		if shape.MatchString(line) && !strings.HasPrefix(line, "instances_file") && !strings.Contains(line, noJSON) {
			assert.Error(t, judged, "%s%s", line, configuration)
		}
	}
}
