package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/status"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// viewer is an extension that shows receivers to a test. The one of the collector is tested in its own module.
type viewer struct {
	component.StartFunc
	component.ShutdownFunc
	mu    sync.Mutex
	shown map[string]func() *status.Snapshot
}

func (v *viewer) Show(receiver string, look func() *status.Snapshot) (func(), error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown[receiver] != nil {
		return nil, errors.New("it shows a receiver of that name already")
	}
	v.shown[receiver] = look
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.shown, receiver)
	}, nil
}

// snapshot returns what a receiver knows, or nil if it is not shown.
func (v *viewer) snapshot(receiver string) *status.Snapshot {
	v.mu.Lock()
	look := v.shown[receiver]
	v.mu.Unlock()
	if look == nil {
		return nil
	}
	return look()
}

func newViewer() (*viewer, host) {
	v := &viewer{shown: make(map[string]func() *status.Snapshot)}
	return v, host{component.MustNewID("page"): v, component.MustNewID("other"): noElector{}}
}

// newShown returns a receiver that is to be shown.
func newShown(t *testing.T, settings Settings) *part {
	t.Helper()
	if settings.Status == "" {
		settings.Status = "page"
	}
	settings.FlushInterval, settings.Metrics = time.Hour, reporttest.DefaultMetrics()
	set := receivertest.NewNopSettings(metadata.Type)
	set.ID = component.MustNewID("tcpcheck")
	r, err := newWithMetrics(set, settings, &ends{live: make(map[string]bool)})
	require.NoError(t, err)
	return r
}

// looker is a receiver that does not run, and is shown: a test makes its checks.
func newLooker(t *testing.T, targets ...check.Target) *checker {
	t.Helper()
	made := newShown(t, Settings{})
	c := &checker{Receiver: made.of}
	for _, target := range targets {
		c.targets = append(c.targets, c.newTarget(&target, time.Now()))
	}
	c.add(c.targets)
	c.showing.follow(c.targets, new(check.List))
	return c
}

// checkAll checks each target once, and returns what is known then.
func (c *checker) checkAll() *status.Snapshot {
	for _, target := range c.targets {
		c.check(context.Background(), target, 0, func() {})
	}
	c.showing.last = nil
	return c.look()
}

// What is known of targets that are up, down, up over one family only, and not checked by this machine.
func TestSnapshot(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	denied := checked("denied", up)
	denied.Addresses = &check.Addresses{Denied: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	c := newLooker(t, checked("up", up), checked("down", closed), checked("unable", netip.MustParseAddrPort("[fe80::1%nosuchif]:80")), denied, checked("up", up))
	began := time.Now().Round(0)
	before := c.look()
	require.Len(t, before.Instances, 5)
	assert.Empty(t, before.Instances[0].Endpoints)
	assert.Same(t, before, c.look(), "it is shared for a second")

	known := c.checkAll()
	assert.Equal(t, "tcpcheck", known.Receiver)
	require.Len(t, known.Instances, 5)
	assert.Equal(t, known.Instances[0].ID+1, known.Instances[4].ID, "they have one key")
	e := known.Instances[0].Endpoints[0]
	assert.Equal(t, status.Up, e.State)
	assert.Equal(t, check.IPv4, e.Family)
	assert.Equal(t, up.Addr(), e.Address)
	assert.False(t, e.Since.Before(began))
	assert.Positive(t, e.Last)
	assert.InDelta(t, e.Last.Seconds(), e.Average.Seconds(), 1e-6)
	assert.Equal(t, status.WasUp, e.Strip.At(status.Buckets-1))
	assert.Empty(t, known.Instances[0].Events)

	e = known.Instances[1].Endpoints[0]
	assert.Equal(t, status.Down, e.State)
	assert.Equal(t, check.ConnectionRefused, e.ErrorType)
	assert.Equal(t, "connection refused", e.Reason)
	assert.Equal(t, check.Peer, e.Source)
	assert.Contains(t, e.Message, "refused")
	assert.Equal(t, status.WasDown, e.Strip.At(status.Buckets-1))
	require.Len(t, known.Instances[1].Events, 1)
	event := known.Instances[1].Events[0]
	assert.Equal(t, fmt.Sprintf(`cannot connect to "down" (%v) over ipv4: connection refused`, closed), event.Text)
	assert.Equal(t, status.Warn, event.Severity)
	assert.Equal(t, "tcpcheck.address.down", event.Name)
	require.NotEmpty(t, known.Events)
	assert.Equal(t, event.Text, known.Events[0].Text)
	assert.Same(t, known.Instances[1].Target, known.Events[0].Target)

	e = known.Instances[2].Endpoints[0]
	assert.Equal(t, status.Unchecked, e.State)
	assert.Equal(t, "no such network interface", e.Reason)
	assert.False(t, e.Since.IsZero())
	assert.Equal(t, status.WasUnchecked, e.Strip.At(status.Buckets-1))

	assert.Empty(t, known.Instances[3].Endpoints)
	assert.Equal(t, []check.NotChecked{{Key: denied.Key(), Address: up.Addr(), Reason: check.DeniedAddress, Text: report.Denied}}, known.NotChecked)
}

// A failure that is not confirmed is a doubt, and the hint tells of the family that is down.
func TestSnapshotOfOneFamily(t *testing.T) {
	testnet.RequireIPv6(t)
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	target := check.Target{
		Host: "localhost", Port: up.Port(), Families: check.Families, Timeout: 10 * time.Second, Interval: time.Hour, CacheDuration: check.UntilError,
		MaxCacheDuration: time.Hour, Retry: check.Retry{Attempts: 1, Interval: time.Second}, Labels: check.Labels{Name: "one"},
	}
	c := newLooker(t, target)
	e := c.checkAll().Instances[0].Endpoints
	require.Len(t, e, 2)
	assert.Equal(t, []status.State{status.Up, status.Unknown}, []status.State{e[0].State, e[1].State})
	assert.True(t, e[1].Doubtful)
	assert.Equal(t, status.Mark(0), e[1].Strip.At(status.Buckets-1))
	e = c.checkAll().Instances[0].Endpoints
	assert.Equal(t, status.Down, e[1].State)
	assert.False(t, e[1].Doubtful)
	assert.Contains(t, e[1].Hint, "It connects over ipv4 and is refused over ipv6")
	assert.Empty(t, e[0].Hint)
}

// The layers above the connection are those of the last session, and so is the certificate.
func TestSnapshotOfSessions(t *testing.T) {
	authority := testnet.NewAuthority(t)
	good := testnet.NewTLSServer(t, authority.Issue([]string{"127.0.0.1"}), loopback)
	bad := testnet.NewTLSServer(t, authority.Issue([]string{"other.example"}), loopback)
	first, second := checked("good", addressOf(good)), checked("bad", addressOf(bad))
	first.TLS = &check.TLS{Client: trusting{authority}, Interval: time.Hour}
	second.TLS = first.TLS
	c := newLooker(t, first, second)
	require.Nil(t, c.checkAll().Instances[0].Endpoints[0].TLS)
	for _, target := range c.targets {
		c.checkSessions(context.Background(), target, 0, func() {})
	}
	known := c.checkAll()
	layer := known.Instances[0].Endpoints[0].TLS
	require.NotNil(t, layer)
	assert.Equal(t, status.Up, layer.State)
	assert.True(t, layer.Ends.After(time.Now()))
	assert.Positive(t, layer.Time)
	layer = known.Instances[1].Endpoints[0].TLS
	assert.Equal(t, status.Down, layer.State)
	assert.Equal(t, check.TLSNameMismatch, layer.ErrorType)
	assert.Equal(t, "name mismatch", layer.Reason)
	assert.False(t, layer.Since.IsZero())
	assert.Equal(t, status.Up, known.Instances[1].Endpoints[0].State)
}

// The snapshot follows the list, and has what is not checked of it, and the targets that another collector checks.
func TestSnapshotOfList(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	lists, elector := make(chan check.List), &elector{}
	v, extensions := newViewer()
	extensions[component.MustNewID("elector")] = elector
	target := func(name string) check.Target { return newTarget(name, up, time.Hour) }
	r := newShown(t, Settings{List: check.List{Targets: pointers(target("a"))}, Watch: watchOf(lists), Elector: "elector"})
	require.NoError(t, r.Start(context.Background(), extensions))
	shows := func(want func(s *status.Snapshot) bool) {
		t.Helper()
		require.Eventually(t, func() bool { return want(v.snapshot("tcpcheck")) }, time.Minute, 10*time.Millisecond)
	}
	shows(func(s *status.Snapshot) bool {
		return len(s.Instances) == 0 && len(s.NotChecked) == 1 && s.NotChecked[0].Reason == check.Elsewhere && s.NotChecked[0].Name == "a"
	})
	elector.elect(true)
	shows(func(s *status.Snapshot) bool { return len(s.Instances) == 1 && len(s.NotChecked) == 0 })
	refused := check.NotChecked{Key: check.Key{Name: "c"}, Reason: check.Refused, Text: "it has no port"}
	lists <- check.List{
		Targets: pointers(target("a"), target("b")), Refused: 1, NotChecked: []check.NotChecked{refused},
		Sources: []check.Source{{Name: "a.yaml", Err: errors.New("it is gone"), Stale: time.Unix(0, 0)}, {Name: "b.yaml"}},
	}
	shows(func(s *status.Snapshot) bool {
		return len(s.Instances) == 2 && len(s.NotChecked) == 1 && s.NotChecked[0] == refused && len(s.Stale) == 1 && s.Stale[0].Name == "a.yaml"
	})
	lists <- check.List{Targets: pointers(target("b"))}
	shows(func(s *status.Snapshot) bool {
		return len(s.Instances) == 1 && s.Instances[0].Target.Labels.Name == "b" && s.NotChecked == nil
	})
	require.NoError(t, r.Shutdown(context.Background()))
	assert.Nil(t, v.snapshot("tcpcheck"), "it is shown no longer")
}

// Many that look at the same time while all is checked get few snapshots.
func TestManyLook(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	v, extensions := newViewer()
	r := newShown(t, Settings{List: check.List{Targets: pointers(newTarget("a", up, 100*time.Millisecond))}})
	require.NoError(t, r.Start(context.Background(), extensions))
	var looking sync.WaitGroup
	seen := make(map[*status.Snapshot]bool)
	var mu sync.Mutex
	for range 20 {
		looking.Go(func() {
			for range 50 {
				s := v.snapshot("tcpcheck")
				mu.Lock()
				seen[s] = true
				mu.Unlock()
			}
		})
	}
	looking.Wait()
	assert.Less(t, len(seen), 1000)
	require.NoError(t, r.Shutdown(context.Background()))
}

func TestBadViewer(t *testing.T) {
	for id, want := range map[string]string{
		"page/2": "status: there is no extension page/2; it has to be in extensions, and in service.extensions",
		"other":  "status: the extension other shows no status",
		"page":   "status: the extension page: it shows a receiver of that name already",
	} {
		v, extensions := newViewer()
		_, err := v.Show("tcpcheck", func() *status.Snapshot { return nil })
		require.NoError(t, err)
		r := newShown(t, Settings{Status: id})
		require.EqualError(t, r.Start(context.Background(), extensions), want)
		require.NoError(t, r.Shutdown(context.Background()))
		assert.Len(t, v.shown, 1, "the other one is shown still")
	}
}

// A start that fails leaves nothing on the page.
func TestFailedStartIsNotShown(t *testing.T) {
	v, extensions := newViewer()
	r := newShown(t, Settings{Elector: "nobody"})
	require.Error(t, r.Start(context.Background(), extensions))
	assert.Empty(t, v.shown)
	require.NoError(t, r.Shutdown(context.Background()))
}

// Who is not shown keeps nothing.
func TestNothingIsKept(t *testing.T) {
	r := start(t, make(instances, 10), newTarget("a", testnet.Listen(t, "tcp4", "127.0.0.1:0"), time.Hour))
	assert.Nil(t, r.of.showing)
	assert.Nil(t, r.of.newTarget(&check.Target{Host: "h"}, time.Now()).history)
	require.NoError(t, r.Shutdown(context.Background()))
}

// How long it takes to look at 10,000 targets.
func BenchmarkSnapshot(b *testing.B) {
	settings := Settings{Status: "page", FlushInterval: time.Hour, Metrics: reporttest.DefaultMetrics()}
	made, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), settings, &ends{live: make(map[string]bool)})
	require.NoError(b, err)
	r := made.of
	var targets []*target
	now := time.Now()
	for i := range 10_000 {
		host := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		t := r.newTarget(&check.Target{Host: fmt.Sprint("h", i), Port: 443, Labels: check.Labels{Name: fmt.Sprint("web ", i)}}, now)
		results := []check.Result{{Family: check.IPv4, Address: host, Status: check.Up, HandshakeTime: time.Millisecond}, {Family: check.IPv6, Address: netip.AddrFrom16(host.As16()), Status: check.Up, HandshakeTime: time.Millisecond}}
		if i%100 == 0 {
			results[1].Status, results[1].ErrorType, results[1].Err = check.Down, check.ConnectionRefused, errors.New("connection refused")
		}
		found := &check.Report{Target: t.Target, Time: now, Results: results}
		t.known.Observe(found)
		t.history.Observe(found)
		targets = append(targets, t)
	}
	r.showing.follow(targets, new(check.List))
	b.ReportAllocs()
	for b.Loop() {
		r.showing.last = nil
		r.look()
	}
}
