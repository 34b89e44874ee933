package datadog

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// serveTLS has a server show a certificate, until the test ends, and returns its address.
func serveTLS(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", testnet.NewTLSServer(t, certificate, "127.0.0.1").Port)
}

// What arrives of certificates, and what the monitors of docs/migrating-from-datadog-tls.md say of it.
func TestTLS(t *testing.T) {
	const verified, timeLeft = "tcpcheck.tls.verified", "tcpcheck.tls.certificate.time_left"
	authority, root := testnet.NewAuthority(t), filepath.Join(t.TempDir(), "root.pem")
	harness.Write(t, root, string(authority.PEM()))
	in := newIntake(t)
	start(t, in, fmt.Sprintf(`
collection_interval: 3s
defaults: {tls: {ca_file: %q}}
instances:
  - {name: good, endpoint: %q}
  - {name: ending, endpoint: %q}
  - {name: wrong, endpoint: %q}
  - {name: closed, endpoint: %q}
`, root, serveTLS(t, authority.Issue([]string{"127.0.0.1"})),
		serveTLS(t, authority.Issue([]string{"127.0.0.1"}, testnet.Lasting(5*24*time.Hour))),
		serveTLS(t, authority.Issue([]string{"web.example"})), testnet.ClosedPort(t, "127.0.0.1")))
	for _, instance := range []string{"good", "ending", "wrong", "closed"} {
		in.await(canConnect, instance, 1)
	}
	for _, instance := range []string{"good", "ending", "wrong"} {
		in.await(verified, instance, 1)
		arrived := in.await(timeLeft, instance, 1)
		assert.Equal(t, []string{"network.peer.address", "network.type", "server.address", "server.port", "tcpcheck.instance"}, keys(arrived))
	}
	assert.Equal(t, []string{"tls_name_mismatch"}, values(in.await(failures, "wrong", 1), "error.type"))

	arrived := in.arrived(canConnect, verified, timeLeft)
	queries := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(tls\\.\\w+)` \\| `(max\\([^`]+)`").FindAllStringSubmatch(harness.Read(t, "../../docs/migrating-from-datadog-tls.md"), -1) {
		queries[row[1]] = row[2]
	}
	require.Len(t, queries, 3)
	for check, want := range map[string]map[string]bool{
		"tls.can_connect":     {"good": false, "ending": false, "wrong": false, "closed": true},
		"tls.cert_validation": {"good": false, "ending": false, "wrong": true},
		"tls.cert_expiration": {"good": false, "ending": true, "wrong": false},
	} {
		alerts := alertsOfQuery(t, queries[check], arrived)
		assert.Equal(t, want, alerts, check)
	}
}
