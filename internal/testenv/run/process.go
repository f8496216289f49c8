//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// grace is for a process to end in order before it is killed.
	grace = 15 * time.Second
	// pingEvery is how often a starting server is asked whether it answers, and
	// how long an answer may take at most is pingTimeout.
	pingEvery   = 50 * time.Millisecond
	pingTimeout = 5 * time.Second
	// outputShown is how much of a failed server's output is printed.
	outputShown = 4 << 10
)

// process is a child in a process group of its own, so that a Ctrl-C reaches
// this program first and the services last.
type process struct {
	cmd  *exec.Cmd
	quit syscall.Signal
	log  *os.File // what it prints, or nil
	done chan struct{}
}

// start starts the command and remembers it for [runner.close].
func (r *runner) start(cmd *exec.Cmd, quit syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr, quit)

	p := &process{cmd: cmd, quit: quit, done: make(chan struct{})}
	if f, ok := cmd.Stdout.(*os.File); ok && f != os.Stdout {
		p.log = f
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", cmd.Path, err), p.closeLog())
	}
	r.processes = append(r.processes, p)
	go func() {
		defer close(p.done)
		// The exit code is read from ProcessState, after done.
		_ = cmd.Wait()
	}()
	return p, nil
}

// ready waits until ping succeeds. It reports whether the process exited
// instead.
func (p *process) ready(ctx context.Context, ping func(context.Context) error) (exited bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("no answer after %s", readyTimeout))
	defer cancel()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		pingCtx, cancel := context.WithTimeout(ctx, pingTimeout)
		err := ping(pingCtx)
		cancel()
		if err == nil {
			return false, nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return true, fmt.Errorf("%s ended: %s", p.cmd.Path, p.cmd.ProcessState)
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// stop ends the process and all of its group. Calling it again does nothing.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, p.quit)
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
	}
	// Also for what the process has left behind.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	_ = p.closeLog()
}

// exitCode is the code of a process that is done.
func (p *process) exitCode() int {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

// output returns the end of what the process has printed.
func (p *process) output() string {
	if p.log == nil {
		return ""
	}
	info, err := p.log.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-outputShown)
	b, err := io.ReadAll(io.NewSectionReader(p.log, from, outputShown))
	if err != nil {
		return ""
	}
	return string(b)
}

func (p *process) closeLog() error {
	if p.log == nil {
		return nil
	}
	err := p.log.Close()
	p.log = nil
	return err
}
