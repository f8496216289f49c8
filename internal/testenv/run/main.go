//go:build unix

// Command run runs a command with the services that tests need:
//
//	go run ./internal/testenv/run -- go test ./...
//
// It starts private servers on free ports of 127.0.0.1 with everything they
// write in one temporary directory, names them to the command in the
// environment, and stops and removes all of it when the command ends, or when
// it is interrupted itself. The machine's own servers are never touched.
//
// Each service comes from the first of these that is there:
//
//   - its variable in the environment, which is passed on as it is
//   - its programs on this machine
//   - on Debian and Ubuntu, as root: its package, which is installed
//   - Docker
//
// The exit code is the command's own (go run makes it 1 if it is not 0), or
// 128 and the number of the signal that ended it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// failed is the exit code when the command could not be run at all.
const failed = 125

func main() {
	// The kernel ends the children of a thread, not of a process: they are all
	// started on the one that lives to the end.
	runtime.LockOSThread()
	os.Exit(run(os.Args[1:], thisMachine(), services, os.Stderr))
}

func run(args []string, m machine, wanted []service, log io.Writer) (code int) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		_, _ = fmt.Fprintln(log, "usage: go run ./internal/testenv/run -- COMMAND [ARGUMENT]...")
		return failed
	}

	ctx, release := interruptible()
	defer release()
	r := &runner{log: log}
	// Deferred, so that a panic is cleaned up after too.
	defer func() {
		if err := r.close(); err != nil {
			r.say("clean up: %v", err)
			code = max(code, failed)
		}
	}()

	environment, err := r.provide(ctx, m, wanted)
	if err == nil {
		code, err = r.command(ctx, args, environment)
	}
	var by interruption
	switch {
	case errors.As(context.Cause(ctx), &by):
		return 128 + int(by)
	case err != nil:
		r.say("%v", err)
		return failed
	}
	return code
}

// interruption is the signal that asks the whole to end.
type interruption syscall.Signal

func (i interruption) Error() string { return syscall.Signal(i).String() }

// interruptible returns a context that ends, with an [interruption] as its
// cause, on a signal or when the parent is gone.
func interruptible() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	// Without a receiver, writing to a closed standard output would end the
	// process before it has cleaned up.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)

	// go run dies of a SIGTERM without passing it on.
	parent := os.Getppid()
	tick := time.NewTicker(time.Second / 2)
	go func() {
		for {
			select {
			case s := <-signals:
				if s, ok := s.(syscall.Signal); ok {
					cancel(interruption(s))
				}
				return
			case <-tick.C:
				if os.Getppid() != parent {
					cancel(interruption(syscall.SIGTERM))
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		tick.Stop()
		cancel(nil)
		signal.Stop(signals)
		signal.Stop(broken)
	}
}
