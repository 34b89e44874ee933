package probe

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nameFiles are the files in which a Unix system says how names are resolved.
type nameFiles struct {
	hosts    cachedFile[map[string][]netip.Addr] // hosts(5)
	resolv   cachedFile[searchList]              // resolv.conf(5)
	nsswitch cachedFile[bool]                    // nsswitch.conf(5): the hosts file comes before DNS
}

func newNameFiles(folder string) *nameFiles {
	return &nameFiles{
		hosts:    cachedFile[map[string][]netip.Addr]{path: folder + "/hosts", parse: parseHosts},
		resolv:   cachedFile[searchList]{path: folder + "/resolv.conf", parse: parseResolv},
		nsswitch: cachedFile[bool]{path: folder + "/nsswitch.conf", parse: parseNsswitch},
	}
}

// inHosts returns the addresses that the hosts file has for a name, without those of
// DNS. It returns none where the system asks DNS first.
func (f *nameFiles) inHosts(host string) ([]netip.Addr, error) {
	if first, err := f.nsswitch.load(); err != nil || !first {
		return nil, err
	}
	names, err := f.hosts.load()
	return names[strings.ToLower(strings.TrimSuffix(host, "."))], err
}

// searchList is what resolv.conf says about names that are not rooted.
type searchList struct {
	domains []string // rooted; the root itself is "."
	ndots   int      // with as many dots, a name is asked for as it is first
	noTLD   bool     // a name without a dot is not asked for as it is
}

// maxName is the length of a rooted name at most (RFC 1035, section 2.3.4: 255 octets).
const maxName = 254

// candidates returns the rooted names that a name may stand for, in the order in which
// getaddrinfo(3) asks for them (resolv.conf(5), search and ndots). There is at least one.
func (l searchList) candidates(host string) []string {
	if strings.HasSuffix(host, ".") {
		return []string{host}
	}
	names := make([]string, 0, 1+len(l.domains))
	add := func(name string) {
		if len(name) <= maxName && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	dots := strings.Count(host, ".")
	if dots >= l.ndots {
		add(host + ".")
	}
	for _, domain := range l.domains {
		if domain == "." {
			domain = ""
		}
		add(host + "." + domain)
	}
	if dots > 0 || !l.noTLD || len(names) == 0 {
		add(host + ".")
	}
	if len(names) == 0 {
		names = append(names, host+".") // too long, as the resolver will say
	}
	return names
}

// parseResolv reads resolv.conf, and what the environment says instead of it (LOCALDOMAIN,
// RES_OPTIONS). Without a search list, the domain of this machine's name is searched.
func parseResolv(text string) searchList {
	name, _ := os.Hostname() // empty, if it is not known
	return parseResolvOf(name, text)
}

// parseResolvOf is parseResolv for a machine of this name.
func parseResolvOf(machine, text string) searchList {
	l := searchList{ndots: 1}
	if _, domain, ok := strings.Cut(machine, "."); ok {
		l.domains = rooted(domain)
	}
	options := func(words []string) {
		for _, word := range words {
			number, ok := strings.CutPrefix(word, "ndots:")
			if n, err := strconv.Atoi(number); ok && err == nil {
				l.ndots = min(max(0, n), 15)
			}
			l.noTLD = l.noTLD || word == "no-tld-query"
		}
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ";")
		words := strings.Fields(line)
		switch {
		case len(words) < 2:
		case words[0] == "domain":
			l.domains = rooted(words[1])
		case words[0] == "search":
			l.domains = rooted(words[1:]...)
		case words[0] == "options":
			options(words[1:])
		}
	}
	if domains := strings.Fields(os.Getenv("LOCALDOMAIN")); len(domains) > 0 {
		l.domains = rooted(domains...)
	}
	options(strings.Fields(os.Getenv("RES_OPTIONS")))
	return l
}

// rooted returns names with a dot at the end of each.
func rooted(names ...string) []string {
	rooted := make([]string, len(names))
	for i, name := range names {
		rooted[i] = strings.TrimSuffix(name, ".") + "."
	}
	return rooted
}

// parseHosts reads a hosts file.
func parseHosts(text string) map[string][]netip.Addr {
	names := make(map[string][]netip.Addr)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(words[0])
		if err != nil {
			continue
		}
		for _, name := range words[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			names[name] = append(names[name], addr)
		}
	}
	return names
}

// parseNsswitch reports whether names are looked for in the hosts file before DNS. That
// is so where nsswitch.conf does not say.
func parseNsswitch(text string) bool {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if sources, ok := strings.CutPrefix(strings.TrimSpace(line), "hosts:"); ok {
			words := strings.Fields(sources)
			files, dns := slices.Index(words, "files"), slices.Index(words, "dns")
			return files >= 0 && (dns < 0 || files < dns)
		}
	}
	return true
}

// cachedFile is what a file says. It is read again when it has changed.
type cachedFile[T any] struct {
	path  string
	parse func(text string) T

	mu    sync.Mutex
	read  bool
	time  time.Time
	size  int64 // or absent
	value T
}

// absent is the size of a file that there is not, or that this process may not read.
const absent = -1

// load returns what the file says, or that of an empty one if there is none. Where it
// cannot be read, it is what it said the last time; the error is for a first time.
func (f *cachedFile[T]) load() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		if !f.read || f.size != absent {
			f.read, f.size, f.time, f.value = true, absent, time.Time{}, f.parse("")
		}
		return f.value, nil
	case err == nil && f.read && info.Size() == f.size && info.ModTime().Equal(f.time):
		return f.value, nil
	}
	text := []byte(nil)
	if err == nil {
		text, err = os.ReadFile(f.path)
	}
	if err != nil {
		if f.read {
			return f.value, nil
		}
		return f.value, err
	}
	f.read, f.size, f.time, f.value = true, info.Size(), info.ModTime(), f.parse(string(text))
	return f.value, nil
}
