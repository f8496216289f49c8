//go:build unix

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

const postgresImage = "postgres:17-alpine"

var postgres = service{
	name:      "PostgreSQL",
	env:       "OSTIARY_TEST_POSTGRES",
	programs:  []string{"initdb", "postgres"},
	debian:    "postgresql",
	brew:      "postgresql@17",
	image:     postgresImage,
	local:     localPostgres,
	container: postgresContainer,
}

// postgresSettings make a server that is quick and never has to survive.
var postgresSettings = []string{
	"-c", "fsync=off",
	"-c", "synchronous_commit=off",
	"-c", "full_page_writes=off",
	"-c", "max_connections=300",
}

func localPostgres(ctx context.Context, r *runner, bin programs) (string, error) {
	owner, err := unprivileged("postgres", "nobody")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
	}
	dir, err := r.subdir("postgres", owner)
	if err != nil {
		return "", err
	}
	data, password := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if err := writeFor(owner, password, secret); err != nil {
		return "", err
	}
	program := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, bin[name], args...)
		cmd.Dir = dir
		// The variables of the machine's own server are not for this one.
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") }), "LC_ALL=C")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
		return cmd
	}

	initdb := program(ctx, "initdb", "--pgdata", data, "--username=postgres", "--pwfile", password, "--auth=password",
		"--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return r.serve(ctx, server{
		quit: syscall.SIGINT, // cut the connections and end
		url:  postgresURL,
		ping: pingPostgres,
		command: func(port int) (*exec.Cmd, error) {
			args := append([]string{
				"-D", data, "-p", strconv.Itoa(port),
				"-c", "listen_addresses=127.0.0.1",
				"-c", "unix_socket_directories=",
			}, postgresSettings...)
			// It ends in order, not with ctx.
			cmd := program(context.WithoutCancel(ctx), "postgres", args...)
			return cmd, r.logTo(cmd, "postgres.log")
		},
	})
}

func postgresContainer(ctx context.Context, r *runner) (string, error) {
	return r.serve(ctx, server{
		quit: syscall.SIGINT,
		url:  postgresURL,
		ping: pingPostgres,
		command: func(port int) (*exec.Cmd, error) {
			cmd := r.container(ctx, postgresImage, port, 5432, []string{"--env", "POSTGRES_PASSWORD"}, append([]string{"postgres"}, postgresSettings...))
			cmd.Env = append(os.Environ(), "POSTGRES_PASSWORD="+secret)
			return cmd, r.logTo(cmd, "postgres.log")
		},
	})
}

func postgresURL(port int) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", secret),
		Host: loopback(port), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

func pingPostgres(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
