//go:build linux

// Command soak runs a collector for minutes while everything around it changes,
// and says whether what it uses stays flat and what it reports stays right.
//
// 2,000 targets appear, refuse, hang and rotate their addresses; the collector is
// reloaded now and then, and its OTLP exporter is cut off for a while. All of it
// happens in a network namespace of its own, on the loopback interface.
//
// It needs Linux, root, and what tunpeer.InNamespace and unshare(1) need. It
// exits with 0 if the run was good, and with 1 if not or if it was interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"example.com/tcpcheckreceiver/e2e/tunpeer"
)

// The collector dies with the thread that starts it, so that one must be the one
// that lasts.
func init() { runtime.LockOSThread() }

func main() { os.Exit(tunpeer.InNamespace(run)) }

func run() int {
	collector := flag.String("collector", os.Getenv("COLLECTOR"), "the collector's `binary`; by default what the environment variable COLLECTOR names")
	duration := flag.Duration("duration", 10*time.Minute, "how long the run takes, at least 1m")
	reloads := flag.Int("reloads", 9, "how many times the collector gets another configuration, at most 20")
	docs := flag.String("docs", "", "the `folder` in which reliability.svg and the figures of reliability.md are to be replaced; none by default")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	good, err := soak(ctx, *collector, *duration, *reloads, *docs)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "soak: interrupted")
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
	case good:
		return 0
	}
	return 1
}

// soak makes a run, prints its report, and writes it to the folder docs unless
// that is empty. It returns whether the run was good, and an error if there was
// no complete run.
func soak(ctx context.Context, collector string, duration time.Duration, reloads int, docs string) (bool, error) {
	switch {
	case collector == "":
		return false, errors.New("-collector or the environment variable COLLECTOR is to name the collector's binary")
	case duration < time.Minute:
		return false, fmt.Errorf("a run of %v is too short, it takes %v", duration, time.Minute)
	case reloads < 0 || reloads > 20:
		return false, fmt.Errorf("%d reloads are not between 0 and 20", reloads)
	}
	if err := tunpeer.Available(); err != nil {
		return false, err
	}
	var page *document
	if docs != "" {
		var err error
		if page, err = openDocument(docs); err != nil {
			return false, err
		}
	}
	r := &soakRun{plan: newPlan(duration, reloads), binary: collector}
	if err := r.run(ctx); err != nil {
		return false, err
	}
	report := newReport(r)
	fmt.Print("\n" + report.text())
	if page != nil {
		if err := page.write(report); err != nil {
			return false, err
		}
	}
	return report.good(), nil
}
