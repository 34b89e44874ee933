package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// The status of the receiver as the health check extension has it: that this machine is
// unable to check is an error until it is over, and a target that is down is none.
func TestHealth(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	closed := testnet.ClosedPort(t, "127.0.0.1")
	well := startHealth(t, fmt.Sprintf("{name: up, endpoint: %q}, {name: closed, endpoint: %q}", up, closed))
	well.program.Await(`cannot connect to "closed"`)
	ailing := startHealth(t, fmt.Sprintf("{name: up, endpoint: %q}, {name: nowhere, endpoint: '[fe80::1%%nosuch0]:80'}", up))

	answer := ailing.await(t, http.StatusInternalServerError)
	want := status{Status: "StatusRecoverableError", Error: "this machine is unable to check some instances, which says nothing about them: no such network interface"}
	assert.Equal(t, want, answer.receiver())
	ailing.program.Await(want.Error)

	answer = well.await(t, http.StatusOK)
	assert.Equal(t, status{Healthy: true, Status: "StatusOK"}, answer.receiver())
}

// health is a collector with examples/health.yaml.
type health struct {
	program *harness.Program
	address string // of the page with its status
}

// startHealth starts one with these instances, which gives up on a recovery at once.
func startHealth(t *testing.T, instances string) health {
	t.Helper()
	h := health{address: harness.FreeAddress(t)}
	different := filepath.Join(t.TempDir(), "different.yaml")
	harness.Write(t, different, fmt.Sprintf(`
extensions: {healthcheckv2: {component_health: {recovery_duration: 1ms}, http: {endpoint: %q}}}
receivers: {tcpcheck: {collection_interval: 1s, instances: [%s]}}
exporters: {prometheus: {endpoint: %q}}
service: {telemetry: {metrics: {level: none}}}
`, h.address, instances, harness.FreeAddress(t)))
	h.program = harness.Start(t, exec.Command(binary(t), "--config", "../examples/health.yaml", "--config", different), harness.CollectorReady)
	return h
}

// await asks for the status until the answer has that code, and returns it.
func (h health) await(t *testing.T, code int) status {
	t.Helper()
	var answer status
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + h.address + "/health?verbose")
		require.NoError(t, err)
		defer func() { assert.NoError(t, response.Body.Close()) }()
		answer = status{}
		require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
		return response.StatusCode == code
	}, harness.Patience, 50*time.Millisecond, "the answer is %v", &answer)
	return answer
}

// status is that of a collector, a pipeline or a component.
type status struct {
	Healthy    bool
	Status     string
	Error      string
	Components map[string]status
}

func (s status) receiver() status {
	return s.Components["pipeline:metrics"].Components["receiver:tcpcheck"]
}
