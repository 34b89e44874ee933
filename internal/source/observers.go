package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/vm"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/observer"
)

// Observer says which endpoints of an observer are checked, and how.
type Observer struct {
	// Observer is the ID of the extension, such as host_observer. It is required.
	Observer string `mapstructure:"observer"`
	// Rule says which endpoints are checked, as receiver_creator has it: an expression that
	// begins with the type of the endpoint, as in `type == "hostport" && port == 443`. It is
	// required.
	Rule string `mapstructure:"rule"`
	// Instance is what is checked of each endpoint: any options of an instance. What is between backquotes is
	// an expression, whose value comes in its place; an option, or a tag, that is empty then is
	// left out. Without them, name and endpoint are the endpoint's.
	Instance map[string]any `mapstructure:"instance" is:"a mapping of the options of an instance"`
	// MaxTargets is how many endpoints may be checked: 1 or more.
	MaxTargets *Integer `mapstructure:"max_targets" default:"any number"`
}

// inObservers is the option that has these.
const inObservers = "observers"

// observed is an Observer, with what its texts mean.
type observed struct {
	place     string // observers[0]
	id        string
	rule      *vm.Program
	template  map[string]any
	programs  map[string]*vm.Program // of the expressions in the template
	most      int
	extension observer.Observable // nil before Bind
}

// decodeObservers finds out what Observers mean, and adds what is wrong with that.
func (o *Options) decodeObservers() {
	o.observed = nil
	for i := range o.Observers {
		written := &o.Observers[i]
		w := &observed{place: fmt.Sprintf("%s[%d]", inObservers, i), id: strings.TrimSpace(written.Observer), template: written.Instance, programs: make(map[string]*vm.Program)}
		o.observed = append(o.observed, w)
		p := &o.undecoded
		if p.Within(w.place) {
			continue // which is told
		}
		if w.id == "" {
			p.Add(w.place+".observer", "there is none; write the name of an extension, such as host_observer")
		}
		w.decodeRule(p, written.Rule)
		w.decodeTemplate(p)
		w.most = p.mostTargets(w.place+".max_targets", written.MaxTargets)
		o.sources = append(o.sources, w.found(0).sources()...)
	}
}

// rulesType is how a rule begins.
var rulesType = regexp.MustCompile(`^type\s*==\s*"[^"]+"`)

// decodeRule compiles the rule.
func (w *observed) decodeRule(p *Problems, text string) {
	place := w.place + ".rule"
	switch program, err := compileExpression(text); {
	case text == "":
		p.Add(place, "there is none; write one such as type == \"hostport\" && port == 443")
	case !rulesType.MatchString(text):
		p.Add(place, "%q does not begin with the type of the endpoint, as in type == \"hostport\"", text)
	case err != nil:
		p.Add(place, "%q is no rule: %v", text, err)
	default:
		w.rule = program
	}
}

// compileExpression compiles an expression as receiver_creator has them, in which type is a
// variable and no function.
func compileExpression(text string) (*vm.Program, error) {
	program, err := expr.Compile(text, expr.DisableBuiltin("type"), expr.Function("typeOf", func(of ...any) (any, error) {
		return builtin.Type(of[0]), nil
	}, new(func(any) string)))
	if err != nil {
		return nil, errors.New(firstLine(err))
	}
	return program, nil
}

// decodeTemplate compiles the expressions of the template, and decodes what has none, to add
// what is wrong with it.
func (w *observed) decodeTemplate(p *Problems) {
	place := w.place + ".instance"
	known := w.compileIn(p, place, w.template)
	var inside Problems
	inside.decode(fileSchema(), inDefaults, known, &Instance{})
	for at, text := range inside.texts {
		if text != "" {
			p.Add(place+strings.TrimPrefix(at, inDefaults), "%s", text)
		}
	}
}

// compileIn compiles the expressions in a value at a place, and returns what of the value has none.
func (w *observed) compileIn(p *Problems, place string, value any) any {
	switch v := value.(type) {
	case string:
		parts, err := quotedParts(v)
		if err != nil {
			p.Add(place, "%q %v", v, err)
		}
		for _, part := range parts {
			if part.isExpression {
				program, err := compileExpression(part.text)
				if err != nil {
					p.Add(place, "%q is no expression: %v", part.text, err)
				}
				w.programs[part.text] = program
			}
		}
		if len(parts) == 1 && !parts[0].isExpression || len(parts) == 0 {
			return v
		}
		return nil
	case []any:
		for i := range v {
			w.compileIn(p, fmt.Sprintf("%s[%d]", place, i), v[i])
		}
		return v
	case map[string]any:
		known := make(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			known[key] = w.compileIn(p, place+"."+shown(key), v[key])
		}
		return known
	}
	return value
}

// quotedPart is a part of a text with expressions in backquotes.
type quotedPart struct {
	text         string
	isExpression bool
}

// quotedParts returns the parts of a text. A backslash in front of a backquote makes it one of
// the text.
func quotedParts(text string) ([]quotedPart, error) {
	var parts []quotedPart
	var part strings.Builder
	inside := false
	end := func() {
		if part.Len() > 0 {
			parts = append(parts, quotedPart{part.String(), inside})
		}
		part.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "\\`"):
			i++
			part.WriteByte('`')
		case text[i] != '`':
			part.WriteByte(text[i])
		case inside && strings.TrimSpace(part.String()) == "":
			return nil, errors.New("has no expression between two backquotes")
		default:
			end()
			inside = !inside
		}
	}
	if inside {
		return nil, errors.New("has no backquote at the end of an expression")
	}
	end()
	return parts, nil
}

// found returns what the observer has found before it has begun.
func (w *observed) found(number int) *found {
	return newFound(outer{number: number, option: w.place, name: w.id}, w.most, fmt.Sprintf("%s %q", w.place, w.id))
}

// Bind finds the extensions that the options name among those of the collector. It returns an
// error that has a line for each that is not there, or is no observer.
func (o *Options) Bind(extension func(id string) any) error {
	var p Problems
	for _, w := range o.observed {
		switch found := extension(w.id).(type) {
		case nil:
			p.Add(w.place+".observer", "there is no extension %s; it has to be in extensions, and in service.extensions", w.id)
		case observer.Observable:
			w.extension = found
		default:
			p.Add(w.place+".observer", "the extension %s is no observer", w.id)
		}
	}
	return o.Err(&p)
}

// observeEndpoints watches the observers until ctx ends. What they say comes as events.
func (w *watcher) observeEndpoints(ctx context.Context, running *sync.WaitGroup) {
	for i, of := range w.options.observed {
		if of.extension == nil {
			continue // it was not bound
		}
		n := &notify{watcher: w, ctx: ctx, observed: of, found: w.observed[i]}
		running.Go(func() {
			of.extension.ListAndWatch(n)
			<-ctx.Done()
			of.extension.Unsubscribe(n)
		})
	}
}

// notify is told of the endpoints of an observer. It implements observer.Notify.
type notify struct {
	*watcher
	ctx      context.Context
	observed *observed
	found    *found
}

// ID returns an ID that no other notify has.
func (n *notify) ID() observer.NotifyID { return observer.NotifyID(fmt.Sprintf("%p", n)) }

// OnAdd takes note of endpoints that are new.
func (n *notify) OnAdd(added []observer.Endpoint) {
	groups := make([]group, len(added))
	for i, endpoint := range added {
		groups[i] = n.observed.group(endpoint)
	}
	n.tell(n.ctx, event{found: n.found, by: n.found.by[0], groups: groups})
}

// OnChange takes note of endpoints that have changed.
func (n *notify) OnChange(changed []observer.Endpoint) { n.OnAdd(changed) }

// OnRemove takes note of endpoints that are gone.
func (n *notify) OnRemove(removed []observer.Endpoint) {
	groups := make([]group, len(removed))
	for i, endpoint := range removed {
		groups[i] = group{name: string(endpoint.ID)}
	}
	n.tell(n.ctx, event{found: n.found, by: n.found.by[0], groups: groups})
}

// group returns the group that an endpoint is.
func (w *observed) group(endpoint observer.Endpoint) group {
	endpoint.Target = bracketed(endpoint)
	env, err := endpoint.Env()
	if err != nil {
		return group{name: string(endpoint.ID)} // there is nothing that could be checked
	}
	s := sumOfText([]byte(fmt.Sprint(env))) // in which maps are sorted
	return group{name: string(endpoint.ID), sum: s, targets: []sum{s}, instance: func(_ int, _ *entryMaker, p *Problems, place string) *Instance {
		return w.instance(p, place, env)
	}}
}

// bracketed returns what an endpoint is, with the brackets that k8s_observer leaves out around the IPv6
// address of a pod's port.
func bracketed(endpoint observer.Endpoint) string {
	details, _ := endpoint.Details.(*observer.Port)
	if details == nil {
		return endpoint.Target
	}
	port := strconv.Itoa(int(details.Port))
	host, cut := strings.CutSuffix(endpoint.Target, ":"+port)
	if addr, err := netip.ParseAddr(host); !cut || err != nil || addr.Is4() {
		return endpoint.Target
	}
	return net.JoinHostPort(host, port)
}

// instance returns the instance that an endpoint is, or nil if the rule does not want it. What is
// wrong with it is added at a place of its list.
func (w *observed) instance(p *Problems, place string, env observer.EndpointEnv) *Instance {
	endpoint := fmt.Sprint(env["endpoint"])
	i := &Instance{Name: endpoint, Endpoint: endpoint}
	result, err := expr.Run(w.rule, map[string]any(env))
	switch wanted, isBool := result.(bool); {
	case err != nil:
		p.Add(place+".rule", "%v", firstLine(err))
		return i
	case !isBool:
		p.Add(place+".rule", "%s is neither true nor false", quote(result))
		return i
	case !wanted:
		return nil
	}
	i.Endpoint = ""
	options := make(map[string]any, len(w.template))
	for key, value := range w.template {
		if expanded := w.expand(p, place+"."+key, value, env); expanded != nil {
			options[key] = expanded
		}
	}
	_, withEndpoint := options["endpoint"]
	_, withHost := options["host"]
	_, withPort := options["port"]
	switch {
	case withEndpoint || withHost:
	case !withPort && hasPort.MatchString(endpoint):
		options["endpoint"] = endpoint
	default:
		options["host"] = fmt.Sprint(env["host"])
	}
	p.decode(fileSchema(), place, options, i)
	return i
}

// expand returns a value with those of its expressions in their places, and adds a problem with
// one that has none. Of a text, nothing is left but nil if it comes out empty, or as a tag
// without a value: an option is left out that an endpoint says nothing about.
func (w *observed) expand(p *Problems, place string, value any, env observer.EndpointEnv) any {
	switch v := value.(type) {
	case string:
		return w.expandText(p, place, v, env)
	case []any:
		expanded := make([]any, 0, len(v))
		for i := range v {
			if element := w.expand(p, fmt.Sprintf("%s[%d]", place, i), v[i], env); element != nil {
				expanded = append(expanded, element)
			}
		}
		return expanded
	case map[string]any:
		expanded := make(map[string]any, len(v))
		for key := range v {
			if inner := w.expand(p, place+"."+shown(key), v[key], env); inner != nil {
				expanded[key] = inner
			}
		}
		return expanded
	}
	return value
}

func (w *observed) expandText(p *Problems, place, text string, env observer.EndpointEnv) any {
	parts, _ := quotedParts(text) // whatever is wrong with these is told
	var expanded strings.Builder
	for _, part := range parts {
		if !part.isExpression {
			expanded.WriteString(part.text)
			continue
		}
		value, err := expr.Run(w.programs[part.text], map[string]any(env))
		if err == nil && value == nil {
			err = errors.New("it has no value here")
		}
		if err != nil {
			p.Add(place, "%q: %v", part.text, firstLine(err))
			continue
		}
		if list := reflect.ValueOf(value); len(parts) == 1 && list.Kind() == reflect.Slice {
			return value // such as one of tags
		}
		fmt.Fprint(&expanded, value)
	}
	text = expanded.String()
	if hasExpression := slices.ContainsFunc(parts, func(p quotedPart) bool { return p.isExpression }); hasExpression && (text == "" || strings.HasSuffix(text, ":")) {
		return nil
	}
	return text
}

// firstLine returns the first line of an error of an expression, which has its text and an arrow
// below.
func firstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
