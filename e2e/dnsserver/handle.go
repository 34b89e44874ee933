package dnsserver

import (
	"net"
	"time"

	"github.com/miekg/dns"
)

// maxUDPSize is how long answers over UDP are at most, whatever the client
// takes: what passes any network without fragments, and what clients offer.
const maxUDPSize = 1232

// handle answers a query. That it has exactly one question is seen to by the
// library.
func (s *Server) handle(w dns.ResponseWriter, query *dns.Msg) {
	asked := query.Question[0]
	answer := s.zones.query(asked.Name, asked.Qtype)
	if answer.Silent || !s.wait(answer.Delay) {
		return
	}
	reply := new(dns.Msg).SetRcode(query, int(answer.Code))
	reply.Authoritative = true
	reply.Compress = true
	for _, addr := range answer.Addrs {
		// Of no time to live: what is programmed next must not be hidden.
		header := dns.RR_Header{Name: asked.Name, Rrtype: asked.Qtype, Class: dns.ClassINET}
		if addr.Is4() {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.IP(addr.AsSlice())})
		} else {
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header, AAAA: net.IP(addr.AsSlice())})
		}
	}
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil { // RFC 6891, section 6.2.5
		size = min(max(size, int(opt.UDPSize())), maxUDPSize)
		reply.SetEdns0(maxUDPSize, false)
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		if answer.Truncate {
			reply.Answer = nil
			reply.Truncated = true
		} else {
			reply.Truncate(size)
		}
	}
	_ = w.WriteMsg(reply) // fails only for a client that has gone
}

// wait waits for as long as an answer is delayed. It returns false if the
// server was closed before.
func (s *Server) wait(delay time.Duration) bool {
	if delay <= 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closed:
		return false
	}
}
