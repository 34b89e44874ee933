package bench

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/schedule"
	"example.com/tcpcheckreceiver/internal/testnet"
)

var (
	secured     = flag.Bool("tls", false, "measure what certificates cost")
	certificate = flag.String("certificate", "", "serve by TLS what this file has, for the measuring process")
)

// tlsInterval is the time between two handshakes with a target.
const tlsInterval = time.Minute

// tlsName is what the certificate is for.
const tlsName = "bench.example"

// tlsClient is the client of the collector.
type tlsClient struct{ configtls.ClientConfig }

// Load implements check.TLSClient.
func (c tlsClient) Load() (*tls.Config, error) { return c.LoadTLSConfig(context.Background()) }

// handshakes are those that were told of.
type handshakes struct {
	mu       sync.Mutex
	verified map[string]bool
}

func (h *handshakes) consume(metrics pmetric.Metrics) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, point := range harness.Points(metrics, "tcpcheck.tls.verified") {
		h.verified[harness.Text(point.Attributes(), "tcpcheck.instance")] = point.IntValue() == 1
	}
}

// await waits until so many targets are known to be verified.
func (h *handshakes) await(n int) {
	for {
		h.mu.Lock()
		verified := len(h.verified)
		h.mu.Unlock()
		if verified >= n {
			return
		}
		pause(100 * time.Millisecond)
	}
}

// measureTLS measures what the certificates of n targets cost besides the checks of their connections, and
// beside a tls.Dialer that makes as many handshakes.
func (b *bench) measureTLS(n int) {
	authority := testnet.NewAuthority(b)
	chain, key := testnet.PEM(b.T, authority.Issue([]string{tlsName}))
	folder := b.TempDir()
	file, roots := filepath.Join(folder, "server.pem"), filepath.Join(folder, "ca.pem")
	harness.Write(b.T, file, string(chain)+string(key))
	harness.Write(b.T, roots, string(authority.PEM()))
	client := tlsClient{configtls.NewDefaultClientConfig()}
	client.CAFile = roots
	targets := peers.StartServer(b.T, "-serve", "0.0.0.0:20002", "-certificate", file).Targets(n)
	rate := float64(n) / tlsInterval.Seconds()

	config, err := client.Load()
	require.NoError(b, err)
	config.ServerName = tlsName
	dialed := b.measureLoop(targets, rate, schedule.Tick, dialTLS(config))

	plain := b.run(targets, options{})
	plain.awaitSteady()
	without, held := plain.measureFor(tlsInterval), plain.held()
	plain.stop()

	known := handshakes{verified: make(map[string]bool)}
	began := time.Now()
	r := b.run(targets, options{consume: known.consume, tls: &check.TLS{Client: client, ServerName: tlsName, Interval: tlsInterval}})
	known.await(n)
	first, late := time.Since(began), lateP99(metricdata.HistogramDataPoint[float64]{}, r.lateness())
	with, heldWith := r.measureFor(tlsInterval), r.held()
	r.stop()

	each := time.Duration((with.core - without.core) / rate * float64(time.Second))
	fmt.Printf("\n%d targets with certificates: %v of CPU a handshake, a tls.Dialer %v; %.2f%% of a core each %v, %.2f%% each 5m, checks of connections %.2f%%\n",
		n, each.Round(10*time.Microsecond), dialed.cpu.Round(10*time.Microsecond), 100*(with.core-without.core), tlsInterval,
		100*(with.core-without.core)*tlsInterval.Minutes()/5, 100*without.core)
	fmt.Printf("the first %d handshakes took %v, in which 99 of 100 checks of connections began within %v; %d B held, without certificates %d B\n",
		n, ms(first), ms(time.Duration(late*float64(time.Second))), heldWith, held)
	b.table.addGoal(fmt.Sprintf("CPU per handshake, %d, to that of a tls.Dialer", n), ratio(each, dialed.cpu), 1.25)
}

// dialTLS makes a handshake by a tls.Dialer, in a goroutine of its own.
func dialTLS(config *tls.Config) func(netip.AddrPort, *sync.WaitGroup) error {
	return func(target netip.AddrPort, dials *sync.WaitGroup) error {
		dials.Go(func() {
			dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}
			if conn, err := dialer.Dial("tcp", target.String()); err == nil {
				_ = conn.Close()
			}
		})
		return nil
	}
}
