package scaling

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// leases answers as the API server of Kubernetes does when it is asked for leases. It is a fake:
// the elector is real, and asks for nothing else.
type leases struct {
	mu      sync.Mutex
	lease   *coordinationv1.Lease
	version int
}

// holder returns who holds the lease.
func (l *leases) holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease == nil || l.lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.lease.Spec.HolderIdentity
}

func (l *leases) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fail := func(code int, reason metav1.StatusReason) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code)}) //nolint:gosec // a status of HTTP
	}
	if !strings.Contains(r.URL.Path, "/leases") {
		fail(http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	if r.Method != http.MethodGet {
		var written coordinationv1.Lease
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, _, err = leaseDecoder().Decode(body, nil, &written)
		}
		if err != nil {
			fail(http.StatusBadRequest, metav1.StatusReasonBadRequest)
			return
		}
		if l.lease != nil && written.ResourceVersion != l.lease.ResourceVersion {
			fail(http.StatusConflict, metav1.StatusReasonConflict)
			return
		}
		l.version++
		written.ResourceVersion = fmt.Sprint(l.version)
		l.lease = &written
	}
	if l.lease == nil {
		fail(http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	l.lease.TypeMeta = metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}
	_ = json.NewEncoder(w).Encode(l.lease)
}

// leaseDecoder returns a decoder of what clients of Kubernetes write, as JSON or in its binary form.
func leaseDecoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	_ = coordinationv1.AddToScheme(scheme) // whose types are all new to it
	return serializer.NewCodecFactory(scheme).UniversalDeserializer()
}

// Of two collectors, the one that contrib's extension elects checks. When it ends, the other one
// does.
func TestLeaderElector(t *testing.T) {
	api := &leases{}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Write(t, kubeconfig, kubeconfigOf(server.URL))
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")

	type member struct {
		*harness.Program
		page string
	}
	start := func(name string) member {
		m := member{page: harness.FreeAddress(t)}
		command := exec.Command(harness.Binary(t, "COLLECTOR_LATER", "e2e-scaling"), "--config", "../../examples/elected.yaml",
			"--set=extensions::k8s_leader_elector::lease_duration=3s", "--set=extensions::k8s_leader_elector::renew_deadline=2s", "--set=extensions::k8s_leader_elector::retry_period=500ms")
		command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "AUTH=kubeConfig", "HOSTNAME="+name, "TARGET="+up.String(), "OWN_METRICS_PORT=0", "PAGE="+m.page)
		m.Program = harness.Start(t, command, harness.CollectorReady)
		return m
	}
	checks := func(m member) bool {
		read, err := harness.ReadPage(m.page)
		return err == nil && len(read.Values("network_tcp_can_connect")) == 1
	}
	eventually := func(what string, is func() bool) {
		t.Helper()
		require.Eventually(t, is, harness.Patience, 50*time.Millisecond, what)
	}
	first := start("first")
	first.Await("this collector is elected, so it checks")
	eventually("the first one checks", func() bool { return checks(first) })
	holder := api.holder()
	second := start("second")
	pass(time.Second) // in which it might begin to
	assert.False(t, checks(second))
	assert.Equal(t, holder, api.holder())

	first.Stop()
	second.Await("this collector is elected, so it checks")
	eventually("the second one checks", func() bool { return checks(second) })
	assert.NotEqual(t, holder, api.holder())

	// Who cannot renew the lease is no longer elected, and its series end.
	server.CloseClientConnections()
	server.Config.SetKeepAlivesEnabled(false)
	server.Listener.Close() //nolint:errcheck,gosec // it is closed
	second.Await("this collector is no longer elected, so another one checks")
	eventually("nobody checks", func() bool { return !checks(second) })
}
