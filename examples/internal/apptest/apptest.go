// Package apptest drives an example as its users do: over HTTP, as a process
// of its own. All examples are the same application and pass the same tests.
//
//	func TestMain(m *testing.M)        { apptest.Main(m, main) }
//	func TestApplication(t *testing.T) { apptest.Application(t) }
//
// The one thing to know: the process is the test binary once more, which saves
// building the example and runs it under the race detector where the tests are.
// Only tests import the package.
package apptest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/browser"
)

// asExample is set for a test binary that is to be the example.
const asExample = "OSTIARY_TEST_AS_EXAMPLE"

const (
	startTime = 30 * time.Second
	stopTime  = 10 * time.Second
)

// Main is what the TestMain of an example does: run the tests, or the
// example's own main for one of them.
func Main(m *testing.M, main func()) {
	if os.Getenv(asExample) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is an example that is running.
type process struct {
	t       *testing.T
	baseURL string
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	ended   chan error
	// address is where its clients come from.
	address net.IP
}

// start runs the example in a folder until the test ends, and returns when it
// serves. Without further variables of the environment it has its defaults.
func start(t *testing.T, folder string, env ...string) *process {
	t.Helper()
	for range 3 {
		if p := tryStart(t, folder, env); p != nil {
			return p
		}
	}
	t.Fatal("the example does not start")
	return nil
}

// tryStart returns nil where somebody else has taken the port meanwhile.
func tryStart(t *testing.T, folder string, env []string) *process {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	p := &process{t: t, baseURL: "http://localhost:" + port, ended: make(chan error, 1), address: clientAddress()}
	p.cmd = exec.CommandContext(t.Context(), binary)
	p.cmd.Dir = folder
	p.cmd.Env = append(os.Environ(), asExample+"=1", "PORT="+port, "BASE_URL=", "AUTH_SECRET=", "DATABASE_URL=", "REDIS_URL=")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		said <- line
		p.ended <- p.cmd.Wait()
	}()
	select {
	case line := <-said:
		if line == "Open "+p.baseURL+"\n" {
			return p
		}
		err := <-p.ended
		if !strings.Contains(p.stderr.String(), syscall.EADDRINUSE.Error()) {
			t.Fatalf("the example printed %q and ended: %v\n%s", line, err, &p.stderr)
		}
	case <-time.After(startTime):
		t.Fatalf("the example does not serve after %v", startTime)
	}
	return nil
}

// stop asks the example to stop and fails the test unless it does, in time and
// without a complaint.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Fatalf("the example stopped with %v\n%s", err, &p.stderr)
		}
	case <-time.After(stopTime):
		p.t.Fatalf("the example has not stopped after %v", stopTime)
	}
}

// browser returns a browser without cookies that shows the example's page.
func (p *process) browser() *browser.Browser {
	target, err := url.Parse(p.baseURL)
	if err != nil {
		p.t.Fatal(err)
	}
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: p.address}}).DialContext}
	p.t.Cleanup(transport.CloseIdleConnections)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
	b := browser.New(p.t, proxy)
	b.Header.Set("Origin", p.baseURL)
	return b
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// clientAddress returns an address of this computer that no other test comes
// from, where there is one: counts of rate limits may live in a Redis that is
// shared.
func clientAddress() net.IP {
	if runtime.GOOS != "linux" {
		return nil
	}
	ip := net.IPv4(127, 0, 0, 1).To4()
	_, _ = rand.Read(ip[1:3]) // the last octet stays 1: not all of them are addresses of hosts
	return ip
}
