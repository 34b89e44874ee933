// Package status tests the status page with the built collector: in a real browser, of which axe-core asks what
// those need who do not see it or use no mouse; by `tcpcheck status`; and with 10,000 targets.
package status

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

var (
	update = flag.Bool("update", false, "write docs/status.png")
	serve  = flag.String("serve", "", "serve connections to this address, for the process of the tests")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.InNamespace("", func() int {
		if *serve != "" {
			log.Fatal(peers.Serve(*serve, ""))
		}
		if os.Geteuid() == 0 {
			if err := prepare(); err != nil {
				log.Println("the machine of the tests:", err)
				return 1
			}
		}
		return m.Run()
	}))
}

// The hosts of the tests are this machine, whose names and addresses are those of documentation (RFC 2606, 5737 and 3849).
var hosts = []string{"www", "api", "db", "mail", "cache"}

// prepare gives the machine both families, and the addresses and names of the hosts.
func prepare() error {
	for _, which := range []string{"all", "default", "lo"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("0"), 0o600); err != nil {
			return err
		}
	}
	names := "127.0.0.1 localhost\n::1 localhost\n"
	for i, host := range hosts {
		for _, address := range []string{fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("2001:db8::%d", i+1)} {
			said, err := exec.Command("ip", "addr", "add", address, "dev", "lo", "nodad").CombinedOutput()
			if err != nil {
				return fmt.Errorf("ip addr add: %w: %s", err, said)
			}
			names += address + " " + host + ".example.com\n"
		}
	}
	return harness.MountText("/etc/hosts", names)
}

// listen accepts connections to an address until the end of the test, or until the listener is closed.
func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() }) // the test may have closed it
	return listener
}

// at is where the page is.
const at = "http://localhost:9465/"

// startCollector runs a collector with a configuration of its receivers and extensions, until the end of the test.
func startCollector(t *testing.T, extensions, receivers string) {
	t.Helper()
	harness.Start(t, collector(t, configuration(extensions, "tcpcheck_status", receivers)), harness.CollectorReady)
}

// collector returns a command that runs a collector with a configuration.
func collector(t *testing.T, config string) *exec.Cmd {
	t.Helper()
	harness.RequireNamespace(t)
	file := filepath.Join(t.TempDir(), "collector.yaml")
	harness.Write(t, file, config)
	return exec.Command(harness.Binary(t, "COLLECTOR", "status"), "--config", file)
}

// configuration returns a collector's configuration with extensions, those of them that run, and receivers.
func configuration(extensions, run, receivers string) string {
	var names []string
	for line := range strings.Lines(receivers) {
		if name, isName := strings.CutSuffix(strings.TrimSpace(line), ":"); isName && strings.Index(line, name) == 2 {
			names = append(names, name)
		}
	}
	return "extensions:\n" + extensions + "receivers:\n" + receivers + "exporters:\n  debug:\n" +
		"service:\n  telemetry: {metrics: {level: none}}\n  extensions: [" + run + "]\n" +
		"  pipelines:\n    metrics:\n      receivers: [" + strings.Join(names, ", ") + "]\n      exporters: [debug]\n"
}

// shop is the configuration of a few services: a shop and its mail, checked each second.
const shop = `  tcpcheck:
    status: tcpcheck_status
    initial_delay: 0
    collection_interval: 1s
    defaults: {collect_response_time: true, address_families: [ipv4, ipv6]}
    instances:
      - {name: web, host: www.example.com, port: 443, service: shop, tags: [team:blue]}
      - {name: api, host: api.example.com, port: 8080, service: shop}
      - {name: database, host: db.example.com, port: 5432, service: shop, tags: [team:storage]}
      - {name: cache, host: cache.example.com, port: 6379, service: shop}
      - {name: smtp, host: mail.example.com, port: 25, service: mail}
      - {name: imap, host: mail.example.com, port: 993, service: mail}
`

// plain is the extension as it is without any option.
const plain = "  tcpcheck_status:\n"

// openShop has the services of the shop listen, and a collector check them. The API listens on IPv4 only, if that is
// wanted; the database until what is returned closes it.
func openShop(t *testing.T, apiNetwork string) (closeDatabase func(), openDatabase func()) {
	t.Helper()
	harness.RequireNamespace(t)
	for _, port := range []string{"443", "6379", "25", "993"} {
		listen(t, "tcp", ":"+port)
	}
	listen(t, apiNetwork, ":8080")
	database := listen(t, "tcp", ":5432")
	startCollector(t, plain, shop)
	return func() { require.NoError(t, database.Close()) }, func() { database = listen(t, "tcp", ":5432") }
}

// get returns the answer of the page to a path.
func get(t *testing.T, path string) string {
	t.Helper()
	client := http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	answer, err := client.Get(at + path)
	require.NoError(t, err)
	return body(t, answer)
}
