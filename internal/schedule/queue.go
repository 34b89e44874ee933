package schedule

import (
	"container/heap"
	"time"
)

// item says that an entry is due.
type item[T any] struct {
	at    time.Duration
	entry *Entry[T]
}

// queue is a heap of items for container/heap, the earliest one first. An item holds if
// its entry is still due at that time: what has become void is left in it until then.
type queue[T any] []item[T]

func (q queue[T]) Len() int           { return len(q) }
func (q queue[T]) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue[T]) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push is for container/heap alone.
func (q *queue[T]) Push(x any) { *q = append(*q, x.(item[T])) } //nolint:forcetypeassert // there is no other type

// Pop is for container/heap alone.
func (q *queue[T]) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = item[T]{}
	*q = (*q)[:last]
	return x
}

// first returns the entry that is to be checked again first, or nil. It drops those
// that were removed, or that are checked before.
func (q *queue[T]) first() *Entry[T] {
	for len(*q) > 0 {
		if top := (*q)[0]; top.entry.next != gone && top.entry.state == idle && top.entry.again == top.at {
			return top.entry
		}
		heap.Pop(q)
	}
	return nil
}

// line is the entries that wait to be started, in the order in which they came.
type line[T any] struct{ first, last *Entry[T] }

func (l *line[T]) add(e *Entry[T]) {
	e.behind = nil
	if l.first == nil {
		l.first = e
	} else {
		l.last.behind = e
	}
	l.last = e
}

func (l *line[T]) drop() {
	l.first, l.first.behind = l.first.behind, nil
}
