package report

import (
	"net/netip"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
)

// event is something that happened, as the log and a pipeline of logs tell it.
type event struct {
	name  string // by which metadata.yaml declares it; empty for what the log alone has
	level zapcore.Level
	time  time.Time // of the check that found it out
	body  string    // a sentence
	// target is the one that it is about, or nil for none.
	target     *check.Target
	attributes []attribute.KeyValue // all that the sentence says, and more
}

// The names of the events, as metadata.yaml has them.
const (
	addressDown          = "tcpcheck.address.down"
	addressFlapping      = "tcpcheck.address.flapping"
	addressReasonChanged = "tcpcheck.address.reason_changed"
	addressRemoved       = "tcpcheck.address.removed"
	addressSettled       = "tcpcheck.address.settled"
	addressUp            = "tcpcheck.address.up"
	certificateChanged   = "tcpcheck.certificate.changed"
	certificateExpiring  = "tcpcheck.certificate.expiring"
	certificatesAgree    = "tcpcheck.certificates.agree"
	certificatesDiffer   = "tcpcheck.certificates.differ"
	familyBack           = "tcpcheck.family.back"
	familyLost           = "tcpcheck.family.lost"
	machineAble          = "tcpcheck.machine.able"
	machineUnable        = "tcpcheck.machine.unable"
	outageBegan          = "tcpcheck.outage.began"
	outageEnded          = "tcpcheck.outage.ended"
	sourceFresh          = "tcpcheck.source.fresh"
	sourceStale          = "tcpcheck.source.stale"
	dialogFailed         = "tcpcheck.dialog.failed"
	dialogWorks          = "tcpcheck.dialog.works"
	tlsFailed            = "tcpcheck.tls.failed"
	tlsVerified          = "tcpcheck.tls.verified"
)

// timeOf returns an attribute that is a time, or is left out if there is none.
func timeOf(key string, value time.Time) attribute.KeyValue {
	if value.IsZero() {
		return attribute.String(key, "")
	}
	return attribute.String(key, value.UTC().Format(time.RFC3339Nano))
}

// failure returns the attributes of a result that failed.
func failure(r *check.Result) []attribute.KeyValue {
	if r.Err == nil {
		return nil
	}
	attributes := []attribute.KeyValue{
		attribute.String("error.type", string(r.ErrorType)), attribute.String("tcpcheck.error.message", r.Err.Error()), attribute.String("tcpcheck.error.source", r.ErrorSource().String()),
		attribute.String("tcpcheck.error.sender", addressOf(r.Sender())),
	}
	if from := r.LocalAddress(); from.IsValid() {
		attributes = append(attributes, attribute.String("network.local.address", addressOf(from.Addr())), attribute.Int("network.local.port", int(from.Port())))
	}
	return attributes
}

// addressOf returns an address as text, which is empty if there is none.
func addressOf(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// add adds attributes to those of an event, but for texts that are empty.
func (e *event) add(attributes ...attribute.KeyValue) {
	for _, a := range attributes {
		if a.Value.Type() != attribute.STRING || a.Value.AsString() != "" {
			e.attributes = append(e.attributes, a)
		}
	}
}

// fields returns the attributes as fields of a line of the log.
func (e *event) fields() []zap.Field {
	fields := make([]zap.Field, 0, len(e.attributes))
	for _, a := range e.attributes {
		fields = append(fields, zap.Any(string(a.Key), a.Value.AsInterface()))
	}
	return slices.Clip(fields)
}
