package tcpcheckstatus

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/internal/status"
	"example.com/tcpcheckreceiver/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configOf returns a valid configuration, as a user writes it.
func configOf(t *testing.T, written map[string]any) *Config {
	t.Helper()
	config := createDefaultConfig().(*Config)
	require.NoError(t, confmap.NewFromStringMap(written).Unmarshal(config))
	require.NoError(t, confmap.Validate(config))
	return config
}

// newServed returns a page, not started, at a port that is free.
func newServed(t *testing.T, config *Config) (*page, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	set := extensiontest.NewNopSettings(NewFactory().Type())
	set.Logger = zap.New(core)
	made, err := NewFactory().Create(context.Background(), set, config)
	require.NoError(t, err)
	return made.(*page), logs
}

// address returns where a page is that has been started.
func address(logs *observer.ObservedLogs) string {
	return strings.TrimPrefix(logs.All()[0].Message, "the status page is at ")
}

// host has extensions.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	require.NoError(t, err)
	defer func() { assert.NoError(t, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func TestDefaultConfig(t *testing.T) {
	config := createDefaultConfig().(*Config)
	require.NoError(t, confmap.Validate(config))
	assert.Equal(t, "localhost:9465", config.NetAddr.Endpoint)
	assert.Equal(t, 10*time.Second, config.ReadHeaderTimeout)
	assert.Equal(t, 30*time.Second, config.WriteTimeout)
	require.NoError(t, componenttest.CheckConfigStruct(config))
	assert.Equal(t, "tcpcheck_status", NewFactory().Type().String())
	config.NetAddr.Endpoint, config.Hosts = "", []string{"http://a", "a:1", "*.b", "", "fine"}
	require.EqualError(t, config.Validate(), strings.Join([]string{
		"endpoint: there is none; write host:port, such as localhost:9465",
		`hosts[0]: "http://a" is no name of a host; write it without a scheme and a port`,
		`hosts[1]: "a:1" is no name of a host; write it without a scheme and a port`,
		`hosts[2]: "*.b" is no name of a host; write it without a scheme and a port`,
		`hosts[3]: "" is no name of a host; write it without a scheme and a port`,
	}, "\n"))
	_, err := NewFactory().Create(context.Background(), extensiontest.NewNopSettings(NewFactory().Type()), &struct{ extension.Extension }{})
	require.Error(t, err)
}

// The page of real receivers, of which one target is up, one down, and one is up over IPv4 only.
func TestReceiver(t *testing.T) {
	testnet.RequireIPv6(t)
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	p, logs := newServed(t, configOf(t, map[string]any{"endpoint": "127.0.0.1:0"}))
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	at := address(logs)
	_, text := fetch(t, at)
	assert.Contains(t, text, "No receiver is shown here.")

	factory := tcpcheckreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"status": "tcpcheck_status", "initial_delay": 0, "collection_interval": "1s",
		"instances": []any{
			map[string]any{"name": "up", "endpoint": up.String(), "collect_response_time": true},
			map[string]any{"name": "down", "endpoint": closed.String()},
			map[string]any{"name": "half", "host": "localhost", "port": up.Port(), "address_families": []any{"ipv4", "ipv6"}},
		},
	}).Unmarshal(config))
	r, err := factory.CreateMetrics(context.Background(), receivertest.NewNopSettings(factory.Type()), config, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), host{component.MustNewID("tcpcheck_status"): p}))
	require.Eventually(t, func() bool {
		_, text := fetch(t, at)
		return strings.Contains(text, "1 of 3 targets is down, and 1 more over IPv6 only.")
	}, time.Minute, 50*time.Millisecond)
	_, text = fetch(t, at)
	assert.Contains(t, text, "It connects over ipv4 and is refused over ipv6")

	_, text = fetch(t, at+"api/v1/status?q=half")
	var answer struct {
		Targets []struct{ ID string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	require.Len(t, answer.Targets, 1)
	code, text := fetch(t, at+"instance?id="+answer.Targets[0].ID)
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, text, "is down over IPv6 only.")
	assert.Contains(t, text, "cannot connect to &#34;half&#34;")
	_, text = fetch(t, at+"api/v1/events")
	assert.Contains(t, text, "tcpcheck.address.down")

	// A second receiver of that name is told apart, and changes nothing of the first one.
	second, err := factory.CreateMetrics(context.Background(), receivertest.NewNopSettings(factory.Type()), copyOf(t, factory, up.String()), consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, second.Start(context.Background(), host{component.MustNewID("tcpcheck_status"): shown{p, r}}), "status: the extension tcpcheck_status: it shows a receiver")
	require.NoError(t, second.Shutdown(context.Background()))

	require.NoError(t, r.Shutdown(context.Background()))
	_, text = fetch(t, at)
	assert.Contains(t, text, "No receiver is shown here.")
	require.NoError(t, p.Shutdown(context.Background()))
}

// shown is a page that shows every receiver under the name of one that it shows already.
type shown struct {
	*page
	as component.Component
}

func (s shown) Show(_ string, look func() *status.Snapshot) (func(), error) {
	s.mu.Lock()
	var taken string
	for taken = range s.shown {
	}
	s.mu.Unlock()
	return s.page.Show(taken, look)
}

func copyOf(t *testing.T, factory collector.Factory, endpoint string) component.Config {
	t.Helper()
	config := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"status": "tcpcheck_status", "endpoint": endpoint}).Unmarshal(config))
	return config
}

// What cannot be served is said clearly, and leaves nothing behind: goleak and the port that is free again tell.
func TestBadStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	free := testnet.ClosedPort(t, "127.0.0.1").String()
	noCertificate := filepath.Join(t.TempDir(), "not.pem")
	require.NoError(t, os.WriteFile(noCertificate, []byte("x"), 0o600))
	for name, test := range map[string]struct {
		config map[string]any
		want   string
	}{
		"the port is taken":     {map[string]any{"endpoint": taken.Addr().String()}, "endpoint: listen tcp " + taken.Addr().String() + ": bind: address already in use"},
		"no such file":          {map[string]any{"endpoint": free, "tls": map[string]any{"cert_file": "/nowhere.pem", "key_file": "/nowhere.key"}}, "/nowhere.pem: no such file or directory"},
		"no certificate in it":  {map[string]any{"endpoint": free, "tls": map[string]any{"cert_file": noCertificate, "key_file": noCertificate}}, "tls: failed to load TLS config"},
		"no such authenticator": {map[string]any{"endpoint": free, "auth": map[string]any{"authenticator": "basicauth"}}, `authenticator "basicauth"`},
		"no address":            {map[string]any{"endpoint": "localhost"}, "endpoint: listen tcp: address localhost: missing port in address"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newServed(t, configOf(t, test.config))
			require.ErrorContains(t, p.Start(context.Background(), host{}), test.want)
			require.NoError(t, p.Shutdown(context.Background()))
			listener, err := net.Listen("tcp", free)
			require.NoError(t, err, "it is free still")
			require.NoError(t, listener.Close())
		})
	}
}

// A hundred clients that never read hold up neither another one nor the end.
func TestNobodyReads(t *testing.T) {
	p, logs := newServed(t, configOf(t, map[string]any{"endpoint": "127.0.0.1:0"}))
	s := many()
	_, err := p.Show("tcpcheck", func() *status.Snapshot { return s })
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	at := strings.TrimSuffix(strings.TrimPrefix(address(logs), "http://"), "/")
	for range 100 {
		conn, err := net.Dial("tcp", at)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = fmt.Fprintf(conn, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
	}
	for range 20 {
		conn, err := net.Dial("tcp", at)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: loc") // and nothing more
		require.NoError(t, err)
	}
	code, text := fetch(t, "http://"+at+"/")
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, text, "100 of 10,000 targets are down over IPv6 only.")
	began := time.Now()
	require.NoError(t, p.Shutdown(context.Background()))
	t.Logf("shutdown took %v", time.Since(began))
}

// Over TLS, with HTTP/2 as browsers have it.
func TestTLS(t *testing.T) {
	authority := testnet.NewAuthority(t)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	chain, private := testnet.PEM(t, authority.Issue([]string{"127.0.0.1"}))
	require.NoError(t, os.WriteFile(certificate, chain, 0o600))
	require.NoError(t, os.WriteFile(key, private, 0o600))
	p, logs := newServed(t, configOf(t, map[string]any{"endpoint": "127.0.0.1:0", "tls": map[string]any{"cert_file": certificate, "key_file": key}}))
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	answer, err := (&http.Client{Transport: transport}).Get(address(logs))
	require.NoError(t, err)
	assert.Equal(t, 2, answer.ProtoMajor)
	assert.True(t, strings.HasPrefix(address(logs), "https://127.0.0.1:"))
	require.NoError(t, answer.Body.Close())
	transport.CloseIdleConnections()
	require.NoError(t, p.Shutdown(context.Background()))
}
