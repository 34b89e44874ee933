package probe

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/check"
)

// FuzzDNSAnswer: whatever a name server answers, a lookup ends with addresses of
// the family that was asked for, or with a reason.
func FuzzDNSAnswer(f *testing.F) {
	// Behind the two bytes of the ID: a response with recursion, one question and
	// one answer, and in the first corpus entry the record A 192.0.2.1.
	header := []byte{0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}
	question := []byte("\x04name\x04test\x00\x00\x01\x00\x01")
	record := []byte("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01")
	f.Add(slices.Concat(header, question, record), false)
	f.Add(slices.Concat(header, question), true)
	f.Add([]byte{0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}, true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, answer []byte, ipv6 bool) {
		family := check.IPv4
		if ipv6 {
			family = check.IPv6
		}
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go answerDNS(server, answer)
			return client, nil
		}
		own := newResolverBy([]netip.AddrPort{netip.AddrPortFrom(v4, 53)})
		own.dial = dial
		for _, r := range []*resolver{newResolver(&net.Resolver{PreferGo: true, Dial: dial}, nil), own} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			a := r.lookUp(ctx, "name.test.", family)
			assert.Empty(t, a.lack)
			if a.found() {
				require.NotEmpty(t, a.addresses)
				require.Empty(t, a.errorType)
			} else {
				require.Contains(t, []check.ErrorType{check.NoAddress, check.DNSNotFound, check.DNSTimeout, check.DNSFailure}, a.errorType)
			}
			for _, address := range a.addresses {
				require.Equal(t, family, check.FamilyOf(address))
			}
		}
	})
}

// answerDNS answers one query over a stream (RFC 1035, section 4.2.2) with its ID
// and rest, and closes the connection.
func answerDNS(conn net.Conn, rest []byte) {
	defer func() { _ = conn.Close() }()
	length := make([]byte, 2)
	if _, err := io.ReadFull(conn, length); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(conn, query); err != nil || len(query) < 2 {
		return
	}
	rest = rest[:min(len(rest), 1<<12)]
	binary.BigEndian.PutUint16(length, uint16(2+len(rest)))
	_, _ = conn.Write(slices.Concat(length, query[:2], rest))
}

// The first corpus entry of FuzzDNSAnswer is an answer that is understood.
func TestDNSAnswer(t *testing.T) {
	rest := []byte("\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + "\x04name\x04test\x00\x00\x01\x00\x01" + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01")
	var asked string
	r := newResolver(&net.Resolver{PreferGo: true, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		asked = address
		client, server := net.Pipe()
		go answerDNS(server, rest)
		return client, nil
	}}, nil)
	a := r.lookUp(t.Context(), "name.test.", check.IPv4)
	require.NoError(t, a.err)
	assert.Equal(t, asked, a.server.String())
	assert.Equal(t, []netip.Addr{v4}, a.addresses)
	resolved := r.resolve(t.Context(), "name.test.", check.Families[:1], time.Minute, "")
	assert.Equal(t, "name.test.", resolved.name)
	assert.Equal(t, []netip.Addr{v4}, resolved.answers[0].addresses)
}

// zone is what a name server has: for a name and a type, such as "web.test. A", one of
// an address, "servfail" and "silent". All else does not exist.
type zone map[string]string

// resolver returns one that asks a name server with this zone for the names that a
// resolv.conf says. The name server is a fake, over a pipe, so that the test needs no
// root; e2e/faults has a real one.
func (z zone) resolver(t *testing.T, resolv string) *resolver {
	files := newNameFiles(t.TempDir())
	require.NoError(t, os.WriteFile(files.resolv.path, []byte(resolv), 0o600))
	return newResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go z.serve(server)
		return client, nil
	}}, files)
}

// serve answers one query over a stream (RFC 1035, section 4.2.2).
func (z zone) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	length := make([]byte, 2)
	if _, err := io.ReadFull(conn, length); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	name, end := "", 12
	for query[end] > 0 {
		label := int(query[end])
		name += string(query[end+1:end+1+label]) + "."
		end += 1 + label
	}
	question := query[12 : end+5]
	kind := map[byte]string{1: "A", 28: "AAAA"}[query[end+2]]
	flags, answers, record := []byte{0x81, 0x83}, byte(0), []byte(nil) // NXDOMAIN
	switch value := z[name+" "+kind]; value {
	case "":
	case "silent":
		_, _ = conn.Read(length) // until the client gives up
		return
	case "servfail":
		flags[1] = 0x82
	default:
		address := netip.MustParseAddr(value).AsSlice()
		flags[1], answers = 0x80, 1
		record = slices.Concat([]byte{0xc0, 12}, query[end+1:end+5], []byte{0, 0, 0, 0, 0, byte(len(address))}, address)
	}
	reply := slices.Concat(query[:2], flags, []byte{0, 1, 0, answers, 0, 0, 0, 0}, question, record)
	binary.BigEndian.PutUint16(length, uint16(len(reply)))
	_, _ = conn.Write(append(length, reply...))
}

// One name is settled on for all families, as getaddrinfo(3) does.
func TestOneName(t *testing.T) {
	for _, test := range []struct {
		name     string
		zone     zone
		families []check.Family
		settled  string
		want     string // the name, and what each family has
		complete bool
	}{
		{
			name: "both families in the first domain", zone: zone{"web.corp.test. A": v4.String(), "web.corp.test. AAAA": v6.String()},
			want: "web.corp.test. 192.0.2.1 2001:db8::1", complete: true,
		},
		{
			name: "a family in each domain", zone: zone{"web.corp.test. A": v4.String(), "web.wild.test. AAAA": v6.String()},
			want: "web.corp.test. 192.0.2.1 dns_not_found", complete: true,
		},
		{
			name: "a family in each domain, and the one is asked for that the first has not", families: []check.Family{check.IPv6},
			zone: zone{"web.corp.test. A": v4.String(), "web.wild.test. AAAA": v6.String()},
			want: "web.corp.test. 192.0.2.1 dns_not_found", complete: true,
		},
		{
			name: "the last candidate", zone: zone{"web. AAAA": v6.String()},
			want: "web. dns_not_found 2001:db8::1", complete: true,
		},
		{name: "none", zone: zone{}, want: " dns_not_found dns_not_found", complete: true},
		{
			name: "a failure of one family", zone: zone{"web.corp.test. A": v4.String(), "web.corp.test. AAAA": "servfail"},
			want: "web.corp.test. 192.0.2.1 dns_failure",
		},
		{
			name: "a failure is not forgotten for names that do not exist", zone: zone{"web.corp.test. AAAA": "servfail"},
			want: " dns_not_found dns_failure",
		},
		{
			name: "a failure of IPv4 is not forgotten either", zone: zone{"web.corp.test. A": "servfail"},
			want: " dns_failure dns_not_found",
		},
		{
			name: "a failure in the last domain", zone: zone{"web.wild.test. A": "servfail"},
			want: " dns_failure dns_not_found",
		},
		{
			name: "the next domain after a failure", zone: zone{"web.corp.test. A": "servfail", "web.wild.test. A": v4Later.String()},
			want: "web.wild.test. 192.0.2.2 dns_not_found",
		},
		{
			name: "a failure of the name that was settled on", zone: zone{"web.corp.test. A": "servfail", "web.wild.test. A": v4Later.String()}, settled: "web.corp.test.",
			want: "web.corp.test. dns_failure dns_not_found",
		},
		{
			name: "the name that was settled on is gone", zone: zone{"web.wild.test. A": v4Later.String()}, settled: "web.corp.test.",
			want: "web.wild.test. 192.0.2.2 dns_not_found", complete: true,
		},
		{
			name: "an earlier domain has it now", zone: zone{"web.corp.test. A": v4.String(), "web.wild.test. A": v4Later.String()}, settled: "web.wild.test.",
			want: "web.corp.test. 192.0.2.1 dns_not_found", complete: true,
		},
		{
			name: "no answer ends the search", zone: zone{"web.corp.test. AAAA": "silent", "web.wild.test. A": v4Later.String()},
			want: " dns_timeout dns_timeout",
		},
		{
			name: "no answer in a family that is not asked for", families: []check.Family{check.IPv4},
			zone: zone{"web.corp.test. AAAA": "silent", "web.wild.test. A": v4Later.String()},
			want: "web.wild.test. 192.0.2.2", // and not complete: it may be that the first domain has it
		},
		{
			name: "no answer for the last name", zone: zone{"web. AAAA": "silent"},
			want: " dns_not_found dns_timeout",
		},
		{
			name: "an unspecified address settles it", zone: zone{"web.corp.test. A": "0.0.0.0", "web.wild.test. A": v4Later.String()},
			want: "web.corp.test. no_address dns_not_found", complete: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			families := test.families
			if families == nil {
				families = check.Families
			}
			// What is silent takes the whole timeout.
			found := test.zone.resolver(t, "search corp.test wild.test\n").resolve(t.Context(), "web", families, 200*time.Millisecond, test.settled)
			got := found.name
			for _, a := range found.answers {
				if a.found() {
					got += " " + a.addresses[0].String()
				} else {
					got += " " + string(a.errorType)
				}
			}
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.complete, found.complete)
		})
	}
}

// The hosts file comes before DNS, for all families.
func TestHostsComesFirst(t *testing.T) {
	r := zone{"web.corp.test. AAAA": v6.String()}.resolver(t, "search corp.test\n")
	require.NoError(t, os.WriteFile(r.files.hosts.path, []byte("192.0.2.1 web\n"), 0o600))
	found := r.resolve(t.Context(), "web", check.Families, time.Minute, "")
	assert.True(t, found.complete)
	require.Len(t, found.answers, 2)
	assert.Equal(t, []netip.Addr{v4}, found.answers[0].addresses)
	assert.Equal(t, check.DNSNotFound, found.answers[1].errorType)
}

// A failure is this machine's where it could dial no server of that lookup.
func TestServersOutOfReach(t *testing.T) {
	local := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, test := range []struct {
		name  string
		dials []error
		want  error
	}{
		{"no server was dialled", nil, nil},
		{"this machine could dial none", []error{local, local}, local},
		{"one was dialled", []error{local, nil}, nil},
		{"one was dialled first", []error{nil, local}, nil},
		{"one refused", []error{local, refused}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log serverLog
			for _, err := range test.dials {
				log.note(err)
			}
			if test.want == nil {
				assert.NoError(t, log.fault())
			} else {
				assert.Equal(t, test.want, log.fault())
			}
		})
	}
}

// What is said about a name adds up with what was said about those before it.
func TestAddAnswers(t *testing.T) {
	took := func(a answer, time time.Duration) answer {
		a.time = time
		return a
	}
	for _, test := range []struct {
		name        string
		first, then []answer
		want        []answer
		incomplete  bool
	}{
		{
			name:  "nothing, and then both",
			first: []answer{took(notFound(check.IPv4), 1), took(notFound(check.IPv6), 2)}, then: []answer{took(found(check.IPv4, v4), 10), took(found(check.IPv6, v6), 20)},
			want: []answer{took(found(check.IPv4, v4), 11), took(found(check.IPv6, v6), 22)},
		},
		{
			name:  "failures, and then nothing",
			first: []answer{took(timedOut(check.IPv4), 1), took(timedOut(check.IPv6), 2)}, then: []answer{took(notFound(check.IPv4), 10), took(notFound(check.IPv6), 20)},
			want: []answer{took(timedOut(check.IPv4), 11), took(timedOut(check.IPv6), 22)}, incomplete: true,
		},
		{
			name:  "failures, and then one family",
			first: []answer{took(timedOut(check.IPv4), 1), took(timedOut(check.IPv6), 2)}, then: []answer{took(notFound(check.IPv4), 10), took(found(check.IPv6, v6), 20)},
			want: []answer{took(notFound(check.IPv4), 11), took(found(check.IPv6, v6), 22)}, incomplete: true,
		},
		{
			name:  "failures, and then the unspecified address",
			first: []answer{took(timedOut(check.IPv4), 1), took(timedOut(check.IPv6), 2)}, then: []answer{took(notFound(check.IPv4), 10), took(unspecified(check.IPv6), 20)},
			want: []answer{took(notFound(check.IPv4), 11), took(unspecified(check.IPv6), 22)}, incomplete: true,
		},
		{
			name:  "nothing, and then a failure",
			first: []answer{took(notFound(check.IPv4), 1), took(notFound(check.IPv6), 2)}, then: []answer{took(timedOut(check.IPv4), 10), took(notFound(check.IPv6), 20)},
			want: []answer{took(timedOut(check.IPv4), 11), took(notFound(check.IPv6), 22)}, incomplete: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := resolution{complete: true}
			r.add(test.first)
			r.add(test.then)
			assert.Equal(t, resolution{answers: test.want, complete: !test.incomplete}, r)
		})
	}
}

// After a search that ended early, no family is known to have no address.
func TestStop(t *testing.T) {
	fault := answer{family: check.IPv6, err: errTimeout, lack: check.LacksOther}
	for _, test := range []struct{ answers, want []answer }{
		{[]answer{notFound(check.IPv4), timedOut(check.IPv6)}, []answer{timedOut(check.IPv4), timedOut(check.IPv6)}},
		{[]answer{timedOut(check.IPv4), notFound(check.IPv6)}, []answer{timedOut(check.IPv4), timedOut(check.IPv6)}},
		{[]answer{timedOut(check.IPv4), fault}, []answer{timedOut(check.IPv4), fault}},
		{[]answer{notFound(check.IPv4), fault}, []answer{{family: check.IPv4, err: errTimeout, lack: check.LacksOther}, fault}},
	} {
		r := resolution{answers: test.answers}
		r.stop()
		assert.Equal(t, test.want, r.answers)
	}
}

// The report has the time of each lookup, but for a family that was not asked for. Of
// cached addresses it has none.
func TestLookups(t *testing.T) {
	server := zone{"web.test. A": v4.String(), "only4.test. A": v4.String()}
	for _, test := range []struct {
		name     string
		host     string
		families []check.Family
		want     []check.Family
	}{
		{"both", "web.test", nil, check.Families},
		{"one that is there", "web.test", []check.Family{check.IPv4}, []check.Family{check.IPv4}},
		{"one that is not there, and the other to see whether the name exists", "only4.test", []check.Family{check.IPv6}, check.Families},
		{"the hosts file, and one is asked for", "filed.test", []check.Family{check.IPv4}, []check.Family{check.IPv4}},
		{"the hosts file, and the one is asked for that it has not", "filed.test", []check.Family{check.IPv6}, []check.Family{check.IPv6}},
		{"the hosts file, and both are", "filed.test", nil, check.Families},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := server.resolver(t, "")
			require.NoError(t, os.WriteFile(r.files.hosts.path, []byte("192.0.2.2 filed.test\n"), 0o600))
			p := &Probe{
				target:   &check.Target{Host: test.host, Timeout: time.Minute, Families: test.families, CacheDuration: time.Hour},
				resolver: r, names: nameCache{bound: time.Hour},
			}
			lookups := func() []check.Family {
				var report check.Report
				p.results = nil
				p.resolve(t.Context(), nil, noHandOff, &report)
				var families []check.Family
				for _, lookup := range report.Lookups {
					assert.Positive(t, lookup.Time)
					families = append(families, lookup.Family)
				}
				return families
			}
			assert.Equal(t, test.want, lookups())
			assert.Empty(t, lookups(), "they are cached")
		})
	}
}

// A lookup takes its descriptors for as long as it lasts.
func TestLookupsTakeDescriptors(t *testing.T) {
	before := lookups
	t.Cleanup(func() { lookups = before })
	for families, want := range map[int]int64{1: 2, 2: 4} {
		all := semaphore.NewWeighted(want)
		lookups = func() *semaphore.Weighted { return all }
		var free atomic.Bool
		server := zone{"web.test. A": v4.String(), "web.test. AAAA": v6.String()}.resolver(t, "")
		dial := server.dial
		server.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if all.TryAcquire(1) {
				free.Store(true)
				all.Release(1)
			}
			return dial(ctx, network, address)
		}
		found := server.resolve(t.Context(), "web.test", check.Families[:families], time.Minute, "")
		assert.Equal(t, "web.test.", found.name)
		assert.False(t, free.Load(), "%d families", families)
		assert.True(t, all.TryAcquire(want), "%d families: they are free again", families)
	}
}

// Without descriptors, nothing is asked.
func TestNoDescriptors(t *testing.T) {
	before := lookups
	t.Cleanup(func() { lookups = before })
	none := semaphore.NewWeighted(4)
	require.True(t, none.TryAcquire(1))
	lookups = func() *semaphore.Weighted { return none }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := zone{}.resolver(t, "").resolve(ctx, "web.test", check.Families, time.Minute, "")
	assert.Equal(t, resolution{answers: unable(check.Families, context.Canceled)}, got)
}

// Where this machine cannot read how names are resolved, it is unable to ask.
func TestFilesThatCannotBeRead(t *testing.T) {
	for name, file := range map[string]func(*nameFiles) string{
		"hosts":         func(f *nameFiles) string { return f.hosts.path },
		"resolv.conf":   func(f *nameFiles) string { return f.resolv.path },
		"nsswitch.conf": func(f *nameFiles) string { return f.nsswitch.path },
	} {
		t.Run(name, func(t *testing.T) {
			r := zone{"web.test. A": v4.String()}.resolver(t, "")
			require.NoError(t, os.RemoveAll(file(r.files)))
			require.NoError(t, os.Mkdir(file(r.files), 0o700))
			got := r.resolve(t.Context(), "web.test", check.Families, time.Minute, "")
			require.Len(t, got.answers, 2)
			for _, a := range got.answers {
				assert.Equal(t, check.LacksOther, a.lack)
				require.ErrorContains(t, a.err, "lookup web.test: read "+file(r.files))
			}
			assert.False(t, got.complete)
		})
	}
}

// Names that this system's files say are asked for by Go's resolver.
func TestGoResolver(t *testing.T) {
	for _, test := range []struct {
		prefers bool
		files   *nameFiles
		want    bool
	}{
		{false, nil, false}, {true, nil, true}, {false, newNameFiles(""), true}, {true, newNameFiles(""), true},
	} {
		r := newResolver(&net.Resolver{PreferGo: test.prefers, StrictErrors: true}, test.files)
		asking := r.asking(&serverLog{})
		assert.Equal(t, test.want, asking.PreferGo)
		assert.True(t, asking.StrictErrors)
	}
	assert.Same(t, net.DefaultResolver, newResolver(nil, nil).base)
}

// The fault of this machine is told where it was unable to ask, but not where a server
// answered or the name is known not to exist.
func TestLookupFault(t *testing.T) {
	local := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for name, test := range map[string]struct {
		err  error
		want error
		lack check.Lack
	}{
		"of this machine": {local, syscall.EMFILE, check.LacksFileDescriptors},
		"of the server":   {refused, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, test.err }}, nil)
			a := r.lookUp(t.Context(), "name.test.", check.IPv4)
			require.Error(t, a.err)
			assert.Equal(t, check.IPv4, a.family)
			assert.Positive(t, a.time)
			assert.Equal(t, test.lack, a.lack)
			if test.want != nil {
				require.ErrorIs(t, a.err, test.want)
				require.ErrorContains(t, a.err, "lookup name.test.: ")
				assert.Empty(t, a.errorType)
			} else {
				assert.Equal(t, check.DNSFailure, a.errorType)
			}
		})
	}
}

// The connections of a lookup end with it, also one that is made just then.
func TestServerLogClose(t *testing.T) {
	connected := make(chan net.Conn, 2)
	ctx, cancel := context.WithCancel(t.Context())
	var log serverLog
	log.connect = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		connected <- server
		return client, nil
	}
	ended := func() {
		_, err := (<-connected).Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
	}
	_, err := log.dial(ctx, "udp", "192.0.2.1:53")
	require.NoError(t, err)
	cancel()
	log.close()
	ended()
	_, err = log.dial(ctx, "udp", "192.0.2.1:53")
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, connected, "no server was dialled")

	ctx, cancel = context.WithCancel(t.Context())
	log = serverLog{connect: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		log.close()
		client, server := net.Pipe()
		connected <- server
		return client, nil
	}}
	_, err = log.dial(ctx, "udp", "192.0.2.1:53")
	require.NoError(t, err)
	ended()
}

// The addresses of a name are bounded, and each is there once.
func TestAddresses(t *testing.T) {
	var many []netip.Addr
	for n := range 100 {
		address := netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
		many = append(many, address, address)
	}
	a := answer{family: check.IPv4}
	a.set("name.test.", many)
	assert.Len(t, a.addresses, maxAddresses)
	assert.Equal(t, 100, a.count)

	a = answer{family: check.IPv4}
	a.set("name.test.", []netip.Addr{netip.MustParseAddr("::ffff:0.0.0.0"), netip.MustParseAddr("::ffff:192.0.2.1")})
	assert.Equal(t, []netip.Addr{v4}, a.addresses)
	assert.True(t, a.found())
}

// localhost and the names below it are the loopback addresses, and no name server is
// asked (RFC 6761, section 6.3). The hosts file goes first; a family that is asked for
// and that it does not have is checked all the same.
func TestLocalhost(t *testing.T) {
	wrong := zone{"localhost. A": "192.0.2.1", "localhost. AAAA": "2001:db8::1", "web.localhost. A": "192.0.2.1", "notlocalhost. A": "192.0.2.1"}
	automatic, both := []check.Family(nil), check.Families
	for _, test := range []struct {
		name     string
		host     string
		hosts    string
		families []check.Family
		want     []string
	}{
		{"no hosts file", "localhost", "", automatic, []string{"127.0.0.1", "::1"}},
		{"no hosts file, and both asked for", "LocalHost.", "", both, []string{"127.0.0.1", "::1"}},
		{"a name below it", "web.localhost", "", automatic, []string{"127.0.0.1", "::1"}},
		{"the hosts file has IPv4 only", "localhost", "127.0.0.1 localhost\n", automatic, []string{"127.0.0.1"}},
		{"the hosts file has IPv4 only, and both asked for", "localhost", "127.0.0.1 localhost\n", both, []string{"127.0.0.1", "::1"}},
		{"the hosts file has IPv4 only, and IPv6 asked for", "localhost", "127.0.0.1 localhost\n", []check.Family{check.IPv6}, []string{"::1"}},
		{"the hosts file has another address", "localhost", "127.0.0.5 localhost\n", both, []string{"127.0.0.5", "::1"}},
		{"the hosts file has made it another host", "web.localhost", "192.0.2.7 web.localhost\n", []check.Family{check.IPv4}, []string{"192.0.2.7"}},
		{"the hosts file has made it another host, and both asked for", "web.localhost", "192.0.2.7 web.localhost\n", both, []string{"192.0.2.7", "no_address"}},
		{"another name", "notlocalhost", "", automatic, []string{"192.0.2.1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := wrong.resolver(t, "")
			require.NoError(t, os.WriteFile(r.files.hosts.path, []byte(test.hosts), 0o600))
			p := &Probe{
				target:   &check.Target{Host: test.host, Port: 80, Timeout: time.Second, Families: test.families},
				resolver: r,
			}
			p.resolve(t.Context(), nil, noHandOff, &check.Report{})
			var got []string
			for _, result := range p.results {
				if result.Err != nil {
					got = append(got, string(result.ErrorType))
				} else {
					got = append(got, result.Address.String())
				}
			}
			assert.Equal(t, test.want, got)
		})
	}
}
