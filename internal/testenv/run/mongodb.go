//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const mongoImage = "mongo:8"

// mongoDB is FerretDB, which speaks MongoDB's protocol: MongoDB itself is in no
// distribution. It is compiled here, from a module of its own.
var mongoDB = service{
	name:      "MongoDB",
	env:       "OSTIARY_TEST_MONGO",
	programs:  []string{"go"},
	debian:    "golang",
	brew:      "go",
	image:     mongoImage,
	local:     localMongo,
	container: mongoContainer,
}

func localMongo(ctx context.Context, r *runner, bin programs) (string, error) {
	dir, err := r.subdir("mongodb", nil)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "ferretdb")
	if err := buildFerret(ctx, r, bin["go"], binary); err != nil {
		return "", err
	}
	return r.serve(ctx, server{
		quit: syscall.SIGTERM,
		// Who finds it needs no password, and can do nothing but change what
		// the tests keep there.
		url:  func(port int) string { return mongoURL(port, nil) },
		ping: pingMongo,
		command: func(port int) (*exec.Cmd, error) {
			// It ends in order, not with ctx.
			cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, loopback(port), dir)
			cmd.Dir = dir
			return cmd, r.logTo(cmd, "mongodb.log")
		},
	})
}

// buildFerret compiles the server. The first time takes a minute.
func buildFerret(ctx context.Context, r *runner, goTool, binary string) error {
	where := exec.CommandContext(ctx, goTool, "list", "-m", "-f", "{{.Dir}}")
	where.Env = append(os.Environ(), "GOWORK=off")
	root, err := where.Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	r.say("compiling FerretDB, unless it is in Go's cache")
	build := exec.CommandContext(ctx, goTool, "build", "-o", binary, ".")
	build.Dir = filepath.Join(strings.TrimSpace(string(root)), "internal", "testenv", "ferretdb")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compile FerretDB: %w\n%s", err, out)
	}
	return nil
}

func mongoContainer(ctx context.Context, r *runner) (string, error) {
	return r.serve(ctx, server{
		quit: syscall.SIGTERM,
		url:  func(port int) string { return mongoURL(port, url.UserPassword("root", secret)) },
		ping: pingMongo,
		command: func(port int) (*exec.Cmd, error) {
			options := []string{"--env", "MONGO_INITDB_ROOT_USERNAME=root", "--env", "MONGO_INITDB_ROOT_PASSWORD"}
			cmd := r.container(ctx, mongoImage, port, 27017, options, nil)
			cmd.Env = append(os.Environ(), "MONGO_INITDB_ROOT_PASSWORD="+secret)
			return cmd, r.logTo(cmd, "mongodb.log")
		},
	})
}

func mongoURL(port int, user *url.Userinfo) string {
	u := url.URL{Scheme: "mongodb", User: user, Host: loopback(port), Path: "/"}
	if user != nil {
		u.RawQuery = "authSource=admin"
	}
	return u.String()
}

func pingMongo(ctx context.Context, url string) (err error) {
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	return client.Ping(ctx, nil)
}
