package report

import (
	"go.opentelemetry.io/otel/attribute"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/state"
)

// WriteDialogs tells the changes that a check of the target's dialogues brought.
func (l *Log) WriteDialogs(report *check.SessionReport, changes []state.DialogChange) {
	l.now = report.Time
	for i := range changes {
		c := &changes[i]
		about := &state.Change{Endpoint: c.Endpoint}
		switch name := l.name(about); c.Kind {
		case state.DialogFailed:
			l.warn(dialogFailed, about, "the dialogue with "+name+" fails: "+c.Result.ErrorType.Words()+": "+c.Result.Err.Error(), why(c)...)
		case state.DialogFailedOtherwise:
			l.warn(dialogFailed, about, "the dialogue with "+name+" fails: "+c.Result.ErrorType.Words()+", no longer "+c.Before.Words()+": "+c.Result.Err.Error(),
				append(why(c), attribute.String(previousType, string(c.Before)), timeOf(failedSince, c.Since))...)
		case state.DialogWorks:
			l.info(dialogWorks, about, "the dialogue with "+name+" works again", timeOf(failedSince, c.Since))
		}
	}
}

// why returns the attributes that say why a dialogue fails.
func why(c *state.DialogChange) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("error.type", string(c.Result.ErrorType)), attribute.String("tcpcheck.error.message", c.Result.Err.Error())}
}

// The values of dialogues are those of the last ones, and come with each report.

func emitDialogOK(w *writer, s *Series, r *check.Report) {
	eachDialog(r, func(result *check.DialogResult) {
		w.emitWorks(s.identityOf(result.Family, result.Address), result.Status)
	})
}

func emitDialogDuration(w *writer, s *Series, r *check.Report) {
	eachDialog(r, func(result *check.DialogResult) {
		if result.Status == check.Up {
			w.emit(s.identityOf(result.Family, result.Address), result.Time.Seconds())
		}
	})
}

func eachDialog(r *check.Report, f func(*check.DialogResult)) {
	if r.Session == nil {
		return
	}
	for i := range r.Session.Dialogs {
		f(&r.Session.Dialogs[i])
	}
}
