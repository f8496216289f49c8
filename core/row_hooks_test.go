package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

// journal records what hooks are told.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns what was recorded since the last call.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

func (j *journal) count(prefix string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// hook writes down every change of the table, with the value of a field.
func (j *journal) hook(table, field string) core.DatabaseHook {
	return core.DatabaseHook{
		Table: table,
		BeforeCreate: func(_ context.Context, row store.Record) error {
			j.add("before create %s %v", table, row[field])
			return nil
		},
		AfterCreate: func(_ context.Context, row store.Record) error {
			j.add("after create %s %v", table, row[field])
			return nil
		},
		BeforeUpdate: func(_ context.Context, row, set store.Record) error {
			j.add("before update %s %v to %v", table, row[field], set[field])
			return nil
		},
		AfterUpdate: func(_ context.Context, was, row store.Record) error {
			j.add("after update %s %v to %v", table, was[field], row[field])
			return nil
		},
		BeforeDelete: func(_ context.Context, row store.Record) error {
			j.add("before delete %s %v", table, row[field])
			return nil
		},
		AfterDelete: func(_ context.Context, row store.Record) error {
			j.add("after delete %s %v", table, row[field])
			return nil
		},
	}
}

func (j *journal) wants(t *testing.T, lines ...string) {
	t.Helper()
	if got := j.take(); !slices.Equal(got, lines) {
		t.Errorf("hooks were told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func withHooks(hooks ...core.DatabaseHook) func(*core.Config) {
	return func(c *core.Config) { c.DatabaseHooks = append(c.DatabaseHooks, hooks...) }
}

// beforeCreate is a hook with that one function.
func beforeCreate(table string, fn func(ctx context.Context, row store.Record) error) core.DatabaseHook {
	return core.DatabaseHook{Table: table, BeforeCreate: fn}
}

func TestHooksAreToldOfEveryChangeOfAUser(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		var j journal
		a := newApp(t, home, withHooks(j.hook(core.TableUser, "name"), j.hook(core.TableAccount, "providerId")))
		b := a.signUp(t, "a@b.com")
		j.wants(t, "before create user Al", "before create account credential", "after create user Al", "after create account credential")
		id := b.Get("/api/auth/get-session").Text("user", "id")

		b.Post("/api/auth/update-user", m{"name": "Bo"}).Want(200)
		j.wants(t, "before update user Al to Bo", "after update user Al to Bo")

		if err := a.Users().Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		got := j.take()
		slices.Sort(got)
		if want := []string{"after delete account credential", "after delete user Bo", "before delete account credential", "before delete user Bo"}; !slices.Equal(got, want) {
			t.Errorf("at the deletion hooks were told %q, want %q", got, want)
		}
	})
}

func TestHooksAreToldOfSessionsWhereverTheyLive(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		var j journal
		a := newApp(t, home, withHooks(j.hook(core.TableSession, "userAgent")))
		b := a.signUp(t, "a@b.com")
		j.wants(t, "before create session browser/1", "after create session browser/1")
		for range 3 {
			a.signIn(t, "a@b.com")
		}
		if n := j.count("after create"); n != 3 {
			t.Errorf("%d of 3 sessions were told", n)
		}
		j.take()
		b.Post("/api/auth/revoke-other-sessions", m{}).Want(200)
		if before, after := j.count("before delete"), j.count("after delete"); before != 3 || after != 3 {
			t.Errorf("told before %d and after %d of 3 revocations", before, after)
		}
		j.take()
		a.clock.Advance(25 * 3600e9)
		b.Get("/api/auth/get-session").Want(200)
		j.wants(t, "before update session browser/1 to <nil>", "after update session browser/1 to browser/1")
		b.Post("/api/auth/sign-out", m{}).Want(200)
		j.wants(t, "before delete session browser/1", "after delete session browser/1")
	})
}

func TestAHookChangesWhatIsStored(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home,
			withHooks(
				beforeCreate(core.TableUser, func(_ context.Context, row store.Record) error {
					row["name"] = row.String("name") + "!"
					return nil
				}),
				beforeCreate(core.TableUser, func(_ context.Context, row store.Record) error {
					row["name"] = row.String("name") + "?" // sees what the one before it did
					return nil
				}),
				beforeCreate(core.TableSession, func(_ context.Context, row store.Record) error {
					row["tenant"] = "t1"
					return nil
				}),
				core.DatabaseHook{Table: core.TableUser, BeforeUpdate: func(_ context.Context, row, set store.Record) error {
					set["name"] = fmt.Sprintf("%v, once %v", set["name"], row["name"])
					return nil
				}},
			),
			func(c *core.Config) {
				c.SessionFields = []*store.Field{{Name: "tenant", Type: store.String, Returned: true}}
			})
		b := a.signUp(t, "a@b.com")
		got := b.Get("/api/auth/get-session").Want(200)
		if got.Text("user", "name") != "Al!?" || got.Text("session", "tenant") != "t1" {
			t.Errorf("session %s", got.Body)
		}
		b.Post("/api/auth/update-user", m{"name": "Bo"}).Want(200)
		if name := b.Get("/api/auth/get-session").Text("user", "name"); name != "Bo, once Al!?" {
			t.Errorf("name %q", name)
		}
	})
}

func TestAHookKnowsTheRequest(t *testing.T) {
	t.Parallel()
	var path atomic.Value
	a := newApp(t, withHooks(beforeCreate(core.TableUser, func(ctx context.Context, _ store.Record) error {
		if r := core.RequestFrom(ctx); r != nil {
			path.Store(r.Path() + " " + r.Header().Get("Origin"))
		} else {
			path.Store("none")
		}
		return nil
	})))
	a.signUp(t, "a@b.com")
	if got := path.Load(); got != "/sign-up/email http://localhost:3000" {
		t.Errorf("the hook saw %q", got)
	}
	if _, err := a.Users().Create(t.Context(), core.NewUser{Name: "Bo", Email: "b@b.com"}); err != nil {
		t.Fatal(err)
	}
	if got := path.Load(); got != "none" {
		t.Errorf("outside of a request the hook saw %q", got)
	}
}

func TestAHookRefusesASignUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, table, code string
		err               error
		status            int
	}{
		{"abort of the user", core.TableUser, "FAILED_TO_CREATE_USER", core.ErrAborted, 400},
		{"abort of the account", core.TableAccount, "FAILED_TO_CREATE_USER", core.ErrAborted, 400},
		{"abort of the session", core.TableSession, "FAILED_TO_CREATE_SESSION", core.ErrAborted, 400},
		{"an answer of its own", core.TableUser, "NOT_INVITED", &core.Error{Status: 403, Code: "NOT_INVITED", Message: "Ask for an invitation"}, 403},
		{"an answer of its own, wrapped", core.TableAccount, "NOT_INVITED", fmt.Errorf("look: %w", &core.Error{Status: 403, Code: "NOT_INVITED", Message: "No"}), 403},
		{"any error", core.TableUser, "INTERNAL_SERVER_ERROR", errors.New("secret detail"), 500},
		{"a panic", core.TableAccount, "INTERNAL_SERVER_ERROR", nil, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(t *testing.T, home func(*core.Config)) {
				var j journal
				a := newApp(t, home, withHooks(j.hook(core.TableUser, "email"), beforeCreate(c.table, func(context.Context, store.Record) error {
					if c.err == nil {
						panic("secret detail")
					}
					return c.err
				})))
				res := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "Al", "email": "a@b.com", "password": "password789"})
				res.WantCode(c.status, c.code)
				if len(res.SetCookies()) > 0 || strings.Contains(res.Body, "secret") {
					t.Errorf("answered %s with cookies %q", res.Body, res.SetCookies())
				}
				if c.table == core.TableSession {
					return // the user is there, and can try to sign in
				}
				if n := j.count("after"); n > 0 {
					t.Errorf("an After hook ran for what was rolled back")
				}
				for _, table := range []string{core.TableUser, core.TableAccount, core.TableSession} {
					if n, err := a.Database().Count(t.Context(), table, store.Where{}); err != nil || n != 0 {
						t.Errorf("%d rows in %s (%v)", n, table, err)
					}
				}
			})
		})
	}
}

func TestAHookRefusesASignIn(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		var closed atomic.Bool
		a := newApp(t, home, withHooks(beforeCreate(core.TableSession, func(context.Context, store.Record) error {
			if closed.Load() {
				return core.ErrAborted
			}
			return nil
		})))
		a.signUp(t, "a@b.com")
		closed.Store(true)
		res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
		res.WantCode(http.StatusUnauthorized, "FAILED_TO_CREATE_SESSION")
		if len(res.SetCookies()) > 0 {
			t.Errorf("cookies %q", res.SetCookies())
		}
	})
}

func TestAHookCannotHandASessionToSomebodyElse(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		var victim atomic.Value
		a := newApp(t, home, withHooks(beforeCreate(core.TableSession, func(_ context.Context, row store.Record) error {
			if id, ok := victim.Load().(string); ok {
				row["userId"] = id
			}
			return nil
		})))
		b := a.signUp(t, "victim@b.com")
		victim.Store(b.Get("/api/auth/get-session").Text("user", "id"))
		a.browser(t).Post("/api/auth/sign-up/email", m{"name": "Al", "email": "a@b.com", "password": "password789"}).Want(500)
	})
}

func TestASessionThatAHookKeepsIsNotReportedEnded(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home, withHooks(core.DatabaseHook{Table: core.TableSession, BeforeDelete: func(context.Context, store.Record) error {
			return core.ErrAborted
		}}))
		b := a.signUp(t, "a@b.com")
		a.signIn(t, "a@b.com")
		for _, path := range []string{"sign-out", "revoke-sessions", "revoke-other-sessions"} {
			if res := b.Post("/api/auth/"+path, m{}).WantCode(422, "CHANGE_ABORTED"); len(res.SetCookies()) > 0 {
				t.Errorf("%s: cookies %q", path, res.SetCookies())
			}
		}
		if b.Get("/api/auth/get-session").Body == "null" {
			t.Error("the session has ended")
		}
	})
}

func TestAHookThatEndsARefreshEndsTheSessionOfTheBrowser(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home, withHooks(core.DatabaseHook{Table: core.TableSession, BeforeUpdate: func(context.Context, store.Record, store.Record) error {
			return core.ErrAborted
		}}))
		b := a.signUp(t, "a@b.com")
		a.clock.Advance(25 * 3600e9)
		if res := b.Get("/api/auth/get-session").Want(200); res.Body != "null" || b.Cookie(sessionCookie) != "" {
			t.Errorf("answered %s, cookie %q", res.Body, b.Cookie(sessionCookie))
		}
	})
}

// things is a plugin made only for tests: tables that refer to users and to
// each other in every way.
type things struct{}

func (things) Name() string { return "things" }

func (things) Register(r *core.Registry) error {
	r.Tables(
		store.Table{Name: "thing", Fields: []*store.Field{
			{Name: "name", Type: store.String, Required: true},
			{Name: "size", Type: store.Int},
			{Name: "ownerId", Type: store.String, References: &store.Reference{Table: "user"}},
			{Name: "lenderId", Type: store.String, References: &store.Reference{Table: "user", OnDelete: store.SetNull}},
			{Name: "parentId", Type: store.String, References: &store.Reference{Table: "thing"}},
		}},
		store.Table{Name: "part", Fields: []*store.Field{
			{Name: "name", Type: store.String, Required: true},
			{Name: "thingId", Type: store.String, Required: true, References: &store.Reference{Table: "thing"}},
		}},
	)
	return nil
}

func (a *app) create(t *testing.T, table string, r store.Record) string {
	t.Helper()
	row, err := a.Database().Create(t.Context(), table, r)
	if err != nil {
		t.Fatal(err)
	}
	return row.String(store.ID)
}

func TestRowsThatGoAlongAreTold(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "name"), j.hook("part", "name")))
	user, err := a.Users().Create(t.Context(), core.NewUser{Name: "Al", Email: "a@b.com"})
	if err != nil {
		t.Fatal(err)
	}
	owned := a.create(t, "thing", store.Record{"name": "owned", "ownerId": user.ID})
	inside := a.create(t, "thing", store.Record{"name": "inside", "parentId": owned})
	a.create(t, "thing", store.Record{"name": "lent", "lenderId": user.ID})
	a.create(t, "thing", store.Record{"name": "other"})
	a.create(t, "part", store.Record{"name": "wheel", "thingId": inside})
	// Round in a circle.
	if _, err := a.Database().Update(t.Context(), "thing", store.Eq(store.ID, owned), store.Record{"parentId": inside}); err != nil {
		t.Fatal(err)
	}
	j.take()

	if err := a.Users().Delete(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	got := j.take()
	slices.Sort(got) // the order in which the references are followed is open
	if want := []string{
		"after delete part wheel", "after delete thing inside", "after delete thing owned", "after update thing lent to lent",
		"before delete part wheel", "before delete thing inside", "before delete thing owned", "before update thing lent to <nil>",
	}; !slices.Equal(got, want) {
		t.Errorf("hooks were told %q", got)
	}
	rows, err := a.Database().FindMany(t.Context(), "thing", store.Query{Sort: []store.Sort{{Field: "name"}}})
	if err != nil || len(rows) != 2 || rows[0]["name"] != "lent" || rows[0]["lenderId"] != nil || rows[1]["name"] != "other" {
		t.Errorf("left are %v (%v)", rows, err)
	}
	if n, err := a.Database().Count(t.Context(), "part", store.Where{}); err != nil || n != 0 {
		t.Errorf("%d parts are left (%v)", n, err)
	}
}

func TestARowThatAHookKeepsKeepsTheOneItRefersTo(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(things{}), withHooks(core.DatabaseHook{Table: "part", BeforeDelete: func(context.Context, store.Record) error {
		return core.ErrAborted
	}}))
	thing := a.create(t, "thing", store.Record{"name": "bike"})
	a.create(t, "part", store.Record{"name": "wheel", "thingId": thing})
	if _, err := a.Database().Delete(t.Context(), "thing", store.All()); !errors.Is(err, core.ErrAborted) {
		t.Errorf("error %v", err)
	}
	for _, table := range []string{"thing", "part"} {
		if n, err := a.Database().Count(t.Context(), table, store.Where{}); err != nil || n != 1 {
			t.Errorf("%d rows in %s (%v)", n, table, err)
		}
	}
}

// many is more rows than are read at once.
const many = 450

func (a *app) createMany(t *testing.T) {
	t.Helper()
	for i := range many {
		a.create(t, "thing", store.Record{"name": fmt.Sprintf("thing %d", i), "size": i})
	}
}

func TestBulkChangesAreToldRowByRow(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "size")))
	a.createMany(t)
	j.take()
	db := a.Database()
	small := store.Lt("size", 440)
	// The condition is about what is changed, and matches no row afterwards.
	n, err := db.Update(t.Context(), "thing", small, store.Record{"size": 1000})
	if err != nil || n != 440 {
		t.Fatalf("%d updated, %v", n, err)
	}
	if before, after := j.count("before update"), j.count("after update"); before != 440 || after != 440 {
		t.Errorf("told before %d and after %d of 440 updates", before, after)
	}
	j.take()
	n, err = db.Delete(t.Context(), "thing", store.All())
	if err != nil || n != many {
		t.Fatalf("%d deleted, %v", n, err)
	}
	if before, after := j.count("before delete"), j.count("after delete"); before != many || after != many {
		t.Errorf("told before %d and after %d of %d deletions", before, after, many)
	}
	for _, err := range []error{
		second(db.Update(t.Context(), "thing", store.Where{}, store.Record{"size": 1})),
		second(db.Delete(t.Context(), "thing", store.Where{})),
		second(db.Take(t.Context(), "thing", store.Where{})),
		second(db.Add(t.Context(), "thing", store.Where{}, nil, store.Record{"size": 1})),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("without a condition: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestABulkChangeIsRefusedWhole(t *testing.T) {
	t.Parallel()
	var j journal
	refuse := func(row store.Record) error {
		if row.Int("size") == many-1 {
			return core.ErrAborted
		}
		return nil
	}
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "size"), core.DatabaseHook{
		Table:        "thing",
		BeforeUpdate: func(_ context.Context, row, _ store.Record) error { return refuse(row) },
		BeforeDelete: func(_ context.Context, row store.Record) error { return refuse(row) },
	}))
	a.createMany(t)
	j.take()
	if n, err := a.Database().Update(t.Context(), "thing", store.All(), store.Record{"name": "same"}); !errors.Is(err, core.ErrAborted) || n != 0 {
		t.Errorf("update: %d, %v", n, err)
	}
	if n, err := a.Database().Delete(t.Context(), "thing", store.All()); !errors.Is(err, core.ErrAborted) || n != 0 {
		t.Errorf("delete: %d, %v", n, err)
	}
	if n, err := a.Database().Count(t.Context(), "thing", store.Ne("name", "same")); err != nil || n != many {
		t.Errorf("%d rows are as they were (%v)", n, err)
	}
	if n := j.count("after"); n != 0 {
		t.Errorf("%d After hooks ran", n)
	}
}

func TestOneOfManyTakesARowWithHooks(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "name")))
	a.create(t, "thing", store.Record{"name": "token"})
	j.take()
	var winners, misses atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch row, err := a.Database().Take(t.Context(), "thing", store.Eq("name", "token")); {
			case err == nil && row["name"] == "token":
				winners.Add(1)
			case errors.Is(err, store.ErrNotFound):
				misses.Add(1)
			default:
				t.Errorf("got %v, %v", row, err)
			}
		})
	}
	all.Wait()
	if winners.Load() != 1 || misses.Load() != 19 || j.count("after delete") != 1 {
		t.Errorf("%d winners, %d misses, told %d times", winners.Load(), misses.Load(), j.count("after delete"))
	}
}

func TestAGuardHoldsWithHooks(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "size")))
	a.create(t, "thing", store.Record{"name": "counter"})
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			guard := store.And(store.Eq("name", "counter"), store.Or(store.Eq("size", nil), store.Lt("size", 5)))
			_, err := a.Database().Add(t.Context(), "thing", guard, map[string]int64{"size": 1}, nil)
			switch {
			case err == nil:
				passed.Add(1)
			case !errors.Is(err, store.ErrNotFound):
				t.Errorf("error %v", err)
			}
		})
	}
	all.Wait()
	if passed.Load() != 5 || j.count("after update") != 5 {
		t.Errorf("%d passed a guard for 5, told %d times", passed.Load(), j.count("after update"))
	}
}

func TestAnAfterHookThatFailsUndoesNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("queue is down") },
		"panic": func() error { panic("queue is down") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			var j journal
			a := newApp(t, withHooks(
				core.DatabaseHook{Table: core.TableUser, AfterCreate: func(context.Context, store.Record) error { return fail() }},
				j.hook(core.TableUser, "email")),
				func(c *core.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			a.signUp(t, "a@b.com").Get("/api/auth/get-session").Want(200)
			if j.count("after create user") != 1 {
				t.Error("the hook behind it did not run")
			}
			if !strings.Contains(log.String(), "queue is down") || !strings.Contains(log.String(), "table=user") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func TestAHookWritesInTheSameTransaction(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	var a *app
	a = newApp(t, withPlugins(things{}), withHooks(
		beforeCreate(core.TableUser, func(ctx context.Context, row store.Record) error {
			_, err := a.Database().Create(ctx, "thing", store.Record{"name": "of " + row.String("email")})
			return err
		}),
		beforeCreate(core.TableAccount, func(context.Context, store.Record) error {
			if refuse.Load() {
				return core.ErrAborted
			}
			return nil
		})))
	count := func(want int64) {
		t.Helper()
		if n, err := a.Database().Count(t.Context(), "thing", store.Where{}); err != nil || n != want {
			t.Errorf("%d rows of the hook, want %d (%v)", n, want, err)
		}
	}
	a.signUp(t, "a@b.com")
	count(1)
	refuse.Store(true)
	a.browser(t).Post("/api/auth/sign-up/email", m{"name": "Bo", "email": "b@b.com", "password": "password789"}).Want(400)
	count(1)
}

// hookingPlugin registers hooks.
type hookingPlugin struct{ hook core.DatabaseHook }

func (hookingPlugin) Name() string { return "hooking" }

func (p hookingPlugin) Register(r *core.Registry) error {
	r.DatabaseHooks(p.hook)
	return nil
}

func TestHooksOfPluginsComeFirst(t *testing.T) {
	t.Parallel()
	var j journal
	say := func(who string) core.DatabaseHook {
		return core.DatabaseHook{
			BeforeCreate: func(context.Context, store.Record) error { j.add("before %s", who); return nil },
			AfterCreate:  func(context.Context, store.Record) error { j.add("after %s", who); return nil },
		}
	}
	a := newApp(t, withHooks(say("application")), withPlugins(hookingPlugin{say("plugin")}))
	if _, err := a.Users().Create(t.Context(), core.NewUser{Name: "Al", Email: "a@b.com"}); err != nil {
		t.Fatal(err)
	}
	j.wants(t, "before plugin", "before application", "after plugin", "after application")
}

func TestHooksThatCannotRunAreReported(t *testing.T) {
	t.Parallel()
	_, err := core.New(core.Config{DatabaseHooks: []core.DatabaseHook{
		{Table: core.TableUser},
		{Table: "usre", AfterCreate: func(context.Context, store.Record) error { return nil }},
	}})
	for _, want := range []string{"DatabaseHooks[0]: no function is set", `DatabaseHooks[1]: there is no table "usre"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func containsAll(s string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}
