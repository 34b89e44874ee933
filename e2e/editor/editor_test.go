// Package editor checks what an editor makes of config.schema.json: by the language server for YAML that the
// common editors run, over its protocol.
package editor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sourcegraph/jsonrpc2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// What an editor underlines.
func TestDiagnosis(t *testing.T) {
	editor := start(t)
	section := func(text string) string { return "receivers:\n  tcpcheck:\n    " + text + "\n" }
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", section("instances: [{name: a, host: h, port: 1}]"), nil},
		{"a variable", section("{collection_interval: '${env:EVERY}', instances: '${file:instances.yaml}'}"), nil},
		{"an unknown option", section("instances: [{name: a, host: h, prot: 1, port: 1}]"), []string{"3:36 Property prot is not allowed."}},
		{"a wrong type", section("instances: [{name: a, host: h, port: 1, tags: {a: b}}]"), []string{`3:51 Incorrect type. Expected one of array, string, null.`}},
		{"a wrong duration", section("{collection_interval: often, instances: [{name: a, host: h, port: 1}]}"), []string{"3:27 String does not match the pattern of"}},
		{"a wrong word", section("instances: [{name: a, host: h, port: 1, address_families: [ipv5]}]"), []string{`3:64 Value is not accepted. Valid values: "ipv4", "ipv6".`}},
		{"no name", section("instances: [{host: h, port: 1}]"), []string{`3:17 Missing property "name".`}},
		{"no port", section("instances: [{name: a, host: h}]"), []string{`3:17 Missing property "endpoint".`}},
		{"no name but defaults", section("{defaults: {name: a}, instances: [{host: h, port: 1}]}"), nil},
		{"an attribute that a metric has not", section("{instances: [{name: a, host: h, port: 1}], metrics: {tcpcheck.errors: {attributes: [colour]}}}"), []string{"3:89 Value is not accepted. Valid values: "}},
		{"another receiver of the type", "receivers:\n  tcpcheck/far:\n    instances: [{name: a, host: h, prot: 1, port: 1}]\n", []string{"3:36 Property prot is not allowed."}},
		{"what is another's", "receivers:\n  otlp: {prot: 1}\nexporters: {debug: }\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := editor.diagnose(t, "config.schema.json", test.text)
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				assert.True(t, strings.HasPrefix(got[i], want), "%q does not begin with %q", got[i], want)
			}
		})
	}
	assert.Empty(t, editor.diagnose(t, "instances.schema.json", "instances: [{name: a, host: h, port: 1}]\n"))
	assert.Equal(t, []string{"1:23 Property prot is not allowed."}, editor.diagnose(t, "instances.schema.json", "instances: [{name: a, prot: 1}]\n"))
}

// There is nothing to underline in what is shipped.
func TestShipped(t *testing.T) {
	editor := start(t)
	examples, err := filepath.Glob("../../examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, name := range examples {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Empty(t, editor.diagnose(t, "config.schema.json", string(text)), name)
	}
	text, err := os.ReadFile("../../testdata/tcp_check.yaml")
	require.NoError(t, err)
	assert.Empty(t, editor.diagnose(t, "instances.schema.json", string(text)))
}

// What an editor offers, and says of it.
func TestCompletion(t *testing.T) {
	editor := start(t)
	const text = "receivers:\n  tcpcheck:\n    instances:\n      - name: a\n        timeout: 5s\n        \n"
	uri := editor.open(t, "config.schema.json", text)
	var offered struct {
		Items []struct {
			Label         string `json:"label"`
			Documentation any    `json:"documentation"`
		} `json:"items"`
	}
	editor.call(t, "textDocument/completion", at(uri, 6, 8), &offered)
	labels := make(map[string]string)
	for _, item := range offered.Items {
		text, _ := json.Marshal(item.Documentation)
		labels[item.Label] = string(text)
	}
	assert.Contains(t, labels["port"], "a TCP port, 1 to 65535")
	assert.Contains(t, labels["steps"], "what is said to the service")
	assert.NotContains(t, labels, "name", "it is there already")
	assert.NotContains(t, labels, "collection_interval", "it is the receiver's")

	var hover struct {
		Contents struct {
			Value string `json:"value"`
		} `json:"contents"`
	}
	editor.call(t, "textDocument/hover", at(uri, 5, 10), &hover)
	assert.Contains(t, hover.Contents.Value, "bounds each name resolution and each connection attempt")
}

// editor is what runs the language server.
type editor struct {
	conn        *jsonrpc2.Conn
	diagnostics chan published
	opened      int
}

// published is what the server finds in a document.
type published struct {
	URI         string `json:"uri"`
	Diagnostics []struct {
		Range struct {
			Start position `json:"start"`
		} `json:"range"`
		Message string `json:"message"`
	} `json:"diagnostics"`
}

type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

func at(uri string, line, column int) any {
	return map[string]any{"textDocument": map[string]string{"uri": uri}, "position": position{line, column}}
}

// start starts the server, which ends with the test.
func start(t *testing.T) *editor {
	t.Helper()
	server, err := filepath.Abs("node_modules/yaml-language-server/bin/yaml-language-server")
	require.NoError(t, err)
	require.FileExists(t, server, "make editor installs it")
	command := exec.Command("node", server, "--stdio")
	input, err := command.StdinPipe()
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	e := &editor{diagnostics: make(chan published, 100)}
	e.conn = jsonrpc2.NewConn(context.Background(), jsonrpc2.NewBufferedStream(stream{output, input}, jsonrpc2.VSCodeObjectCodec{}), jsonrpc2.HandlerWithError(e.handle))
	t.Cleanup(func() {
		_ = e.conn.Close()
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	var initialized any
	e.call(t, "initialize", map[string]any{"processId": os.Getpid(), "rootUri": nil, "capabilities": map[string]any{
		"textDocument": map[string]any{"hover": map[string]any{"contentFormat": []string{"markdown"}}},
		"workspace":    map[string]any{"configuration": true},
	}}, &initialized)
	require.NoError(t, e.conn.Notify(context.Background(), "initialized", struct{}{}))
	return e
}

type stream struct {
	io.Reader
	io.WriteCloser
}

// handle answers the server: it asks for its settings, which are those of an editor without any but these.
func (e *editor) handle(_ context.Context, _ *jsonrpc2.Conn, request *jsonrpc2.Request) (any, error) {
	switch request.Method {
	case "textDocument/publishDiagnostics":
		var p published
		if err := json.Unmarshal(*request.Params, &p); err != nil {
			return nil, err
		}
		e.diagnostics <- p
	case "workspace/configuration":
		return []any{map[string]any{"validate": true, "hover": true, "completion": true, "schemaStore": map[string]any{"enable": false}}, nil, nil, nil, nil}, nil
	}
	return nil, nil
}

func (e *editor) call(t *testing.T, method string, params, result any) {
	t.Helper()
	require.NoError(t, e.conn.Call(context.Background(), method, params, result))
}

// open opens a document that names one of the schemas in its first line, and returns its URI.
func (e *editor) open(t *testing.T, schema, text string) string {
	t.Helper()
	path, err := filepath.Abs("../../" + schema)
	require.NoError(t, err)
	line := strings.Replace(harness.BlockOf(t, "README.md", "# yaml-language-server:"), "../config.schema.json", "file://"+path, 1)
	e.opened++
	uri := "file:///" + strings.Repeat("x", e.opened) + ".yaml"
	require.NoError(t, e.conn.Notify(context.Background(), "textDocument/didOpen", map[string]any{"textDocument": map[string]any{
		"uri": uri, "languageId": "yaml", "version": 1, "text": line + text,
	}}))
	return uri
}

// diagnose returns what is underlined in a text, as line:column message, both from 1 on and of the text.
func (e *editor) diagnose(t *testing.T, schema, text string) []string {
	t.Helper()
	uri := e.open(t, schema, text)
	for p := range e.diagnostics {
		if p.URI != uri {
			continue
		}
		var found []string
		for _, d := range p.Diagnostics {
			found = append(found, fmt.Sprintf("%d:%d %s", d.Range.Start.Line, d.Range.Start.Character+1, d.Message))
		}
		slices.Sort(found)
		return found
	}
	return nil
}
