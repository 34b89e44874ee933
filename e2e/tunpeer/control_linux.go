package tunpeer

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
)

// maxHeap is how much memory the peer's process takes, in bytes, before it
// collects garbage: a full record, a full table, and a lot of connections that
// have come and gone.
const maxHeap = 256 << 20

// operation is what a request asks of the peer's process.
type operation int

const (
	opSet operation = iota
	opSetDefault
	opHandshakes
	opResetHandshakes
)

// request is what the peer's process is sent, in a gob stream.
type request struct {
	Op        operation
	Addr      netip.AddrPort // of opSet
	Behaviour Behaviour      // of opSet and opSetDefault
}

// reply is what the peer's process sends for each request, in a gob stream.
type reply struct {
	Handshakes []Handshake // of opHandshakes
}

// serve is the whole of the peer's process: it runs the loop for the device and
// answers the requests until there are no more, and returns the exit status.
func serve(device int, requests io.Reader, replies io.Writer) int {
	// One for the loop and one for the requests, whatever the program has.
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(maxHeap)

	program, record := newProgram(), new(record)
	loop, err := newLoop(device, program, record)
	if err == nil {
		ended := make(chan error, 2)
		go func() { ended <- loop.run() }()
		go func() { ended <- control(program, record, requests, replies) }()
		err = <-ended
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// control answers requests until there are no more.
func control(program *program, record *record, requests io.Reader, replies io.Writer) error {
	decoder, encoder := gob.NewDecoder(requests), gob.NewEncoder(replies)
	for {
		var request request
		err := decoder.Decode(&request)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		var reply reply
		switch request.Op {
		case opSet:
			program.set(request.Addr, request.Behaviour)
		case opSetDefault:
			program.setDefault(request.Behaviour)
		case opHandshakes:
			reply.Handshakes = record.all()
		case opResetHandshakes:
			record.reset()
		}
		if err := encoder.Encode(&reply); err != nil {
			return fmt.Errorf("write reply: %w", err)
		}
	}
}
