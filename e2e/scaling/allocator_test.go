package scaling

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// cluster answers as the API server of Kubernetes does when it is asked for pods. It is a fake:
// the allocator is real, and asks for nothing else.
type cluster struct {
	mu      sync.Mutex
	pods    []string
	version int
	changed chan struct{} // closed at the next change
}

// set says which pods there are from now on, each of which is new.
func (c *cluster) set(pods ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pods = pods
	c.version++
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/pods") {
		http.NotFound(w, r)
		return
	}
	c.mu.Lock()
	pods, version, changed := c.pods, fmt.Sprint(c.version), c.changed
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if query := r.URL.Query(); query.Get("watch") != "" && query.Get("resourceVersion") != version { // so they are listed anew
		w.WriteHeader(http.StatusGone)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonExpired, Code: http.StatusGone})
		return
	} else if query.Get("watch") != "" {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		return
	}
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: version}}
	for _, name := range pods {
		list.Items = append(list.Items, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "checks", Labels: map[string]string{"app": "tcpcheck"}, ResourceVersion: "1"},
			Spec:       corev1.PodSpec{NodeName: "node"},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		})
	}
	_ = json.NewEncoder(w).Encode(list)
}

// kubeconfigOf returns the configuration of a client of an API server.
func kubeconfigOf(url string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: %q}}]
contexts: [{name: here, context: {cluster: here}}]
current-context: here
`, url)
}

// A Target Allocator shares out the targets of a job among the collectors that are there, and one
// more of these moves few of them. When the allocator ends, the checks go on.
func TestTargetAllocator(t *testing.T) {
	pods := &cluster{changed: make(chan struct{})}
	server := httptest.NewServer(pods)
	t.Cleanup(server.Close)
	t.Cleanup(func() { pods.set() })
	dir := t.TempDir()
	kubeconfig, config, address := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "allocator.yaml"), harness.FreeAddress(t)
	harness.Write(t, kubeconfig, kubeconfigOf(server.URL))
	harness.Write(t, config, fmt.Sprintf(`
listen_addr: %q
collector_namespace: checks
collector_selector: {matchLabels: {app: tcpcheck}}
allocation_strategy: consistent-hashing
filter_strategy: relabel-config
config:
  scrape_configs:
    - job_name: some services
      scrape_interval: 2s
      static_configs: [{targets: ["%s"], labels: {team: payments}}]
      relabel_configs: [{source_labels: [team], target_label: owner}, {regex: team, action: labeldrop}]
`, address, strings.Join(addresses(t), `", "`)))
	pods.set("tcpcheck-0", "tcpcheck-1", "tcpcheck-2")
	allocator := harness.Start(t, exec.Command(harness.Binary(t, "ALLOCATOR", "e2e-scaling"), "--config-file="+config, "--kubeconfig-path="+kubeconfig), "Starting the Target Allocator")

	f := newFleet(t, "allocated.yaml")
	start := func(name string) { f.start(name, "ALLOCATOR=http://"+address, "POD_NAME="+name, "INTERVAL=1s") }
	for i := range 3 {
		start(fmt.Sprint("tcpcheck-", i))
	}
	three := f.owners()
	t.Logf("3 collectors: %v", counts(three))
	for series := range three {
		assert.Contains(t, series, "job=some services")
		assert.Contains(t, series, "owner=payments")
		break
	}

	start("tcpcheck-3")
	pods.set("tcpcheck-0", "tcpcheck-1", "tcpcheck-2", "tcpcheck-3")
	four := three
	for len(counts(four)) < 4 {
		four = f.owners()
	}
	t.Logf("4 collectors: %v, and %d of %d targets moved", counts(four), moved(three, four), targets)
	assert.Less(t, moved(three, four), targets/2)

	allocator.Stop()
	for name, c := range f.running {
		c.Await("the list of target_allocator cannot be taken as it is, so the last good one stays")
		assert.True(t, c.Running(), name)
	}
	assert.Equal(t, four, f.owners())
}
