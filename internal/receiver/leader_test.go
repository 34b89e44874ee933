package receiver

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/testnet"
)

type (
	startCallback func(context.Context)
	stopCallback  func()
)

// elector has the method of contrib's extension, with types of its own. That one is in the
// end-to-end tests.
type elector struct {
	component.StartFunc
	component.ShutdownFunc
	mu    sync.Mutex
	leads bool
	start []startCallback
	stop  []stopCallback
}

func (e *elector) SetCallBackFuncs(start startCallback, stop stopCallback) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.start, e.stop = append(e.start, start), append(e.stop, stop)
	if e.leads {
		start(context.Background())
	}
}

func (e *elector) elect(leads bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leads = leads
	for i := range e.start {
		if leads {
			e.start[i](context.Background())
		} else {
			e.stop[i]()
		}
	}
}

// noElector is an extension that elects nobody.
type noElector struct {
	component.StartFunc
	component.ShutdownFunc
}

// host has extensions.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// The collector that is elected checks. When another one is, the series end, and begin anew when
// it comes back. The list may change meanwhile.
func TestElector(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	target := func(name string) check.Target { return newTarget(name, up, 20*time.Millisecond) }
	for name, leadsFirst := range map[string]bool{"later": false, "from the start": true} {
		t.Run(name, func(t *testing.T) {
			lists, sink, e := make(chan check.List), &ends{live: make(map[string]bool)}, &elector{leads: leadsFirst}
			r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{
				List: check.List{Targets: pointers(target("a"))}, Watch: watchOf(lists), Elector: "elector",
				FlushInterval: 5 * time.Millisecond, Metrics: reporttest.DefaultMetrics(),
			}, sink)
			require.NoError(t, err)
			require.NoError(t, r.Start(context.Background(), host{component.MustNewID("elector"): e}))
			live := func(n int) {
				t.Helper()
				require.Eventually(t, func() bool { return sink.count() == n }, time.Minute, time.Millisecond)
			}
			if !leadsFirst {
				lists <- check.List{Targets: pointers(target("a"))} // of which nobody takes note yet
				assert.Zero(t, sink.count())
				e.elect(true)
			}
			live(1)
			e.elect(true) // which it knows
			e.elect(false)
			live(0)
			lists <- check.List{Targets: pointers(target("a"), target("b"))}
			e.elect(true)
			live(2)
			require.NoError(t, r.Shutdown(context.Background()))
			e.elect(false) // nobody is told any more that it is over
			e.elect(true)
		})
	}
}

func TestMissingElector(t *testing.T) {
	for id, want := range map[string]string{
		"elector": "k8s_leader_elector: there is no extension elector; it has to be in extensions, and in service.extensions",
		"other":   "k8s_leader_elector: the extension other elects no leader",
	} {
		r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{Elector: id, FlushInterval: time.Hour, Metrics: reporttest.DefaultMetrics()}, &ends{})
		require.NoError(t, err)
		require.EqualError(t, r.Start(context.Background(), host{component.MustNewID("other"): noElector{}}), want)
		require.NoError(t, r.Shutdown(context.Background()))
	}
}
