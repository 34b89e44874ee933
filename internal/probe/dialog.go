package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	// mostAnswer is how much a service may say until it has said what is expected.
	mostAnswer = 64 << 10
	// mostQuoted is how much of an answer is told.
	mostQuoted = 200
	// mostLooked is how many bytes are looked at for one match while little comes at a time.
	mostLooked = 2 << 20
	// shortestSecret is the length of a word from which on it may be a secret, and masked what stands for it.
	shortestSecret = 3
	masked         = "***"
	// lull is how long a service is silent where it has nothing more to say for now.
	lull = 100 * time.Millisecond
)

// dialog is one conversation with a service.
type dialog struct {
	conn     net.Conn // over TLS, once that has begun
	steps    []check.Step
	deadline time.Time
	heard    []byte        // what was received and is not used up
	groups   []string      // of the last match
	waited   time.Duration // in vain, for more to be said
}

// dialogError is why a step was not done.
type dialogError struct {
	place     int // of the step
	does      string
	errorType check.ErrorType
	heard     []byte // what the service said instead
	err       error
}

func (e *dialogError) Error() string {
	var text []string
	if len(e.heard) > 0 {
		text = append(text, "the service said "+quoted(e.heard))
	}
	if e.err != nil {
		text = append(text, e.err.Error())
	}
	return fmt.Sprintf("steps[%d] (%s): %s", e.place, e.does, strings.Join(text, ", "))
}

func (e *dialogError) Unwrap() error { return e.err }

// quoted returns the beginning of an answer, with escapes for what is no plain character.
func quoted(heard []byte) string {
	if len(heard) <= mostQuoted {
		return strconv.QuoteToASCII(string(heard))
	}
	return fmt.Sprintf("%s and %d bytes more", strconv.QuoteToASCII(string(heard[:mostQuoted])), len(heard)-mostQuoted)
}

// take does the step at a place, but for the handshake, and returns why it could not.
func (d *dialog) take(place int) *dialogError {
	step := &d.steps[place]
	switch {
	case step.Expect != nil:
		err := d.expect(step.Expect)
		if err != nil && err.errorType == check.UnexpectedAnswer && place+1 < len(d.steps) && d.steps[place+1].StartTLS != 0 {
			err.errorType = check.StartTLSRefused
		}
		return err.at(place, "expect")
	case step.StartTLS != 0:
		return d.negotiate(step.StartTLS).at(place, "starttls")
	}
	return d.send(expand(step.Send, d.groups)).at(place, "send")
}

// at returns the error as one of a step, or nil.
func (e *dialogError) at(place int, does string) *dialogError {
	if e == nil {
		return nil
	}
	e.place, e.does = place, does
	return e
}

// expand puts the groups of a match into a text that is to be sent: ${1} is the first of them.
func expand(text string, groups []string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	return references.ReplaceAllStringFunc(text, func(reference string) string {
		if reference == "$$" {
			return "$"
		}
		n, err := strconv.Atoi(reference[2 : len(reference)-1])
		if err != nil || n >= len(groups) {
			return ""
		}
		return groups[n]
	})
}

var references = regexp.MustCompile(`\$\$|\$\{\d{1,3}\}`)

func (d *dialog) send(text string) *dialogError {
	if _, err := io.WriteString(d.conn, text); err != nil {
		return d.ended(err)
	}
	return nil
}

// expect waits until the service has said what matches, to the end of the line. A look at it costs as much as
// was heard: once that is much, there has to be more of it by an eighth, so that a service that says a byte
// at a time is no burden.
func (d *dialog) expect(pattern *regexp.Regexp) *dialogError {
	var ended error
	for looked, left := 0, mostLooked; ; {
		last := ended != nil || len(d.heard) >= mostAnswer
		if last || left > 0 || len(d.heard) >= looked+looked/8 {
			looked = len(d.heard)
			left -= looked
			if at := pattern.FindSubmatchIndex(d.heard); at != nil {
				if last || endOfLine(d.heard, at[1]) > 0 || !d.goesOn() {
					d.use(at)
					return nil
				}
				continue
			}
		}
		switch {
		case ended != nil:
			return d.ended(ended)
		case last:
			return &dialogError{errorType: check.UnexpectedAnswer, heard: d.said()}
		}
		ended = d.hear()
	}
}

// endOfLine returns where the line ends in which a match does, or 0 if that was not heard yet.
func endOfLine(heard []byte, match int) int {
	if match > 0 && heard[match-1] == '\n' {
		return match
	}
	if more := bytes.IndexByte(heard[match:], '\n'); more >= 0 {
		return match + more + 1
	}
	return 0
}

// goesOn reports whether the service says more of a line, with which a match may be another one. If not, it is
// a prompt.
func (d *dialog) goesOn() bool {
	start := time.Now()
	if start.Add(lull).Before(d.deadline) {
		_ = d.conn.SetReadDeadline(start.Add(lull))
		defer func() { _ = d.conn.SetReadDeadline(d.deadline) }()
	}
	if d.hear() == nil {
		return true
	}
	d.waited += time.Since(start)
	return false
}

// use uses what was heard up to the end of the line in which a match ends.
func (d *dialog) use(at []int) {
	d.groups = d.groups[:0]
	for i := 0; i < len(at); i += 2 {
		group := ""
		if at[i] >= 0 {
			group = string(d.heard[at[i]:at[i+1]])
		}
		if bytes.HasPrefix(d.heard[max(at[i+1], 0):], []byte("\n")) {
			group = strings.TrimSuffix(group, "\r") // of the end of the line
		}
		d.groups = append(d.groups, group)
	}
	if end := endOfLine(d.heard, at[1]); end > 0 {
		d.heard = slices.Clone(d.heard[end:])
	} else {
		d.heard = nil
	}
}

// hear receives what there is.
func (d *dialog) hear() error {
	var buffer [4096]byte
	n, err := d.conn.Read(buffer[:min(len(buffer), mostAnswer-len(d.heard))])
	d.heard = append(d.heard, buffer[:n]...)
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// Why a step was not done, where the words of an error would say less.
var (
	errNoAnswer = errors.New("no answer")
	errClosed   = errors.New("the connection was closed")
)

// ended returns why it does not go on after an error of the connection.
func (d *dialog) ended(err error) *dialogError {
	failed := &dialogError{errorType: check.DialogError, heard: d.said(), err: check.RootCause(err)}
	switch {
	case isTimeout(err):
		failed.errorType, failed.err = check.DialogTimeout, errNoAnswer
	case isClosed(err):
		failed.errorType, failed.err = check.ConnectionClosed, errClosed
	}
	if len(failed.heard) > 0 {
		failed.errorType = check.UnexpectedAnswer
		if isTimeout(err) {
			failed.err = nil
		}
	}
	return failed
}

// said returns what was heard, for people to read: without the words that are sent in any step, which may be
// a password that the service repeats, be it from another dialogue. The first word of a line that has
// more says what to do, and stays, and so does a word that a step expects.
func (d *dialog) said() []byte {
	heard, expected := d.heard, ""
	for i := range d.steps {
		if pattern := d.steps[i].Expect; pattern != nil {
			expected += strings.ReplaceAll(pattern.String(), `\`, "") + "\n"
		}
	}
	for i := range d.steps {
		for line := range strings.Lines(references.ReplaceAllString(d.steps[i].Send, " ")) {
			words := strings.Fields(line)
			if len(words) > 1 {
				words = words[1:]
			}
			for _, word := range words {
				if len(word) >= shortestSecret && !strings.Contains(expected, word) {
					heard = bytes.ReplaceAll(heard, []byte(word), []byte(masked))
				}
			}
		}
	}
	return heard
}

// isClosed reports whether an error says that the service closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || connectErrorType(err) == check.ConnectionReset
}

// negotiate has the service be ready for a handshake. What it has said before that may not be taken for
// something that it said under the protection of TLS.
func (d *dialog) negotiate(how check.StartTLS) *dialogError {
	switch how {
	case check.StartTLSPostgreSQL:
		return d.negotiatePostgreSQL()
	case check.StartTLSMySQL:
		return d.negotiateMySQL()
	case check.StartTLSNow:
	}
	return d.refuseRest()
}

// refuseRest returns an error if the service has said more than it may before a handshake.
func (d *dialog) refuseRest() *dialogError {
	if len(d.heard) == 0 {
		return nil
	}
	return &dialogError{errorType: check.UnexpectedAnswer, heard: d.said(), err: errors.New("which is more than it may before the handshake")}
}

// negotiatePostgreSQL sends an SSLRequest, of which the answer is one byte: S or N.
func (d *dialog) negotiatePostgreSQL() *dialogError {
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), 1234<<16|5679)
	if failed := d.send(string(request)); failed != nil {
		return failed
	}
	if failed := d.await(1); failed != nil {
		return failed
	}
	answer := d.heard[0]
	switch {
	case answer == 'S':
		d.heard = d.heard[1:]
		return d.refuseRest()
	case answer == 'N' && len(d.heard) == 1:
		return &dialogError{errorType: check.StartTLSRefused, err: errors.New("the server has no TLS")}
	}
	return &dialogError{errorType: check.UnexpectedAnswer, heard: d.said()}
}

// await receives until n bytes are there.
func (d *dialog) await(n int) *dialogError {
	for len(d.heard) < n {
		if err := d.hear(); err != nil {
			return d.ended(err)
		}
	}
	return nil
}

// The capabilities of MySQL that matter here (Capabilities Flags of its protocol).
const (
	mysqlLongPassword     = 0x00000001
	mysqlProtocol41       = 0x00000200
	mysqlSSL              = 0x00000800
	mysqlSecureConnection = 0x00008000
	mysqlUTF8             = 45 // the character set utf8mb4_general_ci
	mysqlHeader           = 4  // bytes before each packet: the length in three of them, and its number
)

// negotiateMySQL waits for the handshake packet of a server, and answers it by an SSLRequest.
func (d *dialog) negotiateMySQL() *dialogError {
	if failed := d.await(mysqlHeader); failed != nil {
		return failed
	}
	size := int(d.heard[0]) | int(d.heard[1])<<8 | int(d.heard[2])<<16
	if size > mostAnswer-mysqlHeader {
		return &dialogError{errorType: check.UnexpectedAnswer, heard: d.said()}
	}
	if failed := d.await(mysqlHeader + size); failed != nil {
		return failed
	}
	packet := d.heard[mysqlHeader : mysqlHeader+size]
	capabilities, ok := mysqlCapabilities(packet)
	if !ok {
		return &dialogError{errorType: check.UnexpectedAnswer, heard: mysqlText(packet)}
	}
	number := d.heard[3]
	if d.heard = d.heard[mysqlHeader+size:]; len(d.heard) > 0 {
		return d.refuseRest()
	}
	if capabilities&mysqlSSL == 0 {
		return &dialogError{errorType: check.StartTLSRefused, err: errors.New("the server has no TLS")}
	}
	request := []byte{32, 0, 0, number + 1}
	request = binary.LittleEndian.AppendUint32(request, mysqlLongPassword|mysqlProtocol41|mysqlSSL|mysqlSecureConnection)
	request = binary.LittleEndian.AppendUint32(request, 1<<24) // the longest packet
	request = append(request, mysqlUTF8)
	request = append(request, make([]byte, 23)...)
	return d.send(string(request))
}

// mysqlCapabilities returns the lower half of those in a handshake packet of version 10, and whether it is
// one.
func mysqlCapabilities(packet []byte) (uint32, bool) {
	if len(packet) == 0 || packet[0] != 10 {
		return 0, false
	}
	end := bytes.IndexByte(packet, 0) // of the version of the server
	const between = 4 + 8 + 1         // the thread, the first part of the nonce, a filler
	if end < 0 || len(packet) < end+1+between+2 {
		return 0, false
	}
	return uint32(binary.LittleEndian.Uint16(packet[end+1+between:])), true
}

// mysqlText returns what an ERR packet says, or the packet.
func mysqlText(packet []byte) []byte {
	if len(packet) > 3 && packet[0] == 0xff {
		return packet[3:]
	}
	return packet
}
