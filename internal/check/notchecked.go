package check

import "net/netip"

// NotChecked is something that somebody wrote or found, and that is not checked.
type NotChecked struct {
	Key
	// Address is the one of the target that is not dialled. It is invalid where the whole target is meant.
	Address netip.Addr
	Reason  NotCheckedReason
	Text    string // why, as a sentence
}

// NotCheckedReason says why something is not checked.
type NotCheckedReason uint8

// The reasons for a NotChecked.
const (
	DeniedAddress NotCheckedReason = iota // it may not be dialled
	Duplicate                             // an earlier list has it as well
	Refused                               // what is written about it is wrong
	Elsewhere                             // another collector is elected, and checks it
)

// String returns the reason as one word: denied, duplicate, refused or elsewhere.
func (r NotCheckedReason) String() string {
	return [...]string{"denied", "duplicate", "refused", "elsewhere"}[r]
}
