package prometheus

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

const (
	// blackboxPage is the page that is tested here.
	blackboxPage = "../../docs/migrating-from-blackbox-exporter.md"
	// blackboxProgram is the exporter, as Debian names it.
	blackboxProgram = "prometheus-blackbox-exporter"
	// prefersIPv6 is the exporter's module that the page's job has.
	prefersIPv6 = "tcp_connect"
)

// blackboxModules are the exporter's modules, in the order of the page's table.
var blackboxModules = []string{prefersIPv6, "tcp_ip4", "tcp_ip4_only", "tcp_ip6_only"}

// The exporter and the receiver check the same targets, each with the job of the page, and
// say of them what the page says.
func TestBlackbox(t *testing.T) {
	b := newBlackbox(t)
	c := b.startCollector(t, "")
	s := b.startServer(t, c)
	b.awaitAll(s)
	t.Run("outcomes", func(t *testing.T) { b.testOutcomes(s.in(t)) })
	t.Run("metrics", func(t *testing.T) { b.testMetrics(s.in(t)) })
	t.Run("old rules", func(t *testing.T) { b.testOldRules(s.in(t)) })
	t.Run("alerts", func(t *testing.T) { b.testAlertQueries(s.in(t)) })
	t.Run("queries", func(t *testing.T) { b.testQueries(s.in(t)) })
	c.Stop()
	for family, module := range map[string]string{"ipv4": "tcp_ip4_only", "ipv6": "tcp_ip6_only"} {
		t.Run("address_families "+family, func(t *testing.T) { b.testOneFamily(s.in(t), family, module) })
	}
	t.Run("without IPv6", func(t *testing.T) { b.testWithoutIPv6(s.in(t)) })
}

// What the page says of a job to have no effect has none, and the log says so. A target
// without a port is refused.
func TestBlackboxJob(t *testing.T) {
	list := regexp.MustCompile(`(?s)\nThese options of the job have no effect.*?\n\n`).FindString(harness.Read(t, blackboxPage))
	options := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(list, -1)
	require.NotEmpty(t, options)
	var written strings.Builder
	for _, option := range options {
		fmt.Fprintf(&written, ", %s: x", option[1])
	}
	c := startCollector(t, "", fmt.Sprintf(`receivers: {tcpcheck: {scrape_configs: [{job_name: blackbox, static_configs: [{targets: [localhost, "https://localhost"]}]%s}]}}`, &written))
	for _, option := range options {
		c.Await("scrape_configs[0]."+option[1], "it has no effect")
	}
	c.Await(`scrape_configs[0] "blackbox" .instances[0] "localhost" .port: there is none`)
	c.Await(`scrape_configs[0] "blackbox" .instances[1] "https://localhost" .host: "https://localhost" has a scheme`)
}

// blackbox is an exporter with the targets of the page's job.
type blackbox struct {
	*world
	page    string // the text
	targets []string
}

// newBlackbox starts what the page describes, but for the collector and the server.
func newBlackbox(t *testing.T) *blackbox {
	t.Helper()
	requireInstalled(t, blackboxProgram)
	testnet.RequireIPv6(t)
	b := &blackbox{world: newWorld(t), page: harness.Read(t, blackboxPage)}
	for _, target := range regexp.MustCompile(`(?m)^ {10}- (\S+:\d+)$`).FindAllStringSubmatch(exporterJob(t), -1) {
		b.targets = append(b.targets, target[1])
	}
	require.Len(t, b.targets, 6)

	// A machine's hosts file may have one of them only.
	require.NoError(t, harness.MountText("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount("/etc/hosts", unix.MNT_DETACH)) })
	listen(t, 5432, "127.0.0.1", "127.0.0.2")
	listen(t, 6379, "127.0.0.1", "::1")
	b.resolve("v4.example.com", "127.0.0.1")
	b.resolve("gone.example.com")
	far := dnsserver.Both(dnsserver.Answer{
		Addrs: []netip.Addr{netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("2001:db8:1::2")},
		Delay: 200 * time.Millisecond,
	})
	b.dns.Set("far.example.com", far)
	b.hosts.SetOthers(peers.Behaviour{Delay: 300 * time.Millisecond})

	config := filepath.Join(t.TempDir(), "blackbox.yml")
	harness.Write(t, config, harness.BlockOf(t, "docs/migrating-from-blackbox-exporter.md", "modules:\n  tcp_connect:"))
	harness.Start(t, exec.Command(blackboxProgram, "--config.file="+config, "--web.listen-address=127.0.0.1:9115"), "Listening on")
	return b
}

// listen opens a port of addresses until the end of the test.
func listen(t *testing.T, port uint16, addresses ...string) {
	t.Helper()
	s := newService(t)
	s.port = port
	s.up(addresses...)
}

// The jobs of the page: the exporter's, and the receiver's with the same.
func exporterJob(t *testing.T) string {
	t.Helper()
	return faster.Replace(harness.BlockOf(t, "docs/migrating-from-blackbox-exporter.md", "scrape_configs:"))
}

func receiverJob(t *testing.T) string {
	t.Helper()
	return faster.Replace(harness.BlockOf(t, "docs/migrating-from-blackbox-exporter.md", "receivers:\n  tcpcheck:\n    scrape_configs:\n      - job_name: blackbox\n"))
}

// faster makes the times of a scrape shorter ones, which still leave the exporter time for a slow host.
var faster = strings.NewReplacer("scrape_interval: 15s", "scrape_interval: 3s", "scrape_timeout: 10s", "scrape_timeout: 3s")

// startCollector runs the collector of the page, with more lines of YAML among the defaults.
// Its job is that of the server.
func (b *blackbox) startCollector(t *testing.T, defaults string) *collector {
	t.Helper()
	receiver := receiverJob(t)
	require.Contains(t, receiver, harness.Indent(exporterJob(t), "    "))
	require.Contains(t, receiver, "\n    defaults:\n")
	receiver = strings.Replace(receiver, "\n    defaults:\n", "\n    defaults:\n"+defaults, 1)
	// What the page asks of it: more than an interval and a flush_interval.
	receiver += "exporters: {prometheus: {metric_expiration: 10s}}\n"
	return startCollectorAt(t, "localhost:9464", "", receiver)
}

// startServer runs a server that scrapes the collector, and the exporter by the job of the
// page, once for each module.
func (b *blackbox) startServer(t *testing.T, c *collector) *server {
	t.Helper()
	jobs := "scrape_configs:\n"
	for _, module := range blackboxModules {
		_, job, _ := strings.Cut(exporterJob(t), "\n")
		jobs += strings.NewReplacer("job_name: blackbox", "job_name: "+jobOf(module), prefersIPv6, module).Replace(job)
	}
	return startServer(t, c, "scrape_configs:\n", jobs)
}

// jobOf returns the name of the job that has a module.
func jobOf(module string) string {
	if module == prefersIPv6 {
		return "blackbox"
	}
	return module
}

// awaitAll returns once every target has been checked by all.
func (b *blackbox) awaitAll(s *server) {
	s.t.Helper()
	targets := slices.Sorted(slices.Values(b.targets))
	for _, module := range blackboxModules {
		s.awaitLines(`probe_success{job="`+jobOf(module)+`"}`, []model.LabelName{"instance"}, targets...)
	}
	s.awaitLines("count by (tcpcheck_instance) (network_tcp_can_connect)", []model.LabelName{"tcpcheck_instance"}, targets...)
}

// outcomes returns what is said of a target, as in the page's table.
func (b *blackbox) outcomes(s *server, target string) string {
	row := "| `" + target + "` |"
	for _, module := range blackboxModules {
		of := fmt.Sprintf(`{job=%q, instance=%q}`, jobOf(module), target)
		success, protocol := s.query("probe_success"+of), s.query("probe_ip_protocol"+of)
		if len(success) != 1 || len(protocol) != 1 {
			return row + " not all are there"
		}
		row += fmt.Sprintf(" %v", success[0].Value)
		if protocol[0].Value != 0 {
			row += fmt.Sprintf(" (%v)", protocol[0].Value)
		}
		row += " |"
	}
	reasons := make(map[model.LabelValue]model.LabelValue)
	for _, sample := range s.query(fmt.Sprintf(`tcpcheck_errors_total{tcpcheck_instance=%q}`, target)) {
		reasons[sample.Metric["network_type"]] = sample.Metric["error_type"]
	}
	var families []string
	for _, sample := range s.query(fmt.Sprintf(`network_tcp_can_connect{tcpcheck_instance=%q}`, target)) {
		text := strings.TrimSpace(fmt.Sprintf("%s %v", sample.Metric["network_type"], sample.Value))
		if sample.Value == 0 {
			text += fmt.Sprintf(" `%s`", reasons[sample.Metric["network_type"]])
		}
		families = append(families, text)
	}
	slices.Sort(families)
	return row + " " + strings.Join(families, ", ") + " |"
}

// testOutcomes compares the page's table with what is said.
func (b *blackbox) testOutcomes(s *server) {
	compareTable(s.t, "outcomes", func() string {
		table := "| target | `" + strings.Join(blackboxModules, "` | `") + "` | the receiver |\n" + strings.Repeat("| --- ", len(blackboxModules)+2) + "|\n"
		for _, target := range b.targets {
			table += b.outcomes(s, target) + "\n"
		}
		return table
	})
}

// compareTable compares a table of the page, by its name, with what is said, until they are the same.
func compareTable(t *testing.T, name string, said func() string) {
	t.Helper()
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	before, rest, _ := strings.Cut(harness.Read(t, blackboxPage), begin)
	written, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if *update {
		harness.Write(t, blackboxPage, before+begin+said()+end+after)
		return
	}
	var table string
	await(func() bool {
		table = said()
		return table == written
	})
	assert.Equal(t, written, table, "run the test with -all -update")
}

// testMetrics compares the metrics of the page with those that there are.
func (b *blackbox) testMetrics(s *server) {
	var theirs, ours []string
	for _, row := range b.rows(s.t, "## Metrics") {
		theirs = append(theirs, regexp.MustCompile(`probe_\w+`).FindAllString(row[0], -1)...)
		ours = append(ours, regexp.MustCompile(`\b(?:network_tcp|tcpcheck)_\w+`).FindAllString(row[1], -1)...)
	}
	var found []string
	for _, sample := range s.query(`count by (__name__) ({__name__=~"probe_.+"})`) {
		found = append(found, string(sample.Metric["__name__"]))
	}
	assert.ElementsMatch(s.t, found, theirs)
	require.Len(s.t, ours, 4)
	for _, name := range ours {
		s.awaitSome(name)
	}
}

// rows returns the cells of the tables below a heading of the page, without those of the
// tables' own headings.
func (b *blackbox) rows(t *testing.T, heading string) [][]string {
	t.Helper()
	_, section, found := strings.Cut(b.page, "\n"+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); strings.HasPrefix(line, "| ") {
			rows = append(rows, cells)
		}
	}
	rows = slices.DeleteFunc(rows, func(cells []string) bool { return strings.HasPrefix(strings.TrimSpace(cells[0]), "---") })
	require.NotEmpty(t, rows, heading)
	return rows
}

// testOldRules compares the rule of the page with the exporter, of either preference.
func (b *blackbox) testOldRules(s *server) {
	rules := harness.BlockOf(s.t, "docs/migrating-from-blackbox-exporter.md", "groups:")
	file := filepath.Join(s.t.TempDir(), "blackbox.rules.yml")
	harness.Write(s.t, file, rules)
	output, err := exec.Command(harness.Binary(s.t, "PROMTOOL", "e2e-prometheus"), "check", "rules", file).CombinedOutput()
	require.NoError(s.t, err, "%s", output)
	_, expression, found := strings.Cut(rules, "expr: |\n")
	require.True(s.t, found)
	values := func(answer model.Vector) map[string]model.SampleValue {
		found := make(map[string]model.SampleValue)
		for _, sample := range answer {
			delete(sample.Metric, "__name__")
			found[sample.Metric.String()] = sample.Value
		}
		return found
	}
	for module, expression := range map[string]string{prefersIPv6: expression, "tcp_ip4": strings.ReplaceAll(expression, `"ipv6"`, `"ipv4"`)} {
		var want, got map[string]model.SampleValue
		await(func() bool {
			want = values(s.query(fmt.Sprintf(`label_replace(probe_success{job=%q}, "job", "blackbox", "", "")`, jobOf(module))))
			got = values(s.query(expression))
			return len(want) == len(b.targets) && maps.Equal(want, got)
		})
		assert.Len(s.t, want, len(b.targets), module)
		assert.Equal(s.t, want, got, module)
	}
}

// testAlertQueries compares what the page's queries for alerts find with what it says.
func (b *blackbox) testAlertQueries(s *server) {
	tested := 0
	for _, row := range b.rows(s.t, "## Queries") {
		if !strings.Contains(row[2], ":") || strings.Contains(row[1], "probe_") {
			continue
		}
		var want []string
		for _, target := range regexp.MustCompile("`(\\S+)`").FindAllStringSubmatch(row[2], -1) {
			want = append(want, target[1])
		}
		s.awaitLines(b.query(row[1]), []model.LabelName{"tcpcheck_instance"}, want...)
		tested++
	}
	assert.Equal(s.t, 4, tested)
}

// testQueries compares what the queries for the exporter and for the receiver find. One of
// them takes an address that changes.
func (b *blackbox) testQueries(s *server) {
	b.resolve("v4.example.com", "127.0.0.2")
	tested := 0
	for _, row := range b.rows(s.t, "## Queries") {
		if !strings.Contains(row[1], "probe_") {
			continue
		}
		var theirs, ours []string
		await(func() bool {
			theirs = distinct(s.query(onlyOf(prefersIPv6, b.query(row[1]))), "instance")
			ours = distinct(s.query(b.query(row[2])), "tcpcheck_instance")
			return len(theirs) > 0 && slices.Equal(theirs, ours)
		})
		assert.NotEmpty(s.t, theirs, row[0])
		assert.Equal(s.t, theirs, ours, row[0])
		tested++
	}
	assert.Equal(s.t, 5, tested)
}

// query returns the query of a cell.
func (b *blackbox) query(cell string) string { return strings.Trim(strings.TrimSpace(cell), "`") }

// onlyOf lets a query for the exporter be about one module.
func onlyOf(module, query string) string {
	return regexp.MustCompile(`\bprobe_\w+`).ReplaceAllString(query, fmt.Sprintf(`$0{job=%q}`, jobOf(module)))
}

// distinct returns the values of a label, each of them once.
func distinct(answer model.Vector, label model.LabelName) []string {
	return slices.Compact(linesOf(answer, []model.LabelName{label}))
}

// testOneFamily compares a collector that is to check one family with the module that does.
func (b *blackbox) testOneFamily(s *server, family, module string) {
	b.startCollector(s.t, "      address_families: ["+family+"]\n")
	var want, got []string
	values := func(query, label string) []string {
		var lines []string
		for _, sample := range s.query(query) {
			lines = append(lines, fmt.Sprint(sample.Metric[model.LabelName(label)], " ", sample.Value))
		}
		slices.Sort(lines)
		return lines
	}
	await(func() bool {
		want = values(fmt.Sprintf(`probe_success{job=%q}`, jobOf(module)), "instance")
		got = values("network_tcp_can_connect", "tcpcheck_instance")
		return len(want) == len(b.targets) && slices.Equal(want, got)
	})
	assert.Len(s.t, want, len(b.targets))
	assert.Equal(s.t, want, got)
}

// testWithoutIPv6 takes IPv6 from the machine, where the exporter prefers it and the receiver
// leaves it out.
func (b *blackbox) testWithoutIPv6(s *server) {
	const disable = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
	require.NoError(s.t, os.WriteFile(disable, []byte("1"), 0o600))
	s.t.Cleanup(func() { assert.NoError(s.t, os.WriteFile(disable, []byte("0"), 0o600)) })
	b.startCollector(s.t, "")
	family := []model.LabelName{"network_type"}
	s.awaitLines(`network_tcp_can_connect{tcpcheck_instance="localhost:6379"} == 1`, family, "ipv4")
	s.awaitLines(`tcpcheck_family_omitted{tcpcheck_instance="localhost:6379"} == 1`, family, "ipv6")
	s.awaitLines(`probe_success{job="blackbox", instance="localhost:6379"} == 0`, []model.LabelName{"instance"}, "localhost:6379")
}
