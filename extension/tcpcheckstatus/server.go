package tcpcheckstatus

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// policy lets a page have nothing but what comes from here, and nothing within itself (Content Security Policy
// Level 3).
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// handler returns what answers requests.
func (p *page) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.served(html, p.serveList))
	mux.HandleFunc("GET /instance", p.served(html, p.serveInstance))
	mux.HandleFunc("GET /not-checked", p.served(html, p.serveNotChecked))
	mux.HandleFunc("GET /api/v1/status", p.served(jsonType, p.serveStatus))
	mux.HandleFunc("GET /api/v1/events", p.served(jsonType, p.serveEvents))
	for name, contentType := range map[string]string{"style.css": "text/css; charset=utf-8", "script.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		text, err := assets.ReadFile("assets/" + name)
		made := compress(contentType, func(w *writer) error {
			_, _ = w.Write(text)
			return err // which is nil: the file is embedded
		})
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { made.serve(w, r) })
	}
	return p.guard(mux)
}

// guard refuses what no page asks for, and says to browsers what a page may do.
func (p *page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-cache, private")
		if !p.isKnown(r.Host) {
			http.Error(w, fmt.Sprintf("This page is not %q. If it is, write that name into hosts of the extension %s.", visible(r.Host), p.set.ID), http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "This page is for reading: GET and HEAD alone.", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isKnown reports whether the page may be asked for by a host, perhaps with a port. An IP address is none that
// somebody else's name could stand for.
func (p *page) isKnown(host string) bool {
	if p.hosts == nil {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return p.hosts[host] || strings.HasSuffix(host, ".localhost")
}

// endpointHost returns the host of an endpoint, or an empty text.
func endpointHost(endpoint string) string {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return ""
	}
	return host
}

// machineName returns the name of this machine, or an empty text.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

const (
	html     = "text/html; charset=utf-8"
	jsonType = "application/json; charset=utf-8"
)

// problem is why a request has no answer.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// render writes an answer.
type render func(w *writer) error

// served returns a handler of documents of a type. What is asked for says what is rendered of an overview, or why not.
// One is rendered at a time, so that those who read take no more than a processor from the checks; and one that has
// been rendered serves all who ask for the same.
func (p *page) served(contentType string, asked func(o *overview, r *http.Request) (render, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o := p.look()
		made, err := o.document(contentType, r, asked)
		if err != nil {
			refuse(w, err)
			return
		}
		made.serve(w, r)
	}
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if p, ok := err.(*problem); ok { //nolint:errorlint // it is what asked returns
		code = p.status
	}
	http.Error(w, err.Error(), code)
}

// document is an answer, in memory that many answers share.
type document struct {
	contentType string
	etag        string
	zipped      []byte
	size        int // before
}

// writer writes a document.
type writer struct {
	zip  *gzip.Writer
	sum  hash.Hash
	size int
}

// Write writes a part that tells one document from another.
func (w *writer) Write(p []byte) (int, error) {
	_, _ = w.sum.Write(p)
	return w.writeAside(p)
}

// writeAside writes a part that does not: two documents that differ in these alone have one ETag.
func (w *writer) writeAside(p []byte) (int, error) {
	w.size += len(p)
	return w.zip.Write(p)
}

// compress returns the document that is rendered.
func compress(contentType string, render render) *document {
	made, err := compressed(contentType, render)
	if err != nil {
		made = &document{contentType: contentType}
	}
	return made
}

func compressed(contentType string, render render) (*document, error) {
	var zipped bytes.Buffer
	w := &writer{zip: gzip.NewWriter(&zipped), sum: fnv.New128a()}
	if err := render(w); err != nil {
		return nil, err
	}
	if err := w.zip.Close(); err != nil {
		return nil, err
	}
	etag := `W/"` + base64.RawURLEncoding.EncodeToString(w.sum.Sum(nil)) + `"`
	return &document{contentType, etag, bytes.Clone(zipped.Bytes()), w.size}, nil
}

// serve answers with the document, or says that it is the one that the client has (RFC 9110, section 13.1.2).
func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("ETag", d.etag)
	header.Set("Vary", "Accept-Encoding")
	if matches(r.Header.Values("If-None-Match"), d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", d.contentType)
	zipped := acceptsGzip(r.Header.Values("Accept-Encoding"))
	size := d.size
	if zipped {
		header.Set("Content-Encoding", "gzip")
		size = len(d.zipped)
	}
	header.Set("Content-Length", strconv.Itoa(size))
	if r.Method == http.MethodHead {
		return
	}
	if zipped {
		_, _ = w.Write(d.zipped) // whoever does not read has gone
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(d.zipped))
	if err == nil {
		_, _ = io.Copy(w, plain)
	}
}

// matches reports whether an ETag is one of If-None-Match, by the weak comparison.
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(etag, "W/") {
				return true
			}
		}
	}
	return false
}

// acceptsGzip reports whether a client takes gzip (RFC 9110, section 12.5.3).
func acceptsGzip(fields []string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			coding, parameter, _ := strings.Cut(one, ";")
			if coding = strings.TrimSpace(coding); !strings.EqualFold(coding, "gzip") && coding != "*" {
				continue
			}
			name, q, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			weight, err := strconv.ParseFloat(q, 64)
			return !strings.EqualFold(name, "q") || err == nil && weight > 0
		}
	}
	return false
}
