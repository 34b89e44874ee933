package tunpeer

import (
	"net/netip"
	"sync"
)

// rule is a Behaviour as it was set. Its identity tells the setting: a rule set
// anew is another rule, even if its Behaviour is the same.
type rule struct {
	Behaviour
}

// program holds what is set for the addresses. It is safe for concurrent use.
type program struct {
	mu       sync.Mutex
	rules    map[netip.AddrPort]*rule
	fallback *rule
}

func newProgram() *program {
	return &program{rules: make(map[netip.AddrPort]*rule), fallback: &rule{}}
}

func (p *program) set(addr netip.AddrPort, b Behaviour) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[addr] = &rule{b}
}

func (p *program) setDefault(b Behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fallback = &rule{b}
}

// lookup returns the rule for addr, which is unmapped and without a zone.
func (p *program) lookup(addr netip.AddrPort) *rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := p.rules[addr]; ok {
		return r
	}
	return p.fallback
}
