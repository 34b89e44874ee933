package configs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// Every command, configuration and query of every page is run or validated: by TestConfigurations, or by the test that
// asks for it by harness.BlockOf, or of a page's blocks one after the other by harness.Blocks.
func TestEveryBlockIsRun(t *testing.T) {
	asked := askedFor(t)
	for _, page := range harness.Pages(t) {
		for _, block := range harness.Blocks(t, page) {
			if block.Language == "" && !strings.HasPrefix(block.Text, "$ ") {
				continue // what a program prints, or a picture
			}
			_, isCollector := completed(t, block)
			taken := isCollector || slices.ContainsFunc(asked, func(a asking) bool { return a.asksFor(block) })
			assert.True(t, taken, "%s:%d: no test runs\n%s", page, block.Line, block.Text)
		}
	}
}

// asking is what a test asks a page for: a block by its beginning, or those in some languages.
type asking struct {
	page, begin string
	languages   []string
}

func (a *asking) asksFor(b harness.Block) bool {
	if a.languages != nil {
		return a.page == b.Page && slices.Contains(a.languages, b.Language)
	}
	return a.page == b.Page && a.begin != "" && strings.HasPrefix(b.Text, a.begin)
}

// askedFor returns what the tests ask for by harness.BlockOf and harness.Blocks.
func askedFor(t *testing.T) []asking {
	t.Helper()
	var asked []asking
	for _, file := range files(t, "../../e2e", "_test.go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			call, isCall := node.(*ast.CallExpr)
			if !isCall || len(call.Args) < 2 {
				return true
			}
			function, isOfPackage := call.Fun.(*ast.SelectorExpr)
			if !isOfPackage || function.Sel.Name != "Blocks" && function.Sel.Name != "BlockOf" {
				return true
			}
			var words []string
			for _, argument := range call.Args[1:] {
				if literal, isLiteral := argument.(*ast.BasicLit); isLiteral {
					word, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					words = append(words, word)
				}
			}
			switch {
			case len(words) != len(call.Args)-1: // it goes through all pages, as this one
			case function.Sel.Name == "BlockOf":
				asked = append(asked, asking{page: words[0], begin: words[1]})
			default:
				asked = append(asked, asking{page: words[0], languages: words[1:]})
			}
			return true
		})
	}
	return asked
}

// Configurations of programs that are not here, which one comes from: they are YAML, and of the same hosts as what they become.
func TestOthersConfigurations(t *testing.T) {
	for _, c := range []struct{ name, theirs, ours string }{
		{
			"the Agent's tls check",
			harness.BlockOf(t, "docs/migrating-from-datadog-tls.md", "init_config:"),
			harness.BlockOf(t, "docs/migrating-from-datadog-tls.md", "receivers:\n  tcpcheck:\n    init_config:"),
		},
		{
			"contrib's TLS check receiver",
			harness.BlockOf(t, "docs/migrating-from-contrib.md", "receivers:\n  tls_check:"),
			harness.BlockOf(t, "docs/migrating-from-contrib.md", "receivers:\n  tcpcheck:\n    targets:\n      - endpoint: example.com:443\n        dialer:\n          timeout: 15s\n      - endpoint: localhost:10901\n    defaults:"),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var document map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(c.theirs), &document))
			host := regexp.MustCompile(`(?m)(?:server|endpoint): (\S+)$`)
			found := host.FindAllStringSubmatch(c.theirs, -1)
			require.NotEmpty(t, found)
			for _, match := range found {
				assert.Contains(t, c.ours, ": "+match[1]+"\n")
			}
		})
	}
}

// What a builder's configuration is to have is what the distributions here have, with another path.
func TestBuilderLines(t *testing.T) {
	for file, block := range map[string]string{
		"builder-config.yaml":                       harness.BlockOf(t, "README.md", "receivers:\n  - gomod:"),
		"distributions/contrib/builder-config.yaml": harness.BlockOf(t, "docs/migrating-from-contrib.md", "receivers:\n  - gomod:"),
	} {
		var documented, shipped struct {
			Receivers []struct{ Gomod, Import, Path string } `json:"receivers"`
		}
		require.NoError(t, yaml.UnmarshalStrict([]byte(block), &documented))
		require.NoError(t, yaml.Unmarshal([]byte(harness.Read(t, "../../"+file)), &shipped))
		require.Len(t, documented.Receivers, 1)
		documented.Receivers[0].Path = "."
		assert.Contains(t, shipped.Receivers, documented.Receivers[0], file)
	}
}

// The rules of docs/prometheus.md for Alertmanager are among those that are shipped.
func TestInhibitRules(t *testing.T) {
	var documented, shipped struct {
		InhibitRules []map[string][]string `json:"inhibit_rules"`
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(harness.BlockOf(t, "docs/prometheus.md", "inhibit_rules:")), &documented))
	require.NoError(t, yaml.Unmarshal([]byte(harness.Read(t, "../../prometheus/alertmanager.yml")), &shipped))
	require.NotEmpty(t, documented.InhibitRules)
	assert.Subset(t, shipped.InhibitRules, documented.InhibitRules)
}

// What docs/scaling.md gives to the containers of a set is what Kubernetes knows.
func TestShardsOfSet(t *testing.T) {
	var container corev1.Container
	require.NoError(t, yaml.UnmarshalStrict([]byte(harness.BlockOf(t, "docs/scaling.md", "env:")), &container))
	require.Len(t, container.Env, 2)
	sharded := harness.Read(t, "../../examples/sharded.yaml")
	for _, variable := range container.Env {
		assert.Contains(t, sharded, "${env:"+variable.Name)
	}
}

// A link leads to a page of the repository, to a heading of it, to a file or folder, or to another site. That one is not asked.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^()\s]+)\)|(?:src|href)="([^"]+)"`)
	for _, page := range harness.Pages(t) {
		for _, match := range link.FindAllStringSubmatch(prose(t, page), -1) {
			target := match[1] + match[2]
			address, err := url.Parse(target)
			require.NoError(t, err, "%s: %s", page, target)
			if address.IsAbs() {
				assert.Equal(t, "https", address.Scheme, "%s: %s", page, target)
				continue
			}
			to := page
			if address.Path != "" {
				to = path.Join(path.Dir(page), address.Path)
			}
			_, err = os.Stat(filepath.Join("../..", to))
			if assert.NoError(t, err, "%s: %s", page, target) && address.Fragment != "" {
				assert.Contains(t, headings(t, to), address.Fragment, "%s: %s", page, target)
			}
		}
	}
}

// Each target of make that a page names is there, and so is each file.
func TestNamesInPages(t *testing.T) {
	targets := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`).FindAllStringSubmatch(harness.Read(t, "../../Makefile"), -1) {
		targets[match[1]] = true
	}
	require.True(t, targets["test"])
	code := regexp.MustCompile("`([^`\n]+)`")
	file := regexp.MustCompile(`^(cmd|datadog|deploy|distributions|docs|e2e|examples|grafana|internal|packaging|prometheus|tcpprobe|testdata|tools)/[\w./-]+$`)
	for _, page := range harness.Pages(t) {
		if page == "CHANGELOG.md" {
			continue // it tells of what was
		}
		for _, match := range code.FindAllStringSubmatch(prose(t, page), -1) {
			if words := strings.Fields(match[1]); len(words) > 1 && words[0] == "make" && !strings.Contains(words[1], "=") {
				assert.True(t, targets[words[1]], "%s: %s", page, match[1])
			}
			if file.MatchString(match[1]) {
				_, err := os.Stat("../../" + match[1])
				assert.NoError(t, err, page)
			}
		}
	}
}

// prose returns a page without its blocks.
func prose(t *testing.T, page string) string {
	t.Helper()
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(harness.Read(t, "../../"+page), "")
}

// headings returns the fragments by which the headings of a page are reached.
func headings(t *testing.T, page string) []string {
	t.Helper()
	var fragments []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(prose(t, page), -1) {
		fragment := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		for same := 1; slices.Contains(fragments, fragment); same++ {
			fragment += "-" + strconv.Itoa(same)
		}
		fragments = append(fragments, fragment)
	}
	return fragments
}
