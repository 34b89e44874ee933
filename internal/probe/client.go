package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"

	"example.com/tcpcheckreceiver/internal/check"
)

// client asks some name servers, in their order, and nobody else: it is a stub resolver (RFC
// 1034, section 5.3.1).
//
// Go's resolver cannot be one of these, whatever it is given to dial: it reads the hosts file
// first, does as nsswitch.conf says, which may be to ask no server at all, and asks as often
// and as long as resolv.conf says.
type client struct {
	servers []netip.AddrPort
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// udpSize is the size of the largest answer over UDP that is asked for (RFC 6891): one that
// passes any network without fragments.
const udpSize = 1232

// queryTypes are the types of the records that have the addresses of a family.
var queryTypes = map[check.Family]uint16{check.IPv4: dns.TypeA, check.IPv6: dns.TypeAAAA}

// lookUp returns the addresses that a rooted name has in a family; none, if the name exists
// without. A server that cannot be asked, does not answer or answers that it failed gives way to
// the next one. Those that did not answer are asked once more after all of them: a packet may
// have been lost. They share the time until the deadline of ctx. The error is a *net.DNSError
// that names each server that was asked and what it did, or the one that says that there is no
// such name.
func (c *client) lookUp(ctx context.Context, name string, family check.Family) ([]netip.Addr, error) {
	query := new(dns.Msg).SetQuestion(name, queryTypes[family]).SetEdns0(udpSize, false)
	n := len(c.servers)
	turns := make([]int, n, 2*n) // the servers that are to be asked, by their places
	for i := range turns {
		turns[i] = i
	}
	failures := make([]error, n)
	for i := 0; i < len(turns) && (i == 0 || ctx.Err() == nil); i++ {
		server, left := turns[i], len(turns)-i+max(0, n-i) // each of the first turns may have a second one
		addresses, err := c.ask(ctx, c.servers[server], query, left)
		switch {
		case err == nil:
			return addresses, nil
		case err == errNoSuchHost: //nolint:errorlint // it is never wrapped
			return nil, &net.DNSError{Err: err.Error(), Name: name, Server: c.servers[server].String(), IsNotFound: true}
		case i < n && isTimeout(err):
			turns = append(turns, server)
		}
		failures[server] = err
	}
	return nil, c.failure(name, failures)
}

// failure returns the error of a lookup by those of its servers. It is a timeout if all of them
// were silent.
func (c *client) failure(name string, failures []error) error {
	all := &net.DNSError{Name: name, Server: c.servers[0].String(), IsTimeout: true}
	var texts []string
	for i, err := range failures {
		if err == nil {
			continue // it was not its turn
		}
		all.IsTimeout = all.IsTimeout && isTimeout(err)
		text := check.RootCause(err).Error()
		if i > 0 {
			text = "on " + c.servers[i].String() + ": " + text
		}
		texts = append(texts, text)
	}
	all.Err = strings.Join(texts, "; ")
	return all
}

var (
	// errNoSuchHost is the error where a server says that the name does not exist.
	errNoSuchHost = errors.New("no such host")
	// errReferral is the error where a server says whom else to ask, which is not for a stub
	// resolver to do.
	errReferral = errors.New("it refers to other name servers")
	// errNoReply is the error where what comes over TCP is not the answer to the query.
	errNoReply = errors.New("it answers something else than what it was asked")
)

// ask returns the addresses that a server answers with. It may take one of so many equal parts of
// the time that is left.
func (c *client) ask(ctx context.Context, server netip.AddrPort, query *dns.Msg, parts int) ([]netip.Addr, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(parts))
		defer cancel()
	}
	reply, err := c.exchange(ctx, "udp", server, query)
	if err == nil && reply.Truncated { // RFC 7766, section 5
		reply, err = c.exchange(ctx, "tcp", server, query)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, os.ErrDeadlineExceeded // or the lookup is cut short, and nobody wants to know
	case err != nil:
		return nil, err
	case reply.Rcode == dns.RcodeNameError:
		return nil, errNoSuchHost
	case reply.Rcode != dns.RcodeSuccess:
		return nil, fmt.Errorf("it answers %s", cmp.Or(dns.RcodeToString[reply.Rcode], fmt.Sprintf("the code %d", reply.Rcode)))
	case len(reply.Answer) == 0 && !reply.Authoritative && !reply.RecursionAvailable:
		return nil, errReferral
	}
	var addresses []netip.Addr
	for _, record := range reply.Answer { // those of the aliases on the way as well (CNAME)
		var bytes net.IP
		switch r := record.(type) {
		case *dns.A:
			bytes = r.A
		case *dns.AAAA:
			bytes = r.AAAA
		}
		if address, ok := netip.AddrFromSlice(bytes); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

// exchange sends a query to a server, and returns the reply to it. Over UDP, what is no reply to
// it is passed over: anybody may have sent that (RFC 5452, section 9.1).
func (c *client) exchange(ctx context.Context, network string, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	conn, err := c.dial(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // it fails if it is closed by now
	defer stop()
	query.Id = dns.Id() // a new one for each server (RFC 5452, section 9.2)
	through := dns.Conn{Conn: conn, UDPSize: udpSize}
	if err := through.WriteMsg(query); err != nil {
		return nil, err
	}
	for {
		reply, err := through.ReadMsg()
		var malformed *dns.Error
		switch {
		case err == nil && isReply(reply, query):
			return reply, nil
		case err != nil && !errors.As(err, &malformed):
			return nil, err
		case network == "tcp":
			return nil, errNoReply
		}
	}
}

// isReply reports whether a message is a reply to a query.
func isReply(m, query *dns.Msg) bool {
	if !m.Response || m.Id != query.Id || len(m.Question) != 1 {
		return false
	}
	asked, about := query.Question[0], m.Question[0]
	return strings.EqualFold(about.Name, asked.Name) && about.Qtype == asked.Qtype && about.Qclass == asked.Qclass
}
