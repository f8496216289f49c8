package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
)

// ownProgram is the main function of a user's own program. It never returns.
func ownProgram(mode string) {
	cli.Main(func(ctx context.Context) (*core.Auth, error) {
		switch mode {
		case "obedient":
			fmt.Fprintln(os.Stderr, "loading")
			<-ctx.Done()
			return nil, ctx.Err()
		case "stubborn":
			fmt.Fprintln(os.Stderr, "loading")
			<-ctx.Done()
			fmt.Fprintln(os.Stderr, "no")
			select {}
		}
		return on(script()).Load(ctx)
	})
}

// process starts this test binary as a program of its own.
func process(t *testing.T, mode string, args ...string) (cmd *exec.Cmd, stderr *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), processEnv+"="+mode)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(pipe)
}

// rest returns what is left to be read.
func rest(s *bufio.Scanner) string {
	var lines []string
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	return strings.Join(lines, "\n")
}

func waitFor(t *testing.T, s *bufio.Scanner, line string) {
	t.Helper()
	for s.Scan() {
		if s.Text() == line {
			return
		}
	}
	t.Fatalf("the process has ended without saying %q", line)
}

func TestMainExitsWithTheCode(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"schema --json": cli.ExitOK, "bogus": cli.ExitUsage, "migrate --plan": cli.ExitOK} {
		cmd, stderr := process(t, "plain", strings.Fields(args)...)
		said := rest(stderr)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%q exits with %d, want %d: %s", args, code, want, said)
		}
	}
}

func TestSignalEndsMainInAnOrderlyWay(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd, stderr := process(t, "obedient", "doctor")
		waitFor(t, stderr, "loading")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		said := rest(stderr)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != cli.ExitFailed || !strings.Contains(said, "interrupted") {
			t.Errorf("%v: exit code %d, %q", sig, code, said)
		}
	}
}

func TestSecondSignalEndsMainAtOnce(t *testing.T) {
	t.Parallel()
	cmd, stderr := process(t, "stubborn", "doctor")
	waitFor(t, stderr, "loading")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	waitFor(t, stderr, "no")
	// The handler goes in the background: until then a signal may be lost.
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || status.Signal() != syscall.SIGINT {
				t.Errorf("the second signal did not end it: %v", err)
			}
			return
		case <-ticker.C:
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
}
