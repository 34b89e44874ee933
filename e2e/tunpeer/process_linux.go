package tunpeer

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// processEnv marks the process of a peer.
	processEnv = "TUNPEER_PROCESS"
	// deviceFile is the device's descriptor there: the first one after
	// standard input, output and error.
	deviceFile = 3
)

// process is the process of a peer, as its Peer sees it: requests go to its
// standard input, replies come from its standard output.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer // to be read once the process has ended

	mu      sync.Mutex // held during a request
	input   io.Closer
	encoder *gob.Encoder
	decoder *gob.Decoder

	stopOnce sync.Once
	stopErr  error
}

// startProcess executes the program anew as the process of a peer with the
// given device.
func startProcess(device *os.File) (*process, error) {
	p := &process{cmd: exec.Command("/proc/self/exe")}
	p.cmd.Args[0] = os.Args[0]
	// The race detector, if there is one, holds its programs up for a second
	// before they exit unless told not to.
	p.cmd.Env = append(os.Environ(), processEnv+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	p.cmd.ExtraFiles = []*os.File{device}
	p.cmd.Stderr = &p.stderr
	// Out of the terminal's reach: the process lasts as long as its Peer.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.input, p.encoder, p.decoder = input, gob.NewEncoder(input), gob.NewDecoder(output)
	if err := startRealTime(p.cmd); err != nil {
		return nil, err
	}
	return p, nil
}

// do has the process do what a request asks. It returns an error if the process
// has ended.
func (p *process) do(q request) (reply, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var r reply
	if err := p.encoder.Encode(&q); err != nil {
		return r, err
	}
	return r, p.decoder.Decode(&r)
}

// stop ends the process and waits for its end. It returns an error if it had
// failed before. Further calls do nothing and return the same.
func (p *process) stop() error {
	p.stopOnce.Do(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = p.input.Close() // what matters is how the process ends
		p.stopErr = p.cmd.Wait()
		if message := bytes.TrimSpace(p.stderr.Bytes()); p.stopErr != nil && len(message) > 0 {
			p.stopErr = fmt.Errorf("%w: %s", p.stopErr, message)
		}
	})
	return p.stopErr
}

// startRealTime starts a command with real-time scheduling for all its threads,
// or without where that is refused.
func startRealTime(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		// A process inherits the scheduling of the thread that starts it. The
		// thread stays locked, so that it ends with this goroutine.
		runtime.LockOSThread()
		realTime := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		_ = unix.SchedSetAttr(0, &realTime, 0) // refused: late answers under load
		started <- cmd.Start()
	}()
	return <-started
}
