package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// builtServer is the folder of the compiled test server.
var builtServer string

// buildServer compiles the test server once, without the race detector, which
// would count as memory of its own.
var buildServer = sync.OnceValues(func() (binary string, err error) {
	if builtServer, err = os.MkdirTemp("", "ostiary-conformance-"); err != nil {
		return "", err
	}
	binary = filepath.Join(builtServer, "server")
	if out, err := exec.Command("go", "build", "-o", binary, "./server").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
})

// removeServer removes what buildServer has made.
func removeServer() {
	if builtServer != "" {
		_ = os.RemoveAll(builtServer)
	}
}

// process is a running test server.
type process struct {
	address string
	pid     int
	kill    func() // as nothing is able to catch
}

// serve runs the test server until the test ends, or kills it.
func serve(t *testing.T, env ...string) process {
	t.Helper()
	binary, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(binary)
	server.Env = append(os.Environ(), append([]string{"PORT=0"}, env...)...)
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	t.Cleanup(func() {
		if killed {
			return
		}
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "listening on "); ok {
			return process{strings.TrimSpace(address), server.Process.Pid, func() {
				killed = true
				_ = server.Process.Kill()
				_ = server.Wait()
			}}
		}
	}
	t.Fatal("the server did not say where it listens")
	return process{}
}

// A flood of sign-ins is bounded in memory: what cannot be hashed soon is
// asked to come back.
func TestSixtyWrongSignInsAtOnceStaySmall(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("peak memory is read from /proc, which this system has not")
	}
	for _, adapter := range []string{"echo", "gin"} {
		t.Run(adapter, func(t *testing.T) {
			server := serve(t, "ADAPTER="+adapter, "STORE=memory", "SECONDARY=none", "RL=0", "LOG_LEVEL=error")
			post := func(path string, body m) (int, string) {
				data, err := json.Marshal(body)
				if err != nil {
					t.Error(err)
				}
				res, err := http.Post(server.address+path, "application/json", bytes.NewReader(data))
				if err != nil {
					t.Error(err)
					return 0, ""
				}
				defer func() { _ = res.Body.Close() }()
				_, _ = io.Copy(io.Discard, res.Body)
				return res.StatusCode, res.Header.Get("Retry-After")
			}
			if status, _ := post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password789"}); status != 200 {
				t.Fatalf("sign-up answers %d", status)
			}
			statuses := together(60, func(int) int {
				status, retry := post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "wrong password"})
				if status == 503 && retry == "" {
					t.Error("503 without Retry-After")
				}
				return status
			})
			if statuses[401]+statuses[503] != 60 || statuses[401] == 0 {
				t.Errorf("statuses %v, want 401 and 503 only", statuses)
			}
			if peak := peakMemory(t, server.pid); peak > 300<<20 {
				t.Errorf("peak of resident memory %d MB, want less than 300", peak>>20)
			}
			t.Logf("statuses %v, peak %d MB", statuses, peakMemory(t, server.pid)>>20)
		})
	}
}

// peakMemory is the most resident memory that a process ever had, in bytes.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		t.Fatal("no VmHWM")
	}
	kb, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
