package source

import (
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
	if v.Endpoint != "" || v.problems.has(v.placeOf(v.place, "endpoint")) {
		v.checkEndpoint() // which adds nothing where it was not decoded
		return
	}
	if v.Host == "" {
		v.add("host", "there is none; write host and port, or endpoint")
	} else {
		v.checkHost("host", v.Host, v.Host)
	}
	if v.Port == nil {
		v.add("port", "there is none; write host and port, or endpoint")
	}
	v.checkPort()
}

func (v *instanceValidator) checkPort() {
	if v.Port != nil && (*v.Port < 1 || *v.Port > 65535) {
		v.add("port", "%d is not between 1 and 65535", *v.Port)
	}
}

func (v *instanceValidator) checkEndpoint() {
	host, port, err := net.SplitHostPort(v.Endpoint)
	switch {
	case v.Host != "" || v.Port != nil:
		v.add("endpoint", "%q excludes host and port; write one or the other", v.Endpoint)
	case strings.Contains(v.Endpoint, "://"):
		v.add("endpoint", "%q has a scheme; write host:port", v.Endpoint)
	case err != nil && isIPv6(v.Endpoint):
		v.add("endpoint", "%q is an IPv6 address; write [address]:port", v.Endpoint)
	case err != nil:
		v.add("endpoint", "%q is not host:port", v.Endpoint)
	case host == "":
		v.add("endpoint", "%q has no host; write host:port", v.Endpoint)
	case strings.HasPrefix(v.Endpoint, "[") && !isIPv6(host):
		v.add("endpoint", "%q has brackets around what is no IPv6 address", v.Endpoint)
	default:
		v.checkHost("endpoint", host, v.Endpoint)
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			v.add("endpoint", "%q has a port that is not between 1 and 65535", v.Endpoint)
		}
	}
}

func isIPv6(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is6()
}

// checkHost checks a host that is all or part of what is written as an option: an IP
// literal, with or without brackets if it is IPv6, or a name.
func (v *instanceValidator) checkHost(option, host, written string) {
	bare := unbracket(host)
	literal, err := netip.ParseAddr(bare)
	if err != nil {
		if reason := nameProblem(host); reason != "" {
			v.add(option, "%q %s", written, reason)
		}
		return
	}
	family, asked := check.FamilyOf(literal), v.families()
	switch {
	case bare != host && literal.Is4():
		v.add(option, "%q has brackets around an IPv4 address", written)
	case hasControl(literal.Zone()):
		v.add(option, "%q has a control character in its zone", written)
	case literal.Unmap().IsUnspecified():
		v.add(option, "%q is the unspecified address, at which no host is; for this machine write %s", written, loopbackOf[family])
	case literal.IsMulticast():
		v.add(option, "%q is a multicast address, to which TCP cannot connect", written)
	case lacksZone(literal):
		v.add(option, "%q is a link-local address; write its zone as well, as in fe80::1%%eth0", written)
	case len(asked) == 0 || slices.Equal(asked, []check.Family{family}):
	case v.IPv4Only.or(false):
		v.add(option, "%q is an %s address, but ipv4_only is true", written, family)
	case len(v.AddressFamilies) == 0:
		v.add(option, "%q is an %s address, but source_address is an %s one", written, family, family.Other())
	default:
		v.add(option, "%q is an %s address, but address_families asks for %s", written, family, family.Other())
	}
}

// lacksZone reports whether an address is of a link, and does not say of which one (RFC 4007, section 6).
func lacksZone(address netip.Addr) bool {
	return address.Is6() && address.IsLinkLocalUnicast() && address.Zone() == ""
}

// loopbackOf is the address of this machine in each family.
var loopbackOf = map[check.Family]string{check.IPv4: "127.0.0.1", check.IPv6: "::1, in an endpoint [::1]"}

// nameProblem says what is wrong with the name of a host, or returns an empty text. A name
// is of labels as in RFC 1035, section 2.3.4, in which underscores are in use as well.
func nameProblem(host string) string {
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

var (
	hasPort     = regexp.MustCompile(`^([^:]+|\[.*\]):\d*$`)
	numericName = regexp.MustCompile(`^([^.]*\.)*\d+$`) // no top-level domain is a number (RFC 3696, section 2)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$`)
)
