package tunpeer

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tunPath = "/dev/net/tun"
	mtu     = 1500
	// queueLen is how many packets the device holds for the peer. The usual
	// 500 would drop SYNs of a burst.
	queueLen = 1 << 14
	// localTimeout is how long the machine may take to use an address.
	localTimeout = 10 * time.Second
)

// openDevice creates a TUN device and returns its descriptor, which does not
// block, and its name. The device goes when the descriptor is closed.
func openDevice(name string) (device *os.File, actual string, err error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, "", fmt.Errorf("device name %q: %w", name, err)
	}
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open %s: %w", tunPath, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, "", fmt.Errorf("create TUN device %q: %w", name, err)
	}
	return os.NewFile(uintptr(fd), tunPath), request.Name(), nil
}

// configureDevice brings the device up, gives the machine the address of each
// prefix that localAddr tells, and routes the rest of the prefixes to it.
func configureDevice(name string, prefixes []netip.Prefix) error {
	if _, err := ip("link", "set", "dev", name, "mtu", strconv.Itoa(mtu), "txqueuelen", strconv.Itoa(queueLen), "up"); err != nil {
		return err
	}
	for _, prefix := range prefixes {
		local, err := localAddr(prefix)
		if err != nil {
			return err
		}
		// An address with the length of the prefix would make the kernel keep
		// the prefix's broadcast address to itself.
		add := []string{"addr", "add", netip.PrefixFrom(local, local.BitLen()).String(), "dev", name}
		if local.Is6() {
			add = append(add, "nodad")
		}
		if _, err := ip(add...); err != nil {
			return err
		}
		if _, err := ip("route", "add", prefix.Masked().String(), "dev", name, "src", local.String()); err != nil {
			return err
		}
		if err := awaitLocal(local); err != nil {
			return err
		}
	}
	return nil
}

// localAddr is the machine's address in a prefix of the peer: the first that a
// host can have.
func localAddr(prefix netip.Prefix) (netip.Addr, error) {
	if !prefix.IsValid() || prefix.Addr().Is4In6() || prefix.Addr().BitLen()-prefix.Bits() < 2 {
		return netip.Addr{}, fmt.Errorf("prefix %s: no IPv4 or IPv6 prefix of four addresses or more", prefix)
	}
	return prefix.Masked().Addr().Next(), nil
}

// awaitLocal waits until the machine takes packets for an address of its own. An
// IPv6 address is given to it before it does: the route for that is added in
// the background.
func awaitLocal(addr netip.Addr) error {
	for deadline := time.Now().Add(localTimeout); ; {
		route, err := ip("route", "get", addr.String())
		if err != nil {
			return err
		}
		if strings.HasPrefix(route, "local ") {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("address %s is not in use after %v", addr, localTimeout)
		}
	}
}

// ip runs the ip command and returns its output.
func ip(args ...string) (string, error) {
	output, err := exec.Command("ip", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("the ip command of iproute2 is needed: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return string(output), nil
}
