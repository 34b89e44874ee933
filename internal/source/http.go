package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	httpsd "github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// httpSource is a list by HTTP. Its options, its client, and what a group is are Prometheus' own. But
// Prometheus' discoverer decodes all of an answer at each refresh, which takes more than a second for
// 100,000 groups; this one decodes those groups alone that are not in the answer before.
type httpSource struct {
	*httpsd.SDConfig
	client *http.Client
	answer sum         // what the last one was; the zero value is none
	known  map[sum]int // how often the last answer has an element
}

// runHTTP asks for a list until ctx ends. What is new in it comes as events.
func (w *watcher) runHTTP(ctx context.Context, j *job, f *found, by *discoverer, sd *httpsd.SDConfig) error {
	client, err := config.NewClientFromConfig(sd.HTTPClientConfig, discoveryOption(sd.Name()), httpOptions...)
	if err != nil {
		return err
	}
	s := &httpSource{SDConfig: sd, client: client}
	interval := time.Duration(sd.RefreshInterval)
	client.Timeout = interval // as Prometheus has it
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		groups, err := s.refresh(ctx)
		w.tell(ctx, event{found: f, by: by, groups: j.groups(groups), err: err, whole: true})
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// refresh asks for the list, and returns the groups that are new in it, and those that are gone,
// without targets.
func (s *httpSource) refresh(ctx context.Context) ([]*targetgroup.Group, error) {
	text, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	answer := sumOfText(text)
	if answer == s.answer {
		return nil, nil
	}
	groups, known, err := s.changes(text)
	if err == nil {
		s.answer, s.known = answer, known
	}
	return groups, err
}

// jsonType is the type of an answer.
var jsonType = regexp.MustCompile(`^(?i:application/json(;\s*charset=("utf-8"|utf-8))?)$`)

// get returns an answer.
func (s *httpSource) get(ctx context.Context) ([]byte, error) {
	answer, err := get(ctx, s.client, s.URL, http.Header{
		"X-Prometheus-Refresh-Interval-Seconds": {strconv.FormatFloat(time.Duration(s.RefreshInterval).Seconds(), 'f', -1, 64)},
	})
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("server returned HTTP status %s", answer.Status)
	}
	if kind := answer.Header.Get("Content-Type"); !jsonType.MatchString(kind) {
		return nil, fmt.Errorf("unsupported content type %q", kind)
	}
	return answer.text, nil
}

// answer is an answer of a server that has targets, which was read.
type answer struct {
	*http.Response
	text []byte // of which the connection bounds the size
}

// get asks a server for JSON.
func get(ctx context.Context, client *http.Client, url string, header http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	if response.StatusCode != http.StatusOK {
		return answer{Response: response}, nil
	}
	text, err := io.ReadAll(response.Body)
	return answer{response, text}, err
}

// changes returns the groups of an answer that are not in the one before, and those that are gone,
// and the elements of this one. A group is named after its text: where in the list it is does not
// matter.
func (s *httpSource) changes(text []byte) ([]*targetgroup.Group, map[sum]int, error) {
	var elements []json.RawMessage
	err := json.Unmarshal(text, &elements)
	var isOther *json.UnmarshalTypeError
	switch {
	case errors.As(err, &isOther), err == nil && elements == nil:
		return nil, nil, errors.New("the answer is no list of groups")
	case err != nil:
		return nil, nil, err
	}
	type newElement struct {
		json.RawMessage
		name string
	}
	var news []newElement
	known := make(map[sum]int, len(elements))
	for _, element := range elements {
		of := sumOfText(element)
		n := known[of] + 1
		known[of] = n
		if n > s.known[of] {
			news = append(news, newElement{element, groupName(of, n)})
		}
	}
	groups, errs := make([]*targetgroup.Group, len(news)), make([]error, len(news))
	inParts(len(news), func(from, to int) {
		for i := from; i < to; i++ {
			groups[i], errs[i] = s.decode(news[i].RawMessage, news[i].name)
		}
	})
	if wrong := slices.IndexFunc(errs, func(err error) bool { return err != nil }); wrong >= 0 {
		return nil, nil, errs[wrong]
	}
	for of, before := range s.known {
		for n := known[of] + 1; n <= before; n++ {
			groups = append(groups, &targetgroup.Group{Source: groupName(of, n)})
		}
	}
	return groups, known, nil
}

// decode returns the group that an element of an answer is, by a name.
func (s *httpSource) decode(element json.RawMessage, name string) (group *targetgroup.Group, err error) {
	if err := json.Unmarshal(element, &group); err != nil {
		return nil, err
	}
	if group == nil {
		return nil, errors.New("nil target group item found")
	}
	group.Source = name
	if group.Labels == nil {
		group.Labels = model.LabelSet{}
	}
	group.Labels[model.MetaLabelPrefix+"url"] = model.LabelValue(s.URL)
	return group, nil
}

// groupName returns the name of one of the elements that have one text.
func groupName(of sum, n int) string { return fmt.Sprintf("%016x%016x/%d", of[0], of[1], n) }
