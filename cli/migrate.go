package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

// migration is one run of migrate.
type migration struct {
	*run
	command *command
	show    bool // --plan
	yes     bool
	asJSON  bool
}

func (r *run) migrate() *command {
	m := &migration{run: r, command: &command{
		name:    "migrate",
		usage:   "[--plan [--json]] [--yes]",
		summary: "bring the database to the schema",
		about: `
Compares the database with what the configuration asks of it, shows the
statements that are missing, asks, and runs them: tables, columns and indexes
are added, nothing is changed or dropped, and tables of the application's own
are left alone. Any number of processes may do so at once; one works, the others
wait. Where something cannot be done safely, nothing is, and each case is
explained. What was interrupted is finished by running the command again.

Statements go to the standard output, warnings and everything else to the
standard error. The application's own migrations, which are code, are shown as
comments. What runs in the end is what is missing then.

Exit codes: 0 done, or nothing to do; 1 an error, or the answer was no;
2 wrong usage, such as no --yes where nobody can be asked; 3 with --plan, when
there is something to do; 4 refused as unsafe.`,
		examples: [][2]string{
			{"see what there is to do, and decide", "migrate"},
			{"in a deployment, before the new version starts", "migrate --yes"},
			{"in CI: fails with code 3 when the database lacks something", "migrate --plan"},
			{"for people who look at statements before they are run", "migrate --plan > changes.sql"},
		},
		flags: newFlags(),
	}}
	flags := m.command.flags
	flags.BoolVar(&m.show, "plan", false, "only show what there is to do")
	flags.BoolVar(&m.asJSON, "json", false, "with --plan: show it as JSON")
	flags.BoolVar(&m.yes, "yes", false, "do not ask; needed where the standard input is no terminal")
	m.command.do = func(ctx context.Context) error {
		switch {
		case m.asJSON && !m.show:
			return r.misused(m.command, "--json goes with --plan")
		case m.yes && m.show:
			return r.misused(m.command, "--plan runs nothing; leave out either --plan or --yes")
		}
		load := r.program.Load
		if m.show {
			load = r.program.LoadExisting
		}
		return r.loaded(ctx, load, m.do)
	}
	return m.command
}

func (m *migration) do(ctx context.Context, auth *core.Auth) error {
	var plan *store.Plan
	err := m.patiently("comparing the database with the schema", func() (err error) {
		plan, err = auth.Plan(ctx)
		return err
	})
	if err != nil {
		return m.unplanned(ctx, auth, err)
	}
	if err := m.printPlan(plan); err != nil {
		return err
	}
	count := plural(int64(len(plan.Statements)), "statement")
	switch {
	case len(plan.Refused) > 0:
		return &exitError{code: ExitRefused, text: "nothing can be run before what is refused above is settled"}
	case len(plan.Statements) == 0:
		m.note("Nothing to do: the database has everything that the schema asks for.")
		return nil
	case m.show:
		m.note("%s to run.", count)
		return &exitError{code: ExitPending}
	}
	return m.apply(ctx, auth, "Run "+count+"?")
}

// unplanned goes on without a plan where the store makes none.
func (m *migration) unplanned(ctx context.Context, auth *core.Auth, err error) error {
	var unsafe *store.UnsafeError
	if m.show || !errors.Is(err, store.ErrInvalid) || errors.As(err, &unsafe) {
		return err
	}
	m.note("There is no plan to show: %s", redact(said(err)))
	return m.apply(ctx, auth, "Migrate without one?")
}

// apply migrates once it is agreed to.
func (m *migration) apply(ctx context.Context, auth *core.Auth, question string) error {
	if !m.yes {
		if err := m.ask(ctx, question); err != nil {
			return err
		}
	}
	start := time.Now()
	err := m.patiently("migrating; other processes that migrate are waited for", func() error { return auth.Migrate(ctx) })
	if err != nil {
		return err
	}
	// Not what the plan said: others may have run some of it.
	m.note("Done in %v: the database has everything now.", time.Since(start).Round(time.Millisecond))
	return nil
}

func (m *migration) printPlan(plan *store.Plan) error {
	if m.asJSON {
		return m.printPlanJSON(plan)
	}
	m.printStatements(plan.Statements)
	for _, w := range plan.Warnings {
		m.note("warning: %s", redact(w))
	}
	for _, r := range plan.Refused {
		m.note("refused: %s", redact(r))
	}
	return nil
}

func (m *migration) printPlanJSON(plan *store.Plan) error {
	// Empty lists, not null, for those who count them.
	return m.printJSON(struct {
		Statements []string `json:"statements"`
		Warnings   []string `json:"warnings"`
		Refused    []string `json:"refused"`
	}{
		append([]string{}, plan.Statements...), append([]string{}, plan.Warnings...), append([]string{}, plan.Refused...),
	})
}

// ask returns nil when somebody at a terminal says yes.
func (m *migration) ask(ctx context.Context, question string) error {
	nobody := m.misused(m.command, "nobody is there to be asked: pass --yes to run it")
	if !isTerminal(m.stdin) {
		return nobody
	}
	fmt.Fprint(m.err, question+" [y/N] ")
	type reply struct {
		text string
		err  error
	}
	// Nothing ends a read from a terminal: when ctx is over it is left behind.
	replies := make(chan reply, 1)
	go func() {
		text, err := bufio.NewReader(m.stdin).ReadString('\n')
		replies <- reply{text, err}
	}()
	var got reply
	select {
	case <-ctx.Done():
		m.note("")
		return fmt.Errorf("nothing has been run: %w", ctx.Err())
	case got = <-replies:
	}
	switch strings.ToLower(strings.TrimSpace(got.text)) {
	case "y", "yes":
		return nil
	case "":
		if got.err != nil && !errors.Is(got.err, io.EOF) {
			return fmt.Errorf("read the answer: %w", got.err)
		}
		// /dev/null says that it is a terminal, and then has nothing to say.
		if got.err != nil {
			m.note("")
			return nobody
		}
	}
	return &exitError{code: ExitFailed, text: "nothing has been run"}
}

// isTerminal tells whether somebody may sit at the other end.
func isTerminal(stdin io.Reader) bool {
	f, ok := stdin.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}
