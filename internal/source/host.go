package source

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// checkTarget checks host and port, wherever they are written.
func (v *instanceValidator) checkTarget() {
	if v.instance.Endpoint != "" {
		v.checkEndpoint()
		return
	}
	if v.has(v.place("endpoint")) {
		return // whatever it was meant to be
	}
	if v.instance.Host == "" {
		v.Add(v.place("host"), "there is none; write host and port, or endpoint")
	} else {
		v.checkHost(v.place("host"), v.instance.Host, v.instance.Host)
	}
	if v.instance.Port == nil {
		v.Add(v.place("port"), "there is none; write host and port, or endpoint")
	} else if port := *v.instance.Port; port < 1 || port > 65535 {
		v.Add(v.place("port"), "%d is not between 1 and 65535", port)
	}
}

func (v *instanceValidator) checkEndpoint() {
	place, endpoint := v.place("endpoint"), v.instance.Endpoint
	if v.instance.Host != "" || v.instance.Port != nil {
		v.Add(place, "%q excludes host and port; write one or the other", endpoint)
		return
	}
	if strings.Contains(endpoint, "://") {
		v.Add(place, "%q has a scheme; write host:port", endpoint)
		return
	}
	host, port, err := net.SplitHostPort(endpoint)
	switch {
	case err != nil && isIPv6(endpoint):
		v.Add(place, "%q is an IPv6 address; write [address]:port", endpoint)
	case err != nil:
		v.Add(place, "%q is not host:port", endpoint)
	case host == "":
		v.Add(place, "%q has no host; write host:port", endpoint)
	case strings.HasPrefix(endpoint, "[") && !isIPv6(host):
		v.Add(place, "%q has brackets around what is no IPv6 address", endpoint)
	default:
		v.checkHost(place, host, endpoint)
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			v.Add(place, "%q has a port that is not between 1 and 65535", endpoint)
		}
	}
}

// checkHost checks a host that is all or part of what the user wrote at place.
func (v *instanceValidator) checkHost(place, host, written string) {
	if reason := hostProblem(host); reason != "" {
		v.Add(place, "%q %s", written, reason)
		return
	}
	literal, err := netip.ParseAddr(unbracket(host))
	if err != nil {
		return
	}
	family := check.FamilyOf(literal)
	asked := v.instance.families()
	switch {
	case len(asked) == 0 || slices.Equal(asked, []check.Family{family}):
	case bool(v.instance.IPv4Only):
		v.Add(place, "%q is an %s address, but ipv4_only is true", written, family)
	default:
		v.Add(place, "%q is an %s address, but address_families asks for %s", written, family, family.Other())
	}
}

// hostProblem says what is wrong with a host, or returns an empty text. A host is
// an IP literal, with or without brackets if it is IPv6, or a name of labels as
// in RFC 1035, section 2.3.4, in which underscores are in use as well.
func hostProblem(host string) string {
	if literal, err := netip.ParseAddr(unbracket(host)); err == nil {
		switch {
		case unbracket(host) != host && literal.Is4():
			return "has brackets around an IPv4 address"
		case hasControl(literal.Zone()):
			return "has a control character in its zone"
		case literal.Unmap().IsUnspecified():
			return fmt.Sprintf("is the unspecified address, at which no host is; for this machine write %s", loopbackOf[check.FamilyOf(literal)])
		case literal.IsMulticast():
			return "is a multicast address, to which TCP cannot connect"
		case literal.Is6() && literal.IsLinkLocalUnicast() && literal.Zone() == "":
			return "is a link-local address; write its zone as well, as in fe80::1%eth0"
		}
		return ""
	}
	name := strings.TrimSuffix(host, ".")
	switch {
	case strings.Contains(host, "://"):
		return "has a scheme; write the host alone"
	case hasControl(host):
		return "has a control character in it"
	case strings.Contains(host, " "):
		return "has white space in it"
	case strings.Contains(host, "/"):
		return "has a path; write the host alone"
	case hasPort.MatchString(host):
		return "has a port in it; write it as port"
	case strings.ContainsAny(host, ":[]"):
		return "is not an IPv6 address"
	case strings.ContainsFunc(host, func(r rune) bool { return r > 127 }):
		return "is not ASCII; write an internationalised name in its xn-- form"
	case numericName.MatchString(name):
		return "is not an IPv4 address"
	case len(name) > 253:
		return "is longer than the 253 characters of a host name"
	case !hostName.MatchString(name):
		return "is not a host name"
	}
	return ""
}

// loopbackOf is the address of this machine in each family.
var loopbackOf = map[check.Family]string{check.IPv4: "127.0.0.1", check.IPv6: "::1, in an endpoint [::1]"}

func isIPv6(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is6()
}

var (
	hasPort     = regexp.MustCompile(`^([^:]+|\[.*\]):\d*$`)
	numericName = regexp.MustCompile(`^([^.]*\.)*\d+$`) // no top-level domain is a number (RFC 3696, section 2)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$`)
)
