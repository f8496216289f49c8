package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

func disableUpkeep(c *core.Config) { c.Upkeep.Disabled = true }

func TestDoctor(t *testing.T) {
	t.Parallel()
	down := script()
	down.ping = func(context.Context) error { return fmt.Errorf("%w: connection refused", store.ErrUnavailable) }
	mute := script()
	mute.plan = func(context.Context) (*store.Plan, error) { return nil, errors.New("no right to look") }
	uncompared := memory.New()
	differing := script()
	for _, s := range []store.Store{uncompared, differing} {
		execute(t, on(s), "migrate", "--yes").check(t, cli.ExitOK)
	}
	misused := script()
	misused.ping = func(context.Context) error { return fmt.Errorf("ping: %w: an unknown database", store.ErrInvalid) }
	for name, c := range map[string]struct {
		program cli.Program
		code    int
		stdout  []string
		unsaid  string
	}{
		"well": {on(script()), cli.ExitOK, []string{
			"ok     configuration  ", "ok     storage        Everything answers, within ",
			"ok     schema         The database has all 4 tables", "0 expired sessions are waiting", "0 expired one-time values are waiting",
		}, "→"},
		"the store is down": {on(down), cli.ExitFailed, []string{
			"error  storage        It does not answer: store: storage unavailable: connection refused\n", "→ Check the address",
		}, "schema"},
		"the secondary storage is down": {on(script(), func(c *core.Config) { c.Secondary = downSecondary{} }), cli.ExitFailed, []string{
			"error  storage        It does not answer: secondary storage: ", "ok     schema",
		}, ""},
		"both are down": {on(down, func(c *core.Config) { c.Secondary = downSecondary{} }), cli.ExitFailed, []string{
			"store: storage unavailable: connection refused secondary storage: ",
		}, "schema"},
		"something is missing": {on(script().finds(twoStatements)), cli.ExitFailed, []string{
			"error  schema         The database lacks what 2 statements would make; the first: CREATE TABLE users\n",
			"→ `app migrate --plan` shows all of them",
			"warn   schema         Differs and stays as it is: column users.name",
		}, "upkeep"},
		"something is refused": {on(script().finds(store.Plan{Refused: []string{"give it a default"}})), cli.ExitFailed, []string{
			"error  schema         Cannot be done safely: give it a default\n",
		}, "ok     schema"},
		"something differs": {on(differing.finds(store.Plan{Warnings: []string{"one", "two"}})), cli.ExitOK, []string{
			"warn   schema         Differs and stays as it is: one\n", ": two\n",
		}, "error"},
		"it cannot be compared": {on(uncompared), cli.ExitOK, []string{
			"warn   schema         The database cannot be compared",
		}, "error"},
		"it cannot be compared, and there are no tables": {on(memory.New()), cli.ExitFailed, []string{
			"warn   schema         The database cannot be compared", `error  upkeep         Expired rows of "session" cannot be counted: `, "→ `app migrate` makes the table",
		}, "waiting"},
		"it may not be looked at": {on(mute), cli.ExitFailed, []string{"error  schema         The database cannot be compared with the schema: plan: no right"}, "upkeep"},
		"the store cannot be used": {on(misused), cli.ExitFailed, []string{
			"error  storage        It cannot be used: store: ping: " + store.ErrInvalid.Error() + ": an unknown database\n",
		}, "password"},
		"there is no engine": {cli.Program{Load: func(context.Context) (*core.Auth, error) { return nil, errors.New("no such\n\tfile") }}, cli.ExitFailed, []string{
			"error  configuration  There is no engine to look at: no such file\n",
		}, "storage"},
		"the configuration is wrong": {on(script(), func(c *core.Config) { c.Secret, c.BaseURL = "short", "" }), cli.ExitFailed, []string{
			"error  configuration  Secret: is 5 bytes long", "error  configuration  BaseURL: is empty",
		}, "storage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := execute(t, c.program, "doctor")
			for _, want := range c.stdout {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if c.unsaid != "" && strings.Contains(got.stdout, c.unsaid) {
				t.Errorf("it says %q", c.unsaid)
			}
			got.check(t, c.code)

			// The same, for programs.
			asJSON := execute(t, c.program, "doctor", "--json")
			asJSON.check(t, c.code)
			var report struct {
				Errors, Warnings int
				Findings         []struct{ Severity, Subject, Message, Advice string }
			}
			if err := json.Unmarshal([]byte(asJSON.stdout), &report); err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Findings {
				if f.Subject == "storage" && f.Severity == "ok" {
					continue // tells a time
				}
				if !strings.Contains(got.stdout, f.Message) || !strings.Contains(got.stdout, f.Advice) || f.Severity == "" {
					t.Errorf("only JSON has %+v", f)
				}
			}
			if report.Errors != strings.Count("\n"+got.stdout, "\nerror ") || report.Warnings != strings.Count("\n"+got.stdout, "\nwarn ") {
				t.Errorf("%d errors and %d warnings are counted", report.Errors, report.Warnings)
			}
		})
	}
}

// downSecondary is a secondary storage that does not answer.
type downSecondary struct{ secondary.Storage }

func (downSecondary) Ping(context.Context) error {
	return fmt.Errorf("%w: connection refused", secondary.ErrUnavailable)
}

func TestDoctorAndPruneCountWhatHasExpired(t *testing.T) {
	t.Parallel()
	s := script()
	auth, err := on(s, disableUpkeep).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close(t.Context())
	if err := auth.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, auth, 1501, time.Hour)

	p := on(s, disableUpkeep)
	execute(t, p, "doctor").says(t, cli.ExitOK, "ok     upkeep         1,501 expired sessions are waiting to be deleted.\n", "1 expired one-time value is waiting")
	execute(t, p, "sessions", "prune").says(t, cli.ExitOK, "Deleted 1,501 expired sessions and 1 expired one-time value.\n")
	execute(t, p, "sessions", "prune").says(t, cli.ExitOK, "Deleted 0 expired sessions and 0 expired one-time values.\n")
	for _, table := range []string{core.TableSession, core.TableVerification} {
		if n, err := auth.Database().Count(t.Context(), table, store.All()); err != nil || n != 1 {
			t.Errorf("%d live rows are left in %s, want 1: %v", n, table, err)
		}
	}
}

func TestDoctorWarnsWhenNobodyDeletesWhatHasExpired(t *testing.T) {
	t.Parallel()
	s := script()
	auth, err := on(s, disableUpkeep).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close(t.Context())
	if err := auth.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, auth, 3, 72*time.Hour)
	execute(t, on(s, disableUpkeep), "doctor").says(t, cli.ExitOK,
		"warn   upkeep         3 expired sessions are waiting to be deleted, 3 for more than two days.\n",
		"run `app sessions prune` every night")
}

// fill makes one user with sessions and a one-time value that expired some time
// ago, and one of each that lives.
func fill(t *testing.T, auth *core.Auth, sessions int, ago time.Duration) {
	t.Helper()
	now := time.Now()
	create := func(table string, r store.Record) store.Record {
		r["createdAt"], r["updatedAt"] = now, now
		row, err := auth.Database().Create(t.Context(), table, r)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	user := create(core.TableUser, store.Record{"name": "Ada", "email": "ada@example.com", "emailVerified": true})
	expired, live := now.Add(-ago), now.Add(time.Hour)
	err := auth.Database().Tx(t.Context(), func(ctx context.Context) error {
		for i := range sessions + 1 {
			expires := expired
			if i == 0 {
				expires = live
			}
			_, err := auth.Database().Create(ctx, core.TableSession, store.Record{
				"token": fmt.Sprint("token", i), "userId": user.String(store.ID), "expiresAt": expires, "createdAt": now, "updatedAt": now,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	create(core.TableVerification, store.Record{"identifier": "a", "value": "a", "expiresAt": expired})
	create(core.TableVerification, store.Record{"identifier": "b", "value": "b", "expiresAt": live})
}

// says is check for the standard output.
func (r result) says(t *testing.T, code int, stdout ...string) {
	t.Helper()
	for _, want := range stdout {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the standard output does not say %q", want)
		}
	}
	r.check(t, code)
}
