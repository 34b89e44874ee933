package tcpcheckstatus

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/status"
)

const (
	// perPage is how many targets are on a page, and mostTroubled how many of those that are down come first.
	perPage      = 100
	mostTroubled = 25
	// mostLeftOut is how many of those that are not checked are on the first page.
	mostLeftOut = 20
	// mostServices is how many services can be chosen from.
	mostServices = 200
	// mostShownEndpoints is how many addresses of a target are in a list.
	mostShownEndpoints = 8
)

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"visible": visible, "short": short, "ms": milliseconds, "lasting": lasting, "time": shownTime, "rfc3339": timeText, "family": familyName, "at": at,
	"saidBy": saidBy, "id": idText, "omission": omissionText, "runs": stripRuns, "stripWords": stripWords, "thousands": thousands, "layers": layersOf,
	"since": func(now, t time.Time) string { return lasting(now.Sub(t)) },
	"shown": func(e []status.Endpoint) []status.Endpoint { return e[:min(len(e), mostShownEndpoints)] },
	"more":  func(e []status.Endpoint) int { return len(e) - min(len(e), mostShownEndpoints) },
	"hints": hintsOf,
	"mark":  func(s status.State) string { return [...]string{"…", "●", "▲", "?"}[s] },
	"state": func(s status.State) string { return [...]string{"not known yet", "up", "down", "unchecked"}[s] },
	"dict":  func(e status.Endpoint, now time.Time) endpointView { return endpointView{e, now} },
}).ParseFS(assets, "assets/*.html"))

// endpointView is an endpoint at a time.
type endpointView struct {
	status.Endpoint
	Now time.Time
}

// layerView is what goes on over a connection to an endpoint.
type layerView struct {
	Name string
	*status.Layer
}

// layersOf returns those of an endpoint that are checked.
func layersOf(e status.Endpoint) []layerView {
	var layers []layerView
	if e.TLS != nil {
		layers = append(layers, layerView{"TLS", e.TLS})
	}
	if e.Dialog != nil {
		layers = append(layers, layerView{"dialogue", e.Dialog})
	}
	return layers
}

// hintsOf returns the hints of endpoints, each once.
func hintsOf(endpoints []status.Endpoint) []string {
	var hints []string
	for i := range endpoints {
		if hint := endpoints[i].Hint; hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	return hints
}

// view is what every page shows.
type view struct {
	Title    string
	Sentence string
	Trouble  bool
	Taken    time.Time
	// At is the time of the page, as it is found in it: two pages that differ in it alone are one.
	At template.HTML
}

func (o *overview) view(title string) view {
	return view{
		Title: title, Sentence: o.sentence(), Trouble: len(o.troubled) > 0, Taken: o.taken,
		At: template.HTML(fmt.Sprintf(`<time id="taken" datetime="%s">%s</time>`, timeText(o.taken.Truncate(time.Second)), shownTime(o.taken))), //nolint:gosec // it has nothing but digits
	}
}

// group is the targets of a service.
type group struct {
	Service string
	Entries []*entry
}

// listView is the first page, and those that go on with it.
type listView struct {
	view
	Filter      filter
	Troubled    []*entry
	MoreTrouble int
	Groups      []group
	Grouped     bool // there is a service
	Services    []string
	Verdicts    []verdict
	Wanted, All int
	From, To    int
	Pages       int
	Before      string // link to the page before; empty if there is none
	After       string
	LeftOut     []leftOut
	MoreLeftOut int
	AllLeftOut  int
	Stale       []staleSource
	NoReceiver  bool
}

// serveList has the targets that a filter wants, a page of them.
func (p *page) serveList(o *overview, r *http.Request) (render, error) {
	f, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	wanted := o.selected(&f)
	v := listView{
		view: o.view(o.sentence()), Filter: f, Verdicts: []verdict{isDown, isOneFamily, isPartly, isFailing, isUnchecked, isUnknown, isUp},
		Wanted: len(wanted), All: len(o.entries), Pages: max(1, (len(wanted)+perPage-1)/perPage), Stale: o.stale(), NoReceiver: len(o.snapshots) == 0,
		Services: o.services[:min(len(o.services), mostServices)],
	}
	v.Filter.Page = min(f.Page, v.Pages)
	v.From = (v.Filter.Page - 1) * perPage
	v.To = min(len(wanted), v.From+perPage)
	if v.Filter.Page > 1 {
		v.Before = pageLink(r.URL.Query(), v.Filter.Page-1)
	}
	if v.Filter.Page < v.Pages {
		v.After = pageLink(r.URL.Query(), v.Filter.Page+1)
	}
	for _, e := range wanted[v.From:v.To] {
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Service != e.Service() {
			v.Groups = append(v.Groups, group{Service: e.Service()})
		}
		last := &v.Groups[len(v.Groups)-1]
		last.Entries = append(last.Entries, e)
	}
	v.Grouped = len(o.services) > 1 || len(o.services) == 1 && o.services[0] != ""
	if v.Filter.Page == 1 && !v.Filter.Filters() {
		v.Troubled = o.troubled[:min(len(o.troubled), mostTroubled)]
		v.MoreTrouble = len(o.troubled) - len(v.Troubled)
		v.LeftOut = o.notChecked[:min(len(o.notChecked), mostLeftOut)]
		v.AllLeftOut, v.MoreLeftOut = len(o.notChecked), len(o.notChecked)-len(v.LeftOut)
	}
	return execute("list.html", &v, v.At), nil
}

// pageLink returns the link to another page of the same targets.
func pageLink(query url.Values, number int) string {
	query.Set("page", strconv.Itoa(number))
	return "?" + query.Encode()
}

// instanceView is the page of one target.
type instanceView struct {
	view
	*entry
	Events []status.Event // the newest first
	Begin  time.Time      // of the strips
}

// serveInstance has one target in full.
func (p *page) serveInstance(o *overview, r *http.Request) (render, error) {
	text := r.URL.Query().Get("id")
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return nil, &problem{http.StatusBadRequest, fmt.Sprintf("id: %q is none of a target", visible(text))}
	}
	e := o.find(id)
	if e == nil {
		return nil, &problem{http.StatusNotFound, "There is no such target: it is no longer checked, or never was."}
	}
	v := instanceView{view: o.view(visible(e.Target.Labels.Name)), entry: e, Events: slices.Clone(e.Events)}
	v.Begin = o.taken.Truncate(status.Bucket).Add(-(status.Buckets - 1) * status.Bucket)
	slices.Reverse(v.Events)
	return execute("instance.html", &v, v.At), nil
}

// leftOutView is the page of what is not checked.
type leftOutView struct {
	view
	LeftOut       []leftOut
	All           int
	From, To      int
	Before, After string
}

// serveNotChecked has what is not checked, a page of it.
func (p *page) serveNotChecked(o *overview, r *http.Request) (render, error) {
	f, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	all := len(o.notChecked)
	number := min(f.Page, max(1, (all+perPage-1)/perPage))
	v := leftOutView{view: o.view("Not checked"), All: all, From: (number - 1) * perPage}
	v.To = min(all, v.From+perPage)
	v.LeftOut = o.notChecked[v.From:v.To]
	if number > 1 {
		v.Before = pageLink(r.URL.Query(), number-1)
	}
	if v.To < all {
		v.After = pageLink(r.URL.Query(), number+1)
	}
	return execute("not-checked.html", &v, v.At), nil
}

// execute returns what writes a template. The time of the page is set aside, since pages that differ in it alone
// are one.
func execute(name string, v any, at template.HTML) render {
	return func(w *writer) error {
		var made bytes.Buffer
		if err := templates.ExecuteTemplate(&made, name, v); err != nil {
			return err
		}
		before, after, _ := bytes.Cut(made.Bytes(), []byte(at))
		_, _ = w.Write(before)
		_, _ = w.writeAside([]byte(at))
		_, err := w.Write(after)
		return err
	}
}

// ReasonWords returns why something is not checked, as a word of the page.
func (l *leftOut) ReasonWords() string {
	switch l.Reason {
	case check.DeniedAddress:
		return "denied"
	case check.Duplicate:
		return "duplicate"
	case check.Refused:
		return "refused"
	default:
		return "another’s"
	}
}
