package report

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/state"
)

// The values of dialogues, which come with each report, and their errors, each of which is counted once.
func TestDialogPoints(t *testing.T) {
	config := reporttest.DefaultMetrics()
	config.Metrics.TcpcheckChecks.Enabled = true
	p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
	target := check.Target{Host: "h", Port: 1, Dialog: &check.Dialog{}}
	s := p.NewSeries(&target, start)
	result := func(last byte, status check.Status, reason check.ErrorType) check.DialogResult {
		return check.DialogResult{Family: check.IPv4, Address: netip.AddrFrom4([4]byte{192, 0, 2, last}), Status: status, ErrorType: reason, Time: time.Second}
	}
	first := &check.SessionReport{Target: &target, Dialogs: []check.DialogResult{
		result(1, check.Up, ""), result(2, check.Down, check.UnexpectedAnswer), result(3, check.Unchecked, ""),
	}}
	second := &check.SessionReport{Target: &target, Dialogs: []check.DialogResult{result(1, check.Down, check.DialogTimeout), result(2, check.Down, check.UnexpectedAnswer)}}
	const at = "network.type=ipv4 server.address=h server.port=1}"
	one, two := "{network.peer.address=192.0.2.1 "+at, "{network.peer.address=192.0.2.2 "+at
	after := []string{"{} checks{" + at + " 2", "{} dialog.duration" + one + " s", "{} dialog.ok" + one + " 1", "{} dialog.ok" + two + " 0", "{} errors{error.type=unexpected_answer " + at + " 1"}
	for n, test := range []struct {
		session *check.SessionReport
		want    []string
	}{
		{nil, nil},
		{first, after},
		{first, after},
		{second, []string{
			"{} checks{" + at + " 4", "{} dialog.duration" + one + " ended", "{} dialog.ok" + one + " 0", "{} dialog.ok" + two + " 0",
			"{} errors{error.type=dialog_timeout " + at + " 1", "{} errors{error.type=unexpected_answer " + at + " 2",
		}},
	} {
		b := newBatch(p)
		b.add(s, &check.Report{Target: &target, Time: time.Unix(int64(n+1), 0), Session: test.session})
		assert.Equal(t, test.want, reporttest.Lines(t, b.metrics()), "report %d", n)
	}
}

// What the log says of dialogues.
func TestWriteDialogs(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	target := check.Target{Host: "mail.example", Port: 25, Labels: check.Labels{Name: "mail"}}
	log := NewLog(NewJournal(zap.New(core)), &target)
	address := netip.MustParseAddr("192.0.2.1")
	failed := check.DialogResult{Status: check.Down, ErrorType: check.UnexpectedAnswer, Err: errors.New(`steps[0] (expect): the service said "554 no\r\n"`)}
	works := check.DialogResult{Status: check.Up}
	for n, change := range []state.DialogChange{
		{Kind: state.DialogFailed, Result: &failed},
		{Kind: state.DialogFailedOtherwise, Result: &failed, Before: check.DialogTimeout},
		{Kind: state.DialogWorks, Result: &works},
	} {
		change.Endpoint = state.Endpoint{Family: check.IPv4, Address: address}
		log.WriteDialogs(&check.SessionReport{Time: time.Unix(int64(n)*3600, 0)}, []state.DialogChange{change})
	}
	var got []string
	for _, entry := range logs.All() {
		got = append(got, entry.Level.String()+": "+entry.Message)
	}
	const of = `the dialogue with "mail" (192.0.2.1:25) over ipv4 `
	assert.Equal(t, []string{
		"warn: " + of + `fails: unexpected answer: steps[0] (expect): the service said "554 no\r\n"`,
		"warn: " + of + `fails: unexpected answer, no longer dialog timeout: steps[0] (expect): the service said "554 no\r\n"`,
		"info: " + of + `works again`,
	}, got)
}
