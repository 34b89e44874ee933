package prometheus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

const (
	// alertmanagerProgram is the Alertmanager, as Debian names it.
	alertmanagerProgram = "prometheus-alertmanager"
	// alertmanagerConfig is the configuration that is shipped for it.
	alertmanagerConfig = "../../prometheus/alertmanager.yml"
	// active is the state of an alert of which somebody is told.
	active = "active"
)

// An outage of one machine over one family keeps away the alerts that it causes, and no others.
func TestInhibition(t *testing.T) {
	a := startAlertmanager(t)
	const outageOfA, outageOfHere, allOfHere = "TCPCheckMachineOutage a ipv6", "TCPCheckMachineOutage gateway here ipv4", "TCPCheckMachineOutage gateway here"
	states := make(map[string]string)
	for i := range 812 {
		name := []string{"TCPCheckDown", "TCPCheckOneFamilyDown"}[i%2]
		states[fmt.Sprintf("%s a ipv6 target%d", name, i)] = outageOfA
	}
	maps.Copy(states, map[string]string{
		outageOfA: active,
		"TCPCheckNameResolutionFailing a ipv6 web":      outageOfA,
		"TCPCheckFamilyGone a ipv6 web":                 outageOfA,
		"TCPCheckSlow a ipv6 web":                       outageOfA,
		"TCPCheckBudgetBurnsFast a web":                 outageOfA,
		"TCPCheckBudgetBurns a web":                     outageOfA,
		"TCPCheckDown a ipv4 web":                       active, // the other family
		"TCPCheckDown a both":                           active, // over both, of which one is within reach
		"TCPCheckOpen a ipv6 telnet":                    active, // it connects
		"TCPCheckInstanceGone a web":                    active,
		"TCPCheckStopped a":                             active,
		"TCPCheckDown b ipv6 web":                       active, // another collector
		"TCPCheckBudgetBurns b web":                     active,
		allOfHere:                                       active,
		outageOfHere:                                    allOfHere,
		"TCPCheckDown gateway here ipv4 web":            outageOfHere,
		"TCPCheckDown gateway here both":                allOfHere,
		"TCPCheckDown gateway there ipv4 web":           active, // another agent
		"TCPCheckDown gateway there both":               active,
		"TCPCheckOneFamilyDown gateway there ipv6 both": active,
	})
	a.post(states)
	var got map[string]string
	await(func() bool {
		got = a.states("alertname", "instance", "host_name", "network_type", "tcpcheck_instance")
		return maps.Equal(states, got)
	})
	assert.Equal(t, states, got)
}

// A machine that is cut off is one alert that is heard, from the collector to the Alertmanager, and so it
// is until all is well again.
func TestMachineOutage(t *testing.T) {
	a := startAlertmanager(t)
	w := newWorld(t)
	var instances strings.Builder
	wanted := map[string]string{
		"TCPCheckMachineOutage":      active,
		"TCPCheckMachineOutage ipv4": "TCPCheckMachineOutage",
		"TCPCheckDown closed ipv6":   active,
	}
	for i := range 12 {
		fmt.Fprintf(&instances, "{name: far%d, endpoint: '198.18.%d.2:80', timeout: 300ms},\n", i, i)
		wanted[fmt.Sprintf("TCPCheckDown far%d ipv4", i)] = "TCPCheckMachineOutage ipv4"
	}
	c := startCollector(t, instances.String()+"{name: closed, endpoint: '[::1]:1'},\n", "")
	s := startServer(t, c, "rule_files:", fmt.Sprintf("alerting: {alertmanagers: [{static_configs: [{targets: ['%s']}]}]}\nrule_files:", a.address))
	heard := make(map[string]string)
	awaitStates := func(wanted map[string]string) {
		t.Helper()
		var got map[string]string
		require.True(t, await(func() bool {
			got = a.states("alertname", "tcpcheck_instance", "network_type")
			for alert, state := range got {
				if state == active {
					heard[alert] = active
				}
			}
			return maps.Equal(wanted, got)
		}), "wanted %v, got %v", wanted, &got)
	}
	s.awaitSome(`count(network_tcp_can_connect == 1) == 12`)
	awaitStates(map[string]string{"TCPCheckDown closed ipv6": active})

	w.hosts.SetOthers(peers.Behaviour{Answer: peers.Silence})
	awaitStates(wanted)
	s.requireAnnotations()

	w.hosts.SetOthers(peers.Behaviour{})
	awaitStates(map[string]string{"TCPCheckDown closed ipv6": active})
	assert.Equal(t, map[string]string{"TCPCheckDown closed ipv6": active, "TCPCheckMachineOutage": active}, heard)
}

// The configuration is what amtool, which comes with the Alertmanager, takes.
func TestAmtool(t *testing.T) {
	requireInstalled(t, alertmanagerProgram)
	output, err := exec.Command("amtool", "check-config", alertmanagerConfig).CombinedOutput()
	assert.NoError(t, err, "%s", output)
}

// alertmanager is a running Alertmanager.
type alertmanager struct {
	t       *testing.T
	address string
}

// startAlertmanager runs an Alertmanager with the shipped configuration.
func startAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	requireInstalled(t, alertmanagerProgram)
	a := &alertmanager{t: t, address: harness.FreeAddress(t)}
	harness.Start(t, exec.Command(alertmanagerProgram,
		"--config.file="+alertmanagerConfig,
		"--storage.path="+filepath.Join(t.TempDir(), "data"),
		"--web.listen-address="+a.address,
		"--cluster.listen-address=",
	), "Listening on")
	return a
}

// post tells of alerts, each a line with its name, collector, agent behind a gateway, family and target,
// of which all but the name may be missing.
func (a *alertmanager) post(lines map[string]string) {
	a.t.Helper()
	type alert struct {
		Labels map[string]string `json:"labels"`
	}
	var alerts []alert
	for line := range lines {
		words := strings.Fields(line)
		labels := map[string]string{"job": "tcpcheck", "alertname": words[0]}
		for _, word := range words[1:] {
			switch word {
			case "a", "b", "gateway":
				labels["instance"] = word
			case "here", "there":
				labels["host_name"] = word
			case "ipv4", "ipv6":
				labels["network_type"] = word
			default:
				labels["tcpcheck_instance"] = word
			}
		}
		alerts = append(alerts, alert{labels})
	}
	body, err := json.Marshal(alerts)
	require.NoError(a.t, err)
	a.ask(http.MethodPost, body, nil)
}

// states returns what has become of each alert, a line with the values of some labels: it is active, or
// suppressed by another.
func (a *alertmanager) states(labels ...model.LabelName) map[string]string {
	a.t.Helper()
	var alerts []struct {
		Fingerprint string
		Labels      model.Metric
		Status      struct {
			State       string
			InhibitedBy []string
		}
	}
	a.ask(http.MethodGet, nil, &alerts)
	lines := make(map[string]string) // by fingerprint
	for _, alert := range alerts {
		lines[alert.Fingerprint] = linesOf(model.Vector{{Metric: alert.Labels}}, labels)[0]
	}
	states := make(map[string]string)
	for _, alert := range alerts {
		line, state := lines[alert.Fingerprint], alert.Status.State
		assert.NotContains(a.t, states, line, "two alerts with these labels")
		if state == "suppressed" {
			require.Len(a.t, alert.Status.InhibitedBy, 1, line)
			state = lines[alert.Status.InhibitedBy[0]]
		}
		states[line] = state
	}
	return states
}

// ask sends a request about alerts to the API, and reads the answer.
func (a *alertmanager) ask(method string, body []byte, answer any) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, "http://"+a.address+"/api/v2/alerts", bytes.NewReader(body))
	require.NoError(a.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer func() { assert.NoError(a.t, response.Body.Close()) }()
	require.Equal(a.t, http.StatusOK, response.StatusCode)
	if answer != nil {
		require.NoError(a.t, json.NewDecoder(response.Body).Decode(answer))
	}
}
