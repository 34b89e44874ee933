package release

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// The image is one index of both architectures. It runs with a read-only root, as a user without a
// name and without a capability, and serves a check.
func TestImage(t *testing.T) {
	needs(t, "skopeo", "umoci", "runc")
	archive := "oci-archive:" + file(t, "tcpcheck-collector", "oci.tar")
	for _, architecture := range []string{"amd64", "arm64"} {
		var image struct {
			Architecture string
			Created      string
			Config       struct {
				User   string
				Labels map[string]string
			} `json:"config"`
		}
		text := output(t, "skopeo", "inspect", "--config", "--override-os=linux", "--override-arch="+architecture, archive)
		require.NoError(t, json.Unmarshal([]byte(text), &image))
		assert.Equal(t, architecture, image.Architecture)
		assert.Equal(t, "65532:65532", image.Config.User)
		assert.Equal(t, version(t), image.Config.Labels["org.opencontainers.image.version"])
		assert.Equal(t, image.Created, image.Config.Labels["org.opencontainers.image.created"])
	}

	harness.RequireRoot(t, "unpack an image and run it")
	folder := t.TempDir()
	output(t, "skopeo", "copy", "--quiet", "--override-arch=amd64", archive, "oci:"+folder+"/image:it")
	bundle := filepath.Join(folder, "bundle")
	output(t, "umoci", "unpack", "--image", folder+"/image:it", bundle)

	// The container has the network of a machine of its own, and no terminal.
	config := filepath.Join(bundle, "config.json")
	var spec map[string]any
	require.NoError(t, json.Unmarshal([]byte(harness.Read(t, config)), &spec))
	process := spec["process"].(map[string]any)
	assert.Equal(t, map[string]any{"uid": 65532., "gid": 65532.}, process["user"])
	process["terminal"] = false
	process["noNewPrivileges"] = true
	delete(process, "capabilities")
	spec["root"].(map[string]any)["readonly"] = true
	linux := spec["linux"].(map[string]any)
	delete(linux, "resources")
	var namespaces []any
	for _, namespace := range linux["namespaces"].([]any) {
		if kind := namespace.(map[string]any)["type"]; kind != "network" && kind != "cgroup" {
			namespaces = append(namespaces, namespace)
		}
	}
	linux["namespaces"] = namespaces
	text, err := json.Marshal(spec)
	require.NoError(t, err)
	harness.Write(t, config, string(text))

	m := harness.NewMachine(t)
	command := m.Command("runc", "--root="+folder+"/run", "run", "--bundle="+bundle, "tcpcheck-release-test")
	t.Cleanup(func() {
		_ = exec.Command("runc", "--root="+folder+"/run", "delete", "--force", "tcpcheck-release-test").Run()
	})
	harness.Start(t, command, harness.CollectorReady)
	page := harness.AwaitPage(t, func() (harness.Page, error) { return m.ReadPage("127.0.0.1:9464") }, func(p harness.Page) bool {
		return len(p.Of("network_tcp_can_connect")) > 0
	})
	for series, value := range page.Values("network_tcp_can_connect") {
		assert.InDelta(t, 1, value, 0, series)
	}
	_, err = os.Stat(filepath.Join(bundle, "rootfs", "bin"))
	assert.ErrorIs(t, err, os.ErrNotExist, "there is nothing else in the image")
}
