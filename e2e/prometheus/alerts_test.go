package prometheus

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// What is shipped is what promtool takes.
func TestPromtool(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "../../prometheus/prometheus.yml"},
		{"check", "rules", "--lint-fatal", "../../prometheus/tcpcheck.rules.yml", "../../prometheus/tcpcheck-slo.rules.yml"},
		{"test", "rules", "../../prometheus/tcpcheck.rules_test.yml", "../../prometheus/tcpcheck-slo.rules_test.yml"},
	} {
		output, err := exec.Command(harness.Binary(t, "PROMTOOL", "e2e-prometheus"), args...).CombinedOutput()
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
	s := startServer(t, c)
	firing := func(lines ...string) {
		t.Helper()
		s.awaitLines(`ALERTS{alertstate="firing"}`, []model.LabelName{"alertname", "tcpcheck_instance", "network_type", "network_peer_address", "env"}, lines...)
	}

	// What was usual is known, and nothing is wrong.
	s.awaitSome(`address:network_tcp_response_time_seconds:median10m{tcpcheck_instance="far"} offset ` + (10 * time.Minute / scale).String())
	firing()

	w.hosts.SetOthers(peers.Behaviour{Delay: 200 * time.Millisecond})
	web.down("::1")
	w.resolve("moved.test")
	firing(
		"TCPCheckSlow far ipv4 198.18.0.2", "TCPCheckSlow far ipv6 2001:db8:1::2",
		"TCPCheckOneFamilyDown web ipv6 prod",
		"TCPCheckNameResolutionFailing moved ipv4", "TCPCheckNameResolutionFailing moved ipv6",
		"TCPCheckDown moved",
	)
	s.requireAnnotations()

	w.hosts.SetOthers(peers.Behaviour{})
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

// alertLabels are the labels by which the tests below tell alerts apart.
var alertLabels = []model.LabelName{"alertname", "host_name", "tcpcheck_instance", "network_type"}

// What the README promises: of the quickstart's ports, the one that answers over IPv4
// only is a warning, and the closed one alone is critical.
func TestAlertsOfTheQuickstart(t *testing.T) {
	testnet.RequireIPv6(t)
	startQuickstart(t, fmt.Sprintf("receivers::tcpcheck::collection_interval: %v", 15*time.Second/scale), flush)
	s := startServer(t, quickstartPages)
	labels := append([]model.LabelName{"severity"}, alertLabels...)
	s.awaitLines(`ALERTS{alertstate="firing"}`, labels, "warning TCPCheckOneFamilyDown v4 only ipv6", "critical TCPCheckDown closed")
	s.requireAnnotations()
}

// An alert that fires goes on over a reload of the collector, in which there are no
// series for a while, and does not fire anew.
func TestReloadInTheMiddleOfAnAlert(t *testing.T) {
	web, closed := newService(t, "127.0.0.1"), testnet.ClosedPort(t, "127.0.0.1")
	instances := web.instance("web") + fmt.Sprintf("{name: closed, endpoint: '%v'},\n", closed)
	c := startCollector(t, instances, "")
	s := startServer(t, c)
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown closed ipv4")
	before := s.alert("TCPCheckDown")

	// So long that a scrape finds nothing, and not as long as keep_firing_for.
	c.configure(t, time.Second, instances+web.instance("new"))
	reloaded := time.Now()
	c.Reload()
	s.awaitSome(canConnect + `{tcpcheck_instance="new"}`)
	s.awaitSome(canConnect + `{tcpcheck_instance="closed"}`)
	gap := fmt.Sprintf(`max_over_time(absent(network_tcp_can_connect{tcpcheck_instance="closed"})[%dms:50ms])`, time.Since(reloaded).Milliseconds())
	require.NotEmpty(t, s.query(gap), "no scrape found a gap")

	after := s.alert("TCPCheckDown")
	assert.Equal(t, promv1.AlertStateFiring, after.State)
	assert.Equal(t, before.ActiveAt, after.ActiveAt, "it was resolved meanwhile")
}

// What an objective allows is used up fast while a target is down; each attempt of it counts.
func TestBudget(t *testing.T) {
	web, steady := newService(t, "127.0.0.1"), newService(t, "127.0.0.1")
	c := startCollector(t, steady.instance("steady")+fmt.Sprintf("{name: web, endpoint: '127.0.0.1:%d', timeout: 100ms, retry: {attempts: 2, interval: 100ms}},\n", web.port), "")
	s := startServer(t, c, "rule_files: [tcpcheck.rules.yml]", "rule_files: [tcpcheck.rules.yml, tcpcheck-slo.rules.yml]")
	labels := []model.LabelName{"alertname", "tcpcheck_instance"}
	const fast = `ALERTS{alertstate="firing", alertname="TCPCheckBudgetBurnsFast"}`
	s.awaitLines(`target:tcpcheck_errors:ratio_rate5m == 0`, labels[1:], "steady", "web")
	web.down("127.0.0.1")
	s.awaitLines(fast, labels, "TCPCheckBudgetBurnsFast web")
	s.requireAnnotations()
	s.awaitLines(`target:tcpcheck_availability:ratio30d <= 1`, labels[1:], "steady", "web")
}

// A port that has to be closed is an alert when it is open, and none when it is closed.
func TestOpen(t *testing.T) {
	telnet := newService(t, "127.0.0.1")
	telnet.down("127.0.0.1")
	c := startCollector(t, fmt.Sprintf("{name: telnet, endpoint: '127.0.0.1:%d', tags: [expect:closed]},\n{name: closed, endpoint: '127.0.0.1:1'},\n", telnet.port), "")
	s := startServer(t, c)
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown closed ipv4")
	telnet.up("127.0.0.1")
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown closed ipv4", "TCPCheckOpen telnet ipv4")
	s.requireAnnotations()
	telnet.down("127.0.0.1")
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown closed ipv4")
}

// Certificates are alerts when they are not verified, end soon or differ among the addresses, and none once they are
// renewed. A target without tls is none.
func TestCertificateAlerts(t *testing.T) {
	w := newWorld(t)
	w.resolve("shop.test", "127.0.0.1", "::1")
	authority, day := testnet.NewAuthority(t), 24*time.Hour
	issue := func(lasts time.Duration) tls.Certificate {
		return authority.Issue([]string{"shop.test"}, testnet.Lasting(lasts))
	}
	both := []string{"127.0.0.1", "::1"}
	fine, untrusted := testnet.NewTLSServer(t, issue(90*day), both...), testnet.NewTLSServer(t, issue(90*day), both...)
	ended, week := testnet.NewTLSServer(t, issue(-time.Minute), both...), testnet.NewTLSServer(t, issue(6*day), both...)
	differ := testnet.NewTLSServer(t, issue(90*day), both...)
	differ.Show(issue(20*day), "::1")
	trusting, untrusting := tlsOptions(t, authority)
	c := startCollector(t, fmt.Sprintf(`
{name: plain, host: shop.test, port: %[3]d},
{name: fine, host: shop.test, port: %[3]d, %[1]s},
{name: untrusted, host: shop.test, port: %[4]d, %[2]s},
{name: ended, host: shop.test, port: %[5]d, %[1]s},
{name: week, host: shop.test, port: %[6]d, %[1]s},
{name: differ, host: shop.test, port: %[7]d, %[1]s},
`, trusting, untrusting, fine.Port, untrusted.Port, ended.Port, week.Port, differ.Port), "")
	s := startServer(t, c)
	firing := func(lines ...string) {
		t.Helper()
		s.awaitLines(`ALERTS{alertstate="firing"}`, []model.LabelName{"alertname", "severity", "tcpcheck_instance", "network_type", "network_peer_address"}, lines...)
	}
	firing(
		"TCPCheckTLSFailing critical untrusted",
		"TCPCheckCertificateEnds critical ended", "TCPCheckCertificateEnds warning week", "TCPCheckCertificateEnds info differ",
		"TCPCheckCertificatesDiffer warning differ",
	)
	s.requireAnnotations()

	for _, service := range []*testnet.TLSServer{ended, week, differ} {
		service.Show(issue(90*day), both...)
	}
	firing("TCPCheckTLSFailing critical untrusted")
}

// A dialogue is an alert while the service does not answer as it is to, and none where the port does not accept or TLS
// fails, of which there are others. A target without steps is none.
func TestDialogAlerts(t *testing.T) {
	w := newWorld(t)
	w.resolve("mail.test", "127.0.0.1", "::1")
	both, fine := []string{"127.0.0.1", "::1"}, "220 mail.test ESMTP\r\n"
	answers, busy := testnet.NewGreeter(t, fine, both...), testnet.NewGreeter(t, fine, both...)
	busy.Say("421 too many connections\r\n", "::1")
	silent := testnet.NewGreeter(t, "", both...)
	untrusted := testnet.NewTLSServer(t, testnet.NewAuthority(t).Issue([]string{"mail.test"}), both...)
	_, untrusting := tlsOptions(t, testnet.NewAuthority(t))
	const steps = `steps: [{expect: "^220 "}], steps_interval: 1s`
	c := startCollector(t, fmt.Sprintf(`
{name: plain, host: mail.test, port: %[3]d},
{name: answers, host: mail.test, port: %[3]d, %[1]s},
{name: busy, host: mail.test, port: %[4]d, %[1]s},
{name: silent, host: mail.test, port: %[5]d, %[1]s},
{name: closed, host: mail.test, port: 1, %[1]s},
{name: untrusted, host: mail.test, port: %[6]d, steps: [{expect: "^220 "}], %[2]s},
`, steps, untrusting, answers.Port, busy.Port, silent.Port, untrusted.Port), "")
	s := startServer(t, c)
	firing := func(lines ...string) {
		t.Helper()
		s.awaitLines(`ALERTS{alertstate="firing"}`, []model.LabelName{"alertname", "severity", "tcpcheck_instance", "network_type", "network_peer_address"}, lines...)
	}
	others := []string{"TCPCheckDown critical closed", "TCPCheckTLSFailing critical untrusted"}
	firing(append(others, "TCPCheckDialogFailing critical busy", "TCPCheckDialogFailing critical silent")...)
	s.requireAnnotations()
	s.awaitLines(`tcpcheck_dialog_ok`, []model.LabelName{"tcpcheck_instance", "network_type"},
		"answers ipv4", "answers ipv6", "busy ipv4", "busy ipv6", "silent ipv4", "silent ipv6")

	busy.Say(fine, "::1")
	silent.Say(fine, both...)
	firing(others...)
}

// alert returns the only alert of a name.
func (s *server) alert(name string) promv1.Alert {
	s.t.Helper()
	answer, err := s.api.Alerts(s.t.Context())
	require.NoError(s.t, err)
	alerts := slices.DeleteFunc(answer.Alerts, func(a promv1.Alert) bool { return string(a.Labels["alertname"]) != name })
	require.Len(s.t, alerts, 1)
	return alerts[0]
}

// An instance that a reload leaves out is gone at the next scrape, which may be a mistake.
func TestInstanceGone(t *testing.T) {
	web := newService(t, "127.0.0.1")
	// It would be on the page for an hour.
	c := startCollector(t, web.instance("stays")+web.instance("goes"), "exporters::prometheus::metric_expiration: 1h")
	s := startServer(t, c)
	labels := []model.LabelName{"tcpcheck_instance"}
	s.awaitLines(canConnect, labels, "goes", "stays")
	c.reloadWith(t, web.instance("stays"))
	s.awaitLines(canConnect, labels, "stays")
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckInstanceGone goes")
	s.requireAnnotations()
	c.reloadWith(t, web.instance("stays")+web.instance("goes"))
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels)
}

// One agent of two behind a gateway, as examples/agent.yaml and gateway.yaml are, is
// lost, and comes back. The alerts name the agents, and the queries of docs/scaling.md find what they are about.
func TestAgentGone(t *testing.T) {
	web, closed := newService(t, "127.0.0.1"), testnet.ClosedPort(t, "127.0.0.1")
	collector := &collector{page: harness.FreeAddress(t), own: harness.FreeAddress(t)}
	listen := harness.FreeAddress(t)
	run := func(example string, args []string, environment ...string) *harness.Program {
		command := exec.Command(harness.Binary(t, "COLLECTOR", "e2e-prometheus"), append([]string{"--config", "../../examples/" + example}, args...)...)
		_, own, err := net.SplitHostPort(harness.FreeAddress(t))
		require.NoError(t, err)
		command.Env = append(os.Environ(), append(environment, "OWN_METRICS_PORT="+own)...)
		return harness.Start(t, command, harness.CollectorReady)
	}
	run("gateway.yaml", nil, "GATEWAY_LISTEN="+listen, "PROMETHEUS_LISTEN="+collector.page, "RETENTION=2s")
	agent := func(name string, port uint16) *harness.Program {
		return run("agent.yaml", []string{"--config", "yaml:" + flush}, "VANTAGE_POINT="+name, "GATEWAY="+listen, "TARGET_HOST=127.0.0.1", fmt.Sprintf("TARGET_PORT=%d", port), "CHECK_INTERVAL=500ms")
	}
	here := agent("here", web.port)
	agent("there", closed.Port())
	s := startServer(t, collector)
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown there web ipv4")
	queries := harness.Blocks(t, "docs/scaling.md", "promql")
	require.Len(t, queries, 3)
	downSomewhere, downEverywhere, gone := queries[0].Text, queries[1].Text, accelerated(t, queries[2].Text)
	assert.Len(t, s.query(downSomewhere), 1)
	assert.Empty(t, s.query(downEverywhere))
	assert.Empty(t, s.query(gone))

	here.Stop()
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown there web ipv4", "TCPCheckAgentGone here")
	s.requireAnnotations()
	assert.Contains(t, string(s.alert("TCPCheckAgentGone").Annotations["summary"]), "here reports no TCP checks")
	assert.Contains(t, string(s.alert("TCPCheckDown").Annotations["description"]), "as seen by there.")
	assert.Empty(t, s.query(downSomewhere))
	assert.Len(t, s.query(downEverywhere), 1)
	s.awaitSome(gone)
	agent("here", web.port)
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels, "TCPCheckDown there web ipv4")
}

// A machine that cannot check says so by its collector's own metrics.
func TestUnchecked(t *testing.T) {
	web := newService(t, "127.0.0.1")
	c := startCollector(t, web.instance("web")+"{name: unchecked, endpoint: '[fe80::1%nosuchif]:80'},\n", "")
	s := startServer(t, c)
	s.awaitLines(`ALERTS{alertstate="firing"}`, []model.LabelName{"alertname", "job", "instance", "receiver", "reason"}, "TCPCheckUnchecked tcpcheck-collector "+c.own+" tcpcheck other")
	s.requireAnnotations()
	c.reloadWith(t, web.instance("web"))
	s.awaitLines(`ALERTS{alertstate="firing"}`, alertLabels)
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
