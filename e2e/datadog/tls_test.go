package datadog

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
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

// servePostgreSQL has a server of PostgreSQL answer an SSLRequest, and if that is S, show a certificate; until the
// test ends. It returns its address.
func servePostgreSQL(t *testing.T, answer string, certificate tls.Certificate) string {
	t.Helper()
	return testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
			return // it was a check of the connection
		}
		_, _ = io.WriteString(conn, answer)
		if answer == "S" {
			_, _ = io.Copy(io.Discard, tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}))
		}
	}).String()
}

// What arrives of certificates, and what the monitors of docs/migrating-from-datadog-tls.md say of it.
func TestTLS(t *testing.T) {
	const verified, timeLeft, answered = "tcpcheck.tls.verified", "tcpcheck.tls.certificate.time_left", "tcpcheck.dialog.ok"
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
  - {name: database, endpoint: %q, steps: [{starttls: postgresql}]}
  - {name: without, endpoint: %q, steps: [{starttls: postgresql}]}
`, root, serveTLS(t, authority.Issue([]string{"127.0.0.1"})),
		serveTLS(t, authority.Issue([]string{"127.0.0.1"}, testnet.Lasting(5*24*time.Hour))),
		serveTLS(t, authority.Issue([]string{"web.example"})), testnet.ClosedPort(t, "127.0.0.1"),
		servePostgreSQL(t, "S", authority.Issue([]string{"127.0.0.1"})), servePostgreSQL(t, "N", tls.Certificate{})))
	for _, instance := range []string{"good", "ending", "wrong", "closed", "database", "without"} {
		in.await(canConnect, instance, 1)
	}
	for _, instance := range []string{"good", "ending", "wrong", "database"} {
		in.await(verified, instance, 1)
		arrived := in.await(timeLeft, instance, 1)
		assert.Equal(t, []string{"network.peer.address", "network.type", "server.address", "server.port", "tcpcheck.instance"}, keys(arrived))
	}
	in.await(answered, "database", 1)
	in.await(answered, "without", 1)
	assert.Equal(t, []string{"tls_name_mismatch"}, values(in.await(failures, "wrong", 1), "error.type"))
	assert.Equal(t, []string{"starttls_refused"}, values(in.await(failures, "without", 1), "error.type"))

	arrived := in.arrived(canConnect, verified, timeLeft, answered)
	queries := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| (?:with )?`([\\w.]+)`[^|]* \\| `(max\\([^`]+)`").FindAllStringSubmatch(harness.Read(t, "../../docs/migrating-from-datadog-tls.md"), -1) {
		queries[row[1]] = row[2]
	}
	require.Len(t, queries, 4)
	for check, want := range map[string]map[string]bool{
		"tls.can_connect":     {"good": false, "ending": false, "wrong": false, "closed": true, "database": false, "without": false},
		"start_tls":           {"database": false, "without": true},
		"tls.cert_validation": {"good": false, "ending": false, "wrong": true, "database": false},
		"tls.cert_expiration": {"good": false, "ending": true, "wrong": false, "database": false},
	} {
		alerts := alertsOfQuery(t, queries[check], arrived)
		assert.Equal(t, want, alerts, check)
	}
}
