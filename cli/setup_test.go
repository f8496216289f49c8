package cli_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

// processEnv makes this test binary a program like a user's own; see
// [ownProgram].
const processEnv = "OSTIARY_CLI_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if mode := os.Getenv(processEnv); mode != "" {
		ownProgram(mode)
	}
	goleak.VerifyTestMain(m)
}

// result is what a run leaves behind.
type result struct {
	code           int
	stdout, stderr string
}

// execute runs the program "app" with nobody at a terminal.
func execute(t *testing.T, p cli.Program, args ...string) result {
	t.Helper()
	return executeWith(t.Context(), p, strings.NewReader("y\n"), args...)
}

func executeWith(ctx context.Context, p cli.Program, stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	p.Name = "app"
	code := p.Run(ctx, args, stdin, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// check fails the test unless the run ended with the code and said each of the
// texts on the standard error.
func (r result) check(t *testing.T, code int, stderr ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, want := range stderr {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the standard error does not say %q", want)
		}
	}
	if t.Failed() {
		t.Fatalf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

// on is a program whose engine works on the store. Parts of the configuration
// may be changed.
func on(s store.Store, change ...func(*core.Config)) cli.Program {
	return cli.Program{Load: func(context.Context) (*core.Auth, error) {
		cfg := core.Config{
			Secret:  "an-example-of-32-bytes-or-more-0123456789",
			BaseURL: "https://example.com",
			Store:   s,
		}
		for _, c := range change {
			c(&cfg)
		}
		return core.New(cfg)
	}}
}

// scripted is a store that says what a test wants to hear. What is nil works
// as in memory.
type scripted struct {
	*memory.Store
	ping    func(context.Context) error
	plan    func(context.Context) (*store.Plan, error)
	migrate func(context.Context) error
}

func script() *scripted { return &scripted{Store: memory.New()} }

func (s *scripted) Ping(ctx context.Context) error {
	if s.ping == nil {
		return s.Store.Ping(ctx)
	}
	return s.ping(ctx)
}

func (s *scripted) Plan(ctx context.Context, schema *store.Schema) (*store.Plan, error) {
	if s.plan == nil {
		return &store.Plan{}, s.Store.Migrate(ctx, schema)
	}
	return s.plan(ctx)
}

func (s *scripted) Migrate(ctx context.Context, schema *store.Schema) error {
	if s.migrate == nil {
		return s.Store.Migrate(ctx, schema)
	}
	return s.migrate(ctx)
}

// finds makes a plan what the store answers.
func (s *scripted) finds(p store.Plan) *scripted {
	s.plan = func(context.Context) (*store.Plan, error) { return &p, nil }
	return s
}

// terminal is a standard input at which somebody types.
type terminal struct{ io.Reader }

func (terminal) Stat() (fs.FileInfo, error) {
	return fs.Stat(fstest.MapFS{"tty": {Mode: fs.ModeCharDevice}}, "tty")
}
