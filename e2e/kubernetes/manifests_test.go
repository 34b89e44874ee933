package kubernetes

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// manifests is the folder of those.
const manifests = "../../deploy/kubernetes"

// The server takes every manifest, without a warning, a second time as well, and lets
// the pods of agents and gateway into the namespace, which refuses others that ask for more. The results of an
// agent are on the page of the gateway.
func (c *cluster) testManifests(t *testing.T) {
	for range 2 {
		c.apply(t, "--kustomize", manifests)
	}
	c.account(t, "tcpcheck", "default")
	c.namespace(t, "other")
	files, err := filepath.Glob(manifests + "/*.yaml")
	require.NoError(t, err)
	more, err := filepath.Glob(manifests + "/*/*.yaml")
	require.NoError(t, err)
	for _, file := range append(files, more...) {
		if filepath.Base(file) == "kustomization.yaml" {
			c.apply(t, "--kustomize", filepath.Dir(file))
		} else {
			c.apply(t, "--namespace", "other", "--filename", file)
		}
	}

	_, err = c.core.Pods("tcpcheck").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "privileged"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "collector", Image: "tcpcheck-collector"}}},
	}, metav1.CreateOptions{})
	require.ErrorContains(t, err, `violates PodSecurity "restricted:latest"`)

	gateway := c.runGateway(t)
	c.run(t, c.podOf(t, "tcpcheck", "daemonset/tcpcheck-agent", "agent"), withoutOwnPage)
	page := harness.AwaitPage(t, func() (harness.Page, error) { return harness.ReadPage(gateway + ":9464") }, func(page harness.Page) bool {
		return len(page.Of(canConnect)) > 0
	})
	assert.Equal(t, map[string]float64{"{host_name=node-a network_peer_address=10.96.0.1 network_type=ipv4 server_address=kubernetes.default.svc server_port=443 tcpcheck_instance=Kubernetes API}": 1},
		page.Values(canConnect), "the API server is up")
}

// runGateway runs the gateway of the manifests, and returns the address of its service. Its page keeps what is checked once.
func (c *cluster) runGateway(t *testing.T) string {
	t.Helper()
	address := c.kubectl(t, "get", "--namespace", "tcpcheck", "service/tcpcheck-gateway", "--output=jsonpath={.spec.clusterIP}")
	c.named(address, "tcpcheck-gateway", "tcpcheck")
	c.run(t, c.podOf(t, "tcpcheck", "deployment/tcpcheck-gateway", "gateway"), "--set=exporters::prometheus::metric_expiration=1h")
	return address
}

// withoutOwnPage lets a collector that is not alone on its machine leave the port of its own metrics to another one.
const withoutOwnPage = "--set=service::telemetry::metrics::level=none"
