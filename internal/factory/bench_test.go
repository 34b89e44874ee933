package factory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// BenchmarkConfig decodes and validates 1,000 instances, written in the collector's
// configuration, and 10,000 of them: ten times as many take ten times as long. Then those of
// a file.
func BenchmarkConfig(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		instances, file := make([]any, n), strings.Builder{}
		file.WriteString("instances:\n")
		for i := range instances {
			instances[i] = map[string]any{"name": fmt.Sprint("target ", i), "host": "www.example.com", "port": 443, "tags": []any{"env:prod"}}
			fmt.Fprintf(&file, "  - {name: target %d, host: www.example.com, port: 443, tags: [env:prod]}\n", i)
		}
		path := filepath.Join(b.TempDir(), "instances.yaml")
		require.NoError(b, os.WriteFile(path, []byte(file.String()), 0o600))
		for name, written := range map[string]map[string]any{fmt.Sprint(n): {"instances": instances}, fmt.Sprint(n, " in a file"): {"instances_file": path}} {
			b.Run(name, func(b *testing.B) {
				conf := confmap.NewFromStringMap(written)
				b.ReportAllocs()
				for b.Loop() {
					config := createDefaultConfig()
					require.NoError(b, conf.Unmarshal(config))
					require.NoError(b, confmap.Validate(config))
				}
			})
		}
	}
}
