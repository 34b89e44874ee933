package prometheus

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/testnet"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// dashboard is what the test reads of a dashboard of Grafana.
type dashboard struct {
	Templating struct {
		List []struct {
			Name, Type string
			Query      any // a text, or an object with one
		}
	}
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

// readDashboard returns the shipped dashboard, and its text.
func readDashboard(t *testing.T) (dashboard, string) {
	t.Helper()
	text, err := os.ReadFile("../../grafana/tcpcheck.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	return d, string(text)
}

// What the dashboard and the documentation ask, and what the documentation says
// that there is, of a server that has seen everything that can happen.
func TestQueries(t *testing.T) {
	w := newWorld(t)
	authority, day := testnet.NewAuthority(t), 24*time.Hour
	issue := func(lasts time.Duration) tls.Certificate {
		return authority.Issue([]string{"web.test"}, testnet.Lasting(lasts))
	}
	web := testnet.NewTLSServer(t, issue(60*day), "127.0.0.1")
	both := testnet.NewTLSServer(t, issue(20*day), "127.0.0.1", "::1")
	both.Show(issue(10*day), "::1")
	trusting, untrusting := tlsOptions(t, authority)
	mail := testnet.NewGreeter(t, "220 web.test ESMTP\r\n", "127.0.0.1", "::1")
	mail.Say("554 no\r\n", "::1")
	w.resolve("web.test", "127.0.0.1", "::1")
	w.resolve("half.test", "127.0.0.1", "2001::1") // Teredo, for which no machine of today has an address
	c := startCollector(t, fmt.Sprintf(`
{name: web, host: web.test, port: %[1]d, collect_response_time: true, service: shop, tags: ["env:prod"], %[3]s},
{name: both, host: web.test, port: %[2]d, collect_response_time: true, service: shop, tags: ["env:prod"], %[4]s},
{name: closed, host: web.test, port: 1, collect_response_time: true, service: shop, tags: ["env:prod"]},
{name: nameless, host: nobody.test, port: 443, service: shop, tags: ["env:prod"]},
{name: half, host: half.test, port: %[2]d, service: shop, tags: ["env:prod"]},
{name: mail, host: web.test, port: %[5]d, service: shop, tags: ["env:prod"], steps: [{expect: "^220 "}], steps_interval: 1s},
`, web.Port, both.Port, trusting, untrusting, mail.Port), `receivers::tcpcheck::metrics: {tcpcheck.syn_retransmits: {enabled: true}, tcpcheck.dns.lookup.duration: {enabled: true}}`)
	s := startServer(t, c)
	// An increase takes two samples, and a step of two seconds that there were some.
	s.awaitLines(`count by (tcpcheck_instance) (increase(tcpcheck_errors_total[2s]) > 0)`, []model.LabelName{"tcpcheck_instance"}, "both", "closed", "mail", "nameless", "web")
	s.awaitSome(`count_over_time(network_tcp_can_connect[1m]) > 10`)
	t.Run("dashboard", func(t *testing.T) { s.in(t).testDashboard() })
	t.Run("documented series", func(t *testing.T) { s.in(t).testDocumentedSeries() })
	t.Run("documented queries", func(t *testing.T) {
		for _, query := range documentedQueries(t) {
			assert.NotEmpty(t, s.in(t).query(query), query)
		}
	})
}

// A single failure is seen by the query of the documentation and those of the
// dashboard, though it is the first one of its counter.
func TestOneFailure(t *testing.T) {
	web := newService(t, "127.0.0.1")
	c := startCollector(t, web.instance("web"), "")
	s := startServer(t, c)
	s.awaitSome(`count_over_time(network_tcp_can_connect[1m]) > 3`)
	web.down("127.0.0.1")
	c.Await(`cannot connect to "web"`)
	web.up("127.0.0.1")
	c.Await(`connected again to "web"`)
	// Of one sample, increase knows nothing.
	s.awaitSome(`count_over_time(tcpcheck_errors_total[1m]) > 1 and on () network_tcp_can_connect == 1`)
	failures := float64(s.query("tcpcheck_errors_total")[0].Value)

	d, _ := readDashboard(t)
	everything := map[string]string{"__range": "1m", "__rate_interval": "1m", "job": ".*", "instance": ".*", "check": ".*"}
	queries := documentedQueries(t)
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, target.Expr)
		}
	}
	queries = slices.DeleteFunc(queries, func(query string) bool {
		return !strings.Contains(query, "increase(tcpcheck_errors_total") || strings.Contains(query, "error_type=")
	})
	require.Len(t, queries, 3)
	for _, query := range queries {
		counted := 0.0
		for _, sample := range s.query(substitute(t, query, everything)) {
			counted += float64(sample.Value)
		}
		assert.InDelta(t, failures, counted, 0.4, query)
	}
}

// in returns the server for the time of a subtest.
func (s *server) in(t *testing.T) *server { return &server{t: t, api: s.api} }

// testDashboard asks all that the dashboard asks, for everything and for one
// instance, in place of Grafana, which cannot be built from a module.
func (s *server) testDashboard() {
	d, text := readDashboard(s.t)
	require.NotContains(s.t, strings.ReplaceAll(text, `"uid": "${datasource}"`, ""), `"uid": "$`, "a data source of its own")

	everything := map[string]string{"__range": "1m", "__rate_interval": "2s"}
	for _, variable := range d.Templating.List {
		if variable.Type == "query" {
			everything[variable.Name] = ".*"
		}
	}
	require.Len(s.t, everything, 5)
	one := maps.Clone(everything)
	for _, variable := range d.Templating.List {
		if variable.Type == "query" {
			assert.NotEmpty(s.t, s.labelValues(variable.Query.(map[string]any)["query"].(string), everything), variable.Name)
		}
	}

	answers := make(map[string]model.Vector)
	for _, panel := range d.Panels {
		require.NotEmpty(s.t, panel.Targets, panel.Title)
		one["check"] = "web"
		if strings.Contains(strings.ToLower(panel.Title), "dialogue") {
			one["check"] = "mail"
		}
		for _, target := range panel.Targets {
			answers[panel.Title] = s.query(substitute(s.t, target.Expr, everything))
			assert.NotEmpty(s.t, answers[panel.Title], "%s: %s", panel.Title, target.Expr)
			assert.NotEmpty(s.t, s.query(substitute(s.t, target.Expr, one)), "%s of one instance: %s", panel.Title, target.Expr)
		}
	}
	value := func(title string) float64 {
		require.Len(s.t, answers[title], 1, title)
		return float64(answers[title][0].Value)
	}
	assert.InDelta(s.t, 2, value("Down"), 0)
	assert.InDelta(s.t, 1, value("Down over one family only"), 0)
	assert.InDelta(s.t, 6, value("Targets"), 0)
	assert.InDelta(s.t, 1, value("Collectors"), 0)
	assert.Equal(s.t, []string{"web ipv6"}, linesOf(answers["One family against the other"], []model.LabelName{"tcpcheck_instance", "network_type"}))
	assert.Contains(s.t, linesOf(answers["Failed checks by reason"], []model.LabelName{"error_type"}), "connection_refused")
	assert.Contains(s.t, linesOf(answers["Failed checks by reason"], []model.LabelName{"error_type"}), "tls_unknown_authority")
	var days []string // from the first certificate to end
	for _, sample := range answers["Certificates"] {
		days = append(days, fmt.Sprintf("%s %s %.0f", sample.Metric["tcpcheck_instance"], sample.Metric["network_peer_address"], sample.Value))
	}
	assert.Equal(s.t, []string{"both ::1 10", "both 127.0.0.1 20", "web 127.0.0.1 60"}, days)
	verified := make(map[string]float64)
	for _, sample := range answers["Certificates that are verified"] {
		verified[string(sample.Metric["tcpcheck_instance"]+" "+sample.Metric["network_type"])] = float64(sample.Value)
	}
	assert.Equal(s.t, map[string]float64{"both ipv4": 0, "both ipv6": 0, "web ipv4": 1}, verified)
	works := make(map[string]float64)
	for _, sample := range answers["Dialogues"] {
		works[string(sample.Metric["tcpcheck_instance"]+" "+sample.Metric["network_type"]+" "+sample.Metric["network_peer_address"])] = float64(sample.Value)
	}
	assert.Equal(s.t, map[string]float64{"mail ipv4 127.0.0.1": 1, "mail ipv6 ::1": 0}, works)
	assert.Equal(s.t, []string{"mail ipv4"}, linesOf(answers["Time of the dialogue"], []model.LabelName{"tcpcheck_instance", "network_type"}))
	assert.Equal(s.t, []string{"mail unexpected_answer"}, linesOf(answers["Failed dialogues by reason"], []model.LabelName{"tcpcheck_instance", "error_type"}))
}

// labelValues returns what Grafana's label_values(series, label) has.
func (s *server) labelValues(query string, variables map[string]string) model.LabelValues {
	s.t.Helper()
	parts := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(query)
	require.NotNil(s.t, parts, query)
	values, _, err := s.api.LabelValues(s.t.Context(), parts[2], []string{substitute(s.t, parts[1], variables)}, time.Time{}, time.Time{})
	require.NoError(s.t, err)
	return values
}

// substitute puts the values of variables into a query, and fails if one of them
// is unknown.
func substitute(t *testing.T, query string, variables map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`\$\w+`).ReplaceAllStringFunc(query, func(variable string) string {
		value, known := variables[variable[1:]]
		require.True(t, known, "%s in %s", variable, query)
		return value
	})
}

// page is the documentation.
const page = "../../docs/prometheus.md"

// testDocumentedSeries compares the table of series with what there is.
func (s *server) testDocumentedSeries() {
	text, err := os.ReadFile(page)
	require.NoError(s.t, err)
	documented := make(map[string][]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:network|tcpcheck)_\\w+)` \\| (gauge|counter)\\b[^|]* \\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1) {
		labels := []string{row[2]}
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels[1:])
		documented[row[1]] = labels
	}

	// The labels that are the server's, of the service and of a tag.
	others := []string{"__name__", "job", "instance", "service_name", "env"}
	metadata, err := s.api.Metadata(s.t.Context(), "", "")
	require.NoError(s.t, err)
	found := make(map[string][]string)
	series, _, err := s.api.Series(s.t.Context(), []string{`{__name__=~"(network|tcpcheck)_.+|target_info", job!="tcpcheck-collector"}`}, time.Now().Add(-time.Hour), time.Now())
	require.NoError(s.t, err)
	for _, labels := range series {
		name := string(labels["__name__"])
		if _, seen := found[name]; !seen {
			require.Len(s.t, metadata[name], 1, name)
			found[name] = []string{string(metadata[name][0].Type)}
		}
		for label := range labels {
			if !slices.Contains(others, string(label)) && !slices.Contains(found[name], string(label)) {
				found[name] = append(found[name], string(label))
			}
		}
	}
	for _, labels := range found {
		slices.Sort(labels[1:])
	}
	assert.Equal(s.t, found, documented)
}

// documentedQueries returns the queries of the documentation, accelerated.
func documentedQueries(t *testing.T) []string {
	t.Helper()
	var queries []string
	for _, block := range harness.Blocks(t, "docs/prometheus.md", "promql") {
		queries = append(queries, accelerated(t, block.Text))
	}
	require.NotEmpty(t, queries)
	return queries
}
