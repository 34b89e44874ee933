// Package kubernetes gives what is shipped for Kubernetes to its API server: the manifests, the
// chart, and the collectors that find or share out their targets by it.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
)

const (
	apiAddress  = "10.96.0.1"         // of the API server, which is that of its service
	services    = "10.96.0.1/16"      // the addresses of services, all of them of this machine
	pods        = "10.244.0.1/16"     // those of pods
	podIPv6     = "fd00:244::2"       // the one of a pod over IPv6
	adminToken  = "administrator"     //nolint:gosec // of a server that lasts as long as the test
	node        = "node-a"            // where pods are said to be
	domain      = "svc.cluster.local" // of the names of services
	nameservers = "nameserver 127.0.0.1\nsearch tcpcheck." + domain + " " + domain + " cluster.local\noptions ndots:5\n"
)

func TestMain(m *testing.M) { os.Exit(harness.InNamespace(nameservers, m.Run)) }

// cluster is etcd and an API server with RBAC. There is nothing else of a cluster: no scheduler, no
// kubelet, no controllers, no DNS. What these would do is done by a method of cluster
// that says so, by way of the API wherever they would do it that way.
type cluster struct {
	dir         string
	dns         *dnsserver.Server
	core        coreclient.CoreV1Interface
	rbac        rbacclient.RbacV1Interface
	coordinated coordinationclient.CoordinationV1Interface
}

// start starts a cluster for the time of a test.
func start(t *testing.T) *cluster {
	harness.RequireNamespace(t)
	for _, words := range []string{"addr add " + services + " dev lo", "addr add " + pods + " dev lo", "addr add " + podIPv6 + "/128 dev lo nodad"} {
		output, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput()
		require.NoError(t, err, "ip %s: %s", words, output)
	}
	c := &cluster{dir: t.TempDir(), dns: dnsserver.New(t, "127.0.0.1:53")}
	c.named(apiAddress, "kubernetes", "default")
	c.writeKeys(t)
	harness.Write(t, c.in("tokens.csv"), adminToken+",admin,1,system:masters\n")
	clients, peers := "http://"+harness.FreeAddress(t), "http://"+harness.FreeAddress(t)
	etcd := harness.Start(t, exec.Command("etcd", "--data-dir="+c.in("etcd"), "--listen-client-urls="+clients, "--advertise-client-urls="+clients,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers), "ready to serve client requests")
	t.Cleanup(func() { // it dies of the signal that Stop sends, which is an error there
		require.NoError(t, syscall.Kill(etcd.PID(), syscall.SIGKILL))
		require.Eventually(t, func() bool { return !etcd.Running() }, harness.Patience, time.Millisecond)
	})
	harness.Start(t, exec.Command(harness.Binary(t, "KUBE_APISERVER", "e2e-kubernetes"), "--etcd-servers="+clients, "--bind-address="+apiAddress, "--secure-port=443",
		"--service-cluster-ip-range=10.96.0.0/16", "--cert-dir="+c.dir, "--authorization-mode=RBAC", "--token-auth-file="+c.in("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.in("accounts.pub"), "--service-account-signing-key-file="+c.in("accounts.key")),
		"Serving securely on")
	config := c.config(t, adminToken)
	var err error
	c.core, err = coreclient.NewForConfig(config)
	require.NoError(t, err)
	c.rbac, err = rbacclient.NewForConfig(config)
	require.NoError(t, err)
	c.coordinated, err = coordinationclient.NewForConfig(config)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return c.core.RESTClient().Get().AbsPath("/readyz").Do(t.Context()).Error() == nil
	}, harness.Patience, 100*time.Millisecond, "the API server is not ready")
	harness.Write(t, c.in("kubeconfig"), fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://%s", certificate-authority: %s}}]
users: [{name: admin, user: {token: %s}}]
contexts: [{name: here, context: {cluster: here, user: admin}}]
current-context: here
`, apiAddress, c.in("apiserver.crt"), adminToken))
	return c
}

// in returns the path of a file of the cluster.
func (c *cluster) in(name string) string { return filepath.Join(c.dir, name) }

// config returns that of a client that has a token.
func (c *cluster) config(t *testing.T, token string) *rest.Config {
	return &rest.Config{Host: "https://" + apiAddress, BearerToken: token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: []byte(harness.Read(t, c.in("apiserver.crt")))}}
}

// writeKeys writes the keys of the tokens of service accounts.
func (c *cluster) writeKeys(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	harness.Write(t, c.in("accounts.key"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
	harness.Write(t, c.in("accounts.pub"), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
}

// kubectl runs kubectl as the administrator, and returns what it wrote. Any warning is an error.
func (c *cluster) kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command(harness.Binary(t, "KUBECTL", "e2e-kubernetes"), append([]string{"--kubeconfig=" + c.in("kubeconfig"), "--cache-dir=" + c.in("cache"), "--warnings-as-errors"}, arguments...)...)
	var output, problems bytes.Buffer
	command.Stdout, command.Stderr = &output, &problems
	require.NoError(t, command.Run(), "kubectl %q: %s", arguments, &problems)
	require.Empty(t, problems.String(), "kubectl %q", arguments)
	return output.String()
}

// apply has kubectl apply what flags name, as server and client know it, and strictly so.
func (c *cluster) apply(t *testing.T, flags ...string) {
	t.Helper()
	c.kubectl(t, append([]string{"apply", "--server-side", "--validate=strict"}, flags...)...)
}

// namespace makes a namespace, if it is not there, and the account without which no pod is let in: the controller of
// service accounts would make that.
func (c *cluster) namespace(t *testing.T, name string) {
	t.Helper()
	c.apply(t, "-f", c.written(t, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", name)))
	c.account(t, name, "default")
}

// account makes a service account.
func (c *cluster) account(t *testing.T, namespace, name string) {
	t.Helper()
	c.apply(t, "-f", c.written(t, fmt.Sprintf("{apiVersion: v1, kind: ServiceAccount, metadata: {name: %s, namespace: %s}}", name, namespace)))
}

// written returns the path of a file with a text.
func (c *cluster) written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object.yaml")
	harness.Write(t, file, text)
	return file
}

// named gives a service's name an address, as the DNS of a cluster would.
func (c *cluster) named(address, name, namespace string) {
	c.dns.Set(name+"."+namespace+"."+domain, dnsserver.Addresses(netip.MustParseAddr(address)))
}

// podOf makes a pod of a template of a workload, as its controller would, on a node, as
// the scheduler would.
func (c *cluster) podOf(t *testing.T, namespace, workload, name string) *corev1.Pod {
	t.Helper()
	var template corev1.PodTemplateSpec
	require.NoError(t, json.Unmarshal([]byte(c.kubectl(t, "get", "--namespace", namespace, workload, "--output=jsonpath={.spec.template}")), &template))
	template.Spec.NodeName = node
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec}
	pod, err := c.core.Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.core.Pods(namespace).Delete(context.Background(), name, *metav1.NewDeleteOptions(0)))
	})
	return pod
}

// images is which program an image stands for, by the environment variable that names it.
var images = map[string]string{"tcpcheck-collector": "COLLECTOR", "tcpcheck-collector-discovery": "COLLECTOR_DISCOVERY"}

// collector is the collector of a pod.
type collector struct {
	*harness.Program
	*cluster
	pod     *corev1.Pod
	folders map[string]string // in which the files of its ConfigMaps are, by where the pod would have them
}

// run runs the collector of a pod, as a kubelet would: with the files of its ConfigMaps, its environment, the address
// of the API server, and a token of its service account if it is to have one. What the arguments add is for all of the pods to
// be on one machine.
func (c *cluster) run(t *testing.T, pod *corev1.Pod, arguments ...string) collector {
	t.Helper()
	container := pod.Spec.Containers[0]
	image, _, _ := strings.Cut(container.Image, ":")
	require.Contains(t, images, image)
	running := collector{cluster: c, pod: pod, folders: make(map[string]string)}
	for _, mount := range container.VolumeMounts {
		running.folders[mount.MountPath] = t.TempDir()
	}
	running.sync(t)
	words := append([]string{harness.Binary(t, images[image], "e2e-kubernetes")}, container.Args...)
	environment := []string{"PATH=" + os.Getenv("PATH"), "HOSTNAME=" + pod.Name}
	for _, variable := range container.Env {
		value := variable.Value
		if from := variable.ValueFrom; from != nil {
			fields := map[string]string{"spec.nodeName": pod.Spec.NodeName, "metadata.name": pod.Name}
			require.Contains(t, fields, from.FieldRef.FieldPath)
			value = fields[from.FieldRef.FieldPath]
		}
		environment = append(environment, variable.Name+"="+value)
	}
	for i := range words {
		words[i] = running.inFolders(words[i])
	}
	command := exec.Command(words[0], append(words[1:], arguments...)...)
	if mounted := pod.Spec.AutomountServiceAccountToken; mounted == nil || *mounted {
		command = c.withToken(t, command, pod.Namespace, pod.Spec.ServiceAccountName)
	}
	command.Env = append(command.Env, environment...)
	running.Program = harness.Start(t, command, harness.CollectorReady)
	return running
}

// inFolders returns a text with the folders that there are in the place of those that the pod would have.
func (r collector) inFolders(text string) string {
	for place, folder := range r.folders {
		text = strings.ReplaceAll(text, place+"/", folder+"/")
	}
	return text
}

// sync writes the files of the pod's ConfigMaps as they are now. There is no kubelet: this swaps the links as one
// does, which has it done within a minute or so.
func (r collector) sync(t *testing.T) {
	t.Helper()
	for _, volume := range r.pod.Spec.Volumes {
		if volume.ConfigMap == nil {
			continue // the token
		}
		mount := r.pod.Spec.Containers[0].VolumeMounts[slices.IndexFunc(r.pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume.Name })]
		folder := r.folders[mount.MountPath]
		config, err := r.core.ConfigMaps(r.pod.Namespace).Get(t.Context(), volume.ConfigMap.Name, metav1.GetOptions{})
		require.NoError(t, err)
		version := filepath.Join(folder, ".."+config.ResourceVersion)
		if err := os.Mkdir(version, 0o700); os.IsExist(err) {
			continue // it is as it was
		}
		for name, text := range config.Data {
			harness.Write(t, filepath.Join(version, name), r.inFolders(text))
		}
		require.NoError(t, os.Symlink(filepath.Base(version), filepath.Join(folder, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
		for name := range config.Data {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(folder, name)); !os.IsExist(err) {
				require.NoError(t, err)
			}
		}
	}
}

// withToken has a command find a token of a service account, the address of the API server and its authority
// where a kubelet has them.
func (c *cluster) withToken(t *testing.T, command *exec.Cmd, namespace, account string) *exec.Cmd {
	t.Helper()
	request, err := c.core.ServiceAccounts(namespace).CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	folder := t.TempDir()
	harness.Write(t, filepath.Join(folder, "token"), request.Status.Token)
	harness.Write(t, filepath.Join(folder, "ca.crt"), harness.Read(t, c.in("apiserver.crt")))
	harness.Write(t, filepath.Join(folder, "namespace"), namespace)
	script := `mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io && ln -s "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"`
	with := exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh", folder}, command.Args...)...)
	with.Env = slices.Concat(command.Env, []string{"KUBERNETES_SERVICE_HOST=" + apiAddress, "KUBERNETES_SERVICE_PORT=443"})
	return with
}

// runs says that a pod runs, and at which addresses, as its kubelet would.
func (c *cluster) runs(t *testing.T, pod *corev1.Pod, addresses ...string) {
	t.Helper()
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs, pod.Status.ContainerStatuses = corev1.PodRunning, "", nil, nil
	for _, address := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: address})
		pod.Status.PodIP = addresses[0]
	}
	for _, container := range pod.Spec.Containers {
		running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: container.Name, Image: container.Image, Ready: true, State: running})
	}
	_, err := c.core.Pods(pod.Namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// deletePod deletes a pod at once, as its kubelet does once its processes have ended.
func (c *cluster) deletePod(t *testing.T, namespace, name string) {
	t.Helper()
	require.NoError(t, c.core.Pods(namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0)))
}

// Everything that is shipped, in one cluster, each in a namespace of its own.
func TestKubernetes(t *testing.T) {
	c := start(t)
	t.Run("manifests", c.testManifests)
	t.Run("observer", c.testObserver)
	t.Run("rights", c.testRights)
	t.Run("chart", c.testChart)
	t.Run("release", c.testRelease)
	t.Run("documented", c.testDocumented)
	t.Run("roles", c.testRoles)
	t.Run("allocator", c.testAllocator)
	t.Run("elector", c.testElector)
}
