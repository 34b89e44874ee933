package tcpcheckstatus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/extension"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"

	"example.com/tcpcheckreceiver/internal/status"
)

const (
	// mostConnections is how many clients may be connected at the same time: each takes a descriptor, of
	// which the checks need many.
	mostConnections = 256
	// mostHeader is how many bytes the header of a request may have.
	mostHeader = 16 << 10
	// shutdownWait is how long answers that are under way have when the collector shuts down.
	shutdownWait = time.Second
)

// page is the extension. It is a status.Viewer.
type page struct {
	set    extension.Settings
	config *Config
	hosts  map[string]bool // by which it may be asked for; nil for any

	server  *http.Server
	serving sync.WaitGroup

	mu    sync.Mutex
	shown map[string]func() *status.Snapshot // by the ID of the receiver
	last  *overview                          // of the snapshots that it has
}

var _ status.Viewer = (*page)(nil)

func newPage(set extension.Settings, config *Config) *page {
	return &page{set: set, config: config, hosts: hostsOf(config), shown: make(map[string]func() *status.Snapshot)}
}

// Start begins to serve the page. It fails, and nothing is left of it, where the files of TLS, the auth extension
// or the address are not as they have to be.
func (p *page) Start(ctx context.Context, host component.Host) error {
	server, err := p.config.ToServer(ctx, host.GetExtensions(), p.set.TelemetrySettings, p.handler())
	if err != nil {
		return err
	}
	var secure *tls.Config
	scheme := "http"
	if p.config.TLS.HasValue() {
		if secure, err = p.config.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		secure.NextProtos = []string{"h2", "http/1.1"}
		scheme = "https"
	}
	listener, err := p.config.NetAddr.Listen(ctx)
	if err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	at := listener.Addr()
	listener = netutil.LimitListener(listener, mostConnections)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	server.MaxHeaderBytes = mostHeader
	p.server = server
	p.set.Logger.Info("the status page is at "+p.addressOf(scheme, at), zap.String("endpoint", at.String()))
	p.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	return nil
}

// addressOf returns where the page is, as a browser is told.
func (p *page) addressOf(scheme string, at net.Addr) string {
	if p.config.NetAddr.Transport == confignet.TransportTypeUnix {
		return at.String()
	}
	host, _, err := net.SplitHostPort(p.config.NetAddr.Endpoint)
	_, port, err2 := net.SplitHostPort(at.String())
	if err != nil || err2 != nil || host == "" {
		return scheme + "://" + at.String() + "/"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// Shutdown ends the page. Answers that are under way have a second to come to their end.
func (p *page) Shutdown(ctx context.Context) error {
	if p.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, shutdownWait)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close() // whoever does not read has had its second
	}
	p.serving.Wait()
	return nil
}

// Show has a receiver shown until stop is called.
func (p *page) Show(receiver string, look func() *status.Snapshot) (stop func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown[receiver] != nil {
		return nil, fmt.Errorf("it shows a receiver %s already", receiver)
	}
	p.shown[receiver] = look
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.shown, receiver)
	}, nil
}

// look returns what all receivers know. It is the same value as before where their snapshots are.
func (p *page) look() *overview {
	p.mu.Lock()
	ids := slices.Sorted(maps.Keys(p.shown))
	looks := make([]func() *status.Snapshot, len(ids))
	for i, id := range ids {
		looks[i] = p.shown[id]
	}
	p.mu.Unlock()
	snapshots := make([]*status.Snapshot, len(looks))
	for i, look := range looks {
		snapshots[i] = look()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || !slices.Equal(p.last.snapshots, snapshots) || len(snapshots) == 0 {
		p.last = newOverview(snapshots, time.Now())
	}
	return p.last
}

// hostsOf returns the names by which a page may be asked for besides IP addresses, in lower case; nil for any, which
// is of a socket that no browser reaches.
func hostsOf(config *Config) map[string]bool {
	if config.NetAddr.Transport == confignet.TransportTypeUnix {
		return nil
	}
	hosts := map[string]bool{"localhost": true}
	for _, name := range append([]string{endpointHost(config.NetAddr.Endpoint), machineName()}, config.Hosts...) {
		if name != "" {
			hosts[strings.ToLower(strings.TrimSuffix(name, "."))] = true
		}
	}
	return hosts
}
