package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// The commands of docs/kubernetes.md, in a folder that has deploy/ as a copy of the repository has.
func (c *cluster) testDocumented(t *testing.T) {
	c.namespace(t, "documented")
	folder, programs := t.TempDir(), t.TempDir()
	deploy, err := filepath.Abs("../../deploy")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(deploy, filepath.Join(folder, "deploy")))
	harness.Write(t, filepath.Join(folder, "my-values.yaml"), harness.BlockOf(t, "docs/kubernetes.md", "# my-values.yaml"))
	for name, program := range map[string]string{"kubectl": harness.Binary(t, "KUBECTL", "e2e-kubernetes"), "helm": harness.Binary(t, "HELM", "e2e-kubernetes")} {
		require.NoError(t, os.Symlink(program, filepath.Join(programs, name)))
	}
	for _, commands := range []string{
		strings.Replace(harness.BlockOf(t, "docs/kubernetes.md", "kubectl apply -k deploy/kubernetes  "), "NAMESPACE", "documented", 1),
		harness.BlockOf(t, "docs/kubernetes.md", "kubectl apply -k deploy/kubernetes && "),
		harness.BlockOf(t, "docs/kubernetes.md", "helm install"),
		"helm uninstall tcpcheck --namespace tcpcheck",
	} {
		command := exec.Command("sh", "-euc", commands)
		command.Dir = folder
		command.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "KUBECONFIG="+c.in("kubeconfig"), "KUBECACHEDIR="+c.in("cache"),
			"HELM_CACHE_HOME="+c.in("helm"), "HELM_CONFIG_HOME="+c.in("helm"), "HELM_DATA_HOME="+c.in("helm"))
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%s%s", commands, output)
	}
}
