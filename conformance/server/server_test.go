package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environ is an environment of these variables alone, on a free port.
func environ(vars map[string]string) func(string) string {
	return func(name string) string {
		if name == "PORT" && vars[name] == "" {
			return "0"
		}
		return vars[name]
	}
}

// start runs a server until stop is called, which returns what it ended with.
func start(t *testing.T, vars map[string]string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, environ(vars), printed, io.Discard)
		ended <- errors.Join(err, printed.CloseWithError(errors.New("the server has ended")))
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("no line: %v, %v", err, <-ended)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	return url, func() error {
		cancel()
		return <-ended
	}
}

func TestServerLeavesNothingRunning(t *testing.T) {
	for _, vars := range []map[string]string{
		{"ADAPTER": "echo", "STORE": "memory", "SECONDARY": "memory"},
		{"ADAPTER": "gin", "STORE": "sqlite::memory:", "POOL_MAX": "1", "RL": "1"},
		{"ADAPTER": "nethttp", "STORE": "sqlite:" + t.TempDir() + "/a.db", "POOL_MAX": "3"},
	} {
		t.Run(vars["ADAPTER"], func(t *testing.T) {
			t.Parallel()
			url, stop := start(t, vars)
			res, err := http.Get(url + "/__test/ready")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("status %d", res.StatusCode)
			}
			http.DefaultClient.CloseIdleConnections()
			if err := stop(); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestStalledClientDoesNotKeepTheServer(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	server := newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		_, _ = io.Copy(io.Discard, r.Body)
	}), slog.New(slog.DiscardHandler))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := shutDown(server, 10*time.Millisecond); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("served until %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
}

func TestConfigurationThatCannotBeServedIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		with        map[string]string
	}{
		{"STORE", "mongodb://user:hidden@host/db", nil},
		{"STORE", "postgres", nil},
		{"SECONDARY", "database", nil},
		{"SECONDARY", "redis-sentinel://:hidden@host", nil},
		{"STORE_SESSIONS_IN_DATABASE", "1", nil},
		{"COOKIE_CACHE", "1", nil},
		{"INTEROP", "1", nil},
		{"ADAPTER", "chi", nil},
		{"NAMING", "camel", nil},
		{"RL", "true", nil},
		{"REQUIRE_VERIFICATION", "2", nil},
		{"PORT", "65536", nil},
		{"PORT", "http", nil},
		{"AUTH_SECRET", ",", nil},
		{"POOL_MAX", "0", map[string]string{"STORE": "postgres://host/db"}},
		{"POOL_MAX", "many", map[string]string{"STORE": "postgres://host/db"}},
		{"TRUSTED_PROXIES", "10.0.0.0/8,localhost", nil},
		{"LOG_LEVEL", "loud", nil},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			t.Parallel()
			vars := map[string]string{c.name: c.value}
			for name, value := range c.with {
				vars[name] = value
			}
			_, err := readConfig(environ(vars))
			if err == nil {
				t.Fatal("it is accepted")
			}
			if !strings.Contains(err.Error(), c.name) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hidden") {
				t.Errorf("it says %q", err)
			}
		})
	}
	if _, err := readConfig(environ(map[string]string{"INTEROP": "0", "COOKIE_CACHE": "0", "STORE_SESSIONS_IN_DATABASE": "0", "OIDC_ISSUER": "http://127.0.0.1:4999"})); err != nil {
		t.Errorf("what asks for nothing is refused: %v", err)
	}
}
