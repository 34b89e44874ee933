//go:build linux

package main

import (
	"fmt"
	"strings"
)

// Where in the namespace the collector serves its pages, and where it sends its
// metrics.
const (
	pageAddress      = "127.0.0.1:9464"
	telemetryAddress = "127.0.0.1:8888"
	sinkAddress      = "127.0.0.1:4318"
)

// retained is how long a series that is no longer reported stays on the page.
const retained = 3 * interval

// collectorConfig returns a configuration that checks targets. The output of the
// collector is all on standard output, so that what the runtime writes has
// standard error for itself.
func collectorConfig(targets []*target) string {
	var instances strings.Builder
	for _, t := range targets {
		where := fmt.Sprintf("endpoint: %q", t.peers[0].addr)
		if t.host != "" {
			where = fmt.Sprintf("host: %s, port: %d, ip_cache_duration: 0, multiple_ips: %t", t.host, t.peers[0].addr.Port(), t.multiple)
		}
		fmt.Fprintf(&instances, "      - {name: %s, %s, timeout: %v, collect_response_time: true}\n", t.instance, where, timeout)
	}
	host, port, _ := strings.Cut(telemetryAddress, ":")
	return fmt.Sprintf(`receivers:
  tcpcheck:
    collection_interval: %v
    instances:
%sexporters:
  prometheus:
    endpoint: %s
    without_scope_info: true
    send_timestamps: true
    metric_expiration: %v
  otlp_http:
    endpoint: http://%s
    retry_on_failure:
      max_interval: 5s
service:
  telemetry:
    logs:
      output_paths: [stdout]
      error_output_paths: [stdout]
    metrics:
      readers:
        - pull:
            exporter:
              prometheus:
                host: %s
                port: %s
  pipelines:
    metrics:
      receivers: [tcpcheck]
      exporters: [prometheus, otlp_http]
`, interval, instances.String(), pageAddress, retained, sinkAddress, host, port)
}
