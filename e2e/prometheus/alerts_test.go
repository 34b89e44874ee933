package prometheus

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/process"
	"example.com/tcpcheckreceiver/e2e/tunpeer"
)

// What is shipped is what promtool takes.
func TestPromtool(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "../../prometheus/prometheus.yml"},
		{"check", "rules", "--lint-fatal", "../../prometheus/tcpcheck.rules.yml"},
		{"test", "rules", "../../prometheus/tcpcheck.rules_test.yml"},
	} {
		output, err := exec.Command(process.Program(t, "PROMTOOL", "e2e-prometheus"), args...).CombinedOutput()
		assert.NoError(t, err, "%v: %s", args, output)
	}
}

// Each alert fires for what it is about, with the labels of what it is about, and
// for nothing else, and ends with it.
func TestAlerts(t *testing.T) {
	w := newWorld(t)
	web, api := newService(t, "127.0.0.1", "::1"), newService(t, "127.0.0.1", "::1")
	for _, name := range []string{"web.test", "api.test", "moved.test"} {
		w.resolve(name, "127.0.0.1", "::1")
	}
	w.resolve("far.test", "198.18.0.2", "2001:db8:1::2")
	instances := fmt.Sprintf(`
{name: web, host: web.test, port: %[1]d, tags: ["env:prod"], service: shop},
{name: api, host: api.test, port: %[2]d, collect_response_time: true},
{name: far, host: far.test, port: 80, collect_response_time: true},
{name: moved, host: moved.test, port: %[2]d, ip_cache_duration: 0},
`, web.port, api.port)
	c := startCollector(t, instances, "")
	s := startServer(t, c.page)
	firing := func(lines ...string) {
		t.Helper()
		s.awaitLines(`ALERTS{alertstate="firing"}`, []model.LabelName{"alertname", "tcpcheck_instance", "network_type", "network_peer_address", "env"}, lines...)
	}

	// What was usual is known, and nothing is wrong.
	s.awaitSome(`address:network_tcp_response_time_seconds:median10m{tcpcheck_instance="far"} offset ` + (10 * time.Minute / scale).String())
	firing()

	w.peer.SetDefault(tunpeer.Behaviour{Delay: 200 * time.Millisecond})
	web.down("::1")
	w.resolve("moved.test")
	firing(
		"TCPCheckSlow far ipv4 198.18.0.2", "TCPCheckSlow far ipv6 2001:db8:1::2",
		"TCPCheckOneFamilyDown web ipv6 prod",
		"TCPCheckNameResolutionFailing moved ipv4", "TCPCheckNameResolutionFailing moved ipv6",
		"TCPCheckDown moved",
	)
	s.requireAnnotations()

	w.peer.SetDefault(tunpeer.Behaviour{})
	web.up("::1")
	w.resolve("moved.test", "127.0.0.1")
	firing("TCPCheckFamilyGone moved ipv6")
	s.requireAnnotations()

	w.resolve("moved.test", "127.0.0.1", "::1")
	web.down("::1")
	web.down("127.0.0.1")
	firing("TCPCheckDown web prod")

	web.up("127.0.0.1", "::1")
	firing()

	c.Stop()
	firing("TCPCheckStopped", "TCPCheckNoData")
	s.requireAnnotations()
	startCollectorAt(t, c.page, instances, "")
	firing()
}

// requireAnnotations fails the test unless the server could fill all labels into
// the texts of the alerts that fire.
func (s *server) requireAnnotations() {
	s.t.Helper()
	answer, err := s.api.Alerts(s.t.Context())
	require.NoError(s.t, err)
	require.NotEmpty(s.t, answer.Alerts)
	for _, alert := range answer.Alerts {
		for _, name := range []model.LabelName{"summary", "description"} {
			text := string(alert.Annotations[name])
			require.NotEmpty(s.t, text, alert.Labels)
			require.NotRegexp(s.t, `<error|no value|\{\{|  |over( |:|,)only|\bby[:;.,]`, text)
			if instance, ok := alert.Labels["tcpcheck_instance"]; ok && name == "summary" {
				require.Contains(s.t, text, string(instance))
			}
		}
	}
}
