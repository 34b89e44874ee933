package source

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// What the Agent takes and has no effect here is said, once for each option, with the place.
func TestAgentOptions(t *testing.T) {
	const pasted = `ad_identifiers: [web]
logs: [{type: file, path: /var/log/web.log}]
init_config: {service: s, proxy: {https: "http://p"}, min_collection_interval: 30}
instances:
  - {name: a, host: h, port: 1, disable_generic_tags: true}
  - {name: b, host: h, port: 1, max_returned_metrics: 5, disable_generic_tags: false, loader: python}
`
	options, err := load(t, pasted)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"init_config.min_collection_interval: it has no effect: the Agent has not read it there since version 6; write it at the instances, or as collection_interval",
		"init_config.proxy: it has no effect: a TCP check has no proxy",
		`instances[0] "a" .disable_generic_tags: it has no effect: which tags there are is said by the attributes of each metric; 1 more are like it`,
		`instances[1] "b" .loader: it has no effect: this is no check of the Agent`,
		`instances[1] "b" .max_returned_metrics: it has no effect: an instance has a few series for each of its addresses, and no more`,
		"ad_identifiers: it has no effect: receiver_creator starts checks for what it finds",
		"logs: it has no effect: a log is another receiver's, such as file_log",
	}, options.Warnings())
	assert.Len(t, options.targets(), 2)

	options, err = load(t, "{logs: [], instances_file: "+writeFile(t, pasted)+"}")
	require.NoError(t, err)
	assert.Contains(t, options.Warnings(), `instances_file.instances[0] "a" .disable_generic_tags: it has no effect: which tags there are is said by the attributes of each metric; 1 more are like it`)
	assert.Contains(t, options.Warnings(), "logs: it has no effect: a log is another receiver's, such as file_log; 1 more are like it")

	_, err = load(t, "instances: [{name: a, host: h, port: 1, logs: [], loader: x}]")
	require.ErrorContains(t, err, `instances[0] "a" .logs: unknown option`, "it is no option of an instance")
	require.NotContains(t, err.Error(), "loader: unknown")
}

// What the tags of an instance become.
func TestTags(t *testing.T) {
	for _, test := range []struct {
		name, tags string
		want       []check.Tag
		warnings   []string
	}{
		{"as they are", `["env:prod", "at:http://h:1"]`, []check.Tag{{Key: "env", Value: "prod"}, {Key: "at", Value: "http://h:1"}}, nil},
		{
			"without a value", `[prod, "env:"]`,
			[]check.Tag{{Key: "prod", Value: "true"}, {Key: "env", Value: "true"}},
			[]string{`instances[0] "a" .tags[0]: "prod" has no value, so it is the attribute prod with the value true`},
		},
		{
			"one key", `["team:a", "team:b", "team_2:c", "team:d"]`,
			[]check.Tag{{Key: "team", Value: "a"}, {Key: "team_3", Value: "b"}, {Key: "team_2", Value: "c"}, {Key: "team_4", Value: "d"}},
			[]string{`instances[0] "a" .tags[1]: "team:b" has the key of another tag, so it is the attribute team_3 with the value b`},
		},
		{
			"one twice", `["env:prod", "env:prod", a, "a:", "a:true"]`,
			[]check.Tag{{Key: "env", Value: "prod"}, {Key: "a", Value: "true"}},
			[]string{`instances[0] "a" .tags[2]: "a" has no value, so it is the attribute a with the value true`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			options, err := load(t, "instances: [{name: a, host: h, port: 2, tags: "+test.tags+"}]")
			require.NoError(t, err)
			assert.Equal(t, test.want, options.targets()[0].Labels.Tags)
			assert.Equal(t, test.warnings, options.Warnings())
		})
	}
	_, err := load(t, `instances: [{name: a, host: h, port: 1, tags: [":x", "", "team:a", "team:b", "team-2:c", instance]}]`)
	require.EqualError(t, err, `instances[0] "a" .tags[0]: ":x" has no key; write key:value
instances[0] "a" .tags[1]: "" has no key; write key:value
instances[0] "a" .tags[4]: "team-2:c" has the label of tags[3], "team:b": both are team_2 in Prometheus
instances[0] "a" .tags[5]: "instance" is named like the attribute instance of the receiver`)
}
