package report

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/status"
)

// Journal tells what happens: to the log, and to the consumer of a pipeline of logs if there is
// one.
type Journal struct {
	logger *zap.Logger
	events *Events        // nil if there is no such pipeline
	recent *status.Recent // nil if there is no status page
}

// NewJournal returns a Journal to a log.
func NewJournal(logger *zap.Logger) *Journal { return &Journal{logger: logger} }

// Emit has what is told from now on given to events as well. It is called before anything is told.
func (j *Journal) Emit(events *Events) { j.events = events }

// Keep has what is told from now on be kept as well. It is called before anything is told.
func (j *Journal) Keep(recent *status.Recent) { j.recent = recent }

// tell tells an event to all.
func (j *Journal) tell(e *event) {
	j.log(e)
	j.emit(e)
}

// log tells an event to the log alone.
func (j *Journal) log(e *event) { j.logger.Log(e.level, e.body, e.fields()...) }

// emit tells an event to all but the log.
func (j *Journal) emit(e *event) {
	if j.events != nil {
		j.events.add(e)
	}
	if j.recent != nil {
		j.recent.Add(e.kept())
	}
}

// SourceStale says that the list of a source cannot be taken as it is.
func (j *Journal) SourceStale(s *check.Source) {
	e := event{name: sourceStale, level: zapcore.ErrorLevel, time: time.Now(), body: s.Title() + " cannot be taken as it is, so the last good one stays"}
	if s.Certificates {
		e.body += ", if there was one"
	}
	e.add(attribute.String("source", s.Name), attribute.String("tcpcheck.error.message", s.Err.Error()), timeOf("tcpcheck.stale_since", s.Stale))
	j.tell(&e)
}

// SourceFresh says that the list of a source is up to date again, which was stale as was says.
func (j *Journal) SourceFresh(was *check.Source) {
	e := event{name: sourceFresh, level: zapcore.InfoLevel, time: time.Now(), body: was.Title() + " is up to date again"}
	e.add(attribute.String("source", was.Name), timeOf("tcpcheck.stale_since", was.Stale))
	j.tell(&e)
}
