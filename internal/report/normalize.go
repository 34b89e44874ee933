package report

import (
	"regexp"
	"strings"
)

var (
	tagReplaced  = regexp.MustCompile(`[,+*\-/()\[\]{}\s]`)
	underscores  = regexp.MustCompile(`__+`)
	dotNeighbour = regexp.MustCompile(`_*\._*`)
)

// normalizeTag returns text as the Datadog Agent normalises the instance tag of
// tcp_check's can_connect: each of , + * - / ( ) [ ] { } and white space becomes
// an underscore, a run of underscores becomes one, and those around a dot and at
// the ends go.
func normalizeTag(text string) string {
	text = tagReplaced.ReplaceAllString(text, "_")
	text = underscores.ReplaceAllString(text, "_")
	text = dotNeighbour.ReplaceAllString(text, ".")
	return strings.Trim(text, "_")
}
