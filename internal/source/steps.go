package source

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	defaultStepsInterval = time.Minute
	mostSteps            = 100
)

// Step is one step of a dialogue with a service. One of its options is written.
type Step struct {
	// Expect is a regular expression (RE2, https://github.com/google/re2/wiki/Syntax) that is awaited in what the
	// service says. In it, ^ and $ stand for the beginning and the end of a line.
	Expect string `mapstructure:"expect"`
	// Send is sent as it is, but for ${1}, which stands for what the first group of the last Expect has
	// matched. In the configuration of a collector, which has variables of its own, that is written $${1}.
	Send configopaque.String `mapstructure:"send"`
	// StartTLS begins a TLS handshake, as Instance.TLS says: `true` does so at once, `postgresql` and `mysql` as
	// their protocols have it.
	StartTLS StartTLS `mapstructure:"starttls"`
}

// StartTLS is how a TLS handshake begins: one of true, postgresql and mysql. It is empty if there is none.
type StartTLS string

// UnmarshalMapstructure accepts any value. What it is, is for Check to say.
func (s *StartTLS) UnmarshalMapstructure(value any) error {
	*s = StartTLS(fmt.Sprint(value))
	return nil
}

// waysToStartTLS are what StartTLS may be.
var waysToStartTLS = map[StartTLS]check.StartTLS{"true": check.StartTLSNow, "postgresql": check.StartTLSPostgreSQL, "mysql": check.StartTLSMySQL}

// dialog returns the dialogue of an instance, whose certificates are checked as it says, or nil if there is
// none. It has no problem.
func (i *Instance) dialog(secured *check.TLS) *check.Dialog {
	if len(i.Steps) == 0 {
		return nil
	}
	d := &check.Dialog{Steps: make([]check.Step, len(i.Steps)), Interval: i.StepsInterval.or(defaultStepsInterval)}
	if secured != nil {
		d.Interval = secured.Interval
	}
	for n, step := range i.Steps {
		d.Steps[n] = check.Step{Send: string(step.Send), StartTLS: waysToStartTLS[step.StartTLS]}
		if step.Expect != "" {
			d.Steps[n].Expect, _ = compileExpect(step.Expect) // what is wrong with it is told
		}
	}
	return d
}

// compileExpect returns what is awaited by an expression, in which ^ and $ stand for the beginning and the end of a
// line, be that \n or \r\n.
func compileExpect(expression string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(expression, syntax.Perl&^syntax.OneLine)
	if err != nil {
		return nil, err
	}
	endWithCR(parsed)
	return regexp.Compile(parsed.String())
}

// endWithCR has each $ of an expression match before a \r at the end of a line as well.
func endWithCR(expression *syntax.Regexp) {
	if expression.Op == syntax.OpEndLine {
		cr := &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'\r'}}
		*expression = syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{{Op: syntax.OpQuest, Sub: []*syntax.Regexp{cr}}, {Op: syntax.OpEndLine}}}
		return
	}
	for _, part := range expression.Sub {
		endWithCR(part)
	}
}

// references are what stands for a group in what is sent.
var references = regexp.MustCompile(`\$\$|\$\{(\d{1,3})\}`)

// checkSteps finds what is wrong with the dialogue; secured says that there is TLS and plain that there is none,
// and quiet whether the checks are.
func (v *instanceValidator) checkSteps(secured, plain, quiet bool) {
	v.checkDuration("steps_interval", v.StepsInterval, minTLSInterval)
	switch {
	case len(v.Steps) > mostSteps:
		v.add("steps", "%d are more than %d", len(v.Steps), mostSteps)
	case len(v.Steps) == 0:
		return
	}
	if secured && v.StepsInterval != nil && (v.has("steps_interval") || !v.has("tls")) {
		v.addTogether("steps_interval", []string{"tls"}, "the dialogue and the handshake are over one connection; write tls.interval")
	}
	if quiet {
		v.addTogether("steps", []string{"quiet"}, "they need a connection that the server accepts, and quiet is true")
	}
	groups, from, starts := 0, "", ""
	for i := range v.Steps {
		step, place := &v.Steps[i], fmt.Sprintf("steps[%d]", i)
		written := 0
		for _, text := range []string{step.Expect, string(step.Send), string(step.StartTLS)} {
			if text != "" {
				written++
			}
		}
		if written != 1 {
			v.add(place, "it has %d of expect, send and starttls; write one of them", written)
			continue
		}
		switch {
		case step.Expect != "":
			expression, err := compileExpect(step.Expect)
			switch {
			case err != nil:
				v.add(place+".expect", "%q is not a regular expression: %v", step.Expect, err)
				continue
			case expression.MatchString(""):
				v.add(place+".expect", "%q matches where nothing is said, so it expects nothing", step.Expect)
			}
			groups, from = expression.NumSubexp(), place+".expect"
		case step.Send != "":
			v.checkReferences(place+".send", string(step.Send), groups, from)
		default:
			if waysToStartTLS[step.StartTLS] == 0 {
				v.add(place+".starttls", "%q is none of true, postgresql and mysql", step.StartTLS)
			}
			if starts != "" {
				v.add(place+".starttls", "TLS begins already at %s", starts)
			}
			if plain {
				v.add(place+".starttls", "there is no tls; write tls: {} beside the steps")
			}
			starts = place
		}
	}
}

// checkReferences finds what in a text that is sent stands for a group that there is not. It does not tell
// the text: there may be a password in it.
func (v *instanceValidator) checkReferences(option, text string, groups int, from string) {
	for _, match := range references.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(match[1])
		switch {
		case err != nil: // a $$
		case from == "":
			v.add(option, "${%d} stands for what an expect before it has matched, and there is none", n)
		case n > groups:
			v.add(option, "${%d} stands for a group of %s, which has %d", n, from, groups)
		}
	}
}
