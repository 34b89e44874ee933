package receiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// listed is a checker whose list changes.
type listed struct {
	*testing.T
	*checker
}

func newListed(t *testing.T, metrics metadata.MetricsBuilderConfig, targets ...check.Target) *listed {
	t.Helper()
	c := newChecker(t, metrics)
	c.settings.Watch = func(context.Context, func(check.List)) {}
	l := &listed{t, c}
	l.change(check.List{Targets: pointers(targets...)})
	return l
}

// change changes the list, and checks each of its targets.
func (l *listed) change(list check.List) {
	l.Receiver.change(list)
	l.targets = l.Receiver.targets
}

// named returns the target of this name, or nil.
func (l *listed) named(name string) *target {
	for _, t := range l.Receiver.targets {
		if t.Labels.Name == name {
			return t
		}
	}
	return nil
}

// lines checks each target, and returns what is handed over, without the ports.
func (l *listed) lines() []string {
	l.Helper()
	lines := reporttest.Lines(l, l.collect(l.T))
	for i := range lines {
		for _, attribute := range []string{"network.peer.address=127.0.0.1 ", "server.address=127.0.0.1 ", "network.type=ipv4 "} {
			lines[i] = strings.ReplaceAll(lines[i], attribute, "")
		}
		before, after, _ := strings.Cut(lines[i], "server.port=")
		_, after, _ = strings.Cut(after, " ")
		lines[i] = before + after
	}
	slices.Sort(lines)
	return lines
}

// messages returns those that were logged since the last call.
func (l *listed) messages() (messages []string) {
	for _, entry := range l.logs.TakeAll() {
		messages = append(messages, entry.Message)
	}
	return messages
}

// What a change of the list means for each target.
func TestChange(t *testing.T) {
	metrics := reporttest.DefaultMetrics()
	metrics.Metrics.TcpcheckChecks.Enabled = true
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	l := newListed(t, metrics, checked("stays", up), checked("goes", closed), checked("is relabelled", up))
	assert.Equal(t, []string{
		"{} can_connect{tcpcheck.instance=goes} 0",
		"{} can_connect{tcpcheck.instance=is relabelled} 1",
		"{} can_connect{tcpcheck.instance=stays} 1",
		"{} checks{tcpcheck.instance=goes} 1",
		"{} checks{tcpcheck.instance=is relabelled} 1",
		"{} checks{tcpcheck.instance=stays} 1",
		"{} errors{error.type=connection_refused tcpcheck.instance=goes} 1",
	}, l.lines())
	assert.Equal(t, []string{
		"the list of targets has changed: 3 added, 0 changed, 0 removed, 3 in all",
		fmt.Sprintf(`cannot connect to "goes" (127.0.0.1:%d) over ipv4: connection refused`, closed.Port()),
	}, l.messages())

	stays, relabelled := l.named("stays"), l.named("is relabelled")
	probe, phase := relabelled.probe, relabelled.entry
	other := checked("is relabelled", up)
	other.Labels.Tags = []check.Tag{{Key: "a", Value: "b"}}
	l.change(check.List{Targets: pointers(checked("comes", up), other, checked("stays", up))})
	assert.Equal(t, []string{
		fmt.Sprintf(`"goes" (127.0.0.1:%d) over ipv4 is no longer checked`, closed.Port()),
		"the list of targets has changed: 1 added, 1 changed, 1 removed, 3 in all",
	}, l.messages())
	assert.Equal(t, []string{
		"{} can_connect{a=b tcpcheck.instance=is relabelled} 1",
		"{} can_connect{tcpcheck.instance=comes} 1",
		"{} can_connect{tcpcheck.instance=goes} ended",
		"{} can_connect{tcpcheck.instance=is relabelled} ended",
		"{} can_connect{tcpcheck.instance=stays} 1",
		"{} checks{a=b tcpcheck.instance=is relabelled} 1",
		"{} checks{tcpcheck.instance=comes} 1",
		"{} checks{tcpcheck.instance=goes} ended",
		"{} checks{tcpcheck.instance=is relabelled} ended",
		"{} checks{tcpcheck.instance=stays} 2",
		"{} errors{error.type=connection_refused tcpcheck.instance=goes} ended",
	}, l.lines())
	assert.Same(t, stays, l.named("stays"))
	assert.Same(t, relabelled, l.named("is relabelled"), "it keeps its state")
	assert.Same(t, probe, relabelled.probe, "and its addresses")
	assert.Same(t, phase, relabelled.entry, "and its phase")

	l.change(check.List{Targets: pointers(checked("comes", up), other, checked("stays", up))})
	assert.Empty(t, l.messages(), "nothing has changed")
	assert.Equal(t, 3, l.schedule.Stats().Targets)

	l.change(check.List{})
	for _, line := range l.lines() {
		assert.True(t, strings.HasSuffix(line, " ended"), line)
	}
	assert.Empty(t, l.lines(), "no series rises again")
	assert.Equal(t, 0, l.schedule.Stats().Targets)
}

// A target that is checked otherwise than before keeps its state and its series.
func TestChangeOfTheCheck(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	l := newListed(t, reporttest.DefaultMetrics(), checked("web", closed))
	l.lines()
	web := l.named("web")
	probe := web.probe
	l.messages()
	other := checked("web", closed)
	other.Timeout, other.Interval = 2*time.Second, 5*time.Second
	l.change(check.List{Targets: pointers(other)})
	assert.Equal(t, []string{
		"{} can_connect{tcpcheck.instance=web} 0",
		"{} errors{error.type=connection_refused tcpcheck.instance=web} 2",
	}, l.lines())
	assert.Equal(t, []string{"the list of targets has changed: 0 added, 1 changed, 0 removed, 1 in all"}, l.messages(), "it was down before")
	assert.NotSame(t, probe, web.probe)
	assert.Equal(t, 2*time.Second, web.Timeout)
}

// Targets with one key are told apart by their order, and one that is wrong now goes on as it
// was.
func TestKeys(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	tagged := func(value string) check.Target {
		c := checked("web", up)
		c.Labels.Tags = []check.Tag{{Key: "a", Value: value}}
		return c
	}
	l := newListed(t, reporttest.DefaultMetrics(), tagged("1"), tagged("2"), checked("other", up))
	first, second := l.Receiver.targets[0], l.Receiver.targets[1]
	l.messages()
	l.change(check.List{Targets: pointers(tagged("1"), tagged("2")), Kept: []check.Key{{Host: "127.0.0.1", Port: up.Port(), Name: "other"}, {Name: "new"}}})
	assert.Empty(t, l.messages())
	assert.Len(t, l.Receiver.targets, 3)
	assert.Same(t, first, l.Receiver.targets[0])
	assert.Same(t, second, l.Receiver.targets[1])
	assert.NotNil(t, l.named("other"))
}

// What is known of a resource is forgotten with the last target that has it.
func TestServices(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	of := func(service string) check.Target {
		c := checked("web", up)
		c.Labels.Service = service
		return c
	}
	l := newListed(t, reporttest.DefaultMetrics())
	for n := range 5 {
		l.change(check.List{Targets: pointers(of(fmt.Sprint(n)))})
		lines := l.lines()
		assert.Contains(t, lines, fmt.Sprintf("{service.name=%d} can_connect{tcpcheck.instance=web} 1", n))
		if n > 0 {
			assert.Contains(t, lines, fmt.Sprintf("{service.name=%d} can_connect{tcpcheck.instance=web} ended", n-1))
		}
	}
}

// What is new about the sources is said once, and is the status of the receiver.
func TestSources(t *testing.T) {
	l := newListed(t, reporttest.DefaultMetrics())
	host := &reporter{}
	l.health.hosts = []component.Host{host}
	stale := func(text string) check.List {
		return check.List{
			Refused: 2, Warnings: []string{"this is wrong"},
			Sources: []check.Source{{Name: "a.yaml", Err: errors.New(text), Stale: time.Unix(0, 0)}, {Name: "b.yaml"}},
		}
	}
	for _, test := range []struct {
		list   check.List
		want   []string
		status string
	}{
		{check.List{Sources: []check.Source{{Name: "a.yaml"}}}, nil, ""},
		{stale("bad"), []string{"this is wrong", "the list of a.yaml cannot be taken as it is, so the last good one stays"}, "StatusRecoverableError"},
		{stale("bad"), nil, ""},
		{stale("worse"), []string{"the list of a.yaml cannot be taken as it is, so the last good one stays"}, ""},
		{check.List{Sources: []check.Source{{Name: "a.yaml"}}}, []string{"the list of a.yaml is up to date again"}, "StatusOK"},
		{stale("bad"), []string{"this is wrong", "the list of a.yaml cannot be taken as it is, so the last good one stays"}, "StatusRecoverableError"},
		{check.List{}, nil, "StatusOK"},
	} {
		l.messages()
		host.events = nil
		l.change(test.list)
		assert.Equal(t, test.want, l.messages())
		if test.status == "" {
			assert.Empty(t, host.events)
		} else if assert.Len(t, host.events, 1) {
			assert.Equal(t, test.status, host.events[0].Status().String())
		}
		assert.Equal(t, test.list.Refused, l.sources.refusedNow())
		for name, age := range l.sources.staleFor(time.Unix(60, 0)) {
			assert.Equal(t, name == "a.yaml" && test.list.Refused > 0, age == time.Minute, name)
		}
	}
}

// watchOf returns a Watch that passes lists on.
func watchOf(lists <-chan check.List) func(context.Context, func(check.List)) {
	return func(ctx context.Context, changed func(check.List)) {
		for {
			select {
			case list := <-lists:
				changed(list)
			case <-ctx.Done():
				return
			}
		}
	}
}

// A check that is under way is given up where its target is removed or checked otherwise, and a
// new target is checked at once.
func TestChangeWhileItRuns(t *testing.T) {
	up, silent := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.BlackHole(t)
	lists := make(chan check.List)
	payloads := make(instances, 100)
	target := func(name string) check.Target { return newTarget(name, up, time.Hour) }
	waits := newTarget("waits", silent, time.Hour)
	waits.Timeout = time.Hour
	made, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{
		List: check.List{Targets: pointers(waits, target("a"))}, FlushInterval: time.Hour, Metrics: metadata.NewDefaultMetricsBuilderConfig(),
		Watch: watchOf(lists),
	}, payloads)
	require.NoError(t, err)
	r := made.of
	require.NoError(t, made.Start(context.Background(), componenttest.NewNopHost()))
	await := func(name string) {
		for !slices.Contains(<-payloads, name) {
		}
	}
	underWay := func(want int) {
		require.Eventually(t, func() bool { return r.schedule.Stats().UnderWay == want }, time.Minute, time.Millisecond)
	}
	await("a")
	underWay(1)
	waits.Timeout = 2 * time.Hour
	lists <- check.List{Targets: pointers(waits, target("a"), target("b"))}
	await("b")
	underWay(1) // anew
	lists <- check.List{Targets: pointers(target("a"), target("b"))}
	underWay(0)
	lists <- check.List{Targets: pointers(target("b"))}
	await("a") // its end
	require.NoError(t, made.Shutdown(context.Background()))
}

// A list may change at any moment, also while its targets are checked: in the end, each series
// has ended.
func TestChangesOfManyTargets(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	const rounds, most = 60, 40
	changed := make(chan struct{})
	watch := func(_ context.Context, change func(check.List)) {
		defer close(changed)
		for round := range rounds {
			var list check.List
			for n := range most {
				if (n*7+round*3)%5 == 0 {
					continue
				}
				c := newTarget(fmt.Sprint(n), up, 100*time.Millisecond)
				if n%3 == 0 {
					c.Port = closed.Port()
				}
				c.Labels.Tags = []check.Tag{{Key: "tag", Value: fmt.Sprint((n + round) / 10)}}
				c.Interval += time.Duration(round%2) * time.Millisecond
				list.Targets = append(list.Targets, &c)
			}
			change(list)
			pass(5 * time.Millisecond)
		}
		change(check.List{})
	}
	sink := &ends{live: make(map[string]bool)}
	r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{FlushInterval: 5 * time.Millisecond, Metrics: reporttest.DefaultMetrics(), Watch: watch}, sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	<-changed
	require.NoError(t, r.Shutdown(context.Background()))
	assert.Positive(t, sink.ended)
	assert.Empty(t, sink.live)
}

// ends is a consumer that knows which series of targets have not ended.
type ends struct {
	mu    sync.Mutex
	live  map[string]bool
	ended int
}

func (e *ends) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// count returns how many series have not ended.
func (e *ends) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

func (e *ends) ConsumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, resource := range metrics.ResourceMetrics().All() {
		for _, metric := range resource.ScopeMetrics().At(0).Metrics().All() {
			if strings.HasPrefix(metric.Name(), "tcpcheck.machine.") {
				continue // it is of no target, and comes once a test takes longer than a second
			}
			for _, point := range reporttest.Points(metric).All() {
				key := metric.Name() + reporttest.Attributes(point.Attributes().AsRaw())
				if point.Flags().NoRecordedValue() {
					e.ended++
					delete(e.live, key)
				} else {
					e.live[key] = true
				}
			}
		}
	}
	return nil
}
