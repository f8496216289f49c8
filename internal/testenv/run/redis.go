//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"syscall"

	"github.com/redis/go-redis/v9"
)

const redisImage = "redis:7-alpine"

var redisServer = service{
	name:      "Redis",
	env:       "OSTIARY_TEST_REDIS",
	programs:  []string{"redis-server"},
	debian:    "redis-server",
	brew:      "redis",
	image:     redisImage,
	local:     localRedis,
	container: redisContainer,
}

func localRedis(ctx context.Context, r *runner, bin programs) (string, error) {
	dir, err := r.subdir("redis", nil)
	if err != nil {
		return "", err
	}
	return r.serve(ctx, server{
		quit: syscall.SIGTERM,
		url:  redisURL,
		ping: pingRedis,
		command: func(port int) (*exec.Cmd, error) {
			// It ends in order, not with ctx.
			cmd := exec.CommandContext(context.WithoutCancel(ctx), bin["redis-server"], "-")
			cmd.Dir = dir
			cmd.Stdin = redisSettings("127.0.0.1", port)
			return cmd, r.logTo(cmd, "redis.log")
		},
	})
}

func redisContainer(ctx context.Context, r *runner) (string, error) {
	return r.serve(ctx, server{
		quit: syscall.SIGTERM,
		url:  redisURL,
		ping: pingRedis,
		command: func(port int) (*exec.Cmd, error) {
			cmd := r.container(ctx, redisImage, port, 6379, []string{"--interactive"}, []string{"redis-server", "-"})
			cmd.Stdin = redisSettings("0.0.0.0", 6379)
			return cmd, r.logTo(cmd, "redis.log")
		},
	})
}

// redisSettings is the configuration of a server that keeps nothing on disk.
// It goes through standard input, where no other user sees the password.
func redisSettings(bind string, port int) *bytes.Reader {
	return bytes.NewReader(fmt.Appendf(nil, "bind %s\nport %d\nrequirepass %s\nsave \"\"\nappendonly no\n", bind, port, secret))
}

func redisURL(port int) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", secret), Host: loopback(port), Path: "/0"}
	return u.String()
}

func pingRedis(ctx context.Context, url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	options.MaxRetries = -1 // the caller tries again
	client := redis.NewClient(options)
	pingErr := client.Ping(ctx).Err()
	if err := client.Close(); pingErr == nil {
		return err
	}
	return pingErr
}
