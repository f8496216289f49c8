//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// machine is what the services can be taken from.
type machine struct {
	getenv func(string) string
	// directories are those with programs, best first.
	directories func() []string
	// install installs Debian packages; nil where that is not possible.
	install func(ctx context.Context, r *runner, packages []string) error
	// docker reports whether containers can be run.
	docker func(context.Context) bool
}

// located is a service and the way to start it.
type located struct {
	service service
	from    string
	start   func(ctx context.Context, r *runner) (url string, err error)
}

func thisMachine() machine {
	m := machine{
		getenv:      os.Getenv,
		directories: programDirectories,
		docker: func(ctx context.Context) bool {
			return exec.CommandContext(ctx, "docker", "info").Run() == nil
		},
	}
	_, notDebian := os.Stat("/etc/debian_version")
	_, noApt := exec.LookPath("apt-get")
	if os.Geteuid() == 0 && notDebian == nil && noApt == nil {
		m.install = aptInstall
	}
	return m
}

// locate finds a way to start each service that is wanted and not named in the
// environment. It installs what is missing, where it may.
func (m machine) locate(ctx context.Context, r *runner, wanted []service) ([]located, error) {
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(s service) bool {
		set := m.getenv(s.env) != ""
		if set {
			r.say("%s: using %s from the environment", s.name, s.env)
		}
		return set
	})
	if err := m.installMissing(ctx, r, wanted); err != nil {
		r.say("%v", err)
	}

	var all []located
	var problems []error
	for _, s := range wanted {
		l, err := m.find(ctx, s)
		all = append(all, l)
		problems = append(problems, err)
	}
	return all, errors.Join(problems...)
}

func (m machine) installMissing(ctx context.Context, r *runner, wanted []service) error {
	var packages []string
	for _, s := range wanted {
		if dir, _ := m.programs(s); dir == "" {
			packages = append(packages, strings.Fields(s.debian)...)
		}
	}
	if len(packages) == 0 || m.install == nil {
		return nil
	}
	return m.install(ctx, r, packages)
}

func (m machine) find(ctx context.Context, s service) (located, error) {
	// Looked for again: a package may have come since.
	if dir, bin := m.programs(s); dir != "" {
		return located{s, dir, func(ctx context.Context, r *runner) (string, error) {
			return s.local(ctx, r, bin)
		}}, nil
	}
	if m.docker(ctx) {
		return located{s, "Docker, " + s.image, func(ctx context.Context, r *runner) (string, error) {
			if err := pull(ctx, r, s.image); err != nil {
				return "", err
			}
			return s.container(ctx, r)
		}}, nil
	}
	return located{}, fmt.Errorf("no %s found: install it (Debian, Ubuntu: apt-get install %s; macOS: brew install %s), or start Docker, or set %s to the URL of a server that tests may use",
		s.name, s.debian, s.brew, s.env)
}

// programs returns the first directory that has all programs of the service,
// and their paths; or "". What is in sbin belongs to the bin beside it, and
// often not to the PATH.
func (m machine) programs(s service) (dir string, bin programs) {
	for _, dir := range m.directories() {
		bin := programs{}
		for _, name := range s.programs {
			for _, place := range []string{dir, filepath.Join(dir, "../sbin")} {
				if path, err := exec.LookPath(filepath.Join(place, name)); err == nil {
					bin[name] = path
					break
				}
			}
		}
		if len(bin) == len(s.programs) {
			return dir, bin
		}
	}
	return "", nil
}

// programDirectories returns the PATH, and where packages of PostgreSQL put the
// programs that they leave out of it, the newest version first.
func programDirectories() []string {
	var versioned []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // PostgreSQL's own RPMs
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // a pattern above is malformed
		}
		versioned = append(versioned, found...)
	}
	slices.SortStableFunc(versioned, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	// Programs are not looked for in the current directory.
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool { return !filepath.IsAbs(dir) })
	return append(path, versioned...)
}

// version returns the last number in the name of a directory, or 0.
func version(dir string) float64 {
	isDigit := func(r rune) bool { return r == '.' || '0' <= r && r <= '9' }
	numbers := strings.FieldsFunc(dir, func(r rune) bool { return !isDigit(r) })
	if len(numbers) == 0 {
		return 0
	}
	n, err := strconv.ParseFloat(numbers[len(numbers)-1], 64)
	if err != nil {
		return 0
	}
	return n
}

func aptInstall(ctx context.Context, r *runner, packages []string) error {
	install := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	for _, args := range [][]string{{"update"}, install} {
		if err := r.tool(ctx, "apt-get", args...); err != nil {
			return err
		}
	}
	return nil
}

// pull fetches the image unless it is here.
func pull(ctx context.Context, r *runner, image string) error {
	if exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() == nil {
		return nil
	}
	return r.tool(ctx, "docker", "pull", "--quiet", image)
}

// tool prints and runs a command that ends by itself.
func (r *runner) tool(ctx context.Context, name string, args ...string) error {
	r.say("%s %s", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdout, cmd.Stderr = r.log, r.log
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return nil
}
