package source

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// What steps become.
func TestSteps(t *testing.T) {
	options, err := load(t, `{instances: [
		{name: a, host: h, port: 25, tls: {interval: 10m}, steps: [{expect: '^220 (\w+)'}, {send: "EHLO ${1} $$\r\n"}, {starttls: true}]},
		{name: b, host: h, port: 6379, steps_interval: 30s, steps: [{send: "PING\r\n"}, {expect: PONG}]},
		{name: c, host: h, port: 5432, tls: {}, steps: [{starttls: postgresql}]},
		{name: d, host: h, port: 3306, tls: {}, steps: [{starttls: mysql}]},
		{name: e, host: h, port: 22, steps: [{expect: ^SSH-2.0-}]},
		{name: f, host: h, port: 80}]}`)
	require.NoError(t, err)
	targets := options.ToCheck(&Problems{}).Targets
	dialogs := make([]*check.Dialog, len(targets))
	for i, target := range targets {
		dialogs[i] = target.Dialog
	}
	require.Len(t, dialogs, 6)
	require.Len(t, dialogs[0].Steps, 3)
	assert.Equal(t, check.Step{Send: "EHLO ${1} $$\r\n"}, dialogs[0].Steps[1])
	assert.Equal(t, check.Step{StartTLS: check.StartTLSNow}, dialogs[0].Steps[2])
	assert.Equal(t, check.StartTLSPostgreSQL, dialogs[2].Steps[0].StartTLS)
	assert.Equal(t, check.StartTLSMySQL, dialogs[3].Steps[0].StartTLS)
	assert.Equal(t, []time.Duration{10 * time.Minute, 30 * time.Second, 5 * time.Minute, 5 * time.Minute, time.Minute}, []time.Duration{
		dialogs[0].Interval, dialogs[1].Interval, dialogs[2].Interval, dialogs[3].Interval, dialogs[4].Interval,
	})
	assert.Nil(t, dialogs[5])
}

// Steps and their interval among defaults, which not every instance makes use of.
func TestStepsInDefaults(t *testing.T) {
	for written, want := range map[string]string{
		"defaults: {steps_interval: 30s}, instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 2, steps: [{expect: a}]}]":               "",
		"defaults: {steps_interval: 30s}, instances: [{name: a, host: h, port: 1, tls: {}, steps: [{expect: a}]}]":                                   "",
		"defaults: {steps: [{expect: a}]}, instances: [{name: a, host: h, port: 1, steps: []}, {name: b, host: h, port: 2, quiet: true, steps: []}]": "",
		"defaults: {steps: [{expect: a}]}, instances: [{name: a, host: h, port: 1, steps_interval: 5s}]":                                             "",
		"defaults: {steps_interval: 30s, tls: {}, steps: [{expect: a}]}, instances: [{name: a, host: h, port: 1}]":                                   "defaults.steps_interval: the dialogue and the handshake are over one connection; write tls.interval",
		"defaults: {tls: {}, steps: [{expect: a}]}, instances: [{name: a, host: h, port: 1, steps_interval: 5s}]":                                    `instances[0] "a" .steps_interval: the dialogue and the handshake are over one connection; write tls.interval`,
		"defaults: {steps: [{expect: '('}]}, instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 1}]":                                  "defaults.steps[0].expect: \"(\" is not a regular expression: error parsing regexp: missing closing ): `(`",
		"defaults: {steps: [{expect: a}]}, instances: [{name: a, host: h, port: 1, quiet: true}]":                                                    `instances[0] "a" .steps: they need a connection that the server accepts, and quiet is true`,
	} {
		_, err := load(t, "{"+written+"}")
		if want == "" {
			require.NoError(t, err, written)
			continue
		}
		assert.EqualError(t, err, want, written)
	}
}

// What an expression matches.
func TestExpect(t *testing.T) {
	for _, test := range []struct{ expression, said, want string }{
		{`^\+OK$`, "+OK\r\n", "+OK\r"},
		{`^\+OK$`, "+OK\n", "+OK"},
		{`^250 `, "250-a\r\n250 b\r\n", "250 "},
		{`(a$|b$)+`, "a\r\nb", "a\r"},
		{`^(\S+)$`, "x\r\n", "x\r"},
		{`\AOK\z`, "OK", "OK"},
		{`(?-m)OK$`, "OK\r\n", ""},
		{`(?i)ready$`, "READY\r\n", "READY\r"},
		{`$`, "x", ""},
	} {
		expression, err := compileExpect(test.expression)
		require.NoError(t, err, test.expression)
		assert.Equal(t, test.want, expression.FindString(test.said), test.expression)
	}
}

// What is wrong with steps.
func TestInvalidSteps(t *testing.T) {
	const at = `instances[0] "a" .`
	for written, want := range map[string]string{
		"steps: [{}]":                                           "steps[0]: it has 0 of expect, send and starttls; write one of them",
		"steps: [{expect: a, send: b}]":                         "steps[0]: it has 2 of expect, send and starttls; write one of them",
		"steps: [{expect: '('}]":                                "steps[0].expect: \"(\" is not a regular expression: error parsing regexp: missing closing ): `(`",
		"steps: [{expect: '.*'}]":                               `steps[0].expect: ".*" matches where nothing is said, so it expects nothing`,
		"steps: [{starttls: true}]":                             "steps[0].starttls: there is no tls; write tls: {} beside the steps",
		"tls: {}, steps: [{starttls: imap}]":                    `steps[0].starttls: "imap" is none of true, postgresql and mysql`,
		"tls: {}, steps: [{starttls: true}, {starttls: mysql}]": "steps[1].starttls: TLS begins already at steps[0]",
		"steps: [{send: 'a ${1}'}]":                             "steps[0].send: ${1} stands for what an expect before it has matched, and there is none",
		"steps: [{expect: '(a)'}, {send: 'a ${2}'}]":            "steps[1].send: ${2} stands for a group of steps[0].expect, which has 1",
		"steps_interval: 10s":                                   "steps_interval: there are no steps",
		"steps_interval: 10ms, steps: [{expect: a}]":            "steps_interval: 10ms is shorter than 1s",
		"steps_interval: 10s, tls: {}, steps: [{expect: a}]":    "steps_interval: the dialogue and the handshake are over one connection; write tls.interval",
		"quiet: true, steps: [{expect: a}]":                     "steps: they need a connection that the server accepts, and quiet is true",
	} {
		_, err := load(t, "{instances: [{name: a, host: h, port: 1, "+written+"}]}")
		assert.EqualError(t, err, at+want, written)
	}
}

// What is sent is told by nothing that is wrong.
func TestSentIsNotTold(t *testing.T) {
	for _, written := range []string{
		"steps: [{send: 'PASS hunter2 ${9}'}]", "steps: [{send: hunter2, expect: a}]", "steps: [{send: [hunter2]}]", "steps: [{send: hunter2, what: a}]", "steps: {send: hunter2}",
	} {
		_, err := load(t, "{instances: [{name: a, host: h, port: 1, "+written+"}]}")
		require.Error(t, err, written)
		assert.NotContains(t, err.Error(), "hunter2", written)
	}
}
