// Package configs tests every configuration of a collector that is shipped.
package configs

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/yaml"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// The environment variables that name the binaries, by the component that only one
// distribution has. Whatever needs neither is for COLLECTOR.
var distributions = map[string]string{
	"receiver_creator":   "COLLECTOR_DISCOVERY",
	"host_observer":      "COLLECTOR_DISCOVERY",
	"k8s_observer":       "COLLECTOR_DISCOVERY",
	"k8s_leader_elector": "COLLECTOR_DISCOVERY",
	"transform":          "COLLECTOR_DISCOVERY",
	"datadog":            "COLLECTOR_DATADOG",
}

// What stands for the values that a user has to give in the environment.
var environment = map[string]string{
	"VANTAGE_POINT":  "here",
	"GATEWAY":        "gateway.example.com:4317",
	"TARGET_HOST":    "service.example.com",
	"DD_API_KEY":     strings.Repeat("0", 32),
	"POD_NAME":       "tcpcheck-0",
	"REDIS_PASSWORD": "secret",
}

// pipelines is a whole configuration of a collector, as much as is needed to know
// one and what it is for.
type pipelines struct {
	Extensions map[string]any `json:"extensions"`
	Receivers  map[string]any `json:"receivers"`
	Processors map[string]any `json:"processors"`
	Exporters  map[string]any `json:"exporters"`
	Service    struct {
		Pipelines map[string]any
		Telemetry struct{ Metrics map[string]any }
	} `json:"service"`
}

// whole says that a text is a whole configuration of a collector.
func whole(text string) (pipelines, bool) {
	var p pipelines
	err := yaml.Unmarshal([]byte(text), &p)
	return p, err == nil && len(p.Receivers) > 0 && p.Service.Pipelines != nil
}

// distribution returns the environment variable that names the binary for p.
func (p pipelines) distribution() string {
	for _, components := range []map[string]any{p.Extensions, p.Receivers, p.Processors, p.Exporters} {
		for name := range components {
			kind, _, _ := strings.Cut(name, "/")
			if variable, ok := distributions[kind]; ok {
				return variable
			}
		}
	}
	return "COLLECTOR"
}

// Every configuration in the repository is valid: the examples, those in Kubernetes
// manifests, and those in the documentation.
func TestConfigurations(t *testing.T) {
	found := configurations(t)
	for _, source := range []string{"examples/quickstart.yaml", "examples/discovery.yaml", "deploy/kubernetes/agent.yaml: tcpcheck-agent/collector.yaml", "deploy/kubernetes/gateway.yaml: tcpcheck-gateway/collector.yaml"} {
		require.Contains(t, found, source)
	}
	places := filesInPages(t)
	for source, text := range found {
		t.Run(source, func(t *testing.T) {
			p, ok := whole(text)
			require.True(t, ok, "it has no receivers or no pipelines")
			variable := p.distribution()
			collector := os.Getenv(variable)
			if collector == "" {
				t.Skipf("needs the distribution that %s names; run the test by make configs", variable)
			}
			file := filepath.Join(t.TempDir(), "collector.yaml")
			for place, content := range places {
				if strings.Contains(text, place) {
					here := filepath.Join(t.TempDir(), filepath.Base(place))
					harness.Write(t, here, content)
					text = strings.ReplaceAll(text, place, here)
				}
			}
			harness.Write(t, file, text)
			command := exec.Command(collector, "validate", "--config", file)
			command.Env = os.Environ()
			for _, name := range wanted(text) {
				require.Contains(t, environment, name, "what may stand for it?")
				command.Env = append(command.Env, name+"="+environment[name])
			}
			output, err := command.CombinedOutput()
			assert.NoError(t, err, "%s", output)
		})
	}
}

// filesInPages returns what is in the files that configurations of pages name.
func filesInPages(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"/etc/tcpcheck/databases.yaml": "instances: [{name: users, endpoint: users.db.example.com:5432}]",
		"/etc/ssl/mail-ca.pem":         string(testnet.NewAuthority(t).PEM()),
	}
}

// Every shipped configuration serves the collector's own metrics, which say what a machine
// was unable to check: on a port that is none of its other ones, nor the default of other
// collectors on the same machine, and an agent and its gateway on different ones.
func TestOwnMetrics(t *testing.T) {
	ports := make(map[string]string)
	for source, text := range configurations(t) {
		if !strings.HasPrefix(source, "examples/") && !strings.HasPrefix(source, "deploy/") {
			continue
		}
		p, ok := whole(text)
		require.True(t, ok && len(p.Service.Telemetry.Metrics) > 0, source)
		assert.NotContains(t, p.Service.Telemetry.Metrics, "level", source)
		own := regexp.MustCompile(`prometheus:map\[host:\S* port:(?:\$\{env:\w+:-)?(\d+)`).FindStringSubmatch(fmt.Sprint(p.Service.Telemetry.Metrics["readers"]))
		require.NotNil(t, own, source)
		assert.NotEqual(t, "8888", own[1], source)
		assert.Len(t, regexp.MustCompile(`(?m)^[^#\n]*\b`+own[1]+`\b`).FindAllString(rule.ReplaceAllString(text, ""), -1), 1, "%s: port %s", source, own[1])
		ports[source] = own[1]
	}
	assert.Len(t, ports, 17)
	assert.NotEqual(t, ports["examples/agent.yaml"], ports["examples/gateway.yaml"])
}

// rule is that of what is discovered, which names ports to leave out.
var rule = regexp.MustCompile(`(?m)^ *rule: .*$`)

// wanted returns the environment variables without which a configuration is not
// complete.
func wanted(text string) []string {
	var names []string
	for _, match := range regexp.MustCompile(`\$\{env:(\w+)\}`).FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// configurations returns all configurations of collectors in the repository, by
// where they are.
func configurations(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, file := range files(t, "../../examples", ".yaml") {
		found[name(file)] = harness.Read(t, file)
	}
	for _, file := range files(t, "../../deploy/kubernetes", ".yaml") {
		for _, object := range objects(t, file) {
			if config, ok := object.(*corev1.ConfigMap); ok {
				for key, text := range config.Data {
					found[name(file)+": "+config.Name+"/"+key] = text
				}
			}
		}
	}
	for _, page := range harness.Pages(t) {
		for _, block := range harness.Blocks(t, page) {
			if text, ok := completed(t, block); ok {
				found[fmt.Sprintf("%s:%d", page, block.Line)] = text
			}
		}
	}
	return found
}

// completed returns a block of YAML of a page as a whole configuration of a collector, if it is a part of one: the instances
// of a receiver, its options, or components. What is missing is what does not matter: an instance, an exporter, a pipeline.
func completed(t *testing.T, block harness.Block) (string, bool) {
	t.Helper()
	var written any
	text := strings.NewReplacer("<metric_name>", "network.tcp.can_connect", "<event_name>", "tcpcheck.address.up").Replace(block.Text)
	if block.Language != "yaml" || yaml.Unmarshal([]byte(text), &written) != nil || slices.ContainsFunc(others, func(a asking) bool { return a.asksFor(block) }) {
		return "", false
	}
	part, _ := written.(map[string]any)
	if instances, ok := written.([]any); ok {
		part = map[string]any{"instances": instances}
	}
	if slices.ContainsFunc([]string{"instances", "metrics", "events", "defaults"}, func(option string) bool { return part[option] != nil }) {
		part = map[string]any{"receivers": map[string]any{"tcpcheck": part}}
	}
	if part["service"] == nil && part["receivers"] == nil {
		return "", false
	}
	receivers := section(part, "receivers")
	if receivers == nil {
		return "", false // a list, as that of a builder
	}
	if len(receivers) == 0 {
		receivers["tcpcheck"] = map[string]any{}
	}
	if options, ok := receivers["tcpcheck"].(map[string]any); ok && !slices.ContainsFunc(sources, func(source string) bool { return options[source] != nil }) {
		options["instances"] = []any{map[string]any{"name": "web", "endpoint": "www.example.com:443"}}
	}
	exporters, service := section(part, "exporters"), section(part, "service")
	if part["extensions"] != nil && service["extensions"] == nil {
		service["extensions"] = slices.Collect(maps.Keys(section(part, "extensions")))
	}
	pipelines := section(service, "pipelines")
	if len(pipelines) == 0 {
		exporters["debug"] = map[string]any{}
		pipelines["metrics"] = map[string]any{"receivers": slices.Collect(maps.Keys(receivers)), "exporters": []any{"debug"}}
	}
	for _, pipeline := range pipelines {
		for _, id := range pipeline.(map[string]any)["exporters"].([]any) {
			if name := id.(string); exporters[name] == nil {
				exporters[name] = leastOf[name]
			}
		}
	}
	whole, err := yaml.Marshal(part)
	require.NoError(t, err)
	return string(whole), true
}

// others are blocks that look like a part of a collector's configuration, and are of another program.
var others = []asking{
	{page: "docs/kubernetes.md", begin: "# my-values.yaml"},
	{page: "docs/migrating-from-contrib.md", begin: "receivers:\n  tls_check:"},
	{page: "docs/migrating-from-datadog-tls.md", begin: "init_config:"},
}

// sources are the options of the receiver of which one has to be there.
var sources = []string{"instances", "instances_file", "scrape_configs", "observers", "target_allocator", "targets", "certificate_files"}

// leastOf is as much of an exporter's configuration as it takes to be valid.
var leastOf = map[string]any{
	"debug":      map[string]any{},
	"prometheus": map[string]any{"endpoint": "localhost:9464"},
	"datadog":    map[string]any{"api": map[string]any{"key": strings.Repeat("0", 32)}},
}

// section returns a mapping within a mapping, which it adds if there is nothing; nil if there is something else.
func section(of map[string]any, name string) map[string]any {
	if of[name] == nil {
		of[name] = map[string]any{}
	}
	found, _ := of[name].(map[string]any)
	return found
}

// The manifests are what Kubernetes knows, without an unknown field, and a
// container has what its collector's configuration takes from the environment.
func TestManifests(t *testing.T) {
	manifests := files(t, "../../deploy/kubernetes", ".yaml")
	require.NotEmpty(t, manifests)
	for _, file := range manifests {
		given := make(map[string]bool)
		var taken []string
		for _, object := range objects(t, file) {
			var pod corev1.PodSpec
			switch object := object.(type) {
			case *corev1.ConfigMap:
				for _, text := range object.Data {
					taken = append(taken, wanted(text)...)
				}
			case *appsv1.Deployment:
				pod = object.Spec.Template.Spec
			case *appsv1.DaemonSet:
				pod = object.Spec.Template.Spec
			}
			for _, container := range pod.Containers {
				for _, variable := range container.Env {
					given[variable.Name] = true
				}
				assert.Contains(t, container.Resources.Limits, corev1.ResourceMemory, "%s: %s", file, container.Name)
				assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem, "%s: %s", file, container.Name)
			}
		}
		for _, variable := range taken {
			assert.Contains(t, given, variable, "%s", file)
		}
	}
}

// objects returns the Kubernetes objects of a file, decoded strictly.
func objects(t *testing.T, file string) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	require.NoError(t, appsv1.AddToScheme(scheme))
	require.NoError(t, rbacv1.AddToScheme(scheme))
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var found []runtime.Object
	if filepath.Base(file) == "kustomization.yaml" {
		return nil // no object, but for the kustomize command
	}
	for document := range bytes.SplitSeq([]byte(harness.Read(t, file)), []byte("\n---\n")) {
		object, _, err := decoder.Decode(document, nil, nil)
		require.NoError(t, err, file)
		found = append(found, object)
	}
	return found
}

// files returns the files below a folder whose names end in a suffix.
func files(t *testing.T, folder, suffix string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, suffix) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// name returns the path of a file as seen from the root of the repository.
func name(file string) string { return strings.TrimPrefix(filepath.ToSlash(file), "../../") }
