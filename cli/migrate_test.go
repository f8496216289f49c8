package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

var twoStatements = store.Plan{
	Statements: []string{"CREATE TABLE users (\n  id text\n)", "CREATE INDEX a ON users (id);"},
	Warnings:   []string{"column users.name is varchar(5)"},
}

const twoStatementsPrinted = "CREATE TABLE users (\n  id text\n);\n\nCREATE INDEX a ON users (id);\n"

func TestMigrate(t *testing.T) {
	t.Parallel()
	refused := store.Plan{Statements: twoStatements.Statements, Refused: []string{"users.age cannot be added: give it a default"}}
	for name, c := range map[string]struct {
		plan   store.Plan
		args   string
		code   int
		stdout string
		stderr string
		runs   bool
	}{
		"nothing to do":               {store.Plan{}, "", cli.ExitOK, "", "Nothing to do", false},
		"nothing to do, by yes":       {store.Plan{}, "--yes", cli.ExitOK, "", "Nothing to do", false},
		"nothing to plan":             {store.Plan{}, "--plan", cli.ExitOK, "", "Nothing to do", false},
		"only warnings":               {store.Plan{Warnings: []string{"odd"}}, "--plan", cli.ExitOK, "", "warning: odd\nNothing to do", false},
		"plan":                        {twoStatements, "--plan", cli.ExitPending, twoStatementsPrinted, "warning: column users.name is varchar(5)\n2 statements to run.\n", false},
		"nobody to ask":               {twoStatements, "", cli.ExitUsage, twoStatementsPrinted, "pass --yes", false},
		"yes":                         {twoStatements, "--yes", cli.ExitOK, twoStatementsPrinted, ": the database has everything now.\n", true},
		"refused":                     {refused, "--yes", cli.ExitRefused, twoStatementsPrinted, "refused: users.age cannot be added: give it a default\n", false},
		"refused plan":                {refused, "--plan", cli.ExitRefused, twoStatementsPrinted, "nothing can be run", false},
		"refused with nobody to ask":  {refused, "", cli.ExitRefused, twoStatementsPrinted, "refused: ", false},
		"a time that is long enough":  {twoStatements, "--yes --timeout 1m", cli.ExitOK, twoStatementsPrinted, "Done", true},
		"yes, taken back by the flag": {twoStatements, "--yes=false", cli.ExitUsage, twoStatementsPrinted, "pass --yes", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ran := script().finds(c.plan), false
			s.migrate = func(context.Context) error { ran = true; return nil }
			got := execute(t, on(s), append([]string{"migrate"}, strings.Fields(c.args)...)...)
			got.check(t, c.code, c.stderr)
			if got.stdout != c.stdout {
				t.Errorf("stdout:\n%s\nwant:\n%s", got.stdout, c.stdout)
			}
			if ran != c.runs {
				t.Errorf("migrated: %t, want %t", ran, c.runs)
			}
		})
	}
}

func TestMigratePlanAsJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plan store.Plan
		code int
		want string
	}{
		{store.Plan{}, cli.ExitOK, `{"statements":[],"warnings":[],"refused":[]}`},
		{store.Plan{Statements: []string{"CREATE <>"}, Warnings: []string{"w"}}, cli.ExitPending, `{"statements":["CREATE <>"],"warnings":["w"],"refused":[]}`},
		{store.Plan{Refused: []string{"r"}}, cli.ExitRefused, `{"statements":[],"warnings":[],"refused":["r"]}`},
	} {
		got := execute(t, on(script().finds(c.plan)), "migrate", "--plan", "--json")
		got.check(t, c.code)
		if compact := strings.NewReplacer("\n", "", " ", "").Replace(got.stdout); compact != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("got %s, want %s", compact, c.want)
		}
		if !json.Valid([]byte(got.stdout)) {
			t.Errorf("no JSON: %s", got.stdout)
		}
	}
}

func TestMigrateAsksAtATerminal(t *testing.T) {
	t.Parallel()
	for answer, c := range map[string]struct {
		code   int
		stderr string
		runs   bool
	}{
		"y\n":      {cli.ExitOK, "Run 2 statements? [y/N] Done", true},
		"YES \r\n": {cli.ExitOK, "Done", true},
		"yes":      {cli.ExitOK, "Done", true},
		"n\n":      {cli.ExitFailed, "nothing has been run", false},
		"\n":       {cli.ExitFailed, "nothing has been run", false},
		"yup\n":    {cli.ExitFailed, "nothing has been run", false},
		// As /dev/null does.
		"": {cli.ExitUsage, "pass --yes", false},
	} {
		s, ran := script().finds(twoStatements), false
		s.migrate = func(context.Context) error { ran = true; return nil }
		got := executeWith(t.Context(), on(s), terminal{strings.NewReader(answer)}, "migrate")
		got.check(t, c.code, c.stderr)
		if ran != c.runs || got.stdout != twoStatementsPrinted {
			t.Errorf("answer %q: migrated %t, stdout:\n%s", answer, ran, got.stdout)
		}
	}
}

func TestAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	_ = w.CloseWithError(errors.New("hung up"))
	got := executeWith(t.Context(), on(script().finds(twoStatements)), terminal{r}, "migrate")
	got.check(t, cli.ExitFailed, "read the answer: hung up")
}

func TestInterruptedQuestion(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	// The question is there once somebody reads the answer.
	go func() {
		_, _ = w.Write([]byte(" "))
		cancel()
	}()
	got := executeWith(ctx, on(script().finds(twoStatements)), terminal{r}, "migrate")
	got.check(t, cli.ExitFailed, "interrupted: nothing has been run")
}

func TestMigrateFails(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		err  error
		code int
	}{
		"permission denied": {errors.New("permission denied"), cli.ExitFailed},
		"run: ":             {fmt.Errorf("run: %w", &store.UnsafeError{Problems: []string{"users.age"}}), cli.ExitRefused},
	} {
		s := script().finds(twoStatements)
		s.migrate = func(context.Context) error { return c.err }
		got := execute(t, on(s), "migrate", "--yes")
		got.check(t, c.code, "app: migrate: "+want)
		s.plan = func(context.Context) (*store.Plan, error) { return nil, c.err }
		execute(t, on(s), "migrate", "--plan").check(t, c.code, "app: plan: "+want)
	}
}

func TestErrorsSayOnceWhatWasBeingDone(t *testing.T) {
	t.Parallel()
	s := script()
	s.plan = func(context.Context) (*store.Plan, error) {
		return nil, fmt.Errorf("plan: %w: no such thing", store.ErrInvalid)
	}
	execute(t, on(s), "migrate", "--plan").check(t, cli.ExitFailed, "app: plan: "+store.ErrInvalid.Error()+": no such thing\n")
	execute(t, on(s), "migrate", "--yes").check(t, cli.ExitOK, "There is no plan to show: plan: "+store.ErrInvalid.Error())
	execute(t, on(s), "doctor").says(t, cli.ExitOK, "compared with the schema: plan: "+store.ErrInvalid.Error())
}

// One that finds nothing left to do, because another was quicker, says so too.
func TestMigrateClaimsNothingThatItMayNotHaveDone(t *testing.T) {
	t.Parallel()
	got := execute(t, on(script().finds(twoStatements)), "migrate", "--yes")
	got.check(t, cli.ExitOK, "the database has everything now")
	if strings.Contains(got.stderr, "2 statements") {
		t.Errorf("it counts what the plan had:\n%s", got.stderr)
	}
}

func TestStoreThatMakesNoPlan(t *testing.T) {
	t.Parallel()
	p := on(memory.New())
	execute(t, p, "migrate", "--plan").check(t, cli.ExitFailed, "cannot tell what a migration would do")
	execute(t, p, "migrate").check(t, cli.ExitUsage, "pass --yes")
	execute(t, p, "sessions", "prune").check(t, cli.ExitFailed)
	execute(t, p, "migrate", "--yes").check(t, cli.ExitOK, "There is no plan to show: ", "Done in ")
	execute(t, p, "sessions", "prune").check(t, cli.ExitOK)
}

func TestLongWorkSaysThatItGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := script().finds(twoStatements)
		s.migrate = func(context.Context) error { <-time.After(25 * time.Second); return nil }
		got := execute(t, on(s, disableUpkeep), "migrate", "--yes")
		got.check(t, cli.ExitOK, "are waited for (10s)\n… ", "are waited for (20s)\nDone in 25s: the database has everything now.")
	})
}

func TestTimeoutAndInterrupt(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	hanging := script().finds(twoStatements)
	hanging.migrate = hang
	mute := script()
	mute.plan = func(ctx context.Context) (*store.Plan, error) { return nil, hang(ctx) }
	for _, c := range []struct {
		s    *scripted
		args string
	}{
		{hanging, "migrate --yes"},
		{mute, "migrate --yes"},
		{mute, "migrate --plan"},
		{mute, "doctor"},
		{mute, "doctor --json"},
	} {
		args := strings.Fields(c.args)
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			got := execute(t, on(c.s, disableUpkeep), append(args, "--timeout", "3s")...)
			got.check(t, cli.ExitFailed, "the time that --timeout allows is over")
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("%q took %v", args, took)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(time.Minute, cancel).Stop()
			executeWith(ctx, on(c.s, disableUpkeep), nil, args...).check(t, cli.ExitFailed, "interrupted: ")
		})
	}
}
