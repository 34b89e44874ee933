package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// The list of a collector that runs changes with its files, and what did not change stays as it
// is.
func TestInstancesFileChanges(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, instances ...string) {
		text := "instances:\n"
		for _, instance := range instances {
			text += "  - {" + instance + "}\n"
		}
		harness.Write(t, in(name), text)
	}
	stays := fmt.Sprintf("name: stays, endpoint: %q", closed)
	other := fmt.Sprintf("name: other, endpoint: %q", up)
	tagged := other + `, tags: ["site:b"]`
	for _, folder := range []string{"..1", "..2"} {
		require.NoError(t, os.Mkdir(in(folder), 0o700))
	}
	write("..1/mapped.yaml", fmt.Sprintf("name: first, endpoint: %q", up))
	write("..2/mapped.yaml", fmt.Sprintf("name: second, endpoint: %q", up))
	require.NoError(t, os.Symlink("..1", in("..data")))
	require.NoError(t, os.Symlink("..data/mapped.yaml", in("mapped.yaml")))
	write("plain.yaml", stays, other)

	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
collection_interval: 1h
flush_interval: 100ms
defaults: {timeout: 2s}
instances_file: '%s'
instances:
  - {name: fixed, endpoint: %q}
`, in("*.yaml"), up))
	ownPage := withOwnMetrics(t, config)
	c := start(t, config)

	label := func(instance, more string) string {
		port := up.Port()
		if instance == "stays" {
			port = closed.Port()
		}
		return fmt.Sprintf("{network_peer_address=127.0.0.1 network_type=ipv4 server_address=127.0.0.1 server_port=%d %stcpcheck_instance=%s}", port, more, instance)
	}
	// All of it is there, and nothing else: what is gone has ended.
	await := func(want map[string]float64) {
		t.Helper()
		read := page.await(t, func(page harness.Page) bool { return assert.ObjectsAreEqual(want, page.Values(canConnect)) })
		assert.Equal(t, map[string]float64{
			fmt.Sprintf("{error_type=connection_refused network_type=ipv4 server_address=127.0.0.1 server_port=%d tcpcheck_instance=stays}", closed.Port()): 1,
		}, read.Values("tcpcheck_errors_total"), "it was checked once in this hour")
	}
	await(map[string]float64{label("stays", ""): 0, label("other", ""): 1, label("first", ""): 1, label("fixed", ""): 1})

	write("plain.yaml", stays, tagged) // in place
	await(map[string]float64{label("stays", ""): 0, label("other", "site=b "): 1, label("first", ""): 1, label("fixed", ""): 1})

	write("new", stays, fmt.Sprintf("name: third, endpoint: %q", up), fmt.Sprintf("name: fixed, endpoint: %q, tags: ['x:y']", up))
	require.NoError(t, os.Rename(in("new"), in("plain.yaml")))
	await(map[string]float64{label("stays", ""): 0, label("third", ""): 1, label("first", ""): 1, label("fixed", ""): 1})
	c.Await(`.instances[2] "fixed": it is instances[0] "fixed" as well, and is checked once`)

	require.NoError(t, os.Symlink("..2", in("..data_tmp"))) // as Kubernetes does it
	require.NoError(t, os.Rename(in("..data_tmp"), in("..data")))
	await(map[string]float64{label("stays", ""): 0, label("third", ""): 1, label("second", ""): 1, label("fixed", ""): 1})

	// A list that is no list takes nothing down, and one target that is wrong nothing but itself.
	harness.Write(t, in("plain.yaml"), "instances: [{name: stays")
	c.Await("the list of "+in("plain.yaml")+" cannot be taken as it is, so the last good one stays", "did not find expected")
	write("late.yaml", "name: wrong, endpoint: nowhere", fmt.Sprintf("name: late, endpoint: %q", up))
	await(map[string]float64{label("stays", ""): 0, label("third", ""): 1, label("second", ""): 1, label("fixed", ""): 1, label("late", ""): 1})
	c.Await(`instances_file "` + in("late.yaml") + `" .instances[0] "wrong" .endpoint: "nowhere" is not host:port`)
	const prefix = "otelcol_receiver_tcpcheck_"
	own := ownPage.await(t, func(page harness.Page) bool {
		return page.Values(prefix + "targets_refused")["{receiver=tcpcheck}"] == 1
	})
	stale := own.Values(prefix + "source_stale")
	assert.Len(t, stale, 3)
	for _, file := range []string{"plain.yaml", "mapped.yaml", "late.yaml"} {
		assert.Equal(t, file == "plain.yaml", stale["{receiver=tcpcheck source="+in(file)+"}"] > 0, "%v", stale)
	}

	write("plain.yaml", stays)
	c.Await("the list of " + in("plain.yaml") + " is up to date again")
	require.NoError(t, os.Remove(in("late.yaml")))
	await(map[string]float64{label("stays", ""): 0, label("second", ""): 1, label("fixed", ""): 1})
	assert.NotContains(t, c.Output(), "panic")
}

// Targets come from a server that is not there at first, changes its mind, and fails.
func TestDiscoveryByHTTP(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	address := harness.FreeAddress(t)
	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
collection_interval: 1h
flush_interval: 100ms
scrape_configs:
  - job_name: found
    http_sd_configs: [{url: 'http://%s/targets', refresh_interval: 100ms}]
    relabel_configs:
      - {source_labels: [__meta_url], target_label: __tmp}
      - {regex: team_(.*), action: labelmap}
`, address))
	c := start(t, config)
	c.Await("the list of scrape_configs[0].http_sd_configs[0] cannot be taken as it is", "connection refused")

	var answer atomic.Value
	targets := func(names ...string) {
		var groups []string
		for _, name := range names {
			groups = append(groups, fmt.Sprintf(`{"targets": [%q], "labels": {"instance": %q, "team_kind": "x"}}`, up, name))
		}
		answer.Store("[" + strings.Join(groups, ",") + "]")
	}
	targets("a", "b")
	listener, err := net.Listen("tcp4", address)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		text, _ := answer.Load().(string)
		if text == "" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, text)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	await := func(names ...string) {
		t.Helper()
		want := make(map[string]float64)
		for _, name := range names {
			want[fmt.Sprintf("{job=found kind=x network_peer_address=127.0.0.1 network_type=ipv4 server_address=127.0.0.1 server_port=%d tcpcheck_instance=%s team_kind=x}", up.Port(), name)] = 1
		}
		page.await(t, func(page harness.Page) bool { return assert.ObjectsAreEqual(want, page.Values(canConnect)) })
	}
	await("a", "b")
	c.Await("the list of scrape_configs[0].http_sd_configs[0] is up to date again")
	targets("b", "c")
	await("b", "c")
	answer.Store("")
	c.Await("the list of scrape_configs[0].http_sd_configs[0] cannot be taken as it is", "500 Internal Server Error")
	await("b", "c")
	targets()
	await()
}

// In a distribution with the Prometheus receiver, its other ways to discover targets work here as
// well: what is registered in the process. The server is no PuppetDB, but answers as one.
func TestOtherDiscovery(t *testing.T) {
	needs(t, "prometheusreceiver")
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	puppet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `[{"certname": "127.0.0.1", "resource": "r", "type": "Class", "title": "Web", "exported": false, "tags": ["web"], "file": "f", "line": 1, "parameters": {}, "environment": "production"}]`)
	}))
	t.Cleanup(puppet.Close)
	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
flush_interval: 100ms
scrape_configs:
  - job_name: puppet
    puppetdb_sd_configs: [{url: %q, query: 'resources { type = "Class" }', port: %d}]
    relabel_configs: [{source_labels: [__meta_puppetdb_environment], target_label: environment}]
`, puppet.URL, up.Port()))
	start(t, config)
	series := fmt.Sprintf("{environment=production job=puppet network_peer_address=127.0.0.1 network_type=ipv4 server_address=127.0.0.1 server_port=%d tcpcheck_instance=127.0.0.1:%[1]d}", up.Port())
	page.await(t, func(page harness.Page) bool {
		return assert.ObjectsAreEqual(map[string]float64{series: 1}, page.Values(canConnect))
	})
}
