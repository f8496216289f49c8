package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
)

// severity is how bad a finding is.
type severity string

const (
	fine  severity = "ok"
	warn  severity = "warn"
	wrong severity = "error"
)

// finding is one thing that doctor has to say.
type finding struct {
	Severity severity `json:"severity"`
	Subject  string   `json:"subject"`
	Message  string   `json:"message"`
	Advice   string   `json:"advice,omitempty"`
}

func (r *run) doctor() *command {
	var asJSON bool
	c := &command{
		name:    "doctor",
		usage:   "[--json]",
		summary: "look for what is wrong, and say what to do",
		about: `
Checks the configuration, connects to the storage, compares the database with
the schema, and counts what has expired and is still there. Each finding says
what is the matter and what to do about it. Nothing is changed.

A finding is ok, warn (works, but should be looked at) or error (some of it
does not work). The exit code is 1 when one is an error, and 0 otherwise.`,
		examples: [][2]string{
			{"after a deployment", "doctor --timeout 30s"},
			{"what is wrong, for other programs", `doctor --json | jq '.findings[] | select(.severity != "ok")'`},
		},
		flags: newFlags(),
	}
	c.flags.BoolVar(&asJSON, "json", false, "report as JSON")
	c.do = func(ctx context.Context) error {
		findings, err := r.examine(ctx)
		if err != nil {
			return err
		}
		return r.report(findings, asJSON)
	}
	return c
}

// examine loads the engine and looks at everything.
func (r *run) examine(ctx context.Context) ([]finding, error) {
	x := &examination{app: r.program.Name}
	err := r.loaded(ctx, r.program.LoadExisting, func(ctx context.Context, auth *core.Auth) error {
		x.auth = auth
		x.add(fine, "configuration", "The engine accepts the configuration.", "")
		if !x.storage(ctx) {
			return ctx.Err()
		}
		if x.schema(ctx) {
			x.expired(ctx, core.TableSession, "session")
			x.expired(ctx, core.TableVerification, "one-time value")
		}
		return ctx.Err()
	})
	if err == nil || x.auth != nil || ctx.Err() != nil || errors.Is(err, ErrUsage) {
		return x.findings, err
	}
	x.unloaded(err)
	return x.findings, nil
}

// unloaded finds that there is no engine.
func (x *examination) unloaded(err error) {
	var config *core.ConfigError
	if !errors.As(err, &config) {
		x.add(wrong, "configuration", "There is no engine to look at: "+said(err), "")
		return
	}
	for _, p := range config.Problems {
		x.keep(wrong, "configuration", redactProblems(p.Error()), "")
	}
}

// report shows the findings; the error only carries the exit code.
func (r *run) report(findings []finding, asJSON bool) error {
	count := map[severity]int64{}
	for _, f := range findings {
		count[f.Severity]++
	}
	if asJSON {
		err := r.printJSON(struct {
			Errors   int64     `json:"errors"`
			Warnings int64     `json:"warnings"`
			Findings []finding `json:"findings"`
		}{count[wrong], count[warn], findings})
		if err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			r.printf("%-5s  %-13s  %s", f.Severity, f.Subject, f.Message)
			if f.Advice != "" {
				r.printf("%22s→ %s", "", f.Advice)
			}
		}
		r.note("%s, %s.", plural(count[wrong], "error"), plural(count[warn], "warning"))
	}
	if count[wrong] > 0 {
		return &exitError{code: ExitFailed}
	}
	return nil
}

// examination collects findings.
type examination struct {
	app      string
	auth     *core.Auth
	findings []finding
}

// add keeps a finding, without passwords. Messages may be errors of drivers.
func (x *examination) add(s severity, subject, message, advice string) {
	x.keep(s, subject, redact(message), advice)
}

// keep keeps a finding whose message may have several lines, on one.
func (x *examination) keep(s severity, subject, message, advice string) {
	x.findings = append(x.findings, finding{s, subject, strings.Join(strings.Fields(message), " "), advice})
}

// storage reports whether store and secondary storage answer, and whether there
// is a database to go on with.
func (x *examination) storage(ctx context.Context) bool {
	start := time.Now()
	err := x.auth.Ready(ctx)
	if err == nil {
		x.add(fine, "storage", fmt.Sprintf("Everything answers, within %v.", max(time.Since(start).Round(time.Millisecond), time.Millisecond)), "")
		return true
	}
	if errors.Is(err, store.ErrInvalid) {
		x.add(wrong, "storage", "It cannot be used: "+err.Error(), "Nothing else can be looked at before.")
		return false
	}
	message := "It does not answer: " + err.Error()
	if errors.Is(err, secondary.ErrUnavailable) && !errors.Is(err, store.ErrUnavailable) {
		x.add(wrong, "storage", message, "Check the address and the password of the secondary storage, and that its server runs and can be reached from here. Until then nobody can sign in.")
		return true
	}
	x.add(wrong, "storage", message, "Check the address, the user and the password, and that the server runs and can be reached from here. Nothing else can be looked at before.")
	return false
}

// schema compares the database with the schema, and reports whether its tables
// can be used.
func (x *examination) schema(ctx context.Context) bool {
	plan, err := x.auth.Plan(ctx)
	switch {
	case errors.Is(err, store.ErrInvalid):
		x.add(warn, "schema", "The database cannot be compared with the schema: "+said(err), "")
		return true
	case err != nil:
		x.add(wrong, "schema", "The database cannot be compared with the schema: "+said(err), "Try again; if it stays like that, check that this database user may read the catalog.")
		return false
	}
	for _, refused := range plan.Refused {
		x.add(wrong, "schema", "Cannot be done safely: "+refused, "")
	}
	for _, warning := range plan.Warnings {
		x.add(warn, "schema", "Differs and stays as it is: "+warning, "")
	}
	if len(plan.Statements) > 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(plan.Statements[0]), "\n")
		x.add(wrong, "schema",
			fmt.Sprintf("The database lacks what %s would make; the first: %s", plural(int64(len(plan.Statements)), "statement"), strings.TrimRight(first, "( ;")),
			fmt.Sprintf("`%s migrate --plan` shows all of them, `%s migrate` runs them.", x.app, x.app))
	}
	if len(plan.Refused)+len(plan.Statements) > 0 {
		return false
	}
	x.add(fine, "schema", fmt.Sprintf("The database has all %s, with their columns and indexes.", plural(int64(len(x.auth.Schema().Tables())), "table")), "")
	return true
}

// overdue is how long expired rows may stay before somebody should ask why
// nobody deletes them.
const overdue = 48 * time.Hour

// expired counts the rows of a table that wait for their deletion.
func (x *examination) expired(ctx context.Context, table, what string) {
	now := time.Now()
	count, err := x.auth.Database().Count(ctx, table, store.Lt("expiresAt", now))
	var late int64
	if err == nil && count > 0 {
		late, err = x.auth.Database().Count(ctx, table, store.Lt("expiresAt", now.Add(-overdue)))
	}
	switch {
	case err != nil:
		x.add(wrong, "upkeep", fmt.Sprintf("Expired rows of %q cannot be counted: %v", table, err),
			fmt.Sprintf("`%s migrate` makes the table if it is missing; otherwise check that this database user may read it.", x.app))
	case late > 0:
		x.add(warn, "upkeep",
			fmt.Sprintf("%s waiting to be deleted, %s for more than two days.", are(count, "expired "+what), grouped(late)),
			fmt.Sprintf("Leave Config.Upkeep enabled in the application, or run `%s sessions prune` every night.", x.app))
	default:
		x.add(fine, "upkeep", fmt.Sprintf("%s waiting to be deleted.", are(count, "expired "+what)), "")
	}
}

// are returns "1 session is" or "2 sessions are".
func are(n int64, one string) string {
	if n == 1 {
		return plural(n, one) + " is"
	}
	return plural(n, one) + " are"
}
