package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

func (a *app) count(t *testing.T, table string) int64 {
	t.Helper()
	n, err := a.Database().Count(t.Context(), table, store.Where{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (a *app) wantsRows(t *testing.T, table string, want int64) {
	t.Helper()
	if n := a.count(t, table); n != want {
		t.Errorf("%d rows in %s, want %d", n, table, want)
	}
}

func TestACommittedTransactionIsNotRunAgain(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(things{}))
	err := a.Database().Tx(t.Context(), func(ctx context.Context) error {
		if _, err := a.Database().Create(ctx, "thing", store.Record{"name": "x"}); err != nil {
			return err
		}
		return a.Database().AfterCommit(ctx, func(context.Context) error { return store.ErrConflict })
	})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("got error %v", err)
	}
	a.wantsRows(t, "thing", 1)
}

func TestAFailureInsideATransactionCannotBeSwallowed(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "name"), core.DatabaseHook{
		Table: "thing",
		BeforeDelete: func(_ context.Context, row store.Record) error {
			if row.Int("size") == 5 {
				return core.ErrAborted
			}
			return nil
		},
	}, beforeCreate(core.TableAccount, func(context.Context, store.Record) error { return core.ErrAborted })))
	for i := range 10 {
		a.create(t, "thing", store.Record{"name": "x", "size": i})
	}
	j.take()
	db := a.Database()
	for name, do := range map[string]func(ctx context.Context){
		"a bulk delete": func(ctx context.Context) { _, _ = db.Delete(ctx, "thing", store.All()) },
		"a sign-up": func(ctx context.Context) {
			_, _ = a.SignUpEmail(ctx, core.SignUpEmailInput{Name: "Al", Email: "a@b.com", Password: "password789"})
		},
		"a panic that is recovered": func(ctx context.Context) {
			defer func() { _ = recover() }()
			_ = db.Tx(ctx, func(context.Context) error { panic("boom") })
		},
	} {
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			do(ctx)
			return nil
		})
		if err == nil {
			t.Errorf("%s: the transaction that it was part of succeeds", name)
		}
	}
	a.wantsRows(t, "thing", 10)
	a.wantsRows(t, core.TableUser, 0)
	if n := j.count("after"); n > 0 {
		t.Errorf("%d hooks were told of what did not happen", n)
	}
}

func TestARowThatIsNotThereFailsNoTransaction(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withPlugins(things{}), withHooks(j.hook("thing", "name")))
	db := a.Database()
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := db.Take(ctx, "thing", store.Eq("name", "none")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("take: %v", err)
		}
		if _, err := db.Add(ctx, "thing", store.Eq("name", "none"), map[string]int64{"size": 1}, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("add: %v", err)
		}
		_, err := db.Create(ctx, "thing", store.Record{"name": "x"})
		return err
	})
	if err != nil {
		t.Error(err)
	}
	a.wantsRows(t, "thing", 1)
}

func TestHooksAreToldAlthoughOtherWorkFails(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, withHooks(j.hook(core.TableUser, "name")))
	err := a.Database().Tx(t.Context(), func(ctx context.Context) error {
		err := a.Database().AfterCommit(ctx, func(context.Context) error { return errors.New("redis is down") })
		if err != nil {
			return err
		}
		_, err = a.Users().Create(ctx, core.NewUser{Name: "Al", Email: "a@b.com"})
		return err
	})
	if err == nil {
		t.Error("no error")
	}
	if j.count("after create user Al") != 1 {
		t.Error("the hook was not told of a user who is there")
	}
}

func TestAHookAfterAChangeKnowsTheRequestInATransactionOfTheApplication(t *testing.T) {
	t.Parallel()
	var path atomic.Value
	path.Store("not told")
	a := newApp(t, withHooks(core.DatabaseHook{Table: core.TableUser, AfterCreate: func(ctx context.Context, _ store.Record) error {
		if r := core.RequestFrom(ctx); r != nil {
			path.Store(r.Path())
		}
		return nil
	}}))
	err := a.Database().Tx(t.Context(), func(ctx context.Context) error {
		_, err := a.SignUpEmail(ctx, core.SignUpEmailInput{Name: "Al", Email: "a@b.com", Password: "password789"})
		return err
	})
	if err != nil || path.Load() != "/sign-up/email" {
		t.Errorf("the hook saw %q, %v", path.Load(), err)
	}
}

func TestWorkOfARolledBackTransactionIsRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	var inside context.Context
	_ = a.Database().Tx(t.Context(), func(ctx context.Context) error {
		inside = ctx
		return errors.New("no")
	})
	if err := a.Database().AfterCommit(inside, func(context.Context) error {
		t.Error("it runs")
		return nil
	}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got error %v", err)
	}
}

// joinable is a memory store whose transactions can be told, as those of a
// database can.
type joinable struct{ *memory.Store }

type joinableTx struct{}

func (j joinable) Tx(ctx context.Context, fn func(context.Context) error) error {
	return j.Store.Tx(ctx, func(ctx context.Context) error { return fn(context.WithValue(ctx, joinableTx{}, true)) })
}

func (joinable) JoinTx(ctx context.Context, _ any) (context.Context, error) { return ctx, nil }

func (joinable) InTx(ctx context.Context) bool { return ctx.Value(joinableTx{}) != nil }

func TestATransactionThatTheEngineDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	s := joinable{memory.New()}
	var j journal
	a := newApp(t, func(c *core.Config) { c.Store = s }, withHooks(j.hook(core.TableUser, "name")))
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		_, err := a.SignUpEmail(ctx, core.SignUpEmailInput{Name: "Al", Email: "a@b.com", Password: "password789"})
		return err
	})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got error %v", err)
	}
	a.wantsRows(t, core.TableUser, 0)
	// Its own it knows.
	err = a.Database().Tx(t.Context(), func(ctx context.Context) error {
		_, err := a.SignUpEmail(ctx, core.SignUpEmailInput{Name: "Al", Email: "a@b.com", Password: "password789"})
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFailedCallMakesTheApplicationsCommitReport(t *testing.T) {
	t.Parallel()
	var j journal
	a := newApp(t, func(c *core.Config) { c.Store = joinable{memory.New()} },
		withHooks(j.hook(core.TableUser, "name"), beforeCreate(core.TableAccount, func(context.Context, store.Record) error { return core.ErrAborted })))
	joined, committed, err := a.WithTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.SignUpEmail(joined, core.SignUpEmailInput{Name: "Al", Email: "a@b.com", Password: "password789"}); err == nil {
		t.Fatal("no error")
	}
	if _, err := a.SignUpEmail(joined, core.SignUpEmailInput{Name: "Al", Email: "b@b.com", Password: "password789"}); !errors.Is(err, core.ErrAborted) {
		t.Errorf("a call after one that failed: %v", err)
	}
	if err := committed(); !errors.Is(err, core.ErrAborted) || j.count("after") > 0 {
		t.Errorf("committed: %v, told %q", err, j.take())
	}
}

// between runs a function between the hooks for a row and its write.
type between struct {
	store.Store
	once atomic.Bool
	do   func()
}

func (s *between) step() {
	if s.do != nil && s.once.CompareAndSwap(false, true) {
		s.do()
	}
}

func (s *between) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	s.step()
	return s.Store.Take(ctx, t, w)
}

func (s *between) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	s.step()
	return s.Store.Add(ctx, t, w, delta, set)
}

// Tx keeps nobody out, as that of memory does; it does not roll back either.
func (s *between) Tx(ctx context.Context, fn func(context.Context) error) error {
	return fn(ctx)
}

func TestAHookedChangeBeginsAgainWhenItsRowIsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(db *core.Database, ctx context.Context) (int64, error){
		"update": func(db *core.Database, ctx context.Context) (int64, error) {
			return db.Update(ctx, "thing", store.Lt("size", 5), store.Record{"name": "changed"})
		},
		"delete": func(db *core.Database, ctx context.Context) (int64, error) {
			return db.Delete(ctx, "thing", store.Lt("size", 5))
		},
		"take": func(db *core.Database, ctx context.Context) (int64, error) {
			_, err := db.Take(ctx, "thing", store.Lt("size", 5))
			return 1, err
		},
		"add": func(db *core.Database, ctx context.Context) (int64, error) {
			_, err := db.Add(ctx, "thing", store.Lt("size", 5), nil, store.Record{"name": "changed"})
			return 1, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := memory.New()
			s := &between{Store: inner}
			var j journal
			a := newApp(t, func(c *core.Config) { c.Store = s }, withPlugins(things{}), withHooks(j.hook("thing", "name")))
			a.create(t, "thing", store.Record{"name": "first", "size": 1})
			a.create(t, "thing", store.Record{"name": "second", "size": 1})
			j.take()
			s.do = func() {
				// Somebody else, and past the hooks.
				if _, err := inner.Update(t.Context(), a.Schema().Table("thing"), store.Eq("name", "first"), store.Record{"size": 10}); err != nil {
					t.Error(err)
				}
				if _, err := inner.Update(t.Context(), a.Schema().Table("thing"), store.Eq("name", "second"), store.Record{"size": 2}); err != nil {
					t.Error(err)
				}
			}
			if _, err := change(a.Database(), t.Context()); err != nil {
				t.Error(err)
			}
			if left, err := a.Database().Count(t.Context(), "thing", store.And(store.Lt("size", 5), store.Ne("name", "changed"))); err != nil || left != 0 {
				t.Errorf("the second row was not reached (%v)", err)
			}
			told := j.take()
			if slices.ContainsFunc(told, func(line string) bool { return line == "after "+name+" thing first" }) {
				t.Errorf("told %q", told)
			}
			kept, err := a.Database().FindOne(t.Context(), "thing", store.Query{Where: store.Eq("size", 10)})
			if err != nil || kept["name"] != "first" {
				t.Errorf("the row that matches no more is %v, %v", kept, err)
			}
		})
	}
}

func TestAnErrorOfAHookIsNotTakenForAMissingRow(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		missing := fmt.Errorf("audit: %w", store.ErrNotFound)
		var calls atomic.Int64
		a := newApp(t, home, withPlugins(things{}), withHooks(
			core.DatabaseHook{Table: core.TableSession, BeforeDelete: func(context.Context, store.Record) error { return missing }},
			core.DatabaseHook{Table: core.TableUser, BeforeUpdate: func(context.Context, store.Record, store.Record) error {
				calls.Add(1)
				return missing
			}},
		))
		b := a.signUp(t, "a@b.com")
		for _, path := range []string{"revoke-sessions", "sign-out"} {
			if res := b.Post("/api/auth/"+path, m{}); res.Status < 500 || len(res.SetCookies()) > 0 {
				t.Errorf("%s answers %d with cookies %q", path, res.Status, res.SetCookies())
			}
		}
		if b.Get("/api/auth/get-session").Body == "null" {
			t.Error("the session has ended")
		}
		if res := b.Post("/api/auth/update-user", m{"name": "Bo"}); res.Status == 200 || calls.Load() != 1 {
			t.Errorf("update-user answers %d after %d calls of the hook", res.Status, calls.Load())
		}
	})
}

func TestAHookMayAskWhoItIs(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		var a *app
		var asked atomic.Int64
		ask := func(ctx context.Context) error {
			user, err := core.CurrentUser(ctx)
			if err != nil || user == nil || user.Email != "a@b.com" {
				t.Errorf("the hook is told %+v, %v", user, err)
			}
			if id := core.RequestFrom(ctx).Issued(); id != nil {
				t.Errorf("issued %+v", id)
			}
			if _, err := a.GetSession(ctx); err != nil {
				t.Errorf("an endpoint called by the hook: %v", err)
			}
			asked.Add(1)
			return nil
		}
		a = newApp(t, home, withHooks(core.DatabaseHook{
			Table:        core.TableSession,
			BeforeUpdate: func(ctx context.Context, _, _ store.Record) error { return ask(ctx) },
			AfterUpdate:  func(ctx context.Context, _, _ store.Record) error { return ask(ctx) },
		}))
		b := a.signUp(t, "a@b.com")
		a.clock.Advance(25 * 3600e9)
		if b.Get("/api/auth/get-session").Want(200).Body == "null" || asked.Load() != 2 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestAHookMayAskWhoItIsWhenASessionHasExpired(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home, withHooks(core.DatabaseHook{Table: core.TableSession, BeforeDelete: func(ctx context.Context, _ store.Record) error {
			if user, err := core.CurrentUser(ctx); user != nil || err != nil {
				t.Errorf("the hook is told %+v, %v", user, err)
			}
			return nil
		}}))
		b := a.signUp(t, "a@b.com")
		user, err := a.Users().ByEmail(t.Context(), "a@b.com")
		if err != nil {
			t.Fatal(err)
		}
		a.clock.Advance(8 * 24 * 3600e9)
		if b.Get("/api/auth/get-session").Want(200).Body != "null" {
			t.Error("the session is alive")
		}
		if list, err := a.Sessions().List(t.Context(), user.ID); err != nil || len(list) != 0 {
			t.Errorf("left are %v, %v", list, err)
		}
	})
}

func TestUsersThatChangePastTheirEndpointsAreTrueInSessions(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b, other := a.signUp(t, "a@b.com"), a.signUp(t, "b@b.com")
		if _, err := a.Database().Update(t.Context(), core.TableUser, store.All(), store.Record{"name": "Changed"}); err != nil {
			t.Fatal(err)
		}
		if got := b.Get("/api/auth/get-session").Text("user", "name"); got != "Changed" {
			t.Errorf("name %q", got)
		}
		if _, err := a.Database().Delete(t.Context(), core.TableUser, store.Eq("email", "a@b.com")); err != nil {
			t.Fatal(err)
		}
		if got := b.Get("/api/auth/get-session").Body; got != "null" {
			t.Errorf("the session of a deleted user: %s", got)
		}
		other.Get("/api/auth/get-session").Want(200)
	})
}

func TestAHookDecidesHowLongASessionLives(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		hour := func(row store.Record) { row["expiresAt"] = row.Time("updatedAt").Add(3600e9) }
		a := newApp(t, home, func(c *core.Config) { c.Session.UpdateAge = -1 }, withHooks(core.DatabaseHook{
			Table:        core.TableSession,
			BeforeCreate: func(_ context.Context, row store.Record) error { hour(row); return nil },
			BeforeUpdate: func(_ context.Context, _, set store.Record) error { hour(set); return nil },
		}))
		b := a.signUp(t, "a@b.com")
		for range 3 {
			a.clock.Advance(1800e9)
			res := b.Get("/api/auth/get-session").Want(200)
			if res.Body == "null" {
				t.Fatal("the session has ended")
			}
			if !slices.ContainsFunc(res.SetCookies(), func(c string) bool { return containsAll(c, sessionCookie, "Max-Age=3600") }) {
				t.Errorf("cookies %q", res.SetCookies())
			}
		}
		a.clock.Advance(3601e9)
		if b.Get("/api/auth/get-session").Body != "null" {
			t.Error("the session outlives its hour")
		}
	})
}
