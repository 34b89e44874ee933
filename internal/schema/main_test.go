package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "../.."

// What is committed is what is made of the options now.
func TestGenerated(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "docs"), 0o700))
	require.NoError(t, run(module, folder))
	for _, name := range []string{"config.schema.json", "instances.schema.json", "docs/options.md"} {
		want, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		committed, err := os.ReadFile(filepath.Join(module, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(committed), "%s: run make generate", name)
	}
}

// A comment that is missing, and links that lead nowhere, are told all at once.
func TestMistakes(t *testing.T) {
	w, err := newWriter(module)
	require.NoError(t, err)
	w.comments["Instance.Port"] = ""
	w.comments["Instance.Host"] = "Host is a host. See docs/none.md and docs/lists.md#none."
	_, err = pageOf(w, filepath.Join(module, "docs"))
	require.ErrorContains(t, err, "Instance.Port has no comment that begins with its name")
	require.ErrorContains(t, err, "none.md: ")
	require.ErrorContains(t, err, `docs/lists.md has no heading "none"`)
}

// What a comment says to who writes a configuration, in the schemas and on the page.
func TestDescribed(t *testing.T) {
	w, err := newWriter(module)
	require.NoError(t, err)
	p := &page{writer: w, folder: filepath.Join(module, "docs")}
	for _, test := range []struct{ comment, text, markdown string }{
		{"Port is a TCP port,\n1 to 65535.", "`port` is a TCP port, 1 to 65535.", "`port` is a TCP port, 1 to 65535."},
		{"TLS makes a TLS handshake each TLS.Interval.", "`tls` makes a TLS handshake each `tls.interval`.", "`tls` makes a TLS handshake each `tls.interval`."},
		{"Service is that of Options.Service.", "`service` is that of `service` of the receiver.", "`service` is that of `service` of the receiver."},
		{"DSCP is in RFC 2474.", "`dscp` is in RFC 2474.", "`dscp` is in [RFC 2474](https://www.rfc-editor.org/rfc/rfc2474)."},
		{"Tags are key:value, as `a b|c`. See docs/lists.md#defaults.", "`tags` are key:value, as `a b|c`. See docs/lists.md#defaults.", "`tags` are `key:value`, as `a b\\|c`. See [Defaults](lists.md#defaults)."},
		{"Retry is tcp_check's, after 100ms. See docs/tls.md.", "`retry` is tcp_check's, after 100ms. See docs/tls.md.", "`retry` is `tcp_check`'s, after `100ms`. See [TLS](tls.md)."},
	} {
		w.comments["x"] = test.comment
		assert.Equal(t, test.text, w.described("x"))
		assert.Equal(t, test.markdown, p.markdown(w.described("x")))
	}
	assert.Empty(t, p.errs)
}
