//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/internal/testenv"
)

const (
	// asCommand makes this test binary behave as the command.
	asCommand = "OSTIARY_TEST_RUN_COMMAND"
	patience  = 30 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestVariablesAreThoseTheTestsRead(t *testing.T) {
	t.Parallel()
	want := []string{testenv.PostgresEnv, testenv.MySQLEnv, testenv.MongoEnv, testenv.RedisEnv}
	if got := variables(services...); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCommandFindsItsServicesAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	needs(t, services...)
	c := command(t, nil, waiting(printAll)...)
	pings := map[string]func(context.Context, string) error{
		testenv.PostgresEnv: pingPostgres,
		testenv.MySQLEnv:    pingMaria,
		testenv.MongoEnv:    pingMongo,
		testenv.RedisEnv:    pingRedis,
	}
	var urls []string
	for _, s := range services {
		url := c.line()
		urls = append(urls, url)
		if err := pings[s.env](t.Context(), url); err != nil {
			t.Errorf("%s at %s: %v", s.name, url, err)
		}
		if s.env != testenv.MongoEnv { // FerretDB knows no passwords
			c.mustNotAnswerWithout(url, pings[s.env])
		}
	}

	c.release()
	c.mustExit(0)
	c.mustLeaveNothing(urls...)
}

func TestSignalEndsCommandAndServices(t *testing.T) {
	t.Parallel()
	needs(t, redisServer)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := command(t, onlyRedis, waiting(`echo "$OSTIARY_TEST_REDIS"`)...)
			url := c.line()
			if err := c.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			c.mustExit(128 + int(s))
			c.mustLeaveNothing(url)
		})
	}
}

func TestKilledRunnerLeavesNoProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	needs(t, services...)
	c := command(t, nil, waiting(printAll)...)
	var urls []string
	for range services {
		urls = append(urls, c.line())
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.mustExit(-1)
	for _, url := range urls {
		mustBeRefused(t, url)
	}
}

func TestRunnerEndsWithItsParent(t *testing.T) {
	t.Parallel()
	needs(t, redisServer)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"sh", "-c", `"$@" & wait`, "sh", self, "--"}, waiting(`echo "$OSTIARY_TEST_REDIS"`)...)
	c := execute(t, onlyRedis, args...)
	url := c.line()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The output ends when the last process that holds it does.
	c.mustExit(-1)
	c.mustLeaveNothing(url)
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"success", []string{"true"}, 0},
		{"failure", []string{"sh", "-c", "exit 7"}, 7},
		{"signal", []string{"sh", "-c", "kill -KILL $$"}, 128 + 9},
		{"no such command", []string{"/does/not/exist"}, failed},
		{"no command", nil, failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := command(t, noServices, test.args...)
			c.mustExit(test.want)
			c.mustLeaveNothing()
		})
	}
}

func TestVariablesOfTheEnvironmentAreKept(t *testing.T) {
	t.Parallel()
	c := command(t, noServices, "sh", "-c", printAll)
	for _, s := range services {
		if got := c.line(); got != "set" {
			t.Errorf("the command got %q as %s, want %q", got, s.env, "set")
		}
	}
	c.mustExit(0)
}

func TestWhatTheCommandLeavesBehindIsEnded(t *testing.T) {
	t.Parallel()
	c := command(t, noServices, "sh", "-c", `trap "" TERM; sleep 1000 & echo left`)
	c.line()
	c.mustExit(0) // reads the output to its end, which sleep holds open
}

func TestServicesOfFailedStartAreRemoved(t *testing.T) {
	t.Parallel()
	needs(t, redisServer)
	fails := map[string]func(context.Context, *runner, programs) (string, error){
		"error": func(context.Context, *runner, programs) (string, error) { return "", errors.New("out of order") },
		"panic": func(context.Context, *runner, programs) (string, error) { panic("out of order") },
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var started *runner
			var url string
			first := redisServer
			first.local = func(ctx context.Context, r *runner, bin programs) (_ string, err error) {
				started = r
				url, err = redisServer.local(ctx, r, bin)
				return url, err
			}
			second := service{name: "Broken", env: "BROKEN", local: fail}

			m := thisMachine()
			m.getenv = func(string) string { return "" }
			func() {
				defer func() {
					if r := recover(); (r != nil) != (name == "panic") {
						t.Errorf("recovered %v", r)
					}
				}()
				if code := run([]string{"true"}, m, []service{first, second}, t.Output()); code != failed {
					t.Errorf("exit code %d, want %d", code, failed)
				}
			}()
			if url == "" {
				t.Fatal("Redis was not started")
			}
			mustBeRefused(t, url)
			if _, err := os.Stat(started.dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", started.dir, err)
			}
		})
	}
}

func TestServerThatEndsIsTriedAgainAndItsOutputShown(t *testing.T) {
	t.Parallel()
	r := &runner{log: t.Output()}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	var ports []int
	_, err := r.serve(t.Context(), server{
		quit: syscall.SIGTERM,
		url:  redisURL,
		ping: func(context.Context, string) error { return errors.New("no answer") },
		command: func(port int) (*exec.Cmd, error) {
			ports = append(ports, port)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "echo address taken; exit 3")
			return cmd, r.logTo(cmd, "broken.log")
		},
	})
	if err == nil || !strings.Contains(err.Error(), "address taken") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want the exit status and the output", err)
	}
	if len(ports) != attempts {
		t.Errorf("tried the ports %v, want %d of them", ports, attempts)
	}
}

func TestServiceComesFromTheFirstPlaceThatHasIt(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "served"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := service{name: "Served", env: "SERVED", programs: []string{"served"}, debian: "served-server", brew: "served-brew", image: "served:1"}
	none := func() []string { return []string{"/does/not/exist"} }
	tests := []struct {
		name string
		m    machine
		want string // where from; "" is an error
	}{
		{"environment", machine{getenv: func(string) string { return "url" }, directories: none}, "environment"},
		{"programs", machine{directories: func() []string { return append(none(), bin) }}, bin},
		{"Docker", machine{directories: none, docker: func(context.Context) bool { return true }}, "Docker, served:1"},
		{"nothing", machine{directories: none}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := test.m
			if m.getenv == nil {
				m.getenv = func(string) string { return "" }
			}
			if m.docker == nil {
				m.docker = func(context.Context) bool { return false }
			}
			got, err := m.locate(t.Context(), &runner{log: t.Output()}, []service{s})
			switch {
			case test.want == "":
				for _, hint := range []string{"apt-get install served-server", "brew install served-brew", "Docker", "SERVED"} {
					if err == nil || !strings.Contains(err.Error(), hint) {
						t.Errorf("got %v, want the hint %q", err, hint)
					}
				}
			case err != nil:
				t.Error(err)
			case test.want == "environment":
				if len(got) != 0 {
					t.Errorf("got %v, want nothing to start", got)
				}
			case len(got) != 1 || got[0].from != test.want:
				t.Errorf("got %v, want from %s", got, test.want)
			}
		})
	}
}

func TestOnlyMissingPackagesAreInstalled(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	program := func(name string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program("here")
	var installed []string
	m := machine{
		getenv:      func(env string) string { return map[string]string{"NAMED": "url"}[env] },
		directories: func() []string { return []string{bin} },
		docker:      func(context.Context) bool { return false },
		install: func(_ context.Context, _ *runner, packages []string) error {
			installed = append(installed, packages...)
			program("missing")
			return nil
		},
	}
	got, err := m.locate(t.Context(), &runner{log: t.Output()}, []service{
		{name: "Named", env: "NAMED", programs: []string{"named"}, debian: "named-package"},
		{name: "Here", env: "HERE", programs: []string{"here"}, debian: "here-package"},
		{name: "Missing", env: "MISSING", programs: []string{"missing"}, debian: "missing-package"},
	})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v, want the two that are not named", got, err)
	}
	if !slices.Equal(installed, []string{"missing-package"}) {
		t.Errorf("installed %v, want only what is missing", installed)
	}
}

// Not parallel: it changes the PATH.
func TestContainersAreStartedAndRemoved(t *testing.T) {
	needs(t, redisServer)
	// Stands in for Docker: serves the container's port from this machine.
	const docker = `#!/bin/sh
echo "$@" >>"$0.log"
case "$1" in run)
	for a; do case "$a" in 127.0.0.1:*:6379) port=${a#127.0.0.1:}; port=${port%:6379};; esac; done
	sed "s/^port .*/port $port/; s/^bind .*/bind 127.0.0.1/" | exec redis-server - ;;
esac
`
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(docker), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))

	m := thisMachine()
	m.getenv = func(string) string { return "" }
	m.directories = func() []string { return nil }
	m.install = nil
	r := &runner{log: t.Output()}
	environment, err := r.provide(t.Context(), m, []service{redisServer})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
	mustBeRefused(t, strings.TrimPrefix(environment[0], redisServer.env+"="))

	calls, err := os.ReadFile(filepath.Join(bin, "docker.log"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"info", "image inspect " + redisImage, "run --rm --name " + r.containers[0], "rm --force --volumes " + r.containers[0]}
	for i, call := range strings.Split(strings.TrimSpace(string(calls)), "\n") {
		if i >= len(want) || !strings.HasPrefix(call, want[i]) {
			t.Errorf("call %d of Docker is %q, want %q", i, call, want)
		}
	}
}

func TestProgramsOfAServiceMayStandInBinAndSbin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"bin/client", "sbin/server", "sbin/client"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "bin")
	m := machine{directories: func() []string { return []string{"/does/not/exist", bin} }}
	got, paths := m.programs(service{programs: []string{"client", "server"}})
	want := programs{"client": filepath.Join(bin, "client"), "server": filepath.Join(dir, "sbin", "server")}
	if got != bin || !maps.Equal(paths, want) {
		t.Errorf("got %q with %v, want %q with %v", got, paths, bin, want)
	}
	if got, paths := m.programs(service{programs: []string{"client", "nothing"}}); got != "" || paths != nil {
		t.Errorf("got %q with %v where a program is missing", got, paths)
	}
}

func TestNewestVersionComesFirst(t *testing.T) {
	t.Parallel()
	dirs := []string{"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin", "/usr/pgsql-17/bin", "/opt/bin"}
	want := []float64{9.6, 15, 17, 0}
	for i, dir := range dirs {
		if got := version(dir); got != want[i] {
			t.Errorf("version(%q) = %v, want %v", dir, got, want[i])
		}
	}
}

func TestTemporaryDirectoryCanBeReachedByEveryUser(t *testing.T) {
	t.Parallel()
	open, closed := openDir(t), filepath.Join(openDir(t), "closed", "below")
	if err := os.MkdirAll(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(closed), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := openTemp("/does/not/exist", closed, open); got != open {
		t.Errorf("got %s, want %s", got, open)
	}
}

// needs skips the test where the programs of the services are missing.
func needs(t *testing.T, wanted ...service) {
	t.Helper()
	for _, s := range wanted {
		if dir, _ := thisMachine().programs(s); dir == "" {
			t.Skipf("%s is not installed", s.name)
		}
	}
}

var (
	noServices = set(services...)
	onlyRedis  = set(postgres, mariaDB, mongoDB)
	// printAll is a script that prints the URLs of all services.
	printAll = `echo "$` + strings.Join(variables(services...), `"; echo "$`) + `"`
)

// set names the services to the command, which then does not start them.
func set(named ...service) (environment []string) {
	for _, variable := range variables(named...) {
		environment = append(environment, variable+"=set")
	}
	return environment
}

func variables(of ...service) (names []string) {
	for _, s := range of {
		names = append(names, s.env)
	}
	return names
}

// waiting is a command that prints and then waits for [running.release].
func waiting(script string) []string {
	return []string{"sh", "-c", script + `; read -r line <"$TMPDIR/gate"`}
}

// running is the command in a process of its own.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	tmp    string
	output *bufio.Reader
	log    *bytes.Buffer
	exited chan struct{}
}

// command starts the command with the services that environment does not name.
func command(t *testing.T, environment []string, args ...string) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, environment, append([]string{self, "--"}, args...)...)
}

func execute(t *testing.T, environment []string, args ...string) *running {
	t.Helper()
	tmp := openDir(t)
	if err := syscall.Mkfifo(filepath.Join(tmp, "gate"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &running{t: t, tmp: tmp, log: new(bytes.Buffer), exited: make(chan struct{})}
	c.cmd = exec.CommandContext(context.Background(), args[0], args[1:]...)
	c.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(variables(services...), name)
	}), append(environment, asCommand+"=1", "TMPDIR="+tmp)...)
	// A pipe of our own, so that its end is the end of all who write to it.
	output, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = stdout, c.log
	c.output = bufio.NewReader(output)
	c.cmd.WaitDelay = time.Second // for those who hold the error output after its end
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = stdout.Close()
	go func() {
		defer close(c.exited)
		_ = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		<-c.exited
		_ = output.Close()
		if t.Failed() {
			t.Logf("it printed:\n%s", c.log)
		}
	})
	if err := output.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *running) line() string {
	c.t.Helper()
	line, err := c.output.ReadString('\n')
	if err != nil {
		c.t.Fatalf("waiting for a line: %v", err)
	}
	return strings.TrimSpace(line)
}

func (c *running) release() {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.tmp, "gate"), []byte("\n"), 0); err != nil {
		c.t.Fatal(err)
	}
}

// mustExit waits until all processes that share the output are gone.
func (c *running) mustExit(code int) {
	c.t.Helper()
	if rest, err := io.ReadAll(c.output); err != nil {
		c.t.Fatalf("waiting for the end of the output, got %q: %v", rest, err)
	}
	<-c.exited
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d, want %d", got, code)
	}
}

func (c *running) mustLeaveNothing(urls ...string) {
	c.t.Helper()
	for _, url := range urls {
		mustBeRefused(c.t, url)
	}
	left, err := os.ReadDir(c.tmp)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, entry := range left {
		if entry.Name() != "gate" {
			c.t.Errorf("%s is left", entry.Name())
		}
	}
}

func (c *running) mustNotAnswerWithout(rawURL string, ping func(context.Context, string) error) {
	c.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		c.t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "wrong")
	if err := ping(c.t.Context(), u.String()); err == nil {
		c.t.Errorf("%s answers without the password", u)
	}
}

// mustBeRefused waits until nobody listens at the URL.
func mustBeRefused(t *testing.T, rawURL string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: got %v, want connection refused", rawURL, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// openDir is a temporary directory that every user can reach, which
// [testing.T.TempDir] is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(openTemp(os.TempDir(), "/tmp", "/var/tmp"), "ostiary-run-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
