package tcpcheckstatus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/status"
)

// docs/status.md tells of these names and values, which stay what they are.

type jsonSummary struct {
	Sentence  string `json:"sentence"`
	Targets   int    `json:"targets"`
	Down      int    `json:"down"`
	OneFamily int    `json:"one_family"`
	Partly    int    `json:"partly"`
	Failing   int    `json:"failing"`
	Unchecked int    `json:"unchecked"`
	Unknown   int    `json:"unknown"`
	Up        int    `json:"up"`
}

type jsonTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type jsonTarget struct {
	ID        string         `json:"id"`
	Receiver  string         `json:"receiver"`
	Instance  string         `json:"instance"`
	Host      string         `json:"server_address"`
	Port      uint16         `json:"server_port"`
	Service   string         `json:"service_name,omitempty"`
	Tags      []jsonTag      `json:"tags,omitempty"`
	Interval  float64        `json:"interval_seconds"`
	State     string         `json:"state"`
	Over      string         `json:"down_over,omitempty"`
	Endpoints []jsonEndpoint `json:"endpoints"`
	Omitted   []jsonOmission `json:"omitted_families,omitempty"`
	Excesses  []jsonExcess   `json:"truncated_families,omitempty"`
	Denied    []netip.Addr   `json:"denied_addresses,omitempty"`
	Events    []jsonEvent    `json:"events,omitempty"`
}

type jsonEndpoint struct {
	Family       string     `json:"network_type,omitempty"`
	Address      string     `json:"network_peer_address,omitempty"`
	Translated   string     `json:"nat64_address,omitempty"`
	State        string     `json:"state,omitempty"`
	SessionsOnly bool       `json:"sessions_only,omitempty"`
	Flapping     bool       `json:"flapping,omitempty"`
	Doubtful     bool       `json:"unconfirmed,omitempty"`
	Since        string     `json:"since,omitempty"`
	ErrorType    string     `json:"error_type,omitempty"`
	Message      string     `json:"error_message,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Source       string     `json:"error_source,omitempty"`
	Sender       string     `json:"error_sender,omitempty"`
	Hint         string     `json:"hint,omitempty"`
	Last         float64    `json:"response_time_seconds,omitempty"`
	Average      float64    `json:"average_response_time_seconds,omitempty"`
	History      string     `json:"history,omitempty"`
	TLS          *jsonLayer `json:"tls,omitempty"`
	Dialog       *jsonLayer `json:"dialog,omitempty"`
}

type jsonLayer struct {
	State     string  `json:"state"`
	Since     string  `json:"since,omitempty"`
	ErrorType string  `json:"error_type,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Time      float64 `json:"duration_seconds,omitempty"`
	Ends      string  `json:"certificate_not_after,omitempty"`
	ChainEnds string  `json:"certificate_chain_not_after,omitempty"`
}

type jsonOmission struct {
	Family string `json:"network_type"`
	Reason string `json:"reason"`
}

type jsonExcess struct {
	Family  string `json:"network_type"`
	Found   int    `json:"found"`
	Checked int    `json:"checked"`
}

type jsonNotChecked struct {
	Receiver string `json:"receiver"`
	Instance string `json:"instance,omitempty"`
	Host     string `json:"server_address,omitempty"`
	Port     uint16 `json:"server_port,omitempty"`
	Address  string `json:"network_peer_address,omitempty"`
	Reason   string `json:"reason"`
	Text     string `json:"text"`
}

type jsonSource struct {
	Receiver string `json:"receiver"`
	Source   string `json:"source"`
	Error    string `json:"error_message"`
	Since    string `json:"stale_since"`
}

type jsonEvent struct {
	Time     string `json:"time"`
	Name     string `json:"event_name,omitempty"`
	Severity string `json:"severity"`
	Text     string `json:"body"`
	Receiver string `json:"receiver,omitempty"`
	Instance string `json:"instance,omitempty"`
	Host     string `json:"server_address,omitempty"`
	Port     uint16 `json:"server_port,omitempty"`
}

// timeText returns a time as RFC 3339 has it, in UTC; empty for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// addressText returns an address, or an empty text for none.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// idText returns the ID of a target as links have it.
func idText(id uint64) string { return fmt.Sprintf("%016x", id) }

func eventJSON(e *status.Event) jsonEvent {
	return jsonEvent{Time: timeText(e.Time), Name: e.Name, Severity: e.Severity.String(), Text: e.Text}
}

func layerJSON(l *status.Layer) *jsonLayer {
	if l == nil {
		return nil
	}
	return &jsonLayer{l.State.String(), timeText(l.Since), string(l.ErrorType), l.Reason, l.Time.Seconds(), timeText(l.Ends), timeText(l.ChainEnds)}
}

func targetJSON(e *entry) *jsonTarget {
	t := e.Target
	j := &jsonTarget{
		ID: idText(e.ID), Receiver: e.Receiver, Instance: t.Labels.Name, Host: t.Host, Port: t.Port, Service: t.Labels.Service, Interval: t.Interval.Seconds(),
		State: e.Verdict.String(), Over: e.Over.String(), Endpoints: make([]jsonEndpoint, len(e.Endpoints)), Denied: e.Denied,
	}
	for _, tag := range t.Labels.Tags {
		j.Tags = append(j.Tags, jsonTag(tag))
	}
	for i := range e.Endpoints {
		p := &e.Endpoints[i]
		to := &j.Endpoints[i]
		*to = jsonEndpoint{
			Family: p.Family.String(), Address: addressText(p.Address), Translated: p.Translated.String(), SessionsOnly: p.SessionsOnly, Flapping: p.Flapping,
			Doubtful: p.Doubtful, Since: timeText(p.Since), ErrorType: string(p.ErrorType), Message: p.Message, Reason: p.Reason, Source: p.Source.String(),
			Sender: addressText(p.Sender), Hint: p.Hint, Last: p.Last.Seconds(), Average: p.Average.Seconds(), TLS: layerJSON(p.TLS), Dialog: layerJSON(p.Dialog),
		}
		if !p.SessionsOnly {
			to.State, to.History = p.State.String(), stripText(&p.Strip)
		}
	}
	for _, o := range e.Omissions {
		j.Omitted = append(j.Omitted, jsonOmission{o.Family.String(), omissionWord(o.Reason)})
	}
	for _, x := range e.Excesses {
		j.Excesses = append(j.Excesses, jsonExcess{x.Family.String(), x.Found, x.Checked})
	}
	for i := range e.Events {
		j.Events = append(j.Events, eventJSON(&e.Events[i]))
	}
	return j
}

func omissionWord(r check.OmissionReason) string {
	if r == check.MachineLacksFamily {
		return "machine_lacks_family"
	}
	return "name_lacks_family"
}

// stripText returns a strip as a text, a character for each bucket.
func stripText(s *status.Strip) string {
	var text [status.Buckets]byte
	for i := range text {
		text[i] = markText(s.At(i))
	}
	return string(text[:])
}

// markText returns the character of a mark: . for no check, u up, d down, m mixed and ? for unchecked alone.
func markText(m status.Mark) byte {
	switch {
	case m&(status.WasUp|status.WasDown) == status.WasUp|status.WasDown:
		return 'm'
	case m&status.WasDown != 0:
		return 'd'
	case m&status.WasUp != 0:
		return 'u'
	case m&status.WasUnchecked != 0:
		return '?'
	}
	return '.'
}

// begin writes the time of an overview, which does not tell one document from another.
func (o *overview) begin(w *writer) { _, _ = fmt.Fprintf(aside{w}, "{\"taken\":%q", timeText(o.taken)) }

// aside writes what does not tell one document from another.
type aside struct{ *writer }

func (a aside) Write(p []byte) (int, error) { return a.writeAside(p) }

// member writes a member of an object that is not the first one.
func member(w *writer, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, ",%q:%s", name, text)
	return err
}

// array writes a member that is an array, an element at a time, so that not all of them are in memory.
func array[E any](w *writer, name string, elements []E, convert func(E) any) error {
	var buffer bytes.Buffer
	_, _ = fmt.Fprintf(w, ",%q:[", name)
	encoder := json.NewEncoder(&buffer)
	for i, e := range elements {
		buffer.Reset()
		if i > 0 {
			buffer.WriteByte(',')
		}
		if err := encoder.Encode(convert(e)); err != nil {
			return err
		}
		if _, err := w.Write(buffer.Bytes()); err != nil {
			return err
		}
	}
	_, err := w.Write([]byte("]"))
	return err
}

func (o *overview) summary() jsonSummary {
	c := &o.counts
	return jsonSummary{o.sentence(), len(o.entries), c[isDown], c[isOneFamily], c[isPartly], c[isFailing], c[isUnchecked], c[isUnknown], c[isUp]}
}

// serveStatus has all that is known as JSON, or of the targets that a filter wants.
func (p *page) serveStatus(o *overview, r *http.Request) (render, error) {
	f, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	return func(w *writer) error {
		o.begin(w)
		if err := member(w, "summary", o.summary()); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w, ",\"history_bucket_seconds\":%d,\"history_buckets\":%d", int(status.Bucket.Seconds()), status.Buckets)
		if err := array(w, "targets", o.selected(&f), func(e *entry) any { return targetJSON(e) }); err != nil {
			return err
		}
		if err := array(w, "not_checked", o.notChecked, func(l leftOut) any {
			return jsonNotChecked{l.Receiver, l.Name, l.Host, l.Port, addressText(l.Address), l.Reason.String(), l.Text}
		}); err != nil {
			return err
		}
		if err := array(w, "stale_sources", o.stale(), func(s staleSource) any {
			return jsonSource{s.Receiver, s.Name, s.Err.Error(), timeText(s.Stale)}
		}); err != nil {
			return err
		}
		_, err := w.Write([]byte("}\n"))
		return err
	}, nil
}

// staleSource is a source of a receiver whose newest list could not be taken.
type staleSource struct {
	check.Source
	Receiver string
}

func (o *overview) stale() []staleSource {
	var all []staleSource
	for _, s := range o.snapshots {
		for _, source := range s.Stale {
			all = append(all, staleSource{source, s.Receiver})
		}
	}
	return all
}

// receiverEvent is an event that a receiver tells.
type receiverEvent struct {
	*status.Event
	Receiver string
}

// events returns the last events of all receivers, the newest first.
func (o *overview) events() []receiverEvent {
	var all []receiverEvent
	for _, s := range o.snapshots {
		for i := range s.Events {
			all = append(all, receiverEvent{&s.Events[i], s.Receiver})
		}
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b receiverEvent) int { return b.Time.Compare(a.Time) })
	return all
}

// serveEvents has the last events as JSON, the newest first.
func (p *page) serveEvents(o *overview, _ *http.Request) (render, error) {
	return func(w *writer) error {
		o.begin(w)
		if err := array(w, "events", o.events(), func(e receiverEvent) any {
			j := eventJSON(e.Event)
			j.Receiver = e.Receiver
			if e.Target != nil {
				j.Instance, j.Host, j.Port = e.Target.Labels.Name, e.Target.Host, e.Target.Port
			}
			return j
		}); err != nil {
			return err
		}
		_, err := w.Write([]byte("}\n"))
		return err
	}, nil
}
