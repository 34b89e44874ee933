package source

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The types here decode single values, since confmap would read a bare number
// as nanoseconds and cut 80.5 to 80 without a word. Their methods implement
// mapstructure's Unmarshaler.

// Duration is a time.Duration that a user may also write as a bare number of seconds.
type Duration time.Duration

// UnmarshalMapstructure accepts a number, in seconds, or a text such as "1m30s"
// or "10". It returns an error for anything else, or for more than time.Duration
// can hold (292 years).
func (d *Duration) UnmarshalMapstructure(value any) error {
	if parsed, err := time.ParseDuration(fmt.Sprint(value)); err == nil {
		*d = Duration(parsed)
		return nil
	}
	seconds, ok := toFloat(value)
	if !ok {
		return fmt.Errorf("%s is not a duration, such as 10s, or a number of seconds", quote(value))
	}
	if nanoseconds := seconds * float64(time.Second); math.Abs(nanoseconds) < math.MaxInt64 {
		*d = Duration(math.Round(nanoseconds))
		return nil
	}
	return fmt.Errorf("%s seconds are more than a duration can hold", quote(value))
}

// or returns the duration, or another one where the user wrote none.
func (d *Duration) or(other time.Duration) time.Duration {
	if d == nil {
		return other
	}
	return time.Duration(*d)
}

// Integer is a whole number.
type Integer int64

// UnmarshalMapstructure accepts a whole number, also as a text, but that without a
// leading zero. It returns an error for anything else.
func (i *Integer) UnmarshalMapstructure(value any) error {
	if text, ok := value.(string); ok && leadingZero.MatchString(text) {
		return fmt.Errorf("%q has a leading 0, which may mean octal; write it without", text)
	}
	number, ok := toFloat(value)
	if !ok || number != math.Trunc(number) || math.Abs(number) > 1<<53 {
		return fmt.Errorf("%s is not a whole number", quote(value))
	}
	*i = Integer(number)
	return nil
}

// Bool is a bool that a user may also write in the other words of YAML 1.1,
// which the Datadog Agent accepts and the collector's YAML takes for text.
type Bool bool

// UnmarshalMapstructure accepts a bool, or one of the texts true, yes, on,
// false, no and off in any case. It returns an error for anything else.
func (b *Bool) UnmarshalMapstructure(value any) error {
	switch strings.ToLower(fmt.Sprint(value)) {
	case "true", "yes", "on":
		*b = true
	case "false", "no", "off":
		*b = false
	default:
		return fmt.Errorf("%s is neither true nor false", quote(value))
	}
	return nil
}

// or returns the bool, or another one where the user wrote none.
func (b *Bool) or(other bool) bool {
	if b == nil {
		return other
	}
	return bool(*b)
}

// Texts is a list of texts, or a single one without a list. confmap would split that at
// its commas, which a regular expression or a tag may have.
type Texts []string

// UnmarshalText makes a text a list of one.
func (t *Texts) UnmarshalText(text []byte) error {
	*t = Texts{string(text)}
	return nil
}

// toFloat returns the number that a value is, of any type, or is the text of.
func toFloat(value any) (float64, bool) {
	number, err := strconv.ParseFloat(fmt.Sprint(value), 64)
	return number, err == nil && !math.IsNaN(number)
}

// quote returns a value as an error message shows it: text in quotes, a mapping or a
// list by its kind, anything else as it is.
func quote(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(v)
	case map[string]any:
		return "a mapping"
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case time.Time:
		return "a date"
	}
	return fmt.Sprint(value)
}
