//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// readyTimeout is for a server to answer after its start.
	readyTimeout = time.Minute
	// attempts is how many ports are tried: a free port may be taken before the
	// server asks for it.
	attempts = 3
)

// runner holds what was started and has to be removed. The zero value is ready
// to use.
type runner struct {
	log        io.Writer
	dir        string     // the temporary directory, made on first use
	processes  []*process // in the order of their start
	containers []string   // names
}

func (r *runner) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.log, "testenv: "+format+"\n", args...)
}

// provide returns the environment variables that name the services, after
// starting those that are not named yet.
func (r *runner) provide(ctx context.Context, m machine, wanted []service) ([]string, error) {
	started, err := m.locate(ctx, r, wanted)
	if err != nil {
		return nil, err
	}
	var environment []string
	for _, l := range started {
		since := time.Now()
		url, err := l.start(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("start %s (%s): %w", l.service.name, l.from, err)
		}
		r.say("%s started in %s (%s)", l.service.name, time.Since(since).Round(time.Millisecond), l.from)
		environment = append(environment, l.service.env+"="+url)
	}
	return environment, nil
}

// command runs the command to its end, or to the end of ctx, and returns its
// exit code.
func (r *runner) command(ctx context.Context, args, environment []string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	// It is stopped with its whole group, not with ctx.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), environment...)
	p, err := r.start(cmd, syscall.SIGTERM)
	if err != nil {
		return 0, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		var by interruption
		if errors.As(context.Cause(ctx), &by) {
			p.quit = syscall.Signal(by)
		}
		p.stop()
	}
	return p.exitCode(), nil
}

// server is one process that listens on a port.
type server struct {
	// command makes the process for a port of 127.0.0.1, with its output going
	// to a file in the runner's directory.
	command func(port int) (*exec.Cmd, error)
	// quit ends the process in order.
	quit syscall.Signal
	url  func(port int) string
	// ping fails while the server at the URL does not answer.
	ping func(ctx context.Context, url string) error
}

// serve starts the server on a free port and returns its URL when it answers.
func (r *runner) serve(ctx context.Context, s server) (string, error) {
	var last error
	for range attempts {
		port, err := freePort(ctx)
		if err != nil {
			return "", err
		}
		cmd, err := s.command(port)
		if err != nil {
			return "", err
		}
		p, err := r.start(cmd, s.quit)
		if err != nil {
			return "", err
		}
		url := s.url(port)
		exited, err := p.ready(ctx, func(ctx context.Context) error { return s.ping(ctx, url) })
		if err == nil {
			return url, nil
		}
		last = fmt.Errorf("%w\n%s", err, p.output())
		if !exited {
			break
		}
	}
	return "", last
}

// logTo sends the output of a server to a file in the runner's directory.
func (r *runner) logTo(cmd *exec.Cmd, name string) error {
	dir, err := r.temp()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = f, f
	return nil
}

// temp returns the directory for everything the services write. Others may
// pass through it and see nothing of it: a server may run as another user.
func (r *runner) temp() (string, error) {
	if r.dir != "" {
		return r.dir, nil
	}
	dir, err := os.MkdirTemp(openTemp(os.TempDir(), "/tmp", "/var/tmp"), "ostiary-test-")
	if err != nil {
		return "", err
	}
	r.dir = dir
	return dir, os.Chmod(dir, 0o711) //nolint:gosec // it holds no more than directories of their own
}

// openTemp returns the first directory that every user can reach, or the first
// of all if none is.
func openTemp(candidates ...string) string {
	for _, dir := range candidates {
		if reachable(dir) {
			return dir
		}
	}
	return candidates[0]
}

func reachable(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// subdir makes a directory for one service, which belongs to the account, or
// to the current user if that is nil.
func (r *runner) subdir(name string, owner *syscall.Credential) (string, error) {
	dir, err := r.temp()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, giveTo(owner, dir)
}

// writeFor writes a file that only the account can read.
func writeFor(owner *syscall.Credential, path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return giveTo(owner, path)
}

func giveTo(owner *syscall.Credential, path string) error {
	if owner == nil {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// close stops and removes everything, last started first.
func (r *runner) close() error {
	var problems []error
	for i := len(r.processes) - 1; i >= 0; i-- {
		r.processes[i].stop()
	}
	for _, name := range r.containers {
		// A container that ended by itself is gone already, which is no error to
		// rm --force.
		remove := exec.CommandContext(context.Background(), "docker", "rm", "--force", "--volumes", name)
		if out, err := remove.CombinedOutput(); err != nil {
			problems = append(problems, fmt.Errorf("remove container %s: %w: %s", name, err, out))
		}
	}
	if r.dir != "" {
		problems = append(problems, os.RemoveAll(r.dir))
	}
	return errors.Join(problems...)
}

// unprivileged returns the first of the accounts that exists, for servers that
// refuse to run as root, or nil when this is not root.
func unprivileged(names ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no account is the answer
	}
	for _, name := range names {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("there is no user %s", strings.Join(names, " and no user "))
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	if err := l.Close(); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
