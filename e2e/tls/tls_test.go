// Package tlstable tests what is reported and logged of each thing that a server can do where a client
// expects TLS.
package tlstable

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

var update = flag.Bool("update", false, "write docs/tls.md")

// Every row of docs/tls.md. They wait for most of their time.
func TestTLS(t *testing.T) {
	for _, program := range []string{"openssl", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	root, dns, folder := testnet.NewAuthority(t), dnsserver.New(t, "127.0.0.1:0"), t.TempDir()
	for n, row := range rows {
		t.Run(row.group+": "+row.situation, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, root: root, folder: filepath.Join(folder, fmt.Sprint(n)), name: fmt.Sprintf("row%d.test", n), own: netip.AddrFrom4([4]byte{127, 1, byte(n), 9})}
			require.NoError(t, os.Mkdir(w.folder, 0o700))
			w.file("ca.pem", root.PEM())
			row.run(w, dns)
		})
	}
}

func (r row) run(w *world, dns *dnsserver.Server) {
	w.t.Helper()
	if r.ipv6 {
		testnet.RequireIPv6(w.t)
	}
	for n := range r.addresses {
		w.several = append(w.several, netip.AddrFrom4([4]byte{127, 2, w.own.As4()[2], byte(n + 1)}))
	}
	if r.addresses > 0 && r.ipv6 {
		w.several = append(w.several, netip.IPv6Loopback())
	}
	r.serve(w)
	at := w.several
	if at == nil {
		at = []netip.Addr{w.address.Addr()}
	}
	for _, name := range []string{w.name, "a." + w.name, "a.b." + w.name} {
		dns.Set(name, dnsserver.Addresses(at...))
	}
	options, resolver := w.fill(r.host, r.tls), ""
	if strings.Contains(r.host, "$name") {
		resolver = fmt.Sprintf("resolver: {servers: [%q]}", dns.Addr())
	}
	families := make(map[string]bool)
	for _, address := range at {
		if address.Is4() {
			families["ipv4"] = true
		} else {
			families["ipv6"] = true
		}
	}
	c := start(w.t, fmt.Sprintf(`
instances:
  - name: x
    host: %q
    port: %d
    address_families: [%s]
    min_collection_interval: 3s
    timeout: %s
    tls: {interval: 1s, %s}
    %s
`, options[0], w.address.Port(), strings.Join(slices.Sorted(maps.Keys(families)), ", "), r.timeout, options[1], resolver))
	var messages []string
	for _, step := range r.steps {
		if step.change != nil {
			step.change(w)
		}
		c.await(step)
		messages = append(messages, step.log...)
	}
	c.awaitLogs(len(messages))
	require.NoError(w.t, c.shutdown())
	logged := []string{}
	for _, entry := range c.logs.All() {
		logged = append(logged, w.general(entry.Message))
	}
	assert.ElementsMatch(w.t, messages, logged)
}

var (
	date   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	length = regexp.MustCompile(`length \d+`)
)

// general returns a message without what the row has of its own.
func (w *world) general(message string) string {
	message = strings.NewReplacer(
		fmt.Sprintf(":%d)", w.address.Port()), ":PORT)", w.own.String(), "ADDRESS", "127.0.0.1", "ADDRESS", "[::1]", "[ADDRESS]",
		w.name, "NAME", w.folder, "FOLDER", fmt.Sprintf("127.2.%d.", w.own.As4()[2]), "127.0.0.",
	).Replace(message)
	return length.ReplaceAllString(date.ReplaceAllString(message, "DATE"), "length N")
}

// running is a receiver under test, with one instance.
type running struct {
	t        *testing.T
	payloads chan pmetric.Metrics
	logs     *observer.ObservedLogs
	shutdown func() error
	counted  map[string]int64 // errors, until the last step
}

// start starts a receiver with a configuration in YAML.
func start(t *testing.T, config string) *running {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte("initial_delay: 0\nflush_interval: 1ms\n" + config))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	core, logs := observer.New(zapcore.InfoLevel)
	r := &running{t: t, payloads: make(chan pmetric.Metrics, 10000), logs: logs}
	receiver := harness.StartReceiver(t, conf, zap.New(core), func(_ context.Context, metrics pmetric.Metrics) error {
		r.payloads <- metrics
		return nil
	})
	r.shutdown = func() error { return receiver.Shutdown(context.Background()) }
	t.Cleanup(func() { assert.NoError(t, r.shutdown()) })
	return r
}

// await returns once a payload says what a step wants, and fails if none does. Each of them has the
// value of can_connect that the step has.
func (r *running) await(s step) {
	r.t.Helper()
	var last found
	for deadline := time.After(patience); ; {
		select {
		case metrics := <-r.payloads:
			connects := values(metrics, "network.tcp.can_connect")
			if len(connects) == 0 {
				continue
			}
			counted := errorsOf(metrics)
			last = r.found(metrics, counted)
			if slices.Compact(connects)[0] != s.connects && s.connects == "1" {
				require.Fail(r.t, "the port accepts, and can_connect is not 1")
			}
			if last == s.found && connects[0] == s.connects {
				r.counted = counted
				return
			}
		case <-deadline:
			require.Equal(r.t, s.found, last, "%s\n%v", s.then, r.logs.All())
			require.Fail(r.t, "can_connect is not as wanted")
		}
	}
}

// awaitLogs returns once there are so many messages, or in vain. What ails this machine is said within a second.
func (r *running) awaitLogs(n int) {
	for deadline := time.After(patience); r.logs.Len() < n; {
		select {
		case <-r.payloads:
		case <-deadline:
			return
		}
	}
}

// patience bounds the wait for what a step wants, which comes within a second or two.
const patience = 20 * time.Second

// found is what a payload says of TLS. "-" is that it says nothing.
type found struct {
	verified     string // of each address
	errors       string // that were counted in the step
	left         string // of the certificates, and of their chains where that is another time
	certificates string
}

func (r *running) found(metrics pmetric.Metrics, counted map[string]int64) found {
	var errors []string
	for name, n := range counted {
		if n > r.counted[name] {
			errors = append(errors, name)
		}
	}
	slices.Sort(errors)
	leaves, chains := days(metrics, "tcpcheck.tls.certificate.time_left"), days(metrics, "tcpcheck.tls.certificate_chain.time_left")
	assert.Len(r.t, values(metrics, "tcpcheck.tls.handshake.duration"), len(leaves))
	assert.Len(r.t, chains, len(leaves))
	for i := range leaves {
		if chains[i] != leaves[i] {
			leaves[i] += ", chain " + chains[i]
		}
	}
	if len(slices.Compact(slices.Clone(leaves))) == 1 {
		leaves = leaves[:1]
	}
	return found{join(values(metrics, "tcpcheck.tls.verified"), " "), join(errors, ", "), join(leaves, "; "), join(values(metrics, "tcpcheck.tls.certificates"), " ")}
}

func join(texts []string, by string) string {
	if len(texts) == 0 {
		return "-"
	}
	return strings.Join(texts, by)
}

// values returns those of a metric, in the order of addresses.
func values(metrics pmetric.Metrics, name string) []string {
	return byAddress(metrics, name, func(point pmetric.NumberDataPoint) string {
		if point.ValueType() == pmetric.NumberDataPointValueTypeInt {
			return fmt.Sprint(point.IntValue())
		}
		return fmt.Sprint(point.DoubleValue())
	})
}

// days returns the times of a metric, in the order of addresses.
func days(metrics pmetric.Metrics, name string) []string {
	return byAddress(metrics, name, func(point pmetric.NumberDataPoint) string {
		return fmt.Sprintf("%.0f d", math.Round(point.DoubleValue()/(24*time.Hour).Seconds()))
	})
}

func byAddress(metrics pmetric.Metrics, name string, text func(pmetric.NumberDataPoint) string) []string {
	texts := make(map[netip.Addr]string)
	var addresses []netip.Addr
	for _, point := range harness.Points(metrics, name) {
		address, _ := netip.ParseAddr(harness.Text(point.Attributes(), "network.peer.address")) // there is none of certificates
		addresses = append(addresses, address)
		texts[address] = text(point)
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	sorted := make([]string, len(addresses))
	for i, address := range addresses {
		sorted[i] = texts[address]
	}
	return sorted
}

// errorsOf returns how many errors of each type were counted.
func errorsOf(metrics pmetric.Metrics) map[string]int64 {
	counted := make(map[string]int64)
	for _, point := range harness.Points(metrics, "tcpcheck.errors") {
		counted[harness.Text(point.Attributes(), "error.type")] += point.IntValue()
	}
	return counted
}

// The document has the rows that are tested.
func TestDocument(t *testing.T) {
	const file = "../../docs/tls.md"
	text := document()
	if *update {
		harness.Write(t, file, text)
	}
	assert.Equal(t, text, harness.Read(t, file), "run the test with -update")
}

func document() string {
	var b strings.Builder
	b.WriteString(introduction)
	group := ""
	for _, row := range rows {
		if row.group != group {
			group = row.group
			fmt.Fprintf(&b, "\n### %s\n\n| situation | verified | error.type | time left | certificates | log |\n| --- | --- | --- | --- | --- | --- |\n", group)
		}
		for i, step := range row.steps {
			situation := row.situation
			if i > 0 {
				situation = "… " + step.then
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", situation, step.verified, step.errors, step.left, step.certificates, join(step.log, "<br>"))
		}
	}
	return strings.ReplaceAll(b.String(), "~", "`")
}
