package tcpcheckstatus

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/status"
)

var (
	now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	v4  = netip.MustParseAddr("192.0.2.1")
	v6  = netip.MustParseAddr("2001:db8::1")
)

// newTestPage returns a page that shows snapshots, and does not serve.
func newTestPage(t testing.TB, snapshots ...*status.Snapshot) *page {
	t.Helper()
	p := newPage(extensiontest.NewNopSettings(NewFactory().Type()), createDefaultConfig().(*Config))
	for _, s := range snapshots {
		_, err := p.Show(s.Receiver, func() *status.Snapshot { return s })
		require.NoError(t, err)
	}
	return p
}

// get returns the answer to a request.
func get(p *page, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost:9465"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.handler().ServeHTTP(w, r)
	return w
}

func endpoint(address netip.Addr, state status.State) status.Endpoint {
	e := status.Endpoint{Family: check.FamilyOf(address), Address: address, State: state, Since: now.Add(-time.Hour)}
	switch state {
	case status.Up:
		e.Last, e.Average = 1500*time.Microsecond, 2*time.Millisecond
	case status.Down:
		e.ErrorType, e.Reason, e.Message, e.Hint = check.ConnectionRefused, "connection refused", "dial: connection refused", "See what the service is bound to."
	case status.Unchecked:
		e.Reason = "too many open files"
	default:
	}
	return e
}

func instance(name, service string, endpoints ...status.Endpoint) status.Instance {
	target := &check.Target{Host: name + ".example", Port: 443, Interval: 15 * time.Second, Labels: check.Labels{Name: name, Service: service}}
	return status.Instance{ID: status.IDOf("tcpcheck", target.Key()), Target: target, Endpoints: endpoints}
}

func snapshot(instances ...status.Instance) *status.Snapshot {
	return &status.Snapshot{Receiver: "tcpcheck", Taken: now, Instances: instances}
}

func up4() status.Endpoint   { return endpoint(v4, status.Up) }
func down4() status.Endpoint { return endpoint(v4, status.Down) }
func up6() status.Endpoint   { return endpoint(v6, status.Up) }
func down6() status.Endpoint { return endpoint(v6, status.Down) }

// failing is an endpoint that connects, and whose certificate is not verified.
func failing() status.Endpoint {
	e := up4()
	e.TLS = &status.Layer{State: status.Down, ErrorType: check.TLSNameMismatch, Reason: "name mismatch", Ends: now, ChainEnds: now}
	return e
}

// What endpoints say together, and the sentence about it.
func TestSentence(t *testing.T) {
	sessions := status.Endpoint{Family: check.IPv4, Address: v4, SessionsOnly: true}
	up := func(name string) status.Instance { return instance(name, "", up4(), up6()) }
	for _, test := range []struct {
		want      string
		instances []status.Instance
	}{
		{"No target is checked yet", nil},
		{"Nothing is known yet of 1 target", []status.Instance{instance("a", "")}},
		{"The one target connects", []status.Instance{up("a")}},
		{"Both targets connect", []status.Instance{up("a"), up("b")}},
		{"All 3 targets connect", []status.Instance{up("a"), up("b"), instance("c", "", up4(), sessions)}},
		{"1 of 2 targets connect, of the others nothing is known yet", []status.Instance{up("a"), instance("b", "")}},
		{"1 of 1 target is down", []status.Instance{instance("a", "", down4(), down6())}},
		{"1 of 2 targets is down over IPv6 only", []status.Instance{up("a"), instance("b", "", up4(), down6())}},
		{"2 of 4 targets are down, and 1 more over IPv6 only", []status.Instance{up("a"), instance("b", "", down4()), instance("c", "", down4(), down6()), instance("d", "", up4(), down6())}},
		{"1 of 1 target is down at some addresses", []status.Instance{instance("a", "", up4(), down4(), up6())}},
		{"1 of 3 targets is down, 1 more over IPv6 only, and 1 more failing above TCP", []status.Instance{instance("a", "", down4()), instance("b", "", up4(), down6()), instance("c", "", failing())}},
		{"1 of 2 targets is down, and 1 more failing above TCP", []status.Instance{instance("a", "", down4()), instance("b", "", failing())}},
		{"1 of 1 target is failing above TCP", []status.Instance{instance("a", "", failing())}},
		{"1 of 1 target is not checked by this machine", []status.Instance{instance("a", "", endpoint(v4, status.Unchecked), up6())}},
	} {
		assert.Equal(t, test.want, newOverview([]*status.Snapshot{snapshot(test.instances...)}, now).sentence())
	}
	assert.Equal(t, "No receiver is shown here", newOverview(nil, now).sentence())
	assert.Equal(t, "1,234,567", thousands(1234567))
}

// What is down comes first, with its reason, since when it is so and the hint.
func TestListPage(t *testing.T) {
	s := snapshot(instance("fine", "shop", up4(), up6()), instance("half", "shop", up4(), down6()), instance("gone", "", down4()))
	s.NotChecked = []check.NotChecked{{Key: check.Key{Name: "wrong", Host: "h", Port: 1}, Reason: check.Refused, Text: "it has no port"}}
	s.Stale = []check.Source{{Name: "a.yaml", Err: errors.New("it is gone"), Stale: now}}
	w := get(newTestPage(t, s), "/")
	require.Equal(t, http.StatusOK, w.Code)
	page := w.Body.String()
	assert.Contains(t, page, `<h1 class="bad">1 of 3 targets is down, and 1 more over IPv6 only.</h1>`)
	assert.Contains(t, page, "<title>1 of 3 targets is down, and 1 more over IPv6 only – tcpcheck</title>")
	for _, part := range []string{
		"down over IPv6 only", "connection refused", "See what the service is bound to.", "since <time datetime=\"2026-11-29T11:00:00Z\">2026-11-29 11:00:00 UTC</time>", "1 h 0 min",
		"1.50 ms", "2.00 ms", "it has no port", "refused", "The list of <bdi>a.yaml</bdi>", `<time id="taken" datetime="2026-11-29T12:00:00Z">2026-11-29 12:00:00 UTC</time>`, "<svg class=\"strip\"",
	} {
		assert.Contains(t, page, part)
	}
	order := regexp.MustCompile(`(?s)gone\.example.*half\.example.*<form.*without a service.*gone\.example.*shop.*fine\.example.*half\.example.*Not checked`)
	assert.Regexp(t, order, page)
	assert.Equal(t, 1, strings.Count(page, "<h1"))
	assert.NotContains(t, page, "style=")
	assert.NotContains(t, page, "ZgotmplZ")
}

func TestEmptyPage(t *testing.T) {
	p := newTestPage(t)
	assert.Contains(t, get(p, "/").Body.String(), "<h1>No receiver is shown here.</h1>")
	assert.Contains(t, get(p, "/not-checked").Body.String(), "Nothing is left out.")
	assert.Equal(t, http.StatusNotFound, get(p, "/instance?id=1").Code)
}

// names returns those of the targets that the API has.
func names(t *testing.T, w *httptest.ResponseRecorder) []string {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var answer struct{ Targets []struct{ Instance string } }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	names := []string{}
	for _, target := range answer.Targets {
		names = append(names, target.Instance)
	}
	return names
}

func TestFilter(t *testing.T) {
	tagged := instance("tagged", "shop", up4())
	tagged.Target.Labels.Tags = []check.Tag{{Key: "team", Value: "Blue"}}
	p := newTestPage(t, snapshot(instance("both", "shop", up4(), up6()), instance("half", "shop", up4(), down6()), instance("gone", "", down4()), tagged,
		instance("tls", "-x", failing()), instance("new", ""), instance("sick", "", endpoint(v4, status.Unchecked))))
	for query, want := range map[string][]string{
		"":                             {"gone", "new", "sick", "tls", "both", "half", "tagged"},
		"q=BOTH":                       {"both"},
		"q=2001:db8":                   {"both", "half"},
		"q=team:blue":                  {"tagged"},
		"q=refused":                    {"gone", "half"},
		"q=" + url.QueryEscape(":443"): {"gone", "new", "sick", "tls", "both", "half", "tagged"},
		"q=nothing":                    {},
		"state=down":                   {"gone"},
		"state=one_family":             {"half"},
		"state=troubled":               {"gone", "tls", "half"},
		"state=failing":                {"tls"},
		"state=unknown":                {"new"},
		"state=unchecked":              {"sick"},
		"state=up":                     {"both", "tagged"},
		"family=ipv6":                  {"both", "half"},
		"family=ipv6&state=down":       {"half"},
		"family=ipv4&state=down":       {"gone"},
		"family=ipv4&state=one_family": {},
		"service=shop":                 {"both", "half", "tagged"},
		"service=-":                    {"gone", "new", "sick"},
		"service=other":                {},
		"service=shop&q=half":          {"half"},
	} {
		assert.Equal(t, want, names(t, get(p, "/api/v1/status?"+query)), query)
		assert.Equal(t, http.StatusOK, get(p, "/?"+query).Code, query)
	}
	for query, want := range map[string]string{
		"state=x":  `state: "x" is none; they are down, one_family, partly, failing, unchecked, unknown, up, troubled`,
		"family=5": `family: "5" is none; they are ipv4 and ipv6`,
		"page=0":   `page: "0" is no page; write a number from 1 on`,
		"page=x":   `page: "x" is no page; write a number from 1 on`,
	} {
		for _, path := range []string{"/?", "/api/v1/status?"} {
			w := get(p, path+query)
			assert.Equal(t, http.StatusBadRequest, w.Code)
			assert.Equal(t, want, strings.TrimSpace(w.Body.String()))
		}
	}
}

func TestPages(t *testing.T) {
	var instances []status.Instance
	for i := range 250 {
		instances = append(instances, instance(fmt.Sprintf("t%03d", i), "", up4()))
	}
	p := newTestPage(t, snapshot(instances...))
	first, third := get(p, "/?q=t").Body.String(), get(p, "/?q=t&page=999").Body.String()
	assert.Contains(t, first, "250 of 250 targets, page 1 of 3.")
	assert.Contains(t, first, `href="?page=2&amp;q=t" rel="next"`)
	assert.NotContains(t, first, `rel="prev"`)
	assert.Contains(t, first, "t099.example")
	assert.NotContains(t, first, "t100.example")
	assert.Contains(t, third, "page 3 of 3")
	assert.Contains(t, third, "t249.example")
	assert.NotContains(t, third, `rel="next"`)
}

func TestInstancePage(t *testing.T) {
	one := instance("one", "shop", up4(), down6(), status.Endpoint{Family: check.IPv4, Address: netip.MustParseAddr("192.0.2.9"), SessionsOnly: true})
	one.Endpoints[0].TLS = &status.Layer{State: status.Up, Since: now, Time: time.Millisecond, Ends: now.Add(time.Hour), ChainEnds: now}
	one.Endpoints[0].Dialog = &status.Layer{State: status.Down, Reason: "unexpected answer"}
	one.Endpoints[1].Source, one.Endpoints[1].Sender = check.ICMP, netip.MustParseAddr("2001:db8::ffff")
	one.Omissions = []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}
	one.Excesses = []check.Excess{{Family: check.IPv4, Found: 30, Checked: 20}}
	one.Denied = []netip.Addr{netip.MustParseAddr("169.254.169.254")}
	one.Target.Labels.Tags = []check.Tag{{Key: "team", Value: "blue"}}
	one.Events = []status.Event{{Time: now.Add(-time.Minute), Severity: status.Warn, Text: "first"}, {Time: now, Severity: status.Info, Text: "second"}}
	p := newTestPage(t, snapshot(one))
	w := get(p, fmt.Sprintf("/instance?id=%016x", one.ID))
	require.Equal(t, http.StatusOK, w.Code)
	page := w.Body.String()
	for _, part := range []string{
		"<bdi>one</bdi> is down over IPv6 only.", "team:blue", "shop", "15s", "2001:db8::ffff", "unexpected answer", "Certificate ends", "its chain",
		"IPv6 is not checked: this machine has no address that could reach it.", "Of 30 IPv4 addresses, the first 20 are checked.", "169.254.169.254", "not dialled",
	} {
		assert.Contains(t, page, part)
	}
	assert.Regexp(t, `(?s)second.*first`, page)
	assert.Equal(t, http.StatusBadRequest, get(p, "/instance?id=x").Code)
	assert.Equal(t, http.StatusBadRequest, get(p, "/instance").Code)
}

// hostile are texts that are to be text in the page, whatever they contain.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, "a\x00b\x1b[31m\r\nc\u0085", "\u202egnp.exe\u2066",
	"\u200b\ufeff", "名前 שם اسم 🦆", "\xff\xfe", "{{.}}", "</title></textarea></svg>", `\u003cscript`, strings.Repeat("long ", 2000), "&lt;b&gt;", "é", "../../etc", "%00",
}

// Names, tags, errors and hosts are text, whatever they contain; and so is what a request asks for.
func TestHostile(t *testing.T) {
	var instances []status.Instance
	for _, text := range hostile {
		e := down6()
		e.Message, e.Reason, e.Hint = text, text, text
		one := instance(text, text, up4(), e)
		one.Target.Labels.Tags = []check.Tag{{Key: text, Value: text}}
		one.Events = []status.Event{{Time: now, Text: text, Target: one.Target}}
		instances = append(instances, one)
	}
	s := snapshot(instances...)
	s.Receiver = hostile[0]
	s.NotChecked = []check.NotChecked{{Key: instances[0].Target.Key(), Text: hostile[1]}}
	s.Stale = []check.Source{{Name: hostile[0], Err: errors.New(hostile[1])}}
	s.Events = instances[0].Events
	p := newTestPage(t, s)
	paths := []string{"/", "/not-checked"}
	for i := range instances {
		paths = append(paths, "/instance?id="+idText(instances[i].ID), "/?q="+url.QueryEscape(hostile[i]), "/?service="+url.QueryEscape(hostile[i]), "/?state="+url.QueryEscape(hostile[i]), "/?page="+url.QueryEscape(hostile[i]))
	}
	values := regexp.MustCompile(`value="[^"]*"`)
	tag := regexp.MustCompile(`<[a-zA-Z/!][^>]*>`)
	known := regexp.MustCompile(`^</?(!DOCTYPE|html|head|meta|title|link|script src="script\.js" defer|script|body|a|header|p|span|time|noscript|button|main|h[1-3]|section|ul|ol|li|bdi|form|div|label|input|select|option|table|caption|thead|tbody|tr|th|td|svg|path|nav|footer|dl|dt|dd|code)\b`)
	for _, path := range paths {
		w := get(p, path)
		page := w.Body.String()
		if w.Code != http.StatusOK {
			assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			continue
		}
		assert.NotRegexp(t, `[\x00-\x08\x0b-\x1f\x{7f}-\x{9f}\x{200b}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}]`, values.ReplaceAllString(page, ""), path)
		for _, found := range tag.FindAllString(page, -1) {
			require.Regexp(t, known, found)
			require.NotRegexp(t, `\son[a-z]+=|<script>|<img|href="[a-z]+:`, values.ReplaceAllString(found, `value=""`))
		}
		assert.NotContains(t, page, "ZgotmplZ")
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/events"} {
		w := get(p, path)
		assert.True(t, json.Valid(w.Body.Bytes()), path)
		assert.NotContains(t, w.Body.String(), "<script")
	}
	assert.Equal(t, "a␀b␛[31m␍␊c⟨U+0085⟩", visible(hostile[4]))
	assert.Equal(t, "⟨U+202E⟩gnp.exe⟨U+2066⟩", visible(hostile[5]))
	assert.Equal(t, hostile[7], visible(hostile[7]))
}

// A page may have nothing but what comes from here.
func TestHeaders(t *testing.T) {
	p := newTestPage(t, snapshot(instance("a", "", up4())))
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/script.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
		"/api/v1/status": "application/json; charset=utf-8", "/api/v1/events": "application/json; charset=utf-8", "/nowhere": "text/plain; charset=utf-8",
	} {
		header := get(p, path).Header()
		assert.Equal(t, contentType, header.Get("Content-Type"), path)
		assert.Equal(t, policy, header.Get("Content-Security-Policy"))
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-referrer", header.Get("Referrer-Policy"))
		assert.Equal(t, "no-cache, private", header.Get("Cache-Control"))
	}
}

// No request changes anything.
func TestMethods(t *testing.T) {
	p := newTestPage(t, snapshot(instance("a", "", up4())))
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X"} {
		r := httptest.NewRequest(method, "/", strings.NewReader("x"))
		r.Host = "localhost"
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	r := httptest.NewRequest(http.MethodHead, "/", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	p.handler().ServeHTTP(w, r)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Zero(t, w.Body.Len())
	assert.NotEmpty(t, w.Header().Get("Content-Length"))
}

// A name that somebody else may have lead here is refused.
func TestHosts(t *testing.T) {
	config := createDefaultConfig().(*Config)
	config.NetAddr.Endpoint, config.Hosts = "Box.example:9465", []string{"Status.Example"}
	p := newPage(extensiontest.NewNopSettings(NewFactory().Type()), config)
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9465": 200, "LOCALHOST": 200, "a.localhost:1": 200, "127.0.0.1:9465": 200, "[::1]:9465": 200, "[::1]": 200, "10.1.2.3": 200, "box.example": 200,
		"box.example.:1": 200, "status.example:443": 200, "evil.example": 421, "evil.example:9465": 421, "127.0.0.1.evil.example": 421, "": 421, "localhost.evil.example": 421, "<b>": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, host)
	}
	if name := machineName(); name != "" {
		assert.True(t, p.isKnown(name+":9465"))
	}
}

// What a client has already is not sent again, and what it takes is compressed.
func TestCaching(t *testing.T) {
	s := snapshot(instance("a", "", up4()))
	p := newTestPage(t, s)
	for _, path := range []string{"/", "/api/v1/status", "/api/v1/events", "/style.css"} {
		plain, zipped := get(p, path), get(p, path, "Accept-Encoding", "br, gzip;q=0.8")
		assert.Empty(t, plain.Header().Get("Content-Encoding"))
		require.Equal(t, "gzip", zipped.Header().Get("Content-Encoding"))
		assert.Equal(t, fmt.Sprint(plain.Body.Len()), plain.Header().Get("Content-Length"))
		assert.Equal(t, fmt.Sprint(zipped.Body.Len()), zipped.Header().Get("Content-Length"))
		reader, err := gzip.NewReader(zipped.Body)
		require.NoError(t, err)
		text, err := io.ReadAll(reader)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(plain.Body.Bytes(), text))

		etag := plain.Header().Get("ETag")
		require.NotEmpty(t, etag)
		again := get(p, path, "If-None-Match", `"x", `+etag)
		assert.Equal(t, http.StatusNotModified, again.Code)
		assert.Zero(t, again.Body.Len())
		assert.Equal(t, http.StatusOK, get(p, path, "If-None-Match", `"x"`).Code)
	}
	before := get(p, "/api/v1/status").Header().Get("ETag")
	later := *s
	later.Taken = now.Add(time.Minute)
	assert.Equal(t, before, get(newTestPage(t, &later), "/api/v1/status").Header().Get("ETag"), "the time alone is no news")
	later.Instances = []status.Instance{instance("a", "", down4())}
	assert.NotEqual(t, before, get(newTestPage(t, &later), "/api/v1/status").Header().Get("ETag"))
}

func TestAcceptsGzip(t *testing.T) {
	for field, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip": true, "*": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=0.5": true, "": false, "br": false, "gzip;q=x": false, "x-gzip2": false,
	} {
		assert.Equal(t, want, acceptsGzip([]string{field}), field)
	}
}

// The whole of the API's answer.
func TestAPI(t *testing.T) {
	one := instance("one", "shop", failing(), down6())
	one.Target.Labels.Tags = []check.Tag{{Key: "team", Value: "blue"}}
	one.Omissions = []check.Omission{{Family: check.IPv6}}
	one.Excesses = []check.Excess{{Family: check.IPv4, Found: 30, Checked: 20}}
	s := snapshot(one)
	s.NotChecked = []check.NotChecked{{Key: check.Key{Name: "n", Host: "h", Port: 1}, Address: v4, Reason: check.DeniedAddress, Text: "no"}}
	s.Stale = []check.Source{{Name: "a.yaml", Err: errors.New("gone"), Stale: now}}
	s.Events = []status.Event{{Time: now.Add(-time.Hour), Text: "older"}, {Time: now, Name: "tcpcheck.address.down", Severity: status.Warn, Text: "newer", Target: one.Target}}
	p := newTestPage(t, s)
	none := strings.Repeat(".", status.Buckets)
	assert.JSONEq(t, `{"taken":"2026-11-29T12:00:00Z",
		"summary":{"sentence":"1 of 1 target is down over IPv6 only","targets":1,"down":0,"one_family":1,"partly":0,"failing":0,"unchecked":0,"unknown":0,"up":0},
		"history_bucket_seconds":300,"history_buckets":72,
		"targets":[{"id":"`+idText(one.ID)+`","receiver":"tcpcheck","instance":"one","server_address":"one.example","server_port":443,"service_name":"shop",
			"tags":[{"key":"team","value":"blue"}],"interval_seconds":15,"state":"one_family","down_over":"ipv6","endpoints":[
			{"network_type":"ipv4","network_peer_address":"192.0.2.1","state":"up","since":"2026-11-29T11:00:00Z","response_time_seconds":0.0015,"average_response_time_seconds":0.002,"history":"`+none+`",
				"tls":{"state":"down","error_type":"tls_name_mismatch","reason":"name mismatch","certificate_not_after":"2026-11-29T12:00:00Z","certificate_chain_not_after":"2026-11-29T12:00:00Z"}},
			{"network_type":"ipv6","network_peer_address":"2001:db8::1","state":"down","since":"2026-11-29T11:00:00Z","error_type":"connection_refused","error_message":"dial: connection refused",
				"reason":"connection refused","hint":"See what the service is bound to.","history":"`+none+`"}],
			"omitted_families":[{"network_type":"ipv6","reason":"name_lacks_family"}],"truncated_families":[{"network_type":"ipv4","found":30,"checked":20}]}],
		"not_checked":[{"receiver":"tcpcheck","instance":"n","server_address":"h","server_port":1,"network_peer_address":"192.0.2.1","reason":"denied","text":"no"}],
		"stale_sources":[{"receiver":"tcpcheck","source":"a.yaml","error_message":"gone","stale_since":"2026-11-29T12:00:00Z"}]}`, get(p, "/api/v1/status").Body.String())
	assert.JSONEq(t, `{"taken":"2026-11-29T12:00:00Z","events":[
		{"time":"2026-11-29T12:00:00Z","event_name":"tcpcheck.address.down","severity":"warn","body":"newer","receiver":"tcpcheck","instance":"one","server_address":"one.example","server_port":443},
		{"time":"2026-11-29T11:00:00Z","severity":"info","body":"older","receiver":"tcpcheck"}]}`, get(p, "/api/v1/events").Body.String())
}

// A strip is drawn of what is the same in a row, and said in words.
func TestStrip(t *testing.T) {
	h, start := status.NewHistory(1), now
	observe := func(minutes int, statuses ...check.Status) {
		for _, s := range statuses {
			h.Observe(&check.Report{Time: start.Add(time.Duration(minutes) * time.Minute), Results: []check.Result{{Family: check.IPv4, Address: v4, Status: s}}})
		}
	}
	strip := func(minutes int) *status.Strip {
		for _, past := range h.Lines(start.Add(time.Duration(minutes) * time.Minute)) {
			return &past.Strip
		}
		return new(status.Strip)
	}
	assert.Equal(t, "last 6 hours: not checked", stripWords(strip(0)))
	observe(0, check.Unchecked)
	assert.Equal(t, "last 6 hours: this machine was unable to check", stripWords(strip(0)))
	observe(5, check.Up)
	observe(10, check.Up)
	assert.Equal(t, "last 6 hours: up", stripWords(strip(10)))
	observe(15, check.Up, check.Down)
	observe(20, check.Down)
	assert.Equal(t, "last 6 hours: down in 2 of 5 spans of 5 minutes", stripWords(strip(20)))
	assert.True(t, strings.HasSuffix(stripText(strip(25)), ".?uumd."))
	assert.Equal(t, []stripRun{{"n", "M66 8h1v1h-1z"}, {"u", "M67 6h2v4h-2z"}, {"d", "M69 0h1v5h-1z"}, {"u", "M69 6h1v4h-1z"}, {"d", "M70 0h1v10h-1z"}}, stripRuns(strip(25)))
	observe(1000, check.Down)
	assert.Equal(t, "last 6 hours: down", stripWords(strip(1000)))
}

func TestTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min 1 s", 3661 * time.Second: "1 h 1 min", 49 * time.Hour: "2 d 1 h",
	} {
		assert.Equal(t, want, lasting(d))
	}
	for d, want := range map[time.Duration]string{0: "–", 14 * time.Microsecond: "14 µs", 1500 * time.Microsecond: "1.50 ms", 15 * time.Millisecond: "15.0 ms", 1234 * time.Millisecond: "1234 ms"} {
		assert.Equal(t, want, milliseconds(d))
	}
}

// A receiver is shown until it stops that, and no other one has its name meanwhile.
func TestShow(t *testing.T) {
	p := newTestPage(t, snapshot())
	look := func() *status.Snapshot { return snapshot() }
	_, err := p.Show("tcpcheck", look)
	require.EqualError(t, err, "it shows a receiver tcpcheck already")
	stop, err := p.Show("tcpcheck/2", look)
	require.NoError(t, err)
	assert.Len(t, p.look().snapshots, 2)
	stop()
	assert.Len(t, p.look().snapshots, 1)
	_, err = p.Show("tcpcheck/2", look)
	require.NoError(t, err)
}

// many returns a snapshot of 10,000 targets, of which one in a hundred is down over IPv6.
func many() *status.Snapshot {
	var instances []status.Instance
	var strip status.Strip
	for i := range strip {
		strip[i] = byte(status.WasUp) | byte(status.WasUp)<<4
	}
	for i := range 10_000 {
		first, second := up4(), up6()
		if i%100 == 0 {
			second = down6()
		}
		first.Strip, second.Strip = strip, strip
		first.Address = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		first.Last = time.Duration(i+1) * 17 * time.Microsecond
		one := instance(fmt.Sprintf("web server %d", i), fmt.Sprintf("service %d", i%40), first, second)
		one.Target.Labels.Tags = []check.Tag{{Key: "team", Value: "blue"}}
		instances = append(instances, one)
	}
	return snapshot(instances...)
}

// The page of 10,000 targets is 300 kB on the wire at most.
func TestPageSize(t *testing.T) {
	p := newTestPage(t, many())
	w := get(p, "/", "Accept-Encoding", "gzip")
	t.Logf("%d bytes on the wire", w.Body.Len())
	assert.Less(t, w.Body.Len(), 300_000)
	w = get(p, "/api/v1/status", "Accept-Encoding", "gzip")
	t.Logf("%d bytes on the wire, of the API", w.Body.Len())
}

// How long the page of 10,000 targets takes, of a snapshot that is there.
func BenchmarkPage(b *testing.B) {
	for name, path := range map[string]string{"list": "/", "api": "/api/v1/status"} {
		b.Run(name, func(b *testing.B) {
			p := newTestPage(b, many())
			handler := p.handler()
			b.ReportAllocs()
			for b.Loop() {
				p.last = nil
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Host = "localhost"
				r.Header.Set("Accept-Encoding", "gzip")
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}

// No request makes the page fail.
func FuzzRequest(f *testing.F) {
	for _, text := range append(hostile, "q=a&state=down&family=ipv6&service=-&page=2", "id=0", "state=&&&=;%zz") {
		f.Add("/", text)
		f.Add("/instance", text)
		f.Add("/api/v1/status", text)
	}
	p := newTestPage(f, snapshot(instance("a", "s", up4(), down6())))
	handler := p.handler()
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.URL = "localhost", &url.URL{Path: path, RawQuery: query}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		assert.Less(t, w.Code, 500)
	})
}
