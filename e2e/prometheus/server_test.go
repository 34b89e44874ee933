package prometheus

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// lookBack is how long the server takes the last sample of a series for its
// present value: its default of 5m, accelerated.
const lookBack = 5 * time.Minute / scale

// server is a running Prometheus server.
type server struct {
	t   *testing.T
	api promv1.API
}

// startServer runs a server with the shipped configuration and rules, accelerated,
// that scrapes the pages of a collector. Replacements are pairs of a text of the configuration and
// what is to be in its place.
func startServer(t *testing.T, c *collector, replacements ...string) *server {
	t.Helper()
	folder := t.TempDir()
	config := accelerated(t, "../../prometheus/prometheus.yml")
	replacements = append([]string{"localhost:9464", c.page, "localhost:9466", c.own}, replacements...)
	for pair := range slices.Chunk(replacements, 2) {
		require.Contains(t, config, pair[0])
		config = strings.ReplaceAll(config, pair[0], pair[1])
	}
	harness.Write(t, filepath.Join(folder, "prometheus.yml"), config)
	harness.Write(t, filepath.Join(folder, "tcpcheck.rules.yml"), accelerated(t, "../../prometheus/tcpcheck.rules.yml"))
	address := harness.FreeAddress(t)
	harness.Start(t, exec.Command(harness.Binary(t, "PROMETHEUS", "e2e-prometheus"),
		"--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+address,
		fmt.Sprintf("--query.lookback-delta=%v", lookBack),
	), "Server is ready to receive web requests")
	client, err := api.NewClient(api.Config{Address: "http://" + address})
	require.NoError(t, err)
	return &server{t: t, api: promv1.NewAPI(client)}
}

// query returns what the server answers now.
func (s *server) query(expression string) model.Vector {
	s.t.Helper()
	answer, _, err := s.api.Query(s.t.Context(), expression, time.Now())
	require.NoError(s.t, err, expression)
	require.IsType(s.t, model.Vector{}, answer, expression)
	return answer.(model.Vector)
}

// await asks until the answer is what is wanted.
func (s *server) await(expression string, wanted func(model.Vector) bool) {
	s.t.Helper()
	deadline := time.After(harness.Patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		answer := s.query(expression)
		if wanted(answer) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			require.FailNow(s.t, "waited in vain", "%s is\n%s", expression, answer)
		}
	}
}

// awaitSome asks until there is an answer.
func (s *server) awaitSome(expression string) {
	s.t.Helper()
	s.await(expression, func(answer model.Vector) bool { return len(answer) > 0 })
}

// awaitLines asks until the answer, a line with the values of some labels for
// each sample, is this.
func (s *server) awaitLines(expression string, labels []model.LabelName, lines ...string) {
	s.t.Helper()
	slices.Sort(lines)
	s.await(expression, func(answer model.Vector) bool { return slices.Equal(linesOf(answer, labels), lines) })
}

// linesOf returns a line with the values of some labels for each sample, sorted.
func linesOf(answer model.Vector, labels []model.LabelName) []string {
	var lines []string
	for _, sample := range answer {
		var values []string
		for _, label := range labels {
			if value, ok := sample.Metric[label]; ok {
				values = append(values, string(value))
			}
		}
		lines = append(lines, strings.Join(values, " "))
	}
	slices.Sort(lines)
	return lines
}
