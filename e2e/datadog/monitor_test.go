package datadog

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// states checks a service in each state that there is, each as an instance of that
// name, and returns what arrived.
func states(t *testing.T) []point {
	t.Helper()
	both := testnet.Listen(t, "tcp", "[::]:0").Port()
	ipv4 := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	closed := testnet.ClosedPort(t, "127.0.0.1").Port()
	in, _ := startWithHosts(t, bothHosts+"127.0.0.1 four.test\n", fmt.Sprintf(`
collection_interval: 3s
metrics: {tcpcheck.checks: {enabled: true}}
instances:
  - {name: up, host: both.test, port: %d, service: web, collect_response_time: true}
  - {name: bound to IPv4, host: both.test, port: %d, collect_response_time: true}
  - {name: down, host: both.test, port: %d, collect_response_time: true}
  - {name: no address, host: four.test, port: %d, address_families: [ipv6]}
  - {name: closed, host: both.test, port: %d, tags: ["expect:closed"]}
  - {name: open, host: both.test, port: %d, tags: ["expect:closed"]}
`, both, ipv4, closed, both, closed, ipv4))
	for _, instance := range []string{"up", "bound to IPv4", "down", "no address", "closed", "open"} {
		in.await(canConnect, instance, 4)
	}
	in.await(responseTime, "up", 4)
	in.await(failures, "down", 4)
	in.await(checks, "up", 4)
	return in.arrived(canConnect, responseTime, failures, checks)
}

// certificateStates checks certificates in each state that there is, each as an instance of that name, and files in
// some of them, which are named so in a folder, and returns what arrived.
func certificateStates(t *testing.T) (arrived []point, folder string) {
	t.Helper()
	authority, day := testnet.NewAuthority(t), 24*time.Hour
	folder = t.TempDir()
	file := filepath.Join(folder, "ca.pem")
	harness.Write(t, file, string(authority.PEM()))
	both := []string{"127.0.0.1", "::1"}
	issue := func(lasts time.Duration) tls.Certificate {
		return authority.Issue([]string{"both.test"}, testnet.Lasting(lasts))
	}
	differ := testnet.NewTLSServer(t, issue(90*day), both...)
	differ.Show(issue(60*day), "::1")
	ports := map[string]uint16{
		"verified":           testnet.NewTLSServer(t, issue(90*day), both...).Port,
		"of another name":    testnet.NewTLSServer(t, authority.Issue([]string{"other.test"}), both...).Port,
		"ends within 7 days": testnet.NewTLSServer(t, issue(6*day), both...).Port,
		"ends within a day":  testnet.NewTLSServer(t, issue(day-time.Minute), both...).Port,
		"ended":              testnet.NewTLSServer(t, issue(-time.Minute), both...).Port,
		"differ":             differ.Port,
	}
	for name, lasts := range map[string]time.Duration{"lasts": 90 * day, "ends within 7 days": 6 * day, "ends within a day": day - time.Minute} {
		chain, _ := testnet.PEM(t, issue(lasts))
		harness.Write(t, filepath.Join(folder, name+".crt"), string(chain))
	}
	options := "collection_interval: 3s\ncertificate_files: " + folder + "/*.crt\ninstances:\n"
	for name, port := range ports {
		options += fmt.Sprintf("  - {name: %s, host: both.test, port: %d, tls: {ca_file: %s}}\n", name, port, file)
	}
	in, _ := startWithHosts(t, bothHosts, options)
	for name := range ports {
		in.await(verified, name, 4)
	}
	return in.arrived(canConnect, verified, timeLeft, chainTimeLeft, handshakeTime, certificates), folder
}

// dialogStates has dialogues in each state that there is, each as an instance of that name, and returns what arrived.
func dialogStates(t *testing.T) []point {
	t.Helper()
	both, fine := []string{"127.0.0.1", "::1"}, "220 both.test ESMTP\r\n"
	half := testnet.NewGreeter(t, fine, both...)
	half.Say("421 too many connections\r\n", "::1")
	works := testnet.NewGreeter(t, fine, both...).Port
	ports := map[string]uint16{
		"works":                works,
		"fails at one address": half.Port,
		"silent":               testnet.NewGreeter(t, "", both...).Port,
	}
	const steps = `steps: [{expect: "^220 "}], steps_interval: 1s`
	options := "collection_interval: 3s\ninstances:\n"
	for name, port := range ports {
		options += fmt.Sprintf("  - {name: %s, host: both.test, port: %d, timeout: 1s, %s}\n", name, port, steps)
	}
	untrusted := testnet.NewTLSServer(t, testnet.NewAuthority(t).Issue([]string{"both.test"}), both...)
	options += fmt.Sprintf("  - {name: closed, host: both.test, port: %d, %s}\n", testnet.ClosedPort(t, "127.0.0.1").Port(), steps)
	options += fmt.Sprintf("  - {name: of an unknown authority, host: both.test, port: %d, tls: {}, steps: [{expect: ^220}]}\n", untrusted.Port)
	options += fmt.Sprintf("  - {name: without steps, host: both.test, port: %d}\n", works)
	in, _ := startWithHosts(t, bothHosts, options)
	for name := range ports {
		in.await(dialogOK, name, 4)
	}
	in.await(dialogTime, "works", 4)
	in.await(verified, "of an unknown authority", 4)
	in.await(canConnect, "closed", 4)
	assert.Equal(t, []string{"dialog_timeout"}, values(in.await(failures, "silent", 1), "error.type"))
	return in.arrived(canConnect, verified, failures, dialogOK, dialogTime)
}

var monitorPattern = regexp.MustCompile(`^(avg|min|max|sum)\(last_\w+\):(.+) ([<>]) ([0-9.]+)$`)

// alertsOf returns which groups a monitor in datadog/ alerts for.
func alertsOf(t *testing.T, file string, arrived []point) map[string]bool {
	t.Helper()
	alerts := make(map[string]bool)
	for group, status := range statusesOf(t, file, arrived) {
		alerts[group] = status == "alert"
	}
	return alerts
}

// statusesOf returns what a monitor in datadog/, which Datadog's own client reads, says of each group: alert, warning
// or OK. It names what has arrived.
func statusesOf(t *testing.T, file string, arrived []point) map[string]string {
	t.Helper()
	var monitor datadogV1.Monitor
	readJSON(t, "../../datadog/"+file, &monitor)
	options, query := monitor.GetOptions(), parseMonitor(t, monitor.GetQuery())
	assert.InDelta(t, query.threshold, options.Thresholds.GetCritical(), 0)
	for _, key := range query.by {
		assert.Contains(t, monitor.GetMessage(), "{{["+key+"].name}}", "the message names the group")
	}
	statuses := make(map[string]string)
	for group, value := range query.values(t, arrived) {
		switch {
		case query.isBeyond(value, query.threshold):
			statuses[group] = "alert"
		case options.Thresholds.Warning.IsSet() && query.isBeyond(value, options.Thresholds.GetWarning()):
			statuses[group] = "warning"
		default:
			statuses[group] = "OK"
		}
	}
	return statuses
}

// alertsOfQuery returns which groups the query of a monitor alerts for. It names what has arrived.
func alertsOfQuery(t *testing.T, text string, arrived []point) map[string]bool {
	t.Helper()
	query, alerts := parseMonitor(t, text), make(map[string]bool)
	for group, value := range query.values(t, arrived) {
		alerts[group] = query.isBeyond(value, query.threshold)
	}
	return alerts
}

// monitorQuery is the query of a monitor.
type monitorQuery struct {
	query
	aggregator, sign string
	threshold        float64
}

func parseMonitor(t *testing.T, text string) monitorQuery {
	t.Helper()
	parts := monitorPattern.FindStringSubmatch(text)
	require.NotNil(t, parts, text)
	threshold, err := strconv.ParseFloat(parts[4], 64)
	require.NoError(t, err)
	return monitorQuery{parseQuery(t, parts[2]), parts[1], parts[3], threshold}
}

// values returns the value of each group.
func (q *monitorQuery) values(t *testing.T, arrived []point) map[string]float64 {
	t.Helper()
	requireArrived(t, arrived, q.query)
	values := make(map[string]float64)
	for group, all := range q.evaluate(arrived) {
		values[group] = aggregators[q.aggregator](all)
	}
	return values
}

func (q *monitorQuery) isBeyond(value, threshold float64) bool {
	return q.sign == "<" && value < threshold || q.sign == ">" && value > threshold
}

// The monitor alerts as the service check did.
func TestMonitor(t *testing.T) {
	arrived := states(t)
	alerts, closed := alertsOf(t, "monitor.json", arrived), alertsOf(t, "monitor-closed.json", arrived)
	t.Run("up", func(t *testing.T) { assert.False(t, alerts["up"]) })
	t.Run("down", func(t *testing.T) { assert.True(t, alerts["down"]) })
	t.Run("one_family", func(t *testing.T) { assert.True(t, alerts["bound to IPv4"]) })
	t.Run("no_address", func(t *testing.T) { assert.True(t, alerts["no address"]) })
	assert.Len(t, alerts, 4)
	t.Run("has_to_be_closed", func(t *testing.T) { assert.Equal(t, map[string]bool{"closed": false, "open": true}, closed) })
}

// The monitors of certificates say what they are about, and nothing of other instances.
func TestCertificateMonitors(t *testing.T) {
	arrived, folder := certificateStates(t)
	for file, statuses := range map[string]map[string]string{
		"monitor-tls.json":                 {"of another name": "alert", "ended": "alert"},
		"monitor-certificate-ends.json":    {"ends within 7 days": "warning", "ends within a day": "alert", "ended": "alert"},
		"monitor-certificates-differ.json": {"differ": "alert"},
	} {
		found := statusesOf(t, file, arrived)
		assert.Len(t, found, 6, file)
		maps.DeleteFunc(found, func(_, status string) bool { return status == "OK" })
		assert.Equal(t, statuses, found, file)
	}
	at := func(name string) string { return filepath.Join(folder, name+".crt") }
	assert.Equal(t, map[string]string{at("lasts"): "OK", at("ends within 7 days"): "warning", at("ends within a day"): "alert"},
		statusesOf(t, "monitor-certificate-file-ends.json", arrived))
}

// The monitor of dialogues says which of them fail, and nothing of what has none: a port that does not accept, a
// handshake of TLS that fails, an instance without steps.
func TestDialogMonitor(t *testing.T) {
	assert.Equal(t, map[string]string{"works": "OK", "fails at one address": "alert", "silent": "alert"},
		statusesOf(t, "monitor-dialog.json", dialogStates(t)))
}

// The objective in datadog/, which Datadog's own client reads, is about what arrives: of each
// instance, the part of the checks that connected.
func TestSLO(t *testing.T) {
	var slo datadogV1.ServiceLevelObjectiveRequest
	readJSON(t, "../../datadog/slo.json", &slo)
	require.NoError(t, slo.UnmarshalJSON([]byte(harness.Read(t, "../../datadog/slo.json"))))
	count := slo.SliSpecification.SLOCountSpec.Count.SLOCountDefinitionWithTotalEventsFormula
	require.NotNil(t, count)
	assert.Equal(t, "checks - default_zero(errors)", count.GoodEventsFormula.Formula)
	assert.Equal(t, "checks", count.TotalEventsFormula.Formula)
	arrived := states(t)
	events := make(map[string]map[string]float64)
	for _, written := range count.Queries {
		metric := written.FormulaAndFunctionMetricQueryDefinition
		require.NotNil(t, metric)
		q := parseQuery(t, metric.Query)
		requireArrived(t, arrived, q)
		events[metric.Name] = make(map[string]float64)
		for group, values := range q.evaluate(arrived) {
			events[metric.Name][group] = sum(values)
		}
	}
	require.Len(t, events["checks"], 4)
	for instance, bad := range map[string]float64{"up": 0, "bound to IPv4": 0.5, "down": 1, "no address": 1} {
		require.Positive(t, events["checks"][instance])
		// The exporter leaves out what a sum begins with, of each of its series.
		assert.InDelta(t, bad, events["errors"][instance]/events["checks"][instance], 0.25, instance)
	}
	assert.Zero(t, events["errors"]["up"])
}

// Every query of the dashboard in datadog/, which Datadog's own client reads, names
// what arrives and has data.
func TestDashboard(t *testing.T) {
	var dashboard datadogV1.Dashboard
	readJSON(t, "../../datadog/dashboard.json", &dashboard)
	secured, _ := certificateStates(t)
	arrived := slices.Concat(states(t), secured, dialogStates(t))
	var variables []string // $name, *, …
	for _, variable := range dashboard.GetTemplateVariables() {
		assert.Contains(t, keys(arrived), variable.GetPrefix())
		variables = append(variables, "$"+variable.GetName(), "*")
	}
	names := strings.NewReplacer(variables...)
	for _, r := range requests(t, "../../datadog/dashboard.json") {
		results := make(map[string]map[string][]float64)
		for _, written := range r.Queries {
			t.Run(strings.ReplaceAll(r.title+"/"+written.Name, " ", "_"), func(t *testing.T) {
				q := parseQuery(t, names.Replace(written.Query))
				requireArrived(t, arrived, q)
				results[written.Name] = q.evaluate(arrived)
				assert.NotEmpty(t, results[written.Name])
			})
		}
		if r.Formulas[0].Formula != "best - worst" {
			continue
		}
		t.Run("one_family_only", func(t *testing.T) {
			for instance, difference := range map[string]float64{"up": 0, "bound to IPv4": 1, "down": 0, "no address": 0} {
				best, worst := results["best"][instance], results["worst"][instance]
				require.NotEmpty(t, best, instance)
				assert.InDelta(t, difference, best[len(best)-1]-worst[len(worst)-1], 0, instance)
			}
		})
	}
}

// requireArrived requires that the metric of a query has arrived, with every tag
// that the query names.
func requireArrived(t *testing.T, arrived []point, q query) {
	t.Helper()
	points := only(arrived, func(p point) bool { return p.metric == q.metric })
	require.NotEmpty(t, points, q.metric)
	assert.Subset(t, keys(points), q.keys(), q.metric)
}

// asides are the fields in which Datadog's client keeps what it does not know.
var asides = []string{"UnparsedObject", "AdditionalProperties"}

// readJSON reads a file as Datadog's client does, which knows all that is in it.
func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(harness.Read(t, file)), into))
	var look func(place string, value reflect.Value)
	look = func(place string, value reflect.Value) {
		switch value.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !value.IsNil() {
				look(place, value.Elem())
			}
		case reflect.Slice:
			for i := range value.Len() {
				look(fmt.Sprintf("%s[%d]", place, i), value.Index(i))
			}
		case reflect.Struct:
			for i := range value.NumField() {
				name, field := value.Type().Field(i).Name, value.Field(i)
				if slices.Contains(asides, name) {
					assert.True(t, field.IsNil(), "%s: unknown to Datadog's client: %v", place, field)
				} else if value.Type().Field(i).IsExported() {
					look(place+"."+name, field)
				}
			}
		default:
		}
	}
	look(file, reflect.ValueOf(into))
}

// request is what a widget of a dashboard asks for.
type request struct {
	title   string
	Queries []struct{ Name, Query string }
	// Formulas are of the names of the queries.
	Formulas []struct{ Formula string }
}

// requests returns the requests of all widgets of a dashboard.
func requests(t *testing.T, file string) []request {
	t.Helper()
	var dashboard struct {
		Widgets []struct {
			Definition struct {
				Title    string
				Requests []request
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(harness.Read(t, file)), &dashboard))
	var found []request
	for _, widget := range dashboard.Widgets {
		require.NotEmpty(t, widget.Definition.Requests, widget.Definition.Title)
		for _, r := range widget.Definition.Requests {
			r.title = widget.Definition.Title
			require.NotEmpty(t, r.Queries, r.title)
			require.NotEmpty(t, r.Formulas, r.title)
			found = append(found, r)
		}
	}
	require.NotEmpty(t, found)
	return found
}

// query is a query of metrics, as monitors and dashboards have them: how the
// series of a group become one, of which metric, and what makes a group.
type query struct {
	aggregator string
	metric     string
	scope      []string // tags, or *
	by         []string // keys of tags
}

var queryPattern = regexp.MustCompile(`^(avg|min|max|sum):([a-z_.]+)\{([^{}]+)\}(?: by \{([^{}]+)\})?(?:\.as_count\(\))?$`)

// parseQuery returns the query of a text.
func parseQuery(t *testing.T, text string) query {
	t.Helper()
	parts := queryPattern.FindStringSubmatch(text)
	require.NotNil(t, parts, "%q is no query that is known here", text)
	q := query{aggregator: parts[1], metric: parts[2], scope: strings.Split(parts[3], ",")}
	if parts[4] != "" {
		q.by = strings.Split(parts[4], ",")
	}
	return q
}

// keys returns the keys of all tags that the query names.
func (q query) keys() []string {
	found := slices.Clone(q.by)
	for _, tag := range q.scope {
		if key, _, ok := strings.Cut(tag, ":"); ok && !strings.HasPrefix(key, "!") {
			found = append(found, key)
		}
	}
	return found
}

// evaluate returns the values over time of each group, of the points that arrived.
// A group's name is the values of its tags, with a comma between.
func (q query) evaluate(points []point) map[string][]float64 {
	aggregate := aggregators[q.aggregator]
	atTimes := make(map[string]map[int64][]float64)
	for _, p := range points {
		group, ok := q.group(p)
		if !ok {
			continue
		}
		if atTimes[group] == nil {
			atTimes[group] = make(map[int64][]float64)
		}
		atTimes[group][p.seconds] = append(atTimes[group][p.seconds], p.value)
	}
	overTime := make(map[string][]float64)
	for group, at := range atTimes {
		for _, seconds := range slices.Sorted(maps.Keys(at)) {
			overTime[group] = append(overTime[group], aggregate(at[seconds]))
		}
	}
	return overTime
}

// group returns the group that a point belongs to, if it is the query's at all.
func (q query) group(p point) (string, bool) {
	var name []string
	for _, key := range q.by {
		name = append(name, p.tags[key])
	}
	for _, tag := range q.scope {
		key, value, ok := strings.Cut(tag, ":")
		key, not := strings.CutPrefix(key, "!")
		if ok && (p.tags[key] == value) == not {
			return "", false
		}
	}
	return strings.Join(name, ","), p.metric == q.metric && !slices.Contains(name, "")
}

var aggregators = map[string]func([]float64) float64{
	"min": slices.Min[[]float64],
	"max": slices.Max[[]float64],
	"sum": sum,
	"avg": func(values []float64) float64 { return sum(values) / float64(len(values)) },
}

func sum(values []float64) float64 {
	total := 0.0
	for _, value := range values {
		total += value
	}
	return total
}
