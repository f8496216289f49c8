//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// service is something tests need, and how to get it. What it starts may be
// one server or several that belong together.
type service struct {
	name     string
	env      string   // the variable that holds its URL
	programs []string // what local needs
	debian   string   // the packages with the programs, apart by spaces
	brew     string   // the same on macOS
	image    string   // what container needs
	// local starts it with the programs, container with Docker. Both
	// return its URL once it answers.
	local     func(ctx context.Context, r *runner, bin programs) (url string, err error)
	container func(ctx context.Context, r *runner) (url string, err error)
}

// programs are the paths of a service's programs by their names.
type programs map[string]string

var services = []service{postgres, mariaDB, mongoDB, redisServer}

// secret keeps other users of the machine out of the servers, which could run
// any program for them under this user's name.
var secret = rand.Text()

// container returns the command that runs the image until it is stopped, not
// until ctx ends, and
// remembers the container for [runner.close].
func (r *runner) container(ctx context.Context, image string, port, inside int, options, args []string) *exec.Cmd {
	name := "ostiary-test-" + strings.ToLower(rand.Text())
	r.containers = append(r.containers, name)
	all := slices.Concat(
		[]string{"run", "--rm", "--name", name, "--publish", fmt.Sprintf("%s:%d", loopback(port), inside)},
		options, []string{image}, args)
	return exec.CommandContext(context.WithoutCancel(ctx), "docker", all...)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
