package source

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	httpsd "github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// discover runs the discoverers of the jobs until ctx ends. What they say comes as events.
func (w *watcher) discover(ctx context.Context, running *sync.WaitGroup) {
	for i, j := range w.options.jobs {
		w.run(ctx, running, j, w.found[i])
	}
}

// run runs the discoverers of a job until ctx ends.
func (w *watcher) run(ctx context.Context, running *sync.WaitGroup, j *job, f *found) {
	for i, by := range f.by {
		running.Go(func() {
			if err := w.runDiscoverer(ctx, j, f, by, j.discovery[i]); err != nil {
				w.tell(ctx, event{found: f, by: by, err: err, whole: true})
			}
		})
	}
}

// runDiscoverer runs a discoverer until ctx ends.
func (w *watcher) runDiscoverer(ctx context.Context, j *job, f *found, by *discoverer, c discovery.Config) error {
	if sd, isHTTP := c.(*httpsd.SDConfig); isHTTP {
		return w.runHTTP(ctx, j, f, by, sd)
	}
	d, err := c.NewDiscoverer(discovery.DiscovererOptions{
		Logger: slog.New(&faults{watcher: w, ctx: ctx, found: f, by: by}), Metrics: w.metrics[c.Name()], SetName: j.name,
		HTTPClientOptions: httpOptions,
	})
	if err != nil {
		return err
	}
	updates := make(chan []*targetgroup.Group)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx, updates)
	}()
	for {
		select {
		case groups, more := <-updates:
			if !more {
				updates = nil // that was all, as of static_configs
				break
			}
			w.tell(ctx, event{found: f, by: by, groups: j.groups(groups)})
		case <-ctx.Done():
			select {
			case <-ended:
			case <-time.After(endPatience): // a query of DNS takes its time, whatever ctx says
			}
			return nil
		}
	}
}

// httpOptions are those of all clients of servers that have targets.
var httpOptions = []config.HTTPClientOption{config.WithDialContextFunc(dialLimited), config.WithKeepAlivesDisabled()}

// endPatience is how long a discoverer is waited for that is to end.
const endPatience = 100 * time.Millisecond

// tell has an event observed, unless ctx ends before.
func (w *watcher) tell(ctx context.Context, e event) {
	e.over = ctx.Err
	select {
	case w.events <- e:
	case <-ctx.Done():
	}
}

// groups returns the groups that a discoverer of the job has found.
func (j *job) groups(of []*targetgroup.Group) []group {
	var groups []group
	for _, g := range of {
		if g == nil {
			continue
		}
		made := group{name: g.Source, sum: sumOfLabels(g.Labels), instance: func(n int, m *entryMaker, p *Problems, place string) *Instance {
			return j.instance(p, place, g.Targets[n], g.Labels, m.builder, m.reserved)
		}}
		made.sum[0] += j.version
		of := made.sum // a target has the labels of its group
		for _, target := range g.Targets {
			s := of.with(sumOfLabels(target))
			made.targets, made.sum = append(made.targets, s), made.sum.with(s)
		}
		groups = append(groups, made)
	}
	return groups
}

// sumOfLabels returns that of labels, which have no order.
func sumOfLabels(set model.LabelSet) (s sum) {
	for name, value := range set {
		for i, seed := range sumSeeds {
			s[i] += maphash.Comparable(seed, [2]string{string(name), string(value)})
		}
	}
	return s
}

// faults is the handler of what a discoverer logs: that it fails is all that matters.
type faults struct {
	*watcher
	ctx   context.Context
	found *found
	by    *discoverer
	error string
	path  string
}

// Enabled implements slog.Handler.
func (*faults) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle implements slog.Handler.
func (h *faults) Handle(_ context.Context, record slog.Record) error {
	at := *h
	record.Attrs(func(a slog.Attr) bool {
		at.take(a)
		return true
	})
	text := at.error
	if text == "" {
		text = record.Message
	}
	const nothingCame = "Unable to refresh target groups"
	h.tell(h.ctx, event{found: h.found, by: h.by, err: errors.New(text), path: at.path, whole: record.Message == nothingCame})
	return nil
}

// take takes note of an attribute.
func (h *faults) take(a slog.Attr) {
	switch a.Key {
	case "err":
		h.error = a.Value.String()
	case "path":
		h.path = a.Value.String()
	}
}

// WithAttrs implements slog.Handler.
func (h *faults) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, a := range attrs {
		with.take(a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *faults) WithGroup(string) slog.Handler { return h }

// dialLimited dials for a connection from which so much can be read as a file may have.
func dialLimited(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, network, address) //nolint:forbidigo // it is to a server that has targets, and to none of these
	if err != nil {
		return nil, err
	}
	return &limitedConn{Conn: conn, left: maxFile}, nil
}

// limitedConn is a connection from which only so many bytes can be read.
type limitedConn struct {
	net.Conn
	left int64
}

// Read implements net.Conn.
func (c *limitedConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the answer has more than the %d bytes that are read", int64(maxFile))
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}
