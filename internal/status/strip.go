package status

import "time"

const (
	// Bucket is the time that a Mark is of. It begins at a multiple of it since 1970.
	Bucket = 5 * time.Minute
	// Buckets is how many there are in a Strip, which are six hours.
	Buckets = 72
)

// Mark says what the checks in a Bucket found. The zero value: there was none.
type Mark uint8

// What they found: any of these.
const (
	WasUp Mark = 1 << iota
	WasDown
	WasUnchecked
)

// Strip has a Mark for each of the last Buckets, four bits each. The last one is of now.
type Strip [Buckets / 2]byte

// At returns a Mark: from 0, the oldest one, to Buckets-1.
func (s *Strip) At(i int) Mark { return Mark(s[i/2]>>(4*(i%2))) & 0xf }

func (s *Strip) set(i int, m Mark) {
	shift := 4 * (i % 2)
	s[i/2] = s[i/2]&^(0xf<<shift) | byte(m)<<shift
}

const (
	perHour = int64(time.Hour / Bucket)
	hours   = Buckets / perHour
)

// past is a Strip that goes on, and how long handshakes took in its hours.
type past struct {
	ring   Strip // the Mark of bucket n is at n % Buckets
	last   int32 // bucket
	counts [hours]uint32
	sums   [hours]float32 // in seconds: a million handshakes are summed up to a part in a thousand
}

// bucketOf returns the number of the bucket that has a time.
func bucketOf(t time.Time) int64 { return t.Unix() / int64(Bucket/time.Second) }

// advance has the last bucket be that of a time, unless it is a later one already: a clock may be set back.
func (p *past) advance(now time.Time) {
	to := bucketOf(now)
	for n := max(int64(p.last)+1, to-Buckets+1); n <= to; n++ {
		p.ring.set(int(n%Buckets), 0)
		if hour := n / perHour % hours; n%perHour == 0 {
			p.counts[hour], p.sums[hour] = 0, 0
		}
	}
	p.last = max(p.last, int32(to)) //nolint:gosec // it is one until the year 22388
}

// mark takes note of what a check found at a time, and how long its handshake took, if there was one.
func (p *past) mark(now time.Time, m Mark, took time.Duration) {
	p.advance(now)
	at := int(p.last % Buckets)
	p.ring.set(at, p.ring.At(at)|m)
	if took > 0 {
		hour := int64(p.last) / perHour % hours
		p.counts[hour]++
		p.sums[hour] += float32(took.Seconds())
	}
}

// look returns the Strip as it is at a time, and the average of its handshakes, which is 0 if there was none.
func (p *past) look(now time.Time) (strip Strip, average time.Duration) {
	p.advance(now)
	from := (int(p.last) + 1) % Buckets
	next := func() byte {
		m := byte(p.ring.At(from))
		if from++; from == Buckets {
			from = 0
		}
		return m
	}
	for i := range strip {
		strip[i] = next() | next()<<4
	}
	count, sum := uint32(0), float32(0)
	for hour := range hours {
		count += p.counts[hour]
		sum += p.sums[hour]
	}
	if count == 0 {
		return strip, 0
	}
	return strip, time.Duration(float64(sum) / float64(count) * float64(time.Second))
}
