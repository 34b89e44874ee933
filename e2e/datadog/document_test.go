package datadog

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// Each row of the tables of docs/migrating-from-datadog.md names a test of this
// package, and each test that the page names exists.
func TestDocument(t *testing.T) {
	tests := testNames(t)
	named := regexp.MustCompile("`(Test[^` ]*)`")
	rows := 0
	for line := range strings.Lines(harness.Read(t, "../../docs/migrating-from-datadog.md")) {
		names := named.FindAllStringSubmatch(line, -1)
		for _, name := range names {
			assert.Contains(t, tests, name[1])
		}
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "| ---") && !strings.HasSuffix(line, "| test |\n") {
			assert.NotEmpty(t, names, "no test is named in %s", line)
			rows++
		}
	}
	assert.Positive(t, rows)
}

// testNames returns the names of the tests of this package and of their subtests,
// as far as these are written out.
func testNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declared := range parsed.Decls {
			if function, ok := declared.(*ast.FuncDecl); ok && strings.HasPrefix(function.Name.Name, "Test") {
				names = append(append(names, function.Name.Name), subtests(function.Name.Name, function.Body)...)
			}
		}
	}
	return names
}

// subtests returns the names of the subtests below a node of the test parent.
func subtests(parent string, node ast.Node) []string {
	var names []string
	ast.Inspect(node, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		called, ok := call.Fun.(*ast.SelectorExpr)
		literal, isLiteral := call.Args[0].(*ast.BasicLit)
		if !ok || called.Sel.Name != "Run" || !isLiteral {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			return true
		}
		name := parent + "/" + text
		names = append(append(names, name), subtests(name, call.Args[1])...)
		return false
	})
	return names
}
