package kubernetes

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// chart is the folder of that.
const chart = "../../deploy/helm/tcpcheck"

// helm runs helm as the administrator.
func (c *cluster) helm(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	command := exec.Command(harness.Binary(t, "HELM", "e2e-kubernetes"), arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.in("kubeconfig"), "HELM_CACHE_HOME="+c.in("helm"), "HELM_CONFIG_HOME="+c.in("helm"), "HELM_DATA_HOME="+c.in("helm"))
	output, err := command.CombinedOutput()
	return string(output), err
}

// A minimal stand-in for the Prometheus Operator's definition of a ServiceMonitor, which takes any.
const serviceMonitors = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, plural: servicemonitors}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// The chart is without fault, by default and with all values; what it does not know it refuses;
// and the server takes what it renders, without a warning, as the collector does its configuration.
func (c *cluster) testChart(t *testing.T) {
	c.namespace(t, "charts")
	c.apply(t, "-f", c.written(t, serviceMonitors))
	c.kubectl(t, "wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com")
	tests := map[string]struct {
		flags   []string
		refused string // what the reason has
	}{
		"by default":                 {},
		"all values":                 {flags: []string{"--values=testdata/values.yaml"}},
		"a DaemonSet":                {flags: []string{"--set=kind=DaemonSet"}},
		"observers everywhere":       {flags: []string{"--values=testdata/values.yaml", "--set=observedNamespaces=null"}},
		"no accounts and no roles":   {flags: []string{"--values=testdata/values.yaml", "--set=serviceAccount.create=false", "--set=rbac.create=false"}},
		"OTLP alone":                 {flags: []string{"--set=prometheus.enabled=false", "--set=otlp.endpoint=gateway:4317"}},
		"an unknown value":           {flags: []string{"--set=replica=2"}, refused: "replica"},
		"an unknown value within":    {flags: []string{"--set=networkPolicy.enable=true"}, refused: "enable"},
		"an unknown kind":            {flags: []string{"--set=kind=Job"}, refused: "kind"},
		"a wrong duration":           {flags: []string{"--set=serviceMonitor.interval=often"}, refused: "interval"},
		"an observer without a rule": {flags: []string{"--set=observers[0].observer=k8s_observer"}, refused: "rule"},
		"results that go nowhere":    {flags: []string{"--set=prometheus.enabled=false"}, refused: "the results go nowhere: prometheus.enabled or otlp.endpoint"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rendered, err := c.helm(t, append([]string{"template", "checks", chart, "--namespace=charts"}, test.flags...)...)
			if test.refused != "" {
				require.Error(t, err)
				require.Contains(t, rendered, test.refused)
				return
			}
			require.NoError(t, err, rendered)
			output, err := c.helm(t, append([]string{"lint", "--strict", "--quiet", chart}, test.flags...)...)
			require.NoError(t, err, output)
			c.apply(t, "--namespace=charts", "--dry-run=server", "--filename", c.written(t, rendered))
			for document := range strings.SplitSeq(rendered, "\n---\n") {
				var config corev1.ConfigMap
				require.NoError(t, yaml.Unmarshal([]byte(document), &config))
				if text := config.Data["collector.yaml"]; text != "" {
					validate := exec.Command(harness.Binary(t, "COLLECTOR_DISCOVERY", "e2e-kubernetes"), "validate", "--config="+c.written(t, text))
					validate.Env = append(os.Environ(), "VANTAGE_POINT=node", "POD_NAME=pod")
					output, err := validate.CombinedOutput()
					assert.NoError(t, err, "%s", output)
				}
			}
		})
	}
}

// install installs the chart as a release named tcpcheck into a namespace of that release, or upgrades it.
func (c *cluster) install(t *testing.T, namespace string, flags ...string) {
	t.Helper()
	output, err := c.helm(t, append([]string{"upgrade", "--install", "tcpcheck", chart, "--namespace=" + namespace, "--set=receiver.initial_delay=0"}, flags...)...)
	require.NoError(t, err, output)
}

// awaitPage returns once the page of the only collector is that of these instances.
func awaitPage(t *testing.T, want map[string]float64) {
	t.Helper()
	harness.AwaitPage(t, func() (harness.Page, error) { return harness.ReadPage("127.0.0.1:9464") }, func(page harness.Page) bool {
		values := make(map[string]float64)
		for _, sample := range page.Of(canConnect) {
			values[sample.Labels["tcpcheck_instance"]] = sample.Value
		}
		return assert.ObjectsAreEqual(want, values)
	})
}

// A release checks what its values list. An upgrade to another list reaches the collector without a
// restart, which is not so of another configuration.
func (c *cluster) testRelease(t *testing.T) {
	c.namespace(t, "release")
	testnet.Listen(t, "tcp4", "127.0.0.9:80")
	list := []string{"--set=receiver.collection_interval=1h", "--set=instances[0].name=api", "--set=instances[0].endpoint=kubernetes.default.svc:443"}
	c.install(t, "release", list...)
	running := c.run(t, c.podOf(t, "release", "deployment/tcpcheck", "tcpcheck-0"))
	awaitPage(t, map[string]float64{"api": 1})

	template := func() string {
		return c.kubectl(t, "get", "--namespace=release", "deployment/tcpcheck", "--output=jsonpath={.spec.template}")
	}
	before := template()
	list = append(list, "--set=instances[1].name=web", "--set=instances[1].endpoint=127.0.0.9:80")
	c.install(t, "release", list...)
	assert.Equal(t, before, template(), "nothing is to be started anew")
	running.sync(t)
	awaitPage(t, map[string]float64{"api": 1, "web": 1})
	c.install(t, "release", append(list, "--set=receiver.quiet=true")...)
	assert.NotEqual(t, before, template())
}

// The roles of the chart are those that a collector takes which is elected, and checks the pods of a namespace.
func (c *cluster) testRoles(t *testing.T) {
	c.namespace(t, "roles")
	s := shop{cluster: c, namespace: "observed"}
	c.namespace(t, s.namespace)
	testnet.Listen(t, "tcp4", "10.244.4.1:8080")
	s.pod(t, "web", "10.244.4.1", asks)
	c.install(t, "roles", "--set=kind=StatefulSet", "--set=leaderElection.enabled=true", "--set=observedNamespaces={observed}",
		`--set=observers[0].rule=type == "port" && port == 8080`, "--set=observers[0].instance.name=`pod.name`")
	running := c.run(t, c.podOf(t, "roles", "statefulset/tcpcheck", "tcpcheck-0"))
	running.Await("this collector is elected, so it checks")
	awaitPage(t, map[string]float64{"web": 1})
	assert.NotContains(t, running.Output(), "forbidden")
}
