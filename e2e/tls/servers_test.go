package tlstable

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// world is what a row has of its own.
type world struct {
	t       *testing.T
	root    *testnet.Authority // whom the client trusts
	folder  string             // with ca.pem of the root
	name    string             // that resolves to the server, and so do a.NAME and a.b.NAME
	own     netip.Addr         // that no other row has
	several []netip.Addr       // addresses of the name; nil: it has that of the server
	address netip.AddrPort     // of the server
	refuse  func()             // has a server in this process accept no more
	renew   func(show)         // of a farm: has it show other certificates
	first   tls.Certificate    // that a farm showed
	current tls.Certificate    // that it came to show
}

// server starts a server for the time of a row.
type server func(w *world)

// certificate makes the one of a server.
type certificate func(w *world) tls.Certificate

// change changes a certificate that is issued.
type change = func(*x509.Certificate)

// fill puts what the row has of its own into texts.
func (w *world) fill(texts ...string) []string {
	filled := make([]string, len(texts))
	for i, text := range texts {
		filled[i] = strings.NewReplacer("$address", w.address.Addr().String(), "$name", w.name, "$own", w.own.String(), "$folder", w.folder).Replace(text)
	}
	return filled
}

// file writes a file into the folder of the row, and returns its path.
func (w *world) file(name string, text []byte) string {
	path := filepath.Join(w.folder, name)
	harness.Write(w.t, path, string(text))
	return path
}

// files writes a certificate with its chain, and its key.
func (w *world) files(name string, shown tls.Certificate) (chain, key string) {
	certs, private := testnet.PEM(w.t, shown)
	return w.file(name+".pem", certs), w.file(name+".key", private)
}

// openssl is OpenSSL's test server, by default at 127.0.0.1. It shows the chain of the certificate.
func openssl(shown certificate, options ...string) server {
	return opensslAt("127.0.0.1:0", shown, options...)
}

func opensslAt(address string, shown certificate, options ...string) server {
	return func(w *world) {
		made := shown(w)
		leaf, key := w.files("server", made) // of which it takes the first certificate alone
		arguments := append([]string{"s_server", "-www", "-accept", address, "-cert", leaf, "-key", key}, w.fill(options...)...)
		if made.Certificate = made.Certificate[1:]; len(made.Certificate) > 0 {
			chain, _ := w.files("chain", made)
			arguments = append(arguments, "-cert_chain", chain)
		}
		const script = `openssl "$@" & trap "kill $!; exit 0" TERM; wait` // SIGTERM is the end that is wanted
		line := harness.Start(w.t, exec.Command("sh", append([]string{"-c", script, "sh"}, arguments...)...), "ACCEPT").Await("ACCEPT")
		_, listens, _ := strings.Cut(line, "ACCEPT ")
		w.address = netip.MustParseAddrPort(strings.TrimSpace(listens))
	}
}

// nginx is nginx with a certificate, and with directives of its server. It is at an address of its own.
func nginx(shown certificate, directives ...string) server {
	return func(w *world) {
		w.address = netip.AddrPortFrom(w.own, 8443)
		chain, key := w.files("server", shown(w))
		w.nginx(fmt.Sprintf("server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; %s }", w.address, chain, key, strings.Join(w.fill(directives...), " ")))
	}
}

// nginx runs nginx with servers of HTTP.
func (w *world) nginx(servers string) {
	w.address = netip.AddrPortFrom(w.own, 8443)
	config := w.file("nginx.conf", []byte(strings.ReplaceAll(`
daemon off;
worker_processes 1;
pid $folder/pid;
error_log stderr notice;
events {}
http {
	access_log off;
	client_body_temp_path $folder/body; proxy_temp_path $folder/proxy; fastcgi_temp_path $folder/fastcgi;
	uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
`, "$folder", w.folder)+servers+"\n}\n"))
	harness.Start(w.t, exec.Command("nginx", "-e", "stderr", "-c", config), "start worker process ")
}

// says is a server that has each connection handled.
func says(handle func(conn net.Conn)) server {
	return func(w *world) { w.serve(handle, "127.0.0.1:0") }
}

// serve has each connection to addresses handled, the last one of which is the server's.
func (w *world) serve(handle func(conn net.Conn), addresses ...string) {
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	var listeners []net.Listener
	for _, address := range addresses {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", address)
		require.NoError(w.t, err)
		listeners = append(listeners, listener)
		w.address = netip.MustParseAddrPort(listener.Addr().String())
		running.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				running.Go(func() {
					defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
					handle(conn)
					_ = conn.Close()
				})
			}
		})
	}
	refuse := func() {
		for _, listener := range listeners {
			_ = listener.Close() // perhaps again
		}
	}
	w.refuse = refuse // which a row may replace
	w.t.Cleanup(func() {
		refuse()
		cancel()
		running.Wait()
	})
}

// inGo is a server by crypto/tls, for what the others do not do.
func inGo(shown certificate, changes ...func(*tls.Config)) server {
	return func(w *world) {
		config := &tls.Config{Certificates: []tls.Certificate{shown(w)}, MinVersion: tls.VersionTLS12}
		for _, change := range changes {
			change(config)
		}
		w.serve(speak(config), "127.0.0.1:0")
	}
}

// speak makes the handshake, and waits for the client to close.
func speak(config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.Copy(io.Discard, tls.Server(conn, config)) }
}

// ending is a server by crypto/tls that refuses when the test says so, after one more handshake: a connection that it
// has not accepted by then would be reset.
func ending(shown certificate) server {
	return func(w *world) {
		config := &tls.Config{Certificates: []tls.Certificate{shown(w)}, MinVersion: tls.VersionTLS12}
		var asked atomic.Bool
		var refuse func()
		w.serve(func(conn net.Conn) {
			last, client := asked.Load(), tls.Server(conn, config)
			_, _ = io.Copy(io.Discard, client)
			if last && client.ConnectionState().HandshakeComplete {
				refuse()
			}
		}, "127.0.0.1:0")
		refuse, w.refuse = w.refuse, func() { asked.Store(true) }
	}
}

// show says which certificate an address shows, which is the n-th of the row's.
type show func(n int) tls.Certificate

// farm is a server by crypto/tls at all addresses of the row. What they show changes between two checks of all of
// them, and never within one.
func farm(first func(w *world) show) server {
	return func(w *world) {
		var mu sync.Mutex
		current, next, asked := first(w), show(nil), 0
		w.renew = func(s show) {
			mu.Lock()
			defer mu.Unlock()
			next = s
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			if asked%len(w.several) == 0 && next != nil {
				current, next = next, nil
			}
			asked++
			shown := current(1 + slices.Index(w.several, netip.MustParseAddrPort(hello.Conn.LocalAddr().String()).Addr()))
			return &shown, nil
		}}
		var addresses []string
		for _, address := range w.several {
			addresses = append(addresses, netip.AddrPortFrom(address, 8443).String())
		}
		w.serve(speak(config), addresses...)
	}
}

// trickle is a proxy before a server, which sends a byte at a time.
func trickle(behind server, every time.Duration) server {
	return func(w *world) {
		behind(w)
		to := w.address.String()
		w.serve(func(conn net.Conn) {
			var dialer net.Dialer
			server, err := dialer.DialContext(context.Background(), "tcp", to)
			if err != nil {
				return
			}
			defer server.Close()
			go func() {
				_, _ = io.Copy(server, conn)
				_ = server.Close()
			}()
			sent, tick := make([]byte, 1), time.NewTicker(every)
			defer tick.Stop()
			for {
				if _, err := server.Read(sent); err != nil {
					return
				}
				<-tick.C
				if _, err := conn.Write(sent); err != nil {
					return
				}
			}
		}, "127.0.0.1:0")
	}
}

// hello reads what a client says first.
func hello(conn net.Conn) bool {
	n, err := conn.Read(make([]byte, 4096))
	return n > 0 && err == nil
}

// banner says a text, and waits for the client to close.
func banner(text string) server {
	return says(func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	})
}

// answers says a text in answer to the client's hello, and closes.
func answers(text string) server {
	return says(func(conn net.Conn) {
		if hello(conn) {
			_, _ = io.WriteString(conn, text)
		}
	})
}
