package probe

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The names that a host may stand for, in their order.
func TestCandidates(t *testing.T) {
	for _, test := range []struct {
		name, resolv, host string
		localDomain        string
		resOptions         string
		want               []string
	}{
		{name: "a rooted name", resolv: "search corp.test", host: "web.", want: []string{"web."}},
		{name: "a label", resolv: "search corp.test wild.test.", host: "web", want: []string{"web.corp.test.", "web.wild.test.", "web."}},
		{name: "as many dots as ndots", resolv: "search corp.test", host: "web.shop", want: []string{"web.shop.", "web.shop.corp.test."}},
		{
			name: "Kubernetes", resolv: "nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local\noptions ndots:5", host: "www.example.com",
			want: []string{"www.example.com.ns.svc.cluster.local.", "www.example.com.svc.cluster.local.", "www.example.com."},
		},
		{name: "the last of domain and search counts", resolv: "domain a.test\nsearch b.test c.test", host: "web", want: []string{"web.b.test.", "web.c.test.", "web."}},
		{name: "a domain", resolv: "search b.test c.test\ndomain a.test", host: "web", want: []string{"web.a.test.", "web."}},
		{name: "the root", resolv: "search .", host: "web", want: []string{"web."}},
		{name: "the root in between", resolv: "search a.test . b.test", host: "web", want: []string{"web.a.test.", "web.", "web.b.test."}},
		{name: "comments", resolv: "# search x.test\n; search y.test\nsearch a.test # z.test\n", host: "web", want: []string{"web.a.test.", "web."}},
		{name: "ndots 0", resolv: "search a.test\noptions rotate ndots:0", host: "web", want: []string{"web.", "web.a.test."}},
		{name: "ndots that is no number", resolv: "search a.test\noptions ndots:x", host: "web", want: []string{"web.a.test.", "web."}},
		{name: "no query for a top-level domain", resolv: "search a.test\noptions no-tld-query", host: "web", want: []string{"web.a.test."}},
		{name: "no query for a top-level domain, but no list", resolv: "search .\noptions no-tld-query ndots:0", host: "web", want: []string{"web."}},
		{name: "LOCALDOMAIN", resolv: "search a.test", localDomain: "b.test c.test", host: "web", want: []string{"web.b.test.", "web.c.test.", "web."}},
		{name: "RES_OPTIONS", resolv: "search a.test\noptions ndots:1", resOptions: "ndots:2", host: "web.shop", want: []string{"web.shop.a.test.", "web.shop."}},
		{name: "too long with a domain", resolv: "search " + strings.Repeat("a.", 100) + "test", host: strings.Repeat("b", 60), want: []string{strings.Repeat("b", 60) + "."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("LOCALDOMAIN", test.localDomain)
			t.Setenv("RES_OPTIONS", test.resOptions)
			assert.Equal(t, test.want, parseResolv(test.resolv).candidates(test.host))
		})
	}
}

// The longest name that there may be, and one that is longer: the resolver says so.
func TestLongCandidates(t *testing.T) {
	t.Setenv("LOCALDOMAIN", "")
	t.Setenv("RES_OPTIONS", "")
	longest := strings.Repeat("a.", 124) + "abc"
	host := strings.Repeat("a", 300)
	for _, test := range []struct {
		resolv, host string
		want         []string
	}{
		{"search " + longest, "a", []string{"a." + longest + ".", "a."}},
		{"search " + longest + "d", "a", []string{"a."}},
		{"search a.test", host, []string{host + "."}},
		{"", host, []string{host + "."}},
	} {
		assert.Equal(t, test.want, parseResolvOf("", test.resolv).candidates(test.host), "%d", len(test.resolv))
	}
}

// Without a search list, the domain of this machine is searched.
func TestDomainOfThisMachine(t *testing.T) {
	t.Setenv("LOCALDOMAIN", "")
	t.Setenv("RES_OPTIONS", "")
	for _, test := range []struct {
		machine, resolv string
		want            []string
	}{
		{"", "", nil},
		{"machine", "", nil},
		{"machine.corp.test", "", []string{"corp.test."}},
		{"machine.corp.test", "nameserver 192.0.2.1\nsearch\n", []string{"corp.test."}},
		{"machine.corp.test", "search a.test b.test", []string{"a.test.", "b.test."}},
		{"machine.corp.test", "domain a.test", []string{"a.test."}},
	} {
		assert.Equal(t, test.want, parseResolvOf(test.machine, test.resolv).domains, "%q, %q", test.machine, test.resolv)
	}
	name, err := os.Hostname()
	require.NoError(t, err)
	assert.Equal(t, parseResolvOf(name, ""), parseResolv(""))
}

// The bounds of ndots (resolv.conf(5)).
func TestNdots(t *testing.T) {
	t.Setenv("RES_OPTIONS", "")
	for option, want := range map[string]int{"ndots:-1": 0, "ndots:0": 0, "ndots:1": 1, "ndots:15": 15, "ndots:16": 15, "rotate": 1} {
		assert.Equal(t, want, parseResolvOf("", "options "+option).ndots, option)
	}
}

func TestHostsFile(t *testing.T) {
	folder := t.TempDir()
	files := newNameFiles(folder)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	lookUp := func(host string) []netip.Addr {
		addresses, err := files.inHosts(host)
		require.NoError(t, err)
		return addresses
	}
	assert.Empty(t, lookUp("web"), "there is no file")

	write("hosts", "192.0.2.1 web www.example.test # web2\n2001:db8::1\tWeb\n# 192.0.2.9 web\nnonsense web\n192.0.2.2\n")
	both := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	assert.Equal(t, both, lookUp("web"))
	assert.Equal(t, both, lookUp("WEB."))
	assert.Equal(t, both[:1], lookUp("www.example.test"))
	assert.Empty(t, lookUp("web2"))

	for text, want := range map[string]bool{
		"hosts: files dns": true,
		"hosts: files mdns4_minimal [NOTFOUND=return] dns": true,
		"hosts: files":                true,
		"hosts: dns files":            false,
		"hosts: dns":                  false,
		"passwd: files\n# hosts: dns": true,
	} {
		assert.Equal(t, want, parseNsswitch(text), text)
	}
	write("nsswitch.conf", "hosts: dns files\n")
	assert.Empty(t, lookUp("web"), "DNS comes first")
}

// A file is read again when it has changed, and not otherwise.
func TestCachedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	parsed := 0
	f := cachedFile[string]{path: path, parse: func(text string) string { parsed++; return "<" + text + ">" }}
	load := func() string {
		text, err := f.load()
		require.NoError(t, err)
		return text
	}
	assert.Equal(t, "<>", load())
	assert.Equal(t, "<>", load())
	assert.Equal(t, 1, parsed)

	require.NoError(t, os.WriteFile(path, []byte("a"), 0o600))
	assert.Equal(t, "<a>", load())
	assert.Equal(t, "<a>", load())
	assert.Equal(t, 2, parsed)

	require.NoError(t, os.WriteFile(path, []byte("b"), 0o600))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	assert.Equal(t, "<b>", load())

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	assert.Equal(t, "<b>", load(), "it cannot be read")
	require.NoError(t, os.Remove(path))
	assert.Equal(t, "<>", load(), "it is gone")

	f = cachedFile[string]{path: filepath.Dir(path), parse: f.parse}
	_, err := f.load()
	assert.Error(t, err, "a folder, which cannot be read, at first")
}
