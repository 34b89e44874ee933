package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/state"
)

// errNoHandshake is why a certificate is not known that no address was asked for.
var errNoHandshake = errors.New("no handshake was made")

// handshakeWords are those of the statuses that a handshake has.
var handshakeWords = map[check.Status]string{check.Up: "verified", check.Down: "failed", check.Unchecked: "unchecked"}

// addHandshake adds what a handshake found to the cells of its address, at a time. The reason is that of
// the connection if there is one.
func (c *cells) addHandshake(r *check.TLSResult, now time.Time) {
	c.tls = handshakeWords[r.Status]
	if r.Certificate != nil {
		c.handshake, c.lasts = short(r.HandshakeTime), days(r.Certificate.ChainNotAfter.Sub(now))
	}
	if c.reason == "" {
		c.reason = handshakeReason(r)
	}
}

// handshakeReason returns why a certificate is not verified, or not known. It is empty if it is verified.
func handshakeReason(r *check.TLSResult) string {
	if r.Status == check.Unchecked {
		return r.Err.Error()
	}
	return r.Reason()
}

// days returns a time in whole days.
func days(d time.Duration) string { return fmt.Sprintf("%dd", int(d.Hours()/24)) }

// differing returns a sentence that says which address shows which certificate where they show different
// ones, and an empty text otherwise.
func differing(r *check.Report) string {
	if r.Session == nil {
		return ""
	}
	var known state.Certificates
	for _, change := range known.Observe(r.Session) {
		if change.Kind == state.Differing {
			return "Its addresses " + report.Differing(change.Shown) + "."
		}
	}
	return ""
}

// jsonHandshake is a TLSResult in JSON. The names are those of the receiver's metrics and attributes,
// without tls before them.
type jsonHandshake struct {
	Result        string   `json:"result"` // verified, failed or unchecked
	Seconds       *float64 `json:"handshake_duration_seconds,omitempty"`
	TimeLeft      *float64 `json:"certificate_time_left_seconds,omitempty"`
	ChainTimeLeft *float64 `json:"certificate_chain_time_left_seconds,omitempty"`
	Subject       string   `json:"server_subject,omitempty"`
	Issuer        string   `json:"server_issuer,omitempty"`
	SHA256        string   `json:"server_hash_sha256,omitempty"`
	NotAfter      string   `json:"server_not_after,omitempty"` // RFC 3339
	ErrorType     string   `json:"error_type,omitempty"`
	Error         string   `json:"error,omitempty"`
}

func jsonHandshakeOf(r *check.TLSResult, now time.Time) *jsonHandshake {
	made := &jsonHandshake{Result: handshakeWords[r.Status], ErrorType: string(r.ErrorType)}
	if r.Err != nil {
		made.Error = r.Err.Error()
	}
	if c := r.Certificate; c != nil {
		seconds := func(d time.Duration) *float64 {
			s := d.Seconds()
			return &s
		}
		left := func(end time.Time) *float64 { return seconds(end.Sub(now).Truncate(time.Second)) }
		made.Seconds, made.TimeLeft, made.ChainTimeLeft = seconds(r.HandshakeTime), left(c.NotAfter), left(c.ChainNotAfter)
		made.Subject, made.Issuer, made.SHA256, made.NotAfter = c.Subject, c.Issuer, c.Hash(), c.NotAfter.UTC().Format(time.RFC3339)
	}
	return made
}

// jUnitHandshakeOf returns a handshake as a test of its own.
func jUnitHandshakeOf(target string, r *check.TLSResult, notes string) jUnitCase {
	c := jUnitCase{Class: "tcpcheck", Name: strings.Join([]string{target, nameOf(r.Family), textOf(r.Address), "TLS"}, " "), Seconds: r.HandshakeTime.Seconds()}
	problem := &jUnitProblem{Message: handshakeReason(r), Type: string(r.ErrorType), Text: notes}
	switch {
	case r.Status == check.Down:
		c.Failure = problem
	case r.Status != check.Up:
		c.Error = problem
	}
	return c
}
