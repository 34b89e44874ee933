package probe

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/tcpcheckreceiver/internal/check"
)

// mostSessions is how many addresses of one target are asked at the same time.
const mostSessions = 8

// Session goes on where a connection is made, over each address of one target: by a handshake of TLS, by a
// dialogue, or by both. Its checks must not overlap.
type Session struct {
	target *check.Target
	names  *Probe // resolves the host anew for each check
}

// Session returns a Session of a target that has TLS or a Dialog, and may not change after that.
func (s *System) Session(target *check.Target) *Session {
	all := *target
	all.MultipleIPs, all.CacheDuration = true, 0
	return &Session{target: target, names: s.Probe(&all)}
}

// Check resolves the target's host, connects to its addresses and has a session with each. The time of
// the report is what now says at the end. Host returns what is known of this machine. The report has no
// results where ctx ended before all of them were there, and where no connection was made.
func (p *Session) Check(ctx context.Context, now func() time.Time, host func() *HostAddresses) check.SessionReport {
	report := check.SessionReport{Target: p.target}
	addresses := p.names.addresses(ctx, host)
	held := make([]conversation, len(addresses))
	var config *tls.Config
	var unable error
	if p.target.TLS != nil {
		config, unable = p.target.TLS.Client.Load()
	}
	var running errgroup.Group
	running.SetLimit(mostSessions)
	for i, address := range addresses {
		c := &held[i]
		c.begin(p.target, address)
		if unable != nil {
			c.lack(lackingError(unable.Error()), check.LacksCertificates)
			continue
		}
		running.Go(func() error {
			c.hold(ctx, config)
			return nil
		})
	}
	_ = running.Wait() // there is none
	if ctx.Err() == nil {
		for i := range held {
			if p.target.TLS != nil {
				report.TLS = append(report.TLS, held[i].shaken)
			}
			if p.target.Dialog != nil {
				report.Dialogs = append(report.Dialogs, held[i].talked)
			}
		}
	}
	report.Time = now()
	return report
}

// addresses returns those of the target's host that may be dialled, of the families that are checked.
func (p *Probe) addresses(ctx context.Context, host func() *HostAddresses) []netip.Addr {
	if p.literal.IsValid() {
		p.results = []check.Result{{Address: p.literal}}
	} else {
		p.results = nil
		p.resolve(ctx, host(), func() {}, &check.Report{})
	}
	p.deny(&check.Report{})
	var addresses []netip.Addr
	for _, r := range p.results {
		if r.Status == 0 && r.Address.IsValid() {
			addresses = append(addresses, r.Address)
		}
	}
	return addresses
}

// conversation is one session with an address. What its results do not say is unchecked.
type conversation struct {
	target *check.Target
	shaken check.TLSResult
	talked check.DialogResult
}

func (c *conversation) begin(target *check.Target, address netip.Addr) {
	family := check.FamilyOf(address)
	c.target = target
	c.shaken = check.TLSResult{Family: family, Address: address, Status: check.Unchecked}
	c.talked = check.DialogResult{Family: family, Address: address, Status: check.Unchecked}
}

// lack says that this machine was unable to, or with an empty lack, that it did not come to it.
func (c *conversation) lack(err error, lack check.Lack) {
	c.shaken.Err, c.shaken.Lack = err, lack
	c.talked.Err, c.talked.Lack = err, lack
}

// hold has the session; config is nil if it is without TLS.
func (c *conversation) hold(ctx context.Context, config *tls.Config) {
	if err := descriptors().Acquire(ctx, dialDescriptors); err != nil {
		c.lack(err, "") // ctx ended
		return
	}
	defer descriptors().Release(dialDescriptors)
	conn, err := open(ctx, netip.AddrPortFrom(c.shaken.Address, c.target.Port), c.target.Timeout, c.target.Outgoing)
	if err != nil {
		c.unopened(err, config != nil)
		return
	}
	defer conn.Close()
	d := dialog{conn: conn}
	if config != nil && !c.target.Dialog.StartsTLS() && !c.secure(ctx, &d, config) {
		return
	}
	if c.target.Dialog != nil && !c.talk(ctx, &d, conn, config) {
		return
	}
	if client, secured := d.conn.(*tls.Conn); secured {
		_ = client.Close() // with an alert that says so (RFC 8446, section 6.1)
	}
}

// unopened says that there is no connection, and that it is broken off where it was made: see socket.PhaseOf.
func (c *conversation) unopened(err error, secured bool) {
	c.lack(err, lackOf(err))
	if c.shaken.Lack != "" || connectErrorType(err) != check.ConnectionReset {
		return
	}
	if secured && !c.target.Dialog.StartsTLS() {
		c.shaken.Status, c.shaken.ErrorType = check.Down, check.TLSConnectionClosed
	} else if c.target.Dialog != nil {
		c.talked.Status, c.talked.ErrorType = check.Down, check.ConnectionClosed
	}
}

// secure makes the handshake over the connection of a dialogue, and reports whether that goes on over TLS.
func (c *conversation) secure(ctx context.Context, d *dialog, config *tls.Config) bool {
	turn, err := takeTurn(ctx, d.conn, c.target.Timeout)
	if err != nil {
		c.lack(err, "")
		return false
	}
	defer turn.leave()
	s := tlsHandshake{TLSResult: &c.shaken, turn: turn, config: config.Clone(), serverName: c.target.TLS.ServerName}
	if s.serverName == "" {
		s.serverName = c.target.Host
	}
	client := s.shake(ctx, c.target.TLS.ALPN)
	if ctx.Err() != nil {
		c.shaken.Status, c.shaken.ErrorType = check.Unchecked, ""
		c.lack(ctx.Err(), "")
		return false
	}
	if c.shaken.Status != check.Up { // nothing is said to a server that is not verified
		if client != nil {
			_ = client.Close()
		}
		c.talked.Err = c.shaken.Err
		return false
	}
	d.conn, d.heard = client, s.heard
	return true
}

// talk does the steps, and reports whether all of them are done. Conn is the connection below TLS.
func (c *conversation) talk(ctx context.Context, d *dialog, conn net.Conn, config *tls.Config) bool {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	began, apart := time.Now(), time.Duration(0) // from the handshake
	d.steps = c.target.Dialog.Steps
	for i := range d.steps {
		d.deadline = began.Add(c.target.Timeout + apart)
		_ = conn.SetDeadline(d.deadline) // of a connection that is closed, the step fails
		if failed := d.take(i); failed != nil {
			c.talked.Status, c.talked.Err, c.talked.ErrorType = check.Down, failed, failed.errorType
			if c.shaken.Status == check.Unchecked { // it did not come to it
				c.shaken.Err = failed
			}
			break
		}
		if d.steps[i].StartTLS != 0 {
			start := time.Now()
			if !c.secure(ctx, d, config) {
				return false
			}
			apart += time.Since(start)
		}
	}
	if ctx.Err() != nil {
		c.talked.Status, c.talked.Err, c.talked.ErrorType = check.Unchecked, ctx.Err(), ""
	}
	if c.talked.Err != nil {
		return false
	}
	c.talked.Status, c.talked.Time = check.Up, time.Since(began)-apart-d.waited
	return true
}
