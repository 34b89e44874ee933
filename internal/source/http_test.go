package source

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	httpsd "github.com/prometheus/prometheus/discovery/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// Of an answer, what is new and what is gone is told, wherever in the list it is.
func TestHTTPChanges(t *testing.T) {
	s := &httpSource{SDConfig: &httpsd.SDConfig{URL: "http://h"}}
	const a, b, c = `{"targets": ["a:1"]}`, `{"targets": ["b:1"], "labels": {"x": "y"}}`, `{"targets": ["c:1"]}`
	for _, test := range []struct {
		answer, err string
		want        []string // a group without targets is gone
	}{
		{"[" + a + ", " + b + "]", "", []string{"a:1", "b:1"}},
		{"[" + b + ",\n\n" + a + "]", "", nil},
		{"[" + c + ", " + b + ", " + a + ", " + a + "]", "", []string{"a:1", "c:1"}},
		{"[" + c + ", {}, 5]", "json: cannot unmarshal number into Go value", nil},
		{"[" + c + ", null]", "nil target group item found", nil},
		{"[" + c + `, {"targets": ["d:1"], "more": 1}]`, `unknown field "more"`, nil},
		{`{"targets": []}`, "the answer is no list of groups", nil},
		{"null", "the answer is no list of groups", nil},
		{"[" + c + "] x", "invalid character 'x' after top-level value", nil},
		{"[" + a + ", " + b + "]", "", []string{"", ""}}, // c, and one of a
		{"[]", "", []string{"", ""}},
		{"[]", "", nil},
	} {
		groups, known, err := s.changes([]byte(test.answer))
		if test.err != "" {
			require.ErrorContains(t, err, test.err, test.answer)
			continue
		}
		require.NoError(t, err, test.answer)
		s.known = known
		var got []string
		for _, group := range groups {
			if len(group.Targets) == 0 {
				got = append(got, "")
				continue
			}
			got = append(got, string(group.Targets[0]["__address__"]))
			assert.EqualValues(t, "http://h", group.Labels["__meta_url"])
		}
		slices.Sort(got)
		assert.Equal(t, test.want, got, test.answer)
	}
}

// A list so long that its parts are decoded and judged at the same time comes whole, in its order,
// or not at all; and what of it stays is the same target.
func TestLongAnswer(t *testing.T) {
	const n = 5_000
	var text atomic.Value
	text.Store(textOf(0, n))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text.Load().([]byte))
	}))
	defer server.Close()
	options, err := load(t, "scrape_configs: [{job_name: j, http_sd_configs: [{url: '"+server.URL+"', refresh_interval: 300ms}]}]")
	require.NoError(t, err)
	lists := newLists(t, options)
	first := lists.await(has(n))
	for i, target := range first.Targets {
		require.Equal(t, fmt.Sprintf("10.%d.%d.%d:443", i>>16, i>>8&255, i&255), target.HostPort())
	}

	half := textOf(n/2, n)
	wrong := append(slices.Clone(half[:len(half)-1]), `,{"targets":["h:1"],"labels":5}]`...)
	text.Store(wrong)
	list := lists.await(func(list check.List) bool { return list.Sources[0].Err != nil })
	require.ErrorContains(t, list.Sources[0].Err, "cannot unmarshal number")
	require.Equal(t, first.Targets, list.Targets)

	text.Store(half)
	list = lists.await(func(list check.List) bool { return list.Sources[0].Err == nil && list.Targets[0] != first.Targets[0] })
	require.Len(t, list.Targets, n)
	for i, target := range list.Targets[:n/2] {
		require.Same(t, first.Targets[n/2+i], target)
	}
}

// Of a source that says something all the time, within the time for which more is awaited, the list
// comes.
func TestSteadyNews(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(textOf(0, 1))
	}))
	defer server.Close()
	discovered(t, "scrape_configs: [{job_name: j, http_sd_configs: [{url: '"+server.URL+"', refresh_interval: 10ms}]}]", has(1))
}

// What is no JSON by its type is not taken.
func TestContentType(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "[]")
	}))
	defer server.Close()
	list := discovered(t, "scrape_configs: [{job_name: j, http_sd_configs: [{url: '"+server.URL+"'}]}]", func(list check.List) bool { return list.Sources[0].Err != nil })
	require.EqualError(t, list.Sources[0].Err, `unsupported content type "text/html"`)
}

// FuzzHTTPAnswer: no answer panics, and of one that is taken all is known.
func FuzzHTTPAnswer(f *testing.F) {
	f.Add([]byte(`[{"targets": ["a:1"]}, {"targets": []}]`), []byte(`[{"targets": ["a:1"]}, {"targets": ["a:1"]}]`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		s := &httpSource{SDConfig: &httpsd.SDConfig{URL: "http://h"}}
		for _, text := range [][]byte{first, second, second} {
			groups, known, err := s.changes(text)
			if err != nil {
				return
			}
			s.known = known
			for _, group := range groups {
				require.NotEmpty(t, group.Source)
			}
		}
		groups, _, err := s.changes(second)
		require.NoError(t, err)
		require.Empty(t, groups, "nothing is new")
	})
}
