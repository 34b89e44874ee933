package receiver

import (
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/state"
)

// certificateFiles are those with certificates, with all that lasts from one look at them to the next.
type certificateFiles struct {
	found   *probe.CertificateFiles
	files   map[string]*certificateFile // that are there, by path
	sources sources
	last    time.Time // of the last look
}

// certificateFile is a file with certificates.
type certificateFile struct {
	*check.Target // that stands for it
	known         state.Certificates
	log           report.Log
	series        *report.Series
}

// lookAgainAfter is how long it is to the next look, at most, if the last one was unsure of a file.
const lookAgainAfter = 5 * time.Second

// newCertificateFiles returns those that match patterns; nothing is known of them.
func newCertificateFiles(patterns []string) certificateFiles {
	return certificateFiles{found: probe.NewCertificateFiles(patterns), files: make(map[string]*certificateFile)}
}

// followFiles looks at the files with certificates, again and again until the receiver is shut down.
func (r *Receiver) followFiles() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(r.lookAtFiles())
		case <-r.running.Done():
			return
		}
	}
}

// lookAtFiles looks at the files with certificates once, tells what is new and reports what they have. Who is one
// of several and does not lead has none. It returns the time to the next look.
func (r *Receiver) lookAtFiles() (next time.Duration) {
	c, leads := &r.files, r.settings.Elector == "" || r.leads()
	now, next := nowAfter(c.last).Round(0), r.settings.CertificateInterval
	c.last = now
	var list check.List
	var found []check.CertificateFile
	if leads {
		var unsure bool
		if found, list.Warnings, unsure = c.found.Look(now); unsure {
			next = min(next, lookAgainAfter)
		}
	}
	there := make(map[string]bool, len(found))
	for i := range found {
		there[found[i].Name] = true
		list.Sources = append(list.Sources, found[i].Source)
	}
	if changed, ails := c.sources.observe(r.logger, r.journal, &list); changed {
		r.health.report(&r.health.files, ails)
	}
	for path, f := range c.files {
		if there[path] {
			continue
		}
		delete(c.files, path)
		if leads {
			f.log.WriteGone(now)
		}
		if r.delivery != nil {
			r.delivery.End(f.series, now)
		}
		r.points.Release(f.series)
	}
	r.reportFiles(found, now)
	return next
}

// reportFiles reports what files have now.
func (r *Receiver) reportFiles(found []check.CertificateFile, now time.Time) {
	for i := range found {
		path := found[i].Name
		f := r.files.files[path]
		if f == nil {
			if found[i].Certificate == nil {
				continue
			}
			target := report.FileTarget(path)
			f = &certificateFile{Target: target, log: report.NewLog(r.journal, target), series: r.points.NewSeries(target, now)}
			r.files.files[path] = f
		}
		told := found[i].Report(f.Target, now)
		if told == nil {
			continue
		}
		var changes []state.CertificateChange
		if found[i].Err == nil {
			changes = f.known.Observe(told)
			f.log.WriteTLS(told, changes)
		}
		if r.delivery != nil {
			r.delivery.Add(f.series, &check.Report{Target: f.Target, Time: now, Session: told}, len(changes) > 0)
		}
	}
}
