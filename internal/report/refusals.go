package report

import (
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"
)

// refusals logs when a consumer begins to refuse what it is given, and when it no longer does. Its
// caller sees to it that one call is made after the other.
type refusals struct {
	logger   *zap.Logger
	of       string // what is given
	kept     string // what becomes of what is refused for now
	refusing bool   // the last payload was refused
}

// observe takes note of the answer to a payload.
func (r *refusals) observe(err error) {
	switch {
	case err != nil && !r.refusing && consumererror.IsPermanent(err):
		r.logger.Error("the next consumer refuses "+r.of+" for good, so they are dropped", zap.Error(err))
	case err != nil && !r.refusing:
		r.logger.Warn("the next consumer refuses "+r.of+"; "+r.kept, zap.Error(err))
	case err == nil && r.refusing:
		r.logger.Info("the next consumer takes " + r.of + " again")
	}
	r.refusing = err != nil
}
