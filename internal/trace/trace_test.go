package trace

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// router returns a hop of a router by its letter; a dot is one that did not answer.
func router(letter byte) Hop {
	if letter == '.' {
		return Hop{}
	}
	return Hop{Address: netip.AddrFrom4([4]byte{192, 0, 2, letter})}
}

func routers(letters string) []Hop {
	hops := make([]Hop, len(letters))
	for i := range letters {
		hops[i] = router(letters[i])
	}
	return hops
}

func lettersOf(hops []Hop) string {
	var text strings.Builder
	for _, hop := range hops {
		switch {
		case hop.Said == "administratively prohibited":
			text.WriteByte('#')
		case hop.Said != "":
			text.WriteByte('!')
		case !hop.answered():
			text.WriteByte('.')
		default:
			text.WriteByte(hop.Address.As4()[3])
		}
	}
	return text.String()
}

// script says who answers in each round at each hop: "!" is the target, "#" a router that prohibits, "X" a
// failure of this machine, and what is not written does not answer. What real routers do, e2e/trace shows; there are no real ones that miss
// a round when they are told to.
type script struct {
	rounds []string
	asked  []string // "round:limit"
	last   int
	round  int
}

func (s *script) ask(_ context.Context, limit int) (Hop, error) {
	if limit <= s.last {
		s.round++
	}
	s.last = limit
	s.asked = append(s.asked, fmt.Sprintf("%d:%d", s.round, limit))
	time.Sleep(shortestWait) //nolint:forbidigo // in a bubble of synctest
	if s.round >= len(s.rounds) || limit > len(s.rounds[s.round]) {
		return Hop{}, nil
	}
	switch letter := s.rounds[s.round][limit-1]; letter {
	case '!':
		return Hop{Address: netip.MustParseAddr("192.0.2.255"), Said: Connected}, nil
	case '#':
		return Hop{Address: netip.MustParseAddr("192.0.2.254"), Said: "administratively prohibited"}, nil
	case 'X':
		return Hop{}, errors.New("no route")
	default:
		return router(letter), nil
	}
}

func TestWalk(t *testing.T) {
	silent := strings.Repeat(".", MaxHops)
	for name, test := range map[string]struct {
		rounds []string
		old    bool // the kernel
		want   string
		asked  string // in the rounds after the first one, or anything
		loop   string
		err    string
	}{
		"straight":                       {rounds: []string{"abc!"}, want: "abc!"},
		"the target at once":             {rounds: []string{"!"}, want: "!"},
		"a silent hop":                   {rounds: []string{"a.c!"}, want: "a.c!", asked: "1:2 2:2"},
		"answers in the second round":    {rounds: []string{"a.c!", ".b"}, want: "abc!", asked: "1:2"},
		"answers in the third round":     {rounds: []string{"a.c.!", "...d", ".b"}, want: "abcd!", asked: "1:2 1:4 2:2"},
		"the end is nearer":              {rounds: []string{"a..d!", ".b!"}, want: "ab!", asked: "1:2 1:3"},
		"nothing answers":                {rounds: []string{""}, want: silent},
		"nothing answers behind a":       {rounds: []string{"a"}, want: "a" + silent[1:]},
		"the target in the second round": {rounds: []string{"ab", "..!"}, want: "ab!", asked: "1:3"},
		"a loop":                         {rounds: []string{"abcbcbc"}, want: "abcbcb", loop: "bc"},
		"a loop of three":                {rounds: []string{"abcabcabcabc"}, want: "abcabca", loop: "abc"},
		"a loop with a silent router":    {rounds: []string{"b.b.b.b.b"}, want: "b.b.b", asked: "1:2 1:4 2:2 2:4", loop: "b"},
		"one address in front of all":    {rounds: []string{"abbbbb!"}, want: "abbbbb!"},
		"the same one by chance":         {rounds: []string{"abcbdb!"}, want: "abcbdb!"},
		"no route":                       {rounds: []string{"X"}, want: "", err: "no route"},
		"no route later":                 {rounds: []string{"a.X"}, want: "a.", err: "no route"},
		"no route in the second round":   {rounds: []string{"a..!", ".bX"}, want: "ab.!", asked: "1:2 1:3", err: "no route"},
		"an old kernel":                  {rounds: []string{"...!"}, old: true, err: ErrUnavailable.Error()},
		"an old kernel, no router":       {rounds: []string{"!"}, old: true, want: "!"},
		"prohibited":                     {rounds: []string{"a.#"}, want: "a.#", asked: "1:2 2:2"},
		"more than there may be":         {rounds: []string{"abcdefghijklmnopqrstuvwxyzABCDEF"}, want: "abcdefghijklmnopqrstuvwxyzABCD"},
		"an old kernel that prohibits":   {rounds: []string{".#"}, old: true, want: ".#", asked: "1:1 2:1"},
		"an old kernel that tells":       {rounds: []string{"a.!"}, old: true, want: "a.!", asked: "1:2 2:2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w, began := &script{rounds: test.rounds}, &Way{}, time.Now()
				err := w.walk(t.Context(), s.ask, func() bool { return !test.old })
				if test.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, test.err)
				}
				assert.Equal(t, test.want, lettersOf(w.Hops))
				loop := ""
				for _, address := range w.Loop {
					loop += string(address.As4()[3])
				}
				assert.Equal(t, test.loop, loop)
				first := 0
				for first < len(s.asked) && strings.HasPrefix(s.asked[first], "0:") {
					first++
				}
				if test.loop != "" {
					assert.Len(t, test.want, first, "it goes on behind what makes it certain")
				}
				if test.asked != "" {
					assert.Equal(t, test.asked, strings.Join(s.asked[first:], " "))
				}
				assert.GreaterOrEqual(t, time.Since(began), time.Duration(s.round)*roundInterval, "the rounds follow each other too soon")
				assert.Less(t, s.round, Rounds)
			})
		})
	}
}

// The last round is the end: nothing is awaited behind it.
func TestWalkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, began := &Way{}, time.Now()
		require.NoError(t, w.walk(t.Context(), (&script{rounds: []string{"a.!"}}).ask, func() bool { return true }))
		assert.Equal(t, 2*roundInterval+shortestWait, time.Since(began))
	})
}

// An end of the context between two rounds ends the walk at once.
func TestWalkInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithTimeout(t.Context(), 3*shortestWait+1)
		defer end()
		w, began := &Way{}, time.Now()
		require.ErrorIs(t, w.walk(ctx, (&script{rounds: []string{"a.!"}}).ask, func() bool { return true }), context.DeadlineExceeded)
		assert.Equal(t, 3*shortestWait+1, time.Since(began))
		assert.Equal(t, "a.!", lettersOf(w.Hops))
	})
}

func TestLast(t *testing.T) {
	for hops, want := range map[string]Hop{"": {}, "...": {}, "ab.": router('b'), ".b": router('b')} {
		assert.Equal(t, want, (&Way{Hops: routers(hops)}).Last(), hops)
	}
}

func TestNames(t *testing.T) {
	named := map[string][]string{
		"192.0.2.1": {"gw.example."},
		"192.0.2.2": {"z.example.", "a.example."},
		"192.0.2.3": {"evil\x1b[31m\tna me~\nü."},
		"192.0.2.4": {strings.Repeat("x", longestName+1)},
		"192.0.2.5": {strings.Repeat("x", longestName)},
	}
	var addresses []netip.Addr
	for i := range byte(7) {
		addresses = append(addresses, netip.AddrFrom4([4]byte{192, 0, 2, i}))
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		got := names(t.Context(), addresses, func(ctx context.Context, address string) ([]string, error) {
			if address == "192.0.2.0" {
				<-ctx.Done() // nobody answers
				return nil, ctx.Err()
			}
			return named[address], nil
		})
		assert.Equal(t, map[netip.Addr]string{
			addresses[1]: "gw.example",
			addresses[2]: "a.example",
			addresses[3]: "evil?[31m?na?me~??",
			addresses[4]: strings.Repeat("x", longestName) + "…",
			addresses[5]: strings.Repeat("x", longestName),
		}, got)
		assert.Equal(t, nameTimeout, time.Since(began))
	})
	// As a machine's own file has it.
	assert.NotEmpty(t, Names(t.Context(), []netip.Addr{netip.MustParseAddr("127.0.0.1")}))
}
