package kubernetes

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// shop is a namespace whose pods and services ask to be checked.
type shop struct {
	*cluster
	namespace, gateway string
}

// openShop applies the observer's manifests, and makes a namespace.
func (c *cluster) openShop(t *testing.T, namespace string) shop {
	t.Helper()
	c.apply(t, "--kustomize", manifests)
	c.apply(t, "--kustomize", manifests+"/observer")
	c.account(t, "tcpcheck", "default")
	c.namespace(t, namespace)
	return shop{cluster: c, namespace: namespace}
}

// pod makes a pod that has a TCP port 8080 and a UDP port 53, and runs at an address.
func (s shop) pod(t *testing.T, name, address string, labels map[string]string) {
	t.Helper()
	container := corev1.Container{Name: "server", Image: "example.com/server:1", Ports: []corev1.ContainerPort{
		{Name: "http", ContainerPort: 8080}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
	}}
	pod, err := s.core.Pods(s.namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{container}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	s.runs(t, pod, address)
}

// service makes a service with an annotation, whose address has the name that a cluster's DNS would give it. What is behind
// it is a listener of the test at that address, as kube-proxy would have it.
func (s shop) service(t *testing.T, name, address string) {
	t.Helper()
	s.named(address, name, s.namespace)
	testnet.Listen(t, "tcp4", net.JoinHostPort(address, "80"))
	_, err := s.core.Services(s.namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"tcpcheck/port": "80"}},
		Spec:       corev1.ServiceSpec{ClusterIP: address, Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// patch changes the metadata of a pod.
func (s shop) patch(t *testing.T, pod string, metadata map[string]any) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	require.NoError(t, err)
	_, err = s.core.Pods(s.namespace).Patch(t.Context(), pod, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
}

// values returns what the gateway's page has of a metric for the targets of the namespace, by their names and ports.
func (s shop) values(page harness.Page, metric string) map[string]float64 {
	values := make(map[string]float64)
	for _, sample := range page.Of(metric) {
		if sample.Labels["k8s_namespace_name"] == s.namespace {
			values[sample.Labels["tcpcheck_instance"]+":"+sample.Labels["server_port"]] = sample.Value
		}
	}
	return values
}

// await returns once the targets of the namespace are as wanted.
func (s shop) await(t *testing.T, metric string, want map[string]float64) {
	t.Helper()
	harness.AwaitPage(t, func() (harness.Page, error) { return harness.ReadPage(s.gateway + ":9464") }, func(page harness.Page) bool {
		return assert.ObjectsAreEqual(want, s.values(page, metric))
	})
}

// asks is the label of a pod that is to be checked.
var asks = map[string]string{"tcpcheck": "true"}

// Pods and services are checked as long as they are there and ask for it. A pod that changes is the
// same target, with what is known of it.
func (c *cluster) testObserver(t *testing.T) {
	s := c.openShop(t, "shop")
	s.gateway = c.runGateway(t)
	testnet.Listen(t, "tcp4", "10.244.1.1:8080")
	testnet.Listen(t, "tcp6", net.JoinHostPort(podIPv6, "8080"))
	s.pod(t, "web", "10.244.1.1", asks)
	s.pod(t, "silent", "10.244.1.1", nil)
	observer := c.run(t, c.podOf(t, "tcpcheck", "deployment/tcpcheck-observer", "observer"), withoutOwnPage, "--set=receivers::tcpcheck::collection_interval=1h")
	s.await(t, canConnect, map[string]float64{"shop/web:8080": 1})

	s.pod(t, "six", podIPv6, asks)
	s.pod(t, "broken", "10.244.1.3", asks)
	s.service(t, "front", "10.96.1.1")
	s.await(t, canConnect, map[string]float64{"shop/web:8080": 1, "shop/six:8080": 1, "shop/broken:8080": 0, "shop/front:80": 1})
	s.await(t, "tcpcheck_errors_total", map[string]float64{"shop/broken:8080": 1})

	// A change of how a pod is checked is a check at once, and the second error of the same target.
	s.patch(t, "broken", map[string]any{"annotations": map[string]string{"tcpcheck/timeout": "2s"}})
	s.await(t, "tcpcheck_errors_total", map[string]float64{"shop/broken:8080": 2})
	assert.Equal(t, 1, strings.Count(observer.Output(), `cannot connect to "shop/broken"`), "it is as down as it was")

	s.patch(t, "six", map[string]any{"labels": map[string]any{"tcpcheck": nil}})
	s.deletePod(t, s.namespace, "broken")
	require.NoError(t, s.core.Services(s.namespace).Delete(t.Context(), "front", metav1.DeleteOptions{}))
	s.await(t, canConnect, map[string]float64{"shop/web:8080": 1})
	observer.Await(`"shop/broken" (10.244.1.3:8080) over ipv4 is no longer checked`)
}

const canConnect = "network_tcp_can_connect"

// Each verb of the observer's role is needed: without it, something is not found that else is, or
// only late, and the log says why.
func (c *cluster) testRights(t *testing.T) {
	const name = "tcpcheck-observer"
	s := c.openShop(t, "rights")
	testnet.Listen(t, "tcp4", "10.244.2.1:8080")
	s.pod(t, "web", "10.244.2.1", asks)
	s.service(t, "front", "10.96.1.2")
	found := map[string]float64{"rights/web:8080": 1, "rights/front:80": 1}
	targets := map[string]string{"pods": "rights/web:8080", "services": "rights/front:80"}
	role, err := c.rbac.ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { c.apply(t, "--kustomize", manifests+"/observer", "--force-conflicts") })
	set := func(t *testing.T, rules []rbacv1.PolicyRule) {
		role, err := c.rbac.ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		role.Rules = rules
		_, err = c.rbac.ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	var all []rbacv1.PolicyRule // a rule for each resource and verb
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				all = append(all, rbacv1.PolicyRule{APIGroups: rule.APIGroups, Resources: []string{resource}, Verbs: []string{verb}})
			}
		}
	}
	require.Len(t, all, 4)
	for i, taken := range all {
		resource, verb := taken.Resources[0], taken.Verbs[0]
		t.Run(verb+" "+resource, func(t *testing.T) {
			s.gateway = c.runGateway(t)
			set(t, slices.Delete(slices.Clone(all), i, i+1))
			observer := c.run(t, c.podOf(t, "tcpcheck", "deployment/"+name, "without-"+verb+"-"+resource), withoutOwnPage)
			observer.Await("forbidden", "cannot "+verb+" resource", resource)
			if verb == "list" {
				want := map[string]float64{}
				for other, target := range targets {
					if other != resource {
						want[target] = 1
					}
				}
				s.await(t, canConnect, want)
			}
			set(t, all)
			s.await(t, canConnect, found)
		})
	}
}
