package source

import (
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	// maxDSCP is the largest code point (RFC 2474, section 3).
	maxDSCP = 63
	// maxInterfaceName is the length of the name of an interface (IFNAMSIZ in netdevice(7), without the
	// byte that ends it).
	maxInterfaceName = 15
)

// interfaceName is what Linux takes for the name of an interface, of at most maxInterfaceName bytes: one
// without a slash, a colon and white space (dev_valid_name in the kernel's net/core/dev.c).
var interfaceName = regexp.MustCompile(`^[^/:\s\pC]+$`)

// checkOutgoing finds what is wrong with how connections are to leave this machine.
func (v *instanceValidator) checkOutgoing() { v.checkOutgoingOn(runtime.GOOS) }

func (v *instanceValidator) checkOutgoingOn(system string) {
	v.checkSources()
	switch name := v.Interface; {
	case name == "":
	case system != "linux":
		v.add("interface", "%q is for Linux alone, and this is %s: its connections cannot be bound to an interface", name, system)
	case len(name) > maxInterfaceName || !interfaceName.MatchString(name) || name == "." || name == "..":
		v.add("interface", "%q is no name of an interface", name)
	}
	switch dscp := v.DSCP; {
	case dscp == nil:
	case *dscp < 0 || *dscp > maxDSCP:
		v.add("dscp", "%d is not between 0 and %d", *dscp, maxDSCP)
	case *dscp != 0 && system != "linux":
		v.add("dscp", "%d is for Linux alone, and this is %s: its packets cannot be marked", *dscp, system)
	}
}

func (v *instanceValidator) checkSources() {
	switch {
	case v.SourceAddress == nil: // as of most instances
		return
	case len(v.SourceAddress) == 0:
		v.add("source_address", "[] has no address; leave the option out for those that the system chooses")
	}
	first, asked := make(map[check.Family]string), v.askedFamilies()
	for i, text := range v.SourceAddress {
		option := "source_address"
		if len(v.SourceAddress) > 1 {
			option = fmt.Sprintf("source_address[%d]", i)
		}
		address, err := parseSource(text)
		family := check.FamilyOf(address)
		switch {
		case err != nil:
			v.add(option, "%q is no IP address", text)
		case hasControl(text):
			v.add(option, "%q has a control character in its zone", text)
		case address.IsUnspecified():
			v.add(option, "%q is the unspecified address; leave the option out for the one that the system chooses", text)
		case address.IsMulticast():
			v.add(option, "%q is a multicast address, from which TCP cannot connect", text)
		case lacksZone(address):
			v.add(option, "%q is a link-local address; write its zone as well, as in fe80::1%%eth0", text)
		case first[family] != "":
			v.add(option, "%q is the second %s address, after %q; there is one of each family at most", text, family, first[family])
		case len(asked) > 0 && !slices.Contains(asked, family):
			v.addTogether(option, []string{"address_families", "ipv4_only"}, "%q is an %s address, but %s is asked for", text, family, family.Other())
		default:
			first[family] = text
		}
	}
	for _, family := range asked {
		if len(first) == 1 && first[family] == "" {
			v.addTogether("source_address", []string{"address_families"}, "%q is an %s address, but address_families asks for %s as well; write an address of each", first[family.Other()], family.Other(), family)
		}
	}
}

// parseSource returns a source address. One that is IPv4-mapped is the IPv4 address that it maps.
func parseSource(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(unbracket(text))
	return address.Unmap(), err
}

// sources returns the source addresses that are addresses.
func (i *Instance) sources() []netip.Addr {
	var sources []netip.Addr
	for _, text := range i.SourceAddress {
		if address, err := parseSource(text); err == nil {
			sources = append(sources, address)
		}
	}
	return sources
}

// outgoing returns how connections are to leave this machine, or nil for as its routes say.
func (i *Instance) outgoing() *check.Outgoing {
	if len(i.SourceAddress) == 0 && i.Interface == "" && (i.DSCP == nil || *i.DSCP == 0) {
		return nil
	}
	o := &check.Outgoing{Sources: i.sources(), Interface: i.Interface}
	if i.DSCP != nil {
		o.DSCP = uint8(*i.DSCP) //nolint:gosec // it is in the range, or there is a problem with it
	}
	return o
}
