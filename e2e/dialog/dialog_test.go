// Package dialog tests dialogues with real servers: what is reported of each, and what the server logs. It runs the
// examples of docs/dialogues.md, and writes the table there.
package dialog

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/servers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

var update = flag.Bool("update", false, "write docs/dialogues.md")

const document = "../../docs/dialogues.md"

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(servers.InNamespace(m.Run))
}

// found is what is reported of a dialogue, and what the server logs. "-" is that there is nothing.
type found struct {
	ok, verified, errorType string
	says, logs              []string
}

// results are those of each row, for the document.
var results = map[int]found{}

// What comes of each dialogue. The check of the connection waits until the server has logged two
// dialogues: it logs the same of both, and nothing after a dialogue that it does not log of the second one as well.
func TestServers(t *testing.T) {
	for n, r := range rows {
		t.Run(r.example+": "+r.wrong, func(t *testing.T) {
			root := testnet.NewAuthority(t)
			settings := servers.Settings{More: r.more}
			if r.secured {
				shown := root.Issue([]string{servers.Host})
				settings.Certificate = &shown
			}
			address, program := r.Start(t, settings)
			if r.untrusted {
				root = testnet.NewAuthority(t)
			}
			if r.prepare != nil {
				r.prepare(t, address, program)
			}
			before := len(program.Output())
			c := start(t, r.config(t, address, root))
			require.Eventually(t, func() bool { return strings.Count(program.Output()[before:], r.last) >= 2 }, patience, time.Millisecond)
			got := c.await()
			got.logs = r.lines(t, program.Output()[before:])
			assert.Equal(t, r.want, got.errorType, "%v", got)
			if r.wrong == "" {
				assert.Equal(t, "1", got.ok)
				assert.Empty(t, got.says)
				assert.Equal(t, r.warns, trouble.MatchString(strings.Join(got.logs, "\n")))
			}
			results[n] = got
		})
	}
}

// patience bounds the wait for what comes within a few seconds.
const patience = 20 * time.Second

// running is a receiver under test, with one instance.
type running struct {
	t        *testing.T
	release  func() // has the connection checked
	payloads chan pmetric.Metrics
	logs     *observer.ObservedLogs
}

func start(t *testing.T, config *confmap.Conf) *running {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	released, release := context.WithCancel(t.Context())
	c := &running{t: t, release: release, payloads: make(chan pmetric.Metrics, 100), logs: logs}
	gate := func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-released.Done():
		}
	}
	r := harness.StartReceiverGated(t, config, zap.New(core), gate, func(_ context.Context, metrics pmetric.Metrics) error {
		c.payloads <- metrics
		return nil
	})
	t.Cleanup(func() {
		release()
		assert.NoError(t, r.Shutdown(context.Background()))
	})
	return c
}

// await returns what is reported once there is something.
func (c *running) await() found {
	c.t.Helper()
	c.release()
	for deadline := time.After(patience); ; {
		select {
		case metrics := <-c.payloads:
			got := found{ok: value(metrics, "tcpcheck.dialog.ok"), verified: value(metrics, "tcpcheck.tls.verified"), errorType: "-"}
			if got.ok == "-" && got.verified != "0" {
				continue
			}
			for _, point := range harness.Points(metrics, "tcpcheck.errors") {
				if point.IntValue() > 0 {
					got.errorType = harness.Text(point.Attributes(), "error.type")
				}
			}
			assert.Equal(c.t, "1", value(metrics, "network.tcp.can_connect"))
			assert.Equal(c.t, got.ok == "1", value(metrics, "tcpcheck.dialog.duration") != "-")
			if got.verified == "1" {
				assert.NotEqual(c.t, "-", value(metrics, "tcpcheck.tls.certificate.time_left"))
			}
			for _, entry := range c.logs.All() {
				got.says = append(got.says, generic(entry.Message))
			}
			return got
		case <-deadline:
			require.FailNow(c.t, "nothing is reported", "%v", c.logs.All())
		}
	}
}

// value returns that of the only point of a metric, or "-".
func value(metrics pmetric.Metrics, name string) string {
	for _, point := range harness.Points(metrics, name) {
		if point.ValueType() == pmetric.NumberDataPointValueTypeDouble {
			return fmt.Sprint(point.DoubleValue())
		}
		return fmt.Sprint(point.IntValue())
	}
	return "-"
}

// config returns the receiver's configuration with the row's example, as a collector has it of a file.
func (r *row) config(t *testing.T, address string, root *testnet.Authority) *confmap.Conf {
	t.Helper()
	folder := t.TempDir()
	authority, file := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "collector.yaml")
	harness.Write(t, authority, string(root.PEM()))
	text, known := examples(t)[r.example]
	require.True(t, known, "%s has no example %q", document, r.example)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	options := "timeout: 10s"
	if r.waits {
		options = "timeout: 1s"
	}
	if !strings.Contains(text, "  tls: {}\n") {
		options += "\n  steps_interval: 1s"
	}
	text = hostLine.ReplaceAllString(text, "  host: "+servers.Host+"\n  "+options)
	text = portLine.ReplaceAllString(text, "  port: "+port)
	text = strings.Replace(text, "  tls: {}\n", "  tls: {interval: 1s, ca_file: "+authority+"}\n", 1)
	harness.Write(t, file, "receivers:\n  tcpcheck:\n    initial_delay: 0\n    flush_interval: 1ms\n    collection_interval: 1h\n    instances:\n"+harness.Indent(text, "      ")+"\n")
	t.Setenv("REDIS_PASSWORD", password)
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: []string{"file:" + file}, DefaultScheme: "env", ProviderSettings: confmap.ProviderSettings{Logger: zap.NewNop()},
		ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory(), envprovider.NewFactory()},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	require.NoError(t, resolver.Shutdown(t.Context()))
	conf, err = conf.Sub("receivers::tcpcheck")
	require.NoError(t, err)
	return conf
}

// password is that of a Redis.
const password = "s3cret"

var (
	block    = regexp.MustCompile("(?s)```yaml\n(?:receivers:\n  tcpcheck:\n    instances:\n)?( *)(- name: ([^\n]*)\n.*?)```")
	hostLine = regexp.MustCompile(`(?m)^  host: .*$`)
	portLine = regexp.MustCompile(`(?m)^  port: .*$`)
)

// examples returns those of the document, by their names.
func examples(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, match := range block.FindAllStringSubmatch(harness.Read(t, document), -1) {
		indent, text, name := match[1], match[2], match[3]
		require.NotContains(t, found, name)
		found[name] = strings.ReplaceAll(text, "\n"+indent, "\n")
	}
	return found
}

// lines returns what a log has of one dialogue, of which there are two.
func (r *row) lines(t *testing.T, log string) []string {
	t.Helper()
	var lines []string
	seen := 0
	for line := range strings.Lines(log) {
		if seen == 2 {
			break
		}
		if strings.Contains(line, r.last) {
			seen++
		}
		if line = generic(r.prefix.ReplaceAllString(strings.TrimSpace(line), "")); line != "" {
			lines = append(lines, line)
		}
	}
	half := len(lines) / 2
	assert.Equal(t, lines[:half], lines[half:])
	return lines[:half]
}

// Every example of the document is run, and the table there has what comes of each row.
func TestDocument(t *testing.T) {
	for name := range examples(t) {
		assert.True(t, slices.ContainsFunc(rows, func(r row) bool { return r.example == name && r.wrong == "" }), "no test runs %q", name)
	}
	if len(results) < len(rows) {
		t.Skip("not all of the servers were tested")
	}
	const begin, end = "<!-- servers: begin -->\n", "<!-- servers: end -->"
	before, rest, _ := strings.Cut(harness.Read(t, document), begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	text := before + begin + table() + end + after
	if *update {
		harness.Write(t, document, text)
	}
	assert.Equal(t, text, harness.Read(t, document), "run the test with -all -update")
}

func table() string {
	var b strings.Builder
	b.WriteString("| example, server | `dialog.ok` | `tls.verified` | `error.type` | the server logs |\n| --- | --- | --- | --- | --- |\n")
	for n, r := range rows {
		if r.wrong == "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.title(), results[n].ok, results[n].verified, results[n].errorType, code(results[n].logs))
		}
	}
	b.WriteString("\n| example, server | what goes wrong | `dialog.ok` | `tls.verified` | log, `error.type` | the server logs |\n| --- | --- | --- | --- | --- | --- |\n")
	for n, r := range rows {
		if r.wrong != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s<br>`%s` | %s |\n", r.title(), r.wrong, results[n].ok, results[n].verified, code(results[n].says), results[n].errorType, code(results[n].logs))
		}
	}
	return b.String()
}

// title names the example, and the server where the example does not.
func (r *row) title() string {
	if strings.HasPrefix(r.example, r.Name) {
		return r.example
	}
	return r.example + ", " + r.Name
}

func code(lines []string) string {
	if len(lines) == 0 {
		return "nothing"
	}
	return "`" + strings.Join(lines, "`<br>`") + "`"
}
