package state

import (
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// layer is what is known of what goes on over the connection to an Endpoint: whether it works.
type layer struct {
	Endpoint
	works     bool
	since     time.Time // it came to work, or not to
	errorType check.ErrorType
}

// turn is what a result changes in a layer.
type turn uint8

const (
	same turn = iota
	failed
	failedOtherwise
	recovered
)

// observe takes note of a result at a time, and says what that changes: known says that there was one before.
func (l *layer) observe(works bool, errorType check.ErrorType, now time.Time, known bool) turn {
	change := same
	switch {
	case works && known && !l.works:
		change = recovered
	case !works && (!known || l.works):
		change = failed
	case !works && l.errorType != errorType:
		change = failedOtherwise
	}
	if !known || l.works != works {
		l.since = now
	}
	l.works, l.errorType = works, errorType
	return change
}

// Since returns when the layer at an endpoint came to work, or not to. It is zero if nothing is known.
func (c *Certificates) Since(of Endpoint) time.Time {
	for i := range c.endpoints {
		if c.endpoints[i].Endpoint == of {
			return c.endpoints[i].since
		}
	}
	return time.Time{}
}

// Since returns when the dialogue with an endpoint came to work, or not to. It is zero if nothing is known.
func (d *Dialogs) Since(of Endpoint) time.Time {
	for i := range d.endpoints {
		if d.endpoints[i].Endpoint == of {
			return d.endpoints[i].since
		}
	}
	return time.Time{}
}
