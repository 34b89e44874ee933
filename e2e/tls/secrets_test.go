package tlstable

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// The key of a client is in no event and in no line of the log, whatever comes of its handshakes.
func TestKeyIsNotTold(t *testing.T) {
	root := testnet.NewAuthority(t)
	chain, key := testnet.PEM(t, root.Issue([]string{"client"}))
	refusing := tls.Config{Certificates: []tls.Certificate{root.Issue([]string{"127.0.0.1"})}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: testnet.NewAuthority(t).Pool(), MinVersion: tls.VersionTLS12}
	instances := ""
	for name, config := range map[string]*tls.Config{"refused": &refusing, "no TLS": nil} {
		instances += fmt.Sprintf("  - {name: %s, host: 127.0.0.1, port: %d}\n", name, answering(t, config))
	}
	indented := func(pem []byte) string { return strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n      ") }
	told := harness.Told(t, "initial_delay: 0\ndefaults:\n  tls:\n    interval: 1s\n    ca_pem: |\n      "+indented(root.PEM())+
		"\n    cert_pem: |\n      "+indented(chain)+"\n    key_pem: |\n      "+indented(key)+"\ninstances:\n"+instances, 2) // one of each instance
	require.Contains(t, told, "tcpcheck.tls.failed")
	for line := range strings.SplitSeq(strings.TrimSpace(string(key)), "\n") {
		if !strings.HasPrefix(line, "-----") {
			require.NotContains(t, told, line)
		}
	}
}

// answering returns the port of a server that makes handshakes, or where config is nil, says something else.
func answering(t *testing.T, config *tls.Config) uint16 {
	t.Helper()
	return testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		if config == nil {
			_, _ = conn.Write([]byte("220 mail\r\n"))
		} else {
			_ = tls.Server(conn, config).Handshake() //nolint:noctx // it ends with the client
		}
	}).Port()
}
