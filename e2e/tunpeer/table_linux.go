package tunpeer

import (
	"container/list"
	"net/netip"
)

// maxConns is how many connections and attempts the peer remembers. Beyond it,
// the ones that have been quiet the longest are forgotten.
const maxConns = 1 << 16

// flow names a connection.
type flow struct {
	client, peer netip.AddrPort
}

// table is the connections and attempts that the peer knows, up to limit.
type table struct {
	limit int
	conns map[flow]*conn
	quiet list.List // of *conn, the longest quiet first
}

func newTable(limit int) *table {
	return &table{limit: limit, conns: make(map[flow]*conn)}
}

// find returns the conn of f, which thereby is the least quiet one, or nil.
func (t *table) find(f flow) *conn {
	c := t.conns[f]
	if c != nil {
		t.quiet.MoveToBack(c.element)
	}
	return c
}

// add adds c, whose flow must not be in the table. If that takes a conn's
// place, add returns that conn; else nil.
func (t *table) add(c *conn) (forgotten *conn) {
	if len(t.conns) == t.limit {
		forgotten = t.quiet.Front().Value.(*conn)
		t.remove(forgotten)
	}
	t.conns[c.flow] = c
	c.element = t.quiet.PushBack(c)
	return forgotten
}

// remove takes out c, which must be in the table.
func (t *table) remove(c *conn) {
	delete(t.conns, c.flow)
	t.quiet.Remove(c.element)
}
