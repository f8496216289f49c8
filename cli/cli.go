// Package cli puts Ostiary's commands into a program of the application's own,
// so that what they show, migrate and examine is the application's own
// configuration: its plugins, additional fields, names and ids.
//
//	// cmd/auth/main.go
//	package main
//
//	func main() { cli.Main(newAuth) }
//
//	func newAuth(ctx context.Context) (*core.Auth, error) {
//		config, err := app.AuthConfig() // what the server makes its engine of
//		if err != nil {
//			return nil, err
//		}
//		config.Upkeep.Disabled = true
//		return core.New(config)
//	}
//
// The commands:
//
//	secret          print a new secret
//	schema          print the tables, as SQL or as JSON
//	migrate         bring the database to the schema
//	doctor          look for what is wrong, and say what to do
//	sessions prune  delete what has expired
//
// Each explains itself with --help. The one thing to know: the configuration
// should be the one that the server uses, all but [core.Upkeep].Disabled, which
// should be set: an engine deletes what has expired in the background, and would
// do so while doctor only looks. Applications without plugins and additional
// fields need no program of their own; for them there is cmd/ostiary, which takes
// the configuration from flags.
//
// Results go to the standard output and everything else to the standard error,
// without colours and without passwords. The exit code is one of the constants
// of this package.
package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

// The exit codes.
const (
	// ExitOK: done, or nothing to do.
	ExitOK = 0
	// ExitFailed: an error, a finding of doctor's that is one, or no as the
	// answer to the question whether to go on.
	ExitFailed = 1
	// ExitUsage: the command line is wrong.
	ExitUsage = 2
	// ExitPending: migrate --plan has found something to do.
	ExitPending = 3
	// ExitRefused: the database cannot be migrated safely.
	ExitRefused = 4
)

// ErrUsage marks errors of [Program.Load] for which the command line is to
// blame, such as a flag that is missing. They end with [ExitUsage], and the text
// of ErrUsage in front of theirs is not shown.
var ErrUsage = errors.New("wrong usage")

// Program is the commands for one configuration. Load is needed; everything
// else has a default. It runs once.
type Program struct {
	// Name is what the program is called in its texts. Default: the name of the
	// file that runs.
	Name string
	// About is the first paragraph of the help, in lines of 80 characters at
	// most. Default: one that says what the commands are for.
	About string
	// Load makes the engine, whose Upkeep should be disabled. It is called once a
	// run, after the flags have been read, and not for commands that need none.
	// The engine is closed in the end; a store is its opener's to close, after the
	// run.
	Load func(ctx context.Context) (*core.Auth, error)
	// LoadExisting is called in place of Load by what only works on a database
	// that is there: doctor, sessions prune and migrate --plan. It is for programs
	// whose Load makes a database that is missing, as bunstore.Open makes the
	// file of SQLite, and should return an error then. Default: Load.
	LoadExisting func(ctx context.Context) (*core.Auth, error)
	// LoadOffline is called in place of Load by schema, which asks nothing of
	// the database. Default: Load.
	LoadOffline func(ctx context.Context) (*core.Auth, error)
	// Flags are the program's own, for Load to use. Every command takes them. Nil
	// is none. Default values are not shown: the usage text has to name them. The
	// names dialect, h, help, json, plan, timeout, version and yes are taken: a
	// program with one of them fails, whatever it is called with.
	Flags *flag.FlagSet
}

// Main runs the command that the arguments of the process name, with the engine
// that load makes, and exits with its code. See [Program.Main].
func Main(load func(ctx context.Context) (*core.Auth, error)) {
	os.Exit(Program{Load: load}.Main())
}

// Main runs the command that the arguments of the process name and returns the
// exit code. An interrupt (Ctrl-C) or SIGTERM ends it in an orderly way, a
// second one at once.
func (p Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return p.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// Run runs the command that args name, without the name of the program in front
// of them, and returns the exit code. It ends early when ctx does. Questions are
// only asked where stdin is a terminal; it may be nil.
func (p Program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p.Name = cmp.Or(p.Name, filepath.Base(os.Args[0]))
	if p.LoadOffline == nil {
		p.LoadOffline = p.Load
	}
	if p.LoadExisting == nil {
		p.LoadExisting = p.Load
	}
	r := &run{program: p, stdin: stdin, out: &output{w: stdout}, err: stderr}
	err := r.parse(ctx, args)
	if err == nil && r.out.failed != nil {
		err = fmt.Errorf("write the output: %w", r.out.failed)
	}
	return r.exitCode(err)
}

// run is one run of a [Program].
type run struct {
	program Program
	stdin   io.Reader
	out     *output   // results
	err     io.Writer // everything else
	timeout time.Duration
	version bool // it was asked for
}

// output remembers that it could not be written, so that only the end of a run
// has to ask.
type output struct {
	w      io.Writer
	failed error
}

func (o *output) Write(p []byte) (int, error) {
	if o.failed != nil {
		return 0, o.failed
	}
	n, err := o.w.Write(p)
	o.failed = err
	return n, err
}

// printf writes a line of a result.
func (r *run) printf(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// note writes a line for whoever watches.
func (r *run) note(format string, args ...any) { fmt.Fprintf(r.err, format+"\n", args...) }

// exitError is an outcome with a code of its own. Without a text, everything
// has been said already.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// usageError is a mistake in the command line of a command.
type usageError struct {
	command string // with the program's name
	problem string
}

func (e *usageError) Error() string        { return e.problem }
func (e *usageError) Is(target error) bool { return target == ErrUsage }

// exitCode reports the error, if it is one, and returns the code for it.
func (r *run) exitCode(err error) int {
	var (
		exit  *exitError
		wrong *usageError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		if exit.text != "" {
			r.complain(exit)
		}
		return exit.code
	case errors.As(err, &wrong):
		r.complain(wrong)
		r.note("`%s --help` explains it.", wrong.command)
		return ExitUsage
	}
	r.complain(err)
	var unsafe *store.UnsafeError
	switch {
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.As(err, &unsafe):
		return ExitRefused
	}
	return ExitFailed
}

func (r *run) complain(err error) {
	text := said(err)
	if config := (*core.ConfigError)(nil); errors.As(err, &config) {
		text = redactProblems(text)
	} else {
		text = redact(text)
	}
	r.note("%s: %s", r.program.Name, text)
}

// said is the text of an error without the mark of a mistake in the command line,
// and without what two layers have put before it alike.
func said(err error) string {
	text := strings.TrimPrefix(err.Error(), ErrUsage.Error()+": ")
	for {
		doing, rest, ok := strings.Cut(text, ": ")
		if !ok || !strings.HasPrefix(rest, doing+": ") {
			return text
		}
		text = rest
	}
}

var errTimeout = errors.New("the time that --timeout allows is over")

// limited calls do within the time of --timeout, and words what ended it.
func (r *run) limited(ctx context.Context, do func(context.Context) error) error {
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.timeout, errTimeout)
		defer cancel()
	}
	err := do(ctx)
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("%w: %w", errTimeout, err)
	}
	return fmt.Errorf("interrupted: %w", err)
}

// closeTimeout bounds the end of the engine.
const closeTimeout = 5 * time.Second

// loaded calls do with the engine that load makes.
func (r *run) loaded(ctx context.Context, load func(context.Context) (*core.Auth, error), do func(context.Context, *core.Auth) error) (err error) {
	if load == nil {
		return errors.New("the program has no Load, which makes the engine")
	}
	auth, err := load(ctx)
	if err != nil {
		return err
	}
	if auth == nil {
		return errors.New("the program's Load has returned neither an engine nor an error")
	}
	defer func() {
		// The end has its own time: ctx may be over.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, auth.Close(ctx))
	}()
	return do(ctx, auth)
}

// plural returns "1 session" or "2 sessions".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + one + "s"
}

// grouped writes a number so that a million can be told from ten.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
