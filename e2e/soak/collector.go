//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// patience bounds every wait for an event that is certain to come.
const patience = time.Minute

// collector is a running collector.
type collector struct {
	process *exec.Cmd
	output  *output
	ended   chan struct{} // closed when the process has
	err     error         // what it ended with, to be read then
}

// startCollector runs the collector's binary with a configuration file, in a
// mount namespace of its own where /etc/resolv.conf is the file resolv. The
// runtime's scheduler trace (GODEBUG, package runtime) lists all goroutines on
// standard error at the interval trace, and counts gets their number.
//
// The process dies with the thread that calls startCollector.
func startCollector(binary, config, resolv string, trace time.Duration, counts func(time.Time, int)) (*collector, error) {
	script := `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
	c := &collector{
		process: exec.Command("unshare", "--mount", "sh", "-c", script, "sh", resolv, binary, "--config", config),
		output:  newOutput(),
		ended:   make(chan struct{}),
	}
	c.process.Env = append(c.process.Environ(), fmt.Sprintf("GODEBUG=schedtrace=%d,scheddetail=1", trace.Milliseconds()))
	goroutines := &schedTrace{counted: counts}
	c.process.Stdout = &lines{each: c.output.add}
	c.process.Stderr = &lines{each: func(line string) {
		if !goroutines.add(line) {
			c.output.add(line)
		}
	}}
	// An interrupt from the terminal is not for the collector.
	c.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.process.Wait()
		close(c.ended)
	}()
	return c, nil
}

func (c *collector) pid() int { return c.process.Process.Pid }

// awaitReady returns once the collector has said that it is ready as many times
// as it was started and reloaded.
func (c *collector) awaitReady(ctx context.Context, times int) error {
	deadline := time.After(patience)
	for {
		ready, changed := c.output.readiness()
		if ready >= times {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return c.death()
		case <-deadline:
			return fmt.Errorf("the collector is not ready after %v", patience)
		}
	}
}

// death is the error of a collector that has ended by itself.
func (c *collector) death() error {
	how := "with status 0"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Errorf("the collector ended, %s; its last output:\n%s", how, c.output.tail())
}

// reload makes the collector read its configuration again.
func (c *collector) reload() error { return c.process.Process.Signal(syscall.SIGHUP) }

// stop ends the collector as an operator does, or after patience by force. It
// returns an error if it did not end well.
func (c *collector) stop() error {
	// Fails only if the process has ended.
	_ = c.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
		if c.err != nil {
			return c.death()
		}
		return nil
	case <-time.After(patience):
		_ = c.process.Process.Kill()
		<-c.ended
		return fmt.Errorf("the collector did not end within %v", patience)
	}
}
