// Command server puts everything the library can do behind one HTTP port, so
// that programs from outside can drive it: better-auth's npm client, scripts
// that attack it or break what it stands on, load generators.
//
//	ADAPTER=gin STORE=sqlite::memory: go run ./conformance/server
//
// It prints "listening on http://…" when it is ready and stops within ten
// seconds of SIGTERM. The environment configures it, see config.go; what is set
// there and cannot be served is refused at the start, never ignored.
//
// The one thing to know: this is test equipment. It listens on the loopback
// interface only, and whoever reaches it may move its clock (see testapi.go).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// grace is how long requests in progress may take when the server stops.
// Closing the rest takes far less than what is left of the ten seconds.
const grace = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// From the first signal on the next one kills.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer) (err error) {
	cfg, err := readConfig(getenv)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: cfg.logLevel}))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", cfg.port))
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	if cfg.baseURL == "" {
		cfg.baseURL = address
	}
	a, err := newApp(ctx, cfg, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, a.close()) }()

	server := newServer(a.handler(cfg.adapter), logger)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(stdout, "listening on", address); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return shutDown(server, grace)
	}
}

func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// shutDown waits for the requests in progress and cuts off what is not done in
// time: a client that stalls must not keep the process.
func shutDown(server *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
