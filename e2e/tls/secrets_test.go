package tlstable

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/internal/metadata"
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
	retrieved, err := confmap.NewRetrievedFromYAML([]byte("initial_delay: 0\ndefaults:\n  tls:\n    interval: 1s\n    ca_pem: |\n      " + indented(root.PEM()) +
		"\n    cert_pem: |\n      " + indented(chain) + "\n    key_pem: |\n      " + indented(key) + "\ninstances:\n" + instances))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	factory := tcpcheckreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	require.NoError(t, conf.Unmarshal(config))

	core, logs := observer.New(zapcore.DebugLevel)
	settings := receivertest.NewNopSettings(metadata.Type)
	settings.Logger = zap.New(core)
	events := make(chan plog.Logs, 100)
	next, err := consumer.NewLogs(func(_ context.Context, l plog.Logs) error { events <- l; return nil })
	require.NoError(t, err)
	receiver, err := factory.CreateLogs(context.Background(), settings, config, next)
	require.NoError(t, err)
	require.NoError(t, receiver.Start(context.Background(), componenttest.NewNopHost()))
	told, records := "", 0
	marshaler := plog.JSONMarshaler{}
	for records < 2 { // one of each instance
		l := <-events
		text, err := marshaler.MarshalLogs(l)
		require.NoError(t, err)
		records += l.LogRecordCount()
		told += string(text)
	}
	require.NoError(t, receiver.Shutdown(context.Background()))
	require.Contains(t, told, "tcpcheck.tls.failed")
	for _, entry := range logs.All() {
		told += fmt.Sprintln(entry.Message, entry.ContextMap())
	}
	written := fmt.Sprintf("%v %+v %#v", config, config, config) // as a library may that logs it
	for line := range strings.SplitSeq(strings.TrimSpace(string(key)), "\n") {
		if !strings.HasPrefix(line, "-----") {
			require.NotContains(t, told, line)
			require.NotContains(t, written, line)
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
