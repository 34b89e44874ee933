package tcpcheckreceiver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// BenchmarkConfig decodes and validates 1,000 instances, written in the collector's
// configuration, and 10,000 of them: ten times as many take ten times as long.
func BenchmarkConfig(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			instances := make([]any, n)
			for i := range instances {
				instances[i] = map[string]any{"name": fmt.Sprint("target ", i), "host": "www.example.com", "port": 443, "tags": []any{"env:prod"}}
			}
			conf := confmap.NewFromStringMap(map[string]any{"instances": instances})
			b.ReportAllocs()
			for b.Loop() {
				config := createDefaultConfig()
				require.NoError(b, conf.Unmarshal(config))
				require.NoError(b, confmap.Validate(config))
			}
		})
	}
}
