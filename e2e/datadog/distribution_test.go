package datadog

import (
	"debug/buildinfo"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// The recorded modules, of which the program was built, are those that the builder
// is asked for.
func TestDistribution(t *testing.T) {
	asked := regexp.MustCompile(`(?m)gomod: (\S+) (\S+)$`).FindAllStringSubmatch(harness.Read(t, "../../distributions/datadog/builder-config.yaml"), -1)
	require.NotEmpty(t, asked)
	info, err := buildinfo.ReadFile(program(t))
	require.NoError(t, err)
	built := make(map[string]string)
	for _, module := range info.Deps {
		built[module.Path] = module.Version
	}
	for _, module := range asked {
		assert.Equal(t, module[2], built[module[1]], module[1])
	}
}

// The distribution for Datadog has all that the other one has.
func TestDistributionHasTheOther(t *testing.T) {
	components := regexp.MustCompile(`(?m)^  - gomod: .*$`)
	has := components.FindAllString(harness.Read(t, "../../distributions/datadog/builder-config.yaml"), -1)
	other := components.FindAllString(harness.Read(t, "../../builder-config.yaml"), -1)
	require.NotEmpty(t, other)
	assert.Subset(t, has, other)
	output, err := exec.Command(program(t), "components").CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, name := range []string{"tcpcheck", "datadog", "prometheus", "otlp", "debug", "batch", "memory_limiter"} {
		assert.Regexp(t, `(?m)- name: `+name+`$`, string(output))
	}
}
