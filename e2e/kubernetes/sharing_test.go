package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// mayIn lets a service account of a namespace do what a Role with rules for each of some verbs says there.
func (c *cluster) mayIn(t *testing.T, namespace, account string, rights map[string]string) {
	t.Helper()
	c.account(t, namespace, account)
	c.apply(t, "-f", c.written(t, fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[2]s, namespace: %[1]s}
rules: [%[3]s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[2]s, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[2]s}
subjects: [{kind: ServiceAccount, name: %[2]s, namespace: %[1]s}]
`, namespace, account, strings.Join(slices.Collect(maps.Values(rights)), ", "))))
}

// shared is how many targets an allocator shares out.
const shared = 3000

// fleet is the collectors that an allocator shares out its targets among.
type fleet struct {
	*cluster
	namespace, allocator string
	running              map[string]*harness.Program
	pages                map[string]string
	known                map[string]bool // all that has ever been checked
}

// join starts a collector, whose pod is there from then on.
func (f fleet) join(t *testing.T, name string) {
	t.Helper()
	page := harness.FreeAddress(t)
	command := exec.Command(harness.Binary(t, "COLLECTOR", "e2e-kubernetes"), "--config=../../examples/allocated.yaml")
	command.Env = append(os.Environ(), "ALLOCATOR=http://"+f.allocator, "POD_NAME="+name, "INTERVAL=1s", "OWN_METRICS_PORT=0", "PAGE="+page)
	f.running[name], f.pages[name] = harness.Start(t, command, harness.CollectorReady), page
	pod, err := f.core.Pods(f.namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "tcpcheck"}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "collector", Image: "tcpcheck-collector"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	f.runs(t, pod, "10.244.3.1")
}

// leave ends a collector, and its pod.
func (f fleet) leave(t *testing.T, name string) {
	t.Helper()
	f.running[name].Stop()
	delete(f.pages, name)
	f.deletePod(t, f.namespace, name)
}

// settle returns who checks each target, once each is checked by one collector and all of these have some. It logs for how long
// a target was on the page of none of them, and on those of two.
func (f fleet) settle(t *testing.T, what string) map[string]string {
	t.Helper()
	var longest [2]time.Duration // by none, and by two
	since := make(map[string]time.Time)
	began := time.Now()
	for {
		checkers := make(map[string][]string)
		for name, page := range f.pages {
			read, err := harness.ReadPage(page)
			if err != nil {
				continue // it has not begun
			}
			for series := range read.Values(canConnect) {
				checkers[series] = append(checkers[series], name)
				f.known[series] = true
			}
		}
		owners, now := make(map[string]string), time.Now()
		for series := range f.known {
			by := checkers[series]
			if len(by) == 1 {
				owners[series] = by[0]
				delete(since, series)
				continue
			}
			if since[series].IsZero() {
				since[series] = now
			}
			kind := min(len(by), 1)
			longest[kind] = max(longest[kind], now.Sub(since[series]))
		}
		if owning := counts(owners); len(owners) == shared && len(owning) == len(f.pages) {
			t.Logf("%s: %v after %.1f s, in which one was checked by none for %.1f s at most, and by two for %.1f s", what, owning, now.Sub(began).Seconds(), longest[0].Seconds(), longest[1].Seconds())
			return owners
		}
		if now.Sub(began) > harness.Patience {
			require.FailNow(t, "the targets are not shared out", "%s: %d are checked, %d of them by one collector: %v", what, len(checkers), len(owners), counts(owners))
		}
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // a page tells nobody that it changes
	}
}

// A Target Allocator that may list and watch pods shares out the targets of a job among the collectors whose pods are
// there. When one leaves, the others have its targets; when one comes, it has some of theirs. When the allocator ends, the
// checks go on.
func (c *cluster) testAllocator(t *testing.T) {
	f := fleet{c, "checks", harness.FreeAddress(t), make(map[string]*harness.Program), make(map[string]string), make(map[string]bool)}
	c.namespace(t, f.namespace)
	rights := map[string]string{
		"list":  `{apiGroups: [""], resources: [pods], verbs: [list]}`,
		"watch": `{apiGroups: [""], resources: [pods], verbs: [watch]}`,
	}
	c.mayIn(t, f.namespace, "allocator", rights)
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	var targets []string
	for i := range shared {
		targets = append(targets, fmt.Sprintf("127.0.%d.%d:%d", i/100, i%100+1, port))
	}
	config := filepath.Join(t.TempDir(), "allocator.yaml")
	harness.Write(t, config, fmt.Sprintf(`
listen_addr: %q
collector_namespace: %s
collector_selector: {matchLabels: {app: tcpcheck}}
allocation_strategy: consistent-hashing
filter_strategy: relabel-config
config:
  scrape_configs:
    - job_name: services
      scrape_interval: 10s
      static_configs: [{targets: ["%s"], labels: {team: payments}}]
      relabel_configs: [{source_labels: [team], target_label: owner}, {regex: team, action: labeldrop}]
`, f.allocator, f.namespace, strings.Join(targets, `", "`)))
	start := func(t *testing.T, account string) *harness.Program {
		command := exec.Command(harness.Binary(t, "ALLOCATOR", "e2e-kubernetes"), "--config-file="+config, "--kubeconfig-path=/nonexistent")
		command.Env = os.Environ()
		return harness.Start(t, c.withToken(t, command, f.namespace, account), "Starting the Target Allocator")
	}
	for verb, other := range map[string]string{"list": "watch", "watch": "list"} {
		t.Run("without "+verb, func(t *testing.T) {
			c.mayIn(t, f.namespace, "without-"+verb, map[string]string{other: rights[other]})
			start(t, "without-"+verb).Await("forbidden", "cannot "+verb+" resource", "pods")
		})
	}
	allocator := start(t, "allocator")

	for i := range 3 {
		f.join(t, fmt.Sprint("tcpcheck-", i))
	}
	three := f.settle(t, "three collectors")
	for series := range three {
		assert.Contains(t, series, "job=services")
		assert.Contains(t, series, "owner=payments")
		break
	}
	f.leave(t, "tcpcheck-1")
	two := f.settle(t, "one has left")
	left := shared - counts(three)["tcpcheck-1"]
	t.Logf("%d of the %d targets of the others moved", moved(three, two)-counts(three)["tcpcheck-1"], left)
	assert.Less(t, moved(three, two)-counts(three)["tcpcheck-1"], left/4)
	f.join(t, "tcpcheck-3")
	again := f.settle(t, "another one has come")
	f.join(t, "tcpcheck-4")
	four := f.settle(t, "a fourth one has come")
	t.Logf("%d of %d targets moved from three to four", moved(again, four), shared)
	assert.Less(t, moved(again, four), shared/2)

	allocator.Stop()
	for name := range f.pages {
		f.running[name].Await("the list of target_allocator cannot be taken as it is, so the last good one stays")
	}
	assert.Equal(t, four, f.settle(t, "no allocator"))
}

// moved returns how many targets have another collector.
func moved(before, after map[string]string) (n int) {
	for series, collector := range before {
		if after[series] != collector {
			n++
		}
	}
	return n
}

// counts returns how many targets each collector has.
func counts(owners map[string]string) map[string]int {
	counts := make(map[string]int)
	for _, owner := range owners {
		counts[owner]++
	}
	return counts
}

// Of two collectors, the one that contrib's extension elects by a lease checks. When it ends, the other one does. One that
// may no longer renew the lease ends its series. That takes three verbs, of that lease alone but for the first.
func (c *cluster) testElector(t *testing.T) {
	const namespace = "elected"
	rights := map[string]string{
		"create": `{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}`,
		"get":    `{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [tcpcheck], verbs: [get]}`,
		"update": `{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [tcpcheck], verbs: [update]}`,
	}
	c.namespace(t, namespace)
	c.mayIn(t, namespace, "elector", rights)
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	type member struct {
		*harness.Program
		page string
	}
	start := func(t *testing.T, name, account string) member {
		m := member{page: harness.FreeAddress(t)}
		command := exec.Command(harness.Binary(t, "COLLECTOR_DISCOVERY", "e2e-kubernetes"), "--config=../../examples/elected.yaml",
			"--set=extensions::k8s_leader_elector::lease_duration=3s", "--set=extensions::k8s_leader_elector::renew_deadline=2s", "--set=extensions::k8s_leader_elector::retry_period=500ms")
		command.Env = append(os.Environ(), "NAMESPACE="+namespace, "HOSTNAME="+name, "TARGET="+up.String(), "OWN_METRICS_PORT=0", "PAGE="+m.page)
		m.Program = harness.Start(t, c.withToken(t, command, namespace, account), harness.CollectorReady)
		return m
	}
	checks := func(m member) bool {
		read, err := harness.ReadPage(m.page)
		return err == nil && len(read.Of(canConnect)) == 1
	}
	holder := func() string {
		lease, err := c.coordinated.Leases(namespace).Get(t.Context(), "tcpcheck", metav1.GetOptions{})
		require.NoError(t, err)
		require.NotNil(t, lease.Spec.HolderIdentity)
		return *lease.Spec.HolderIdentity
	}
	eventually := func(what string, is func() bool) {
		t.Helper()
		require.Eventually(t, is, harness.Patience, 50*time.Millisecond, what)
	}
	first := start(t, "first", "elector")
	first.Await("this collector is elected, so it checks")
	eventually("the first one checks", func() bool { return checks(first) })
	elected := holder()
	second := start(t, "second", "elector")
	second.Await("Attempting to acquire leader lease")
	assert.False(t, checks(second))
	assert.Equal(t, elected, holder())

	first.Stop()
	second.Await("this collector is elected, so it checks")
	eventually("the second one checks", func() bool { return checks(second) })
	assert.NotEqual(t, elected, holder())

	require.NoError(t, c.rbac.RoleBindings(namespace).Delete(t.Context(), "elector", metav1.DeleteOptions{}))
	second.Await("forbidden", "cannot get resource", "leases")
	second.Await("this collector is no longer elected, so another one checks")
	eventually("nobody checks", func() bool { return !checks(second) })
	second.Stop()

	for verb := range rights {
		t.Run("without "+verb, func(t *testing.T) {
			require.NoError(t, c.coordinated.Leases(namespace).Delete(t.Context(), "tcpcheck", metav1.DeleteOptions{}))
			t.Cleanup(func() { // there is one to delete, whatever was elected
				_, err := c.coordinated.Leases(namespace).Create(context.Background(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "tcpcheck"}}, metav1.CreateOptions{})
				if !apierrors.IsAlreadyExists(err) {
					require.NoError(t, err)
				}
			})
			others := maps.Clone(rights)
			delete(others, verb)
			c.mayIn(t, namespace, "without-"+verb, others)
			start(t, verb, "without-"+verb).Await("forbidden", "cannot "+verb+" resource", "leases")
		})
	}
}
