package source

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxServers is how many name servers may be asked for a name, as in resolv.conf(5). They
	// share the timeout: with more of them, none has the time to answer.
	maxServers = 3
	// serverPort is the port of a name server that is written without one (RFC 1035, section 4.2).
	serverPort = 53
)

// checkServers finds what is wrong with the name servers of an instance.
func (v *instanceValidator) checkServers() {
	texts := v.Resolver.Servers
	if texts != nil && len(texts) == 0 {
		v.add("resolver.servers", "[] has no name server; leave resolver out for those of this system")
	}
	var servers []netip.AddrPort
	for i, text := range texts {
		option := fmt.Sprintf("resolver.servers[%d]", i)
		server, wrong := parseServer(text)
		switch {
		case wrong != "":
			v.add(option, "%q %s", text, wrong)
		case slices.Contains(servers, server):
			v.add(option, "%q is there twice, as %v", text, server)
		case i >= maxServers:
			v.add(option, "%q is one too many: %d are the most, since they share the timeout", text, maxServers)
		}
		servers = append(servers, server)
	}
}

// addresses returns the name servers in which nothing is wrong.
func (r *Resolver) addresses() (servers []netip.AddrPort) {
	for _, text := range r.Servers {
		if server, wrong := parseServer(text); wrong == "" {
			servers = append(servers, server)
		}
	}
	return servers
}

// parseServer returns a name server that is written as an address, an IPv6 one with or without
// brackets, or as address:port; or says what is wrong with it.
func parseServer(text string) (server netip.AddrPort, wrong string) {
	host, port := text, serverPort
	if match := hasPort.FindStringSubmatch(text); match != nil {
		host = match[1]
		port, _ = strconv.Atoi(text[len(host)+1:]) // it is out of the range if it is none
	}
	address, err := netip.ParseAddr(unbracket(host))
	switch {
	case hasControl(text):
		return server, "has a control character in it"
	case strings.Contains(text, "://"):
		return server, "has a scheme; write the address alone"
	case err != nil && nameProblem(host) == "":
		return server, "is a name, which nobody is there to resolve; write the address of the name server"
	case err != nil:
		return server, "is no IP address, such as 10.0.0.53 or [2001:db8::53]:5353"
	case address.Is4() && strings.HasPrefix(host, "["):
		return server, "has brackets around an IPv4 address"
	case port < 1 || port > 65535:
		return server, "has a port that is not between 1 and 65535"
	case address.Unmap().IsUnspecified():
		return server, "is the unspecified address, at which no name server is"
	case address.Unmap().IsMulticast():
		return server, "is a multicast address, and not that of a name server"
	case lacksZone(address):
		return server, "is a link-local address; write its zone as well, as in fe80::1%eth0"
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(port)), ""
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}
