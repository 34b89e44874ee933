package tunpeer

import (
	"container/heap"
	"time"
)

// notScheduled is the position of a conn that has no answer due.
const notScheduled = -1

// schedule is the conns that have an answer due, the earliest first. A conn is
// in it once at most.
type schedule struct {
	queue dueQueue
}

// add schedules the answer of c, which must not have one due.
func (s *schedule) add(c *conn, due time.Duration) {
	c.due = due
	heap.Push(&s.queue, c)
}

// remove takes c out, if it is in.
func (s *schedule) remove(c *conn) {
	if c.position != notScheduled {
		heap.Remove(&s.queue, c.position)
	}
}

// first returns the conn whose answer is due first, and nil if none is due.
func (s *schedule) first() *conn {
	if len(s.queue) == 0 {
		return nil
	}
	return s.queue[0]
}

// dueQueue is a heap.Interface ordered by conn.due.
type dueQueue []*conn

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].position, q[j].position = i, j
}

func (q *dueQueue) Push(x any) {
	c := x.(*conn)
	c.position = len(*q)
	*q = append(*q, c)
}

func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	c.position = notScheduled
	return c
}
