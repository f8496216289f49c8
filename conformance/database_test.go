package conformance_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/conformance/internal/faults"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

func try(b *browser.Browser, path, email, password string) int {
	return b.Post("/api/auth/"+path, m{"name": "Al", "email": email, "password": password}).Status
}

// wantWhole fails the test unless every user has one account, and every account
// a user.
func wantWhole(t *testing.T, auth *core.Auth, users int64) {
	t.Helper()
	db := auth.Database()
	rows, err := db.FindMany(t.Context(), core.TableUser, store.Query{Limit: store.NoLimit, Children: []store.Children{{Table: core.TableAccount}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if accounts := row[core.TableAccount].([]store.Record); len(accounts) != 1 {
			t.Errorf("user %s has %d accounts", row.String("email"), len(accounts))
		}
	}
	accounts, err := db.Count(t.Context(), core.TableAccount, store.Where{})
	if err != nil || accounts != int64(len(rows)) || users >= 0 && accounts != users {
		t.Errorf("%d users and %d accounts (%v), want %d", len(rows), accounts, err, users)
	}
}

// wantUsable fails the test unless the e-mail can be signed up or, taken, be
// signed in.
func wantUsable(t *testing.T, h http.Handler, email string) {
	t.Helper()
	again := try(browser.New(t, h), "sign-up/email", email, "password789")
	if again == 422 {
		again = try(browser.New(t, h), "sign-in/email", email, "password789")
	}
	if again != 200 {
		t.Errorf("%s: status %d", email, again)
	}
}

// within fails the test unless call answers 503 after the budget, and not much
// later on a busy machine.
func within(t *testing.T, budget time.Duration, call func() *browser.Answer) {
	t.Helper()
	began := time.Now()
	res := call().WantCode(503, "SERVICE_UNAVAILABLE")
	if took := time.Since(began); took < budget || took > budget+2*time.Second {
		t.Errorf("answered after %v, want %v", took, budget)
	}
	if res.Header.Get("Retry-After") == "" || len(res.SetCookies()) > 0 {
		t.Errorf("headers %v", res.Header)
	}
}

// side opens a second way to the database of a store, for what the store itself
// would never do.
func side(t *testing.T, url string) *sql.DB {
	t.Helper()
	return open(t, url).DB().DB
}

func must(t *testing.T, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, statements ...string,
) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

const budget = 400 * time.Millisecond

// slow are statements that make the insertion of a session take a minute, that
// undo it, that lock the users against being read, and that count the statements
// which still run.
var slow = map[string]struct {
	make, undo    []string
	lock, running string
}{
	"postgres": {
		[]string{
			"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'",
			"CREATE TRIGGER slow BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION slow()",
		},
		[]string{"DROP TRIGGER slow ON sessions"},
		"LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
		"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()",
	},
	"mysql": {
		[]string{"CREATE TRIGGER slow BEFORE INSERT ON sessions FOR EACH ROW DO sleep(60)"},
		[]string{"DROP TRIGGER slow"},
		"LOCK TABLES users WRITE",
		"SELECT count(*) FROM information_schema.processlist WHERE db = database() AND command = 'Query' AND id <> connection_id()",
	},
}

func TestASlowDatabaseIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		s, ok := slow[d.name]
		if !ok {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			url := d.url(t)
			cfg := config(open(t, url), nil)
			auth := newAuth(t, cfg)
			b := signUp(t, application(auth), "a@b.com")
			cfg.StoreTimeout = budget
			hasty := ginApplication(newAuth(t, cfg))
			other := side(t, url)

			must(t, other, s.make...)
			within(t, budget, func() *browser.Answer {
				return browser.New(t, hasty).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
			})
			within(t, budget, func() *browser.Answer {
				return browser.New(t, hasty).Post("/api/auth/sign-up/email", m{"name": "x", "email": "c@d.com", "password": "password789"})
			})
			// What was given up does not go on in the database.
			soon(t, 5*time.Second, func() bool {
				var n int
				if err := other.QueryRowContext(t.Context(), s.running).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n == 0
			})
			must(t, other, s.undo...)
			wantUsable(t, hasty, "c@d.com")
			wantWhole(t, auth, 2)

			tx, err := other.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			must(t, tx, s.lock)
			within(t, budget, func() *browser.Answer { return b.On(hasty).Get("/api/auth/get-session") })
			within(t, budget, func() *browser.Answer { return b.On(hasty).Get("/me") })
			_ = tx.Rollback()
			if d.name == "mysql" {
				other.SetMaxIdleConns(0) // ends the connection, which holds the lock
			}
			soon(t, 5*time.Second, func() bool { return b.On(hasty).Get("/me").Status == 200 })
		})
	}
}

func TestAnExhaustedPoolIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, url string) {
		for name, c := range map[string]struct {
			acquire, store time.Duration
		}{
			"time-out of the engine": {patience, budget},
			"time-out of the pool":   {budget, patience},
		} {
			t.Run(name, func(t *testing.T) {
				st := open(t, url, bunstore.MaxOpen(2), bunstore.AcquireTimeout(c.acquire))
				cfg := config(st, nil)
				cfg.StoreTimeout = patience
				h := application(newAuth(t, cfg))
				b := browser.New(t, h)
				wantUsable(t, h, "a@b.com")
				if try(b, "sign-in/email", "a@b.com", "password789") != 200 {
					t.Fatal("cannot sign in")
				}
				cfg.StoreTimeout = c.store
				b = b.On(ginApplication(newAuth(t, cfg)))

				var held [2]*sql.Conn
				for i := range held {
					conn, err := st.DB().DB.Conn(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					held[i] = conn
				}
				for _, path := range []string{"/api/auth/get-session", "/me"} {
					within(t, budget, func() *browser.Answer { return b.Get(path) })
				}
				within(t, budget, func() *browser.Answer { return b.Post("/api/auth/update-user", m{"name": "x"}) })
				within(t, budget, func() *browser.Answer { return b.Post("/api/auth/sign-out", m{}) })
				for _, conn := range held {
					if err := conn.Close(); err != nil {
						t.Error(err)
					}
				}
				b.Get("/me").Want(200)
			})
		}
	})
}

// visits is a plugin whose hooks read and write on every change of users,
// sessions and accounts, in the transaction of the change and after it.
type visits struct {
	auth   *core.Auth
	failed atomic.Pointer[error]
}

func (*visits) Name() string { return "visits" }

func (v *visits) Register(r *core.Registry) error {
	r.Tables(store.Table{Name: "visit", Fields: []*store.Field{{Name: "what", Type: store.String, Required: true}}})
	row := func(what string) func(context.Context, store.Record) error {
		return func(ctx context.Context, _ store.Record) error { return v.note(ctx, what) }
	}
	rows := func(what string) func(_ context.Context, _, _ store.Record) error {
		return func(ctx context.Context, _, _ store.Record) error { return v.note(ctx, what) }
	}
	for _, table := range []string{core.TableUser, core.TableSession, core.TableAccount} {
		r.DatabaseHooks(core.DatabaseHook{
			Table:        table,
			BeforeCreate: row("before"), AfterCreate: row("after"),
			BeforeUpdate: rows("before"), AfterUpdate: rows("after"),
			BeforeDelete: row("before"), AfterDelete: row("after"),
		})
	}
	return nil
}

func (v *visits) note(ctx context.Context, what string) error {
	_, err := v.auth.Database().Count(ctx, core.TableUser, store.Where{})
	if err == nil {
		_, err = v.auth.Database().Create(ctx, "visit", store.Record{"what": what})
	}
	if err != nil {
		v.failed.Store(&err)
	}
	return err
}

func TestAPoolOfOneIsEnoughForEveryFlow(t *testing.T) {
	t.Parallel()
	for i, d := range databases() {
		for hooks, plugins := range map[string][]core.Plugin{"without hooks": nil, "with hooks that write": {&visits{}}} {
			t.Run(d.name+" "+hooks, func(t *testing.T) {
				t.Parallel()
				cfg := config(open(t, d.url(t), bunstore.MaxOpen(1)), nil)
				cfg.Plugins = plugins
				cfg.Session.UpdateAge = -1
				auth := newAuth(t, cfg)
				if plugins != nil {
					plugins[0].(*visits).auth = auth
				}
				h := adapters()[i%2].serve(auth)
				together(2, func(i int) int {
					visit(t, auth, h, fmt.Sprintf("u%d@b.com", i))
					return 0
				})
				wantWhole(t, auth, 0)
				if plugins != nil {
					if err := plugins[0].(*visits).failed.Load(); err != nil {
						t.Errorf("a hook failed: %v", *err)
					}
				}
			})
		}
	}
}

// visit does everything that a user can.
func visit(t *testing.T, auth *core.Auth, h http.Handler, email string) {
	b, second := browser.New(t, h), browser.New(t, h)
	steps := []struct {
		what string
		do   func() *browser.Answer
	}{
		{"sign-up", func() *browser.Answer {
			return b.Post("/api/auth/sign-up/email", m{"name": "Al", "email": email, "password": "password789"})
		}},
		{"sign-up again", func() *browser.Answer {
			res := second.Post("/api/auth/sign-up/email", m{"name": "Al", "email": email, "password": "password789"})
			res.Status -= 222
			return res
		}},
		{"sign-in", func() *browser.Answer {
			return second.Post("/api/auth/sign-in/email", m{"email": email, "password": "password789"})
		}},
		{"me", func() *browser.Answer { return b.Get("/me") }},
		{"update", func() *browser.Answer { return b.Post("/api/auth/update-user", m{"name": "Bo"}) }},
		{"list", func() *browser.Answer { return b.Get("/api/auth/list-sessions") }},
		{"revoke one", func() *browser.Answer {
			return b.Post("/api/auth/revoke-session", m{"token": strings.Split(second.Cookie(sessionCookie), ".")[0]})
		}},
		{"revoke others", func() *browser.Answer { return b.Post("/api/auth/revoke-other-sessions", m{}) }},
		{"change password", func() *browser.Answer {
			return b.Post("/api/auth/change-password", m{"currentPassword": "password789", "newPassword": "new password", "revokeOtherSessions": true})
		}},
		{"revoke all", func() *browser.Answer { return b.Post("/api/auth/revoke-sessions", m{}) }},
		{"sign-in with the new", func() *browser.Answer {
			return b.Post("/api/auth/sign-in/email", m{"email": email, "password": "new password"})
		}},
		{"sign-out", func() *browser.Answer { return b.Post("/api/auth/sign-out", m{}) }},
	}
	id := ""
	for _, s := range steps {
		res := s.do()
		if res.Status != 200 {
			t.Errorf("%s: %s: status %d, body %s", email, s.what, res.Status, res.Body)
			return
		}
		if s.what == "me" {
			id = res.Text("id")
		}
	}
	if err := auth.Verifications().Create(t.Context(), email, "x", time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := auth.Verifications().Take(t.Context(), email); err != nil {
		t.Error(err)
	}
	if err := auth.Users().Delete(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// faulty opens a database whose statements fail as the injector says.
func faulty(t *testing.T, url string, i *faults.Injector) *faults.Database {
	t.Helper()
	st, err := faults.Open(url, i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// A transaction that loses is run again, whole, whichever of its statements it
// is that loses.
func TestALostTransactionIsRunAgainWhole(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite") {
			t.Skip("transactions of SQLite do not lose: there is one writer")
		}
		var injector faults.Injector
		auth := newAuth(t, config(faulty(t, url, &injector), nil))
		h := application(auth)
		kinds := []faults.Kind{faults.Serialization, faults.Deadlock}
		signUps := 0
		for n := 1; ; n++ {
			injector.Fail(n, kinds[n%2])
			status := try(browser.New(t, h), "sign-up/email", fmt.Sprintf("u%d@b.com", n), "password789")
			fired := injector.Clear()
			signUps++
			if status != 200 {
				t.Errorf("%s at statement %d of a sign-up: status %d", kinds[n%2], n, status)
			}
			wantWhole(t, auth, int64(signUps))
			if !fired {
				break
			}
		}
		if sessions, err := auth.Database().Count(t.Context(), core.TableSession, store.Where{}); err != nil || sessions != int64(signUps) || signUps < 5 {
			t.Errorf("%d sessions of %d sign-ups (%v)", sessions, signUps, err)
		}

		b, password := signUp(t, h, "change@b.com"), "password789"
		for n := 1; ; n++ {
			injector.Fail(n, kinds[n%2])
			next := fmt.Sprintf("password %d", n)
			res := b.Post("/api/auth/change-password", m{"currentPassword": password, "newPassword": next, "revokeOtherSessions": true})
			fired := injector.Clear()
			if res.Status != 200 {
				t.Fatalf("%s at statement %d of a change of password: status %d", kinds[n%2], n, res.Status)
			}
			password = next
			b.Get("/me").Want(200)
			if sessions := b.Get("/api/auth/list-sessions").Want(200).JSON().([]any); len(sessions) != 1 {
				t.Errorf("%s at statement %d of a change of password: %d sessions", kinds[n%2], n, len(sessions))
			}
			if !fired {
				break
			}
		}
		if try(browser.New(t, h), "sign-in/email", "change@b.com", password) != 200 {
			t.Error("the last password is not the one that counts")
		}
	})
}

// One that loses again and again is given up.
func TestATransactionThatGoesOnLosingIsGivenUp(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		tries := 0
		losing := true
		cfg := config(st, nil)
		cfg.DatabaseHooks = []core.DatabaseHook{{Table: core.TableAccount, BeforeCreate: func(context.Context, store.Record) error {
			if tries++; losing {
				return fmt.Errorf("the fake: %w", store.ErrConflict)
			}
			return nil
		}}}
		auth := newAuth(t, cfg)
		h := serve(auth)
		browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password789"}).
			WantCode(503, "SERVICE_UNAVAILABLE")
		if tries != 4 {
			t.Errorf("tried %d times, want the first and three more", tries)
		}
		wantWhole(t, auth, 0)
		losing = false
		wantUsable(t, h, "a@b.com")
	})
}

// A sign-up whose connection goes, at whichever statement, before or after the
// statement was carried out, can be repeated: nothing of it is left, or all.
func TestAConnectionLostAtAnyStatementLeavesNoHalfUser(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, url string) {
		var injector faults.Injector
		auth := newAuth(t, config(faulty(t, url, &injector), nil))
		h := application(auth)
		for _, kind := range []faults.Kind{faults.Reset, faults.Lost} {
			refused := 0
			for n := 1; ; n++ {
				email := fmt.Sprintf("%s%d@b.com", kind, n)
				injector.Fail(n, kind)
				res := browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"})
				if !injector.Clear() {
					res.Want(200)
					break
				}
				if res.Status != 200 {
					refused++
					res.WantCode(503, "SERVICE_UNAVAILABLE")
					if len(res.SetCookies()) > 0 {
						t.Errorf("%s at statement %d: cookies %q", kind, n, res.SetCookies())
					}
				}
				wantWhole(t, auth, -1)
				wantUsable(t, h, email)
			}
			if refused < 4 {
				t.Errorf("%s: only %d sign-ups were refused", kind, refused)
			}
		}
		wantWhole(t, auth, -1)
	})
}

// ends are statements that list, and end, the connections of others to the
// database.
var ends = map[string]struct{ list, end string }{
	"postgres": {
		"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
		"SELECT pg_terminate_backend(%d)",
	},
	"mysql": {
		"SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
		"KILL %d",
	},
}

func TestConnectionsThatEndAtRandomLeaveNoHalfUser(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		s, ok := ends[d.name]
		if !ok {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			url := d.url(t)
			auth := newAuth(t, config(open(t, url), nil))
			h := application(auth)
			conn, err := side(t, url).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()

			const callers, each = 4, 4
			done := make(chan struct{})
			killed := make(chan int)
			go func() {
				n := 0
				for {
					select {
					case <-done:
						killed <- n
						return
					case <-time.After(rand.N(8 * time.Millisecond)):
						n += endOne(t, conn, s.list, s.end)
					}
				}
			}()
			together(callers, func(i int) int {
				for j := range each {
					res := browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": "x", "email": fmt.Sprintf("u%d-%d@b.com", i, j), "password": "password789"})
					if res.Status != 200 && res.Status != 503 {
						t.Errorf("status %d, body %s", res.Status, res.Body)
					}
				}
				return 0
			})
			close(done)
			if n := <-killed; n < 5 {
				t.Errorf("only %d connections were ended", n)
			}
			// What has died in the pool is another matter: it goes at its next use.
			auth = newAuth(t, config(open(t, url), nil))
			h = application(auth)
			wantWhole(t, auth, -1)
			together(callers, func(i int) int {
				for j := range each {
					wantUsable(t, h, fmt.Sprintf("u%d-%d@b.com", i, j))
				}
				return 0
			})
			wantWhole(t, auth, callers*each)
		})
	}
}

// endOne ends one connection, if there is any, and returns how many.
func endOne(t *testing.T, conn *sql.Conn, list, end string) int {
	rows, err := conn.QueryContext(t.Context(), list)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = rows.Close() }()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Error(err)
		}
		ids = append(ids, id)
	}
	if rows.Err() != nil || len(ids) == 0 {
		return 0
	}
	// It may have gone by itself.
	_, err = conn.ExecContext(t.Context(), fmt.Sprintf(end, ids[rand.N(len(ids))]))
	if err != nil {
		return 0
	}
	return 1
}

func TestFiftyWritersOnOneSQLiteFile(t *testing.T) {
	t.Parallel()
	cfg := config(open(t, databases()[0].url(t)), nil)
	cfg.Plugins = []core.Plugin{revolving{}}
	auth := newAuth(t, cfg)
	h := application(auth)
	const writers = 50
	browsers := make([]*browser.Browser, writers)
	statuses := together(writers, func(i int) int {
		user, err := auth.Users().Create(t.Context(), core.NewUser{Name: "x", Email: fmt.Sprintf("u%d@b.com", i)})
		if err == nil {
			err = auth.Accounts().CreateCredential(t.Context(), user.ID, "no hash")
		}
		if err != nil {
			t.Error(err)
			return 0
		}
		browsers[i] = browser.New(t, h)
		return browsers[i].Post("/api/auth/revolving/in", m{"id": user.ID}).Status
	})
	if statuses[200] != writers {
		t.Fatalf("statuses %v", statuses)
	}
	statuses = together(writers, func(i int) int {
		for _, call := range []struct {
			path string
			body m
		}{{"update-user", m{"name": "x"}}, {"revoke-other-sessions", m{}}, {"update-user", m{"name": "y"}}, {"sign-out", m{}}} {
			if res := browsers[i].Post("/api/auth/"+call.path, call.body); res.Status != 200 {
				return res.Status
			}
		}
		return 200
	})
	if statuses[200] != writers {
		t.Errorf("statuses %v", statuses)
	}
	wantWhole(t, auth, writers)
}

// revolving is a plugin that issues sessions to a user, and deletes one, without
// a password, whose hash takes longer than the race that it is for.
type revolving struct{}

func (revolving) Name() string { return "revolving" }

type aUser struct {
	ID string `json:"id"`
}

func (revolving) Register(r *core.Registry) error {
	r.Endpoints(
		&core.Endpoint[aUser, core.Status]{
			Method: http.MethodPost, Path: "/revolving/in",
			Do: func(ctx context.Context, r *core.Request, in aUser) (core.Status, error) {
				user, err := r.Auth().Users().ByID(ctx, in.ID)
				if errors.Is(err, store.ErrNotFound) {
					return core.Status{}, core.ErrUnauthorized
				}
				if err != nil {
					return core.Status{}, err
				}
				_, err = r.Auth().Sessions().Issue(ctx, r, user, true)
				if errors.Is(err, store.ErrReference) {
					return core.Status{}, core.ErrUnauthorized
				}
				return core.Status{}, err
			},
		},
		&core.Endpoint[aUser, core.Status]{
			Method: http.MethodPost, Path: "/revolving/delete",
			Do: func(ctx context.Context, r *core.Request, in aUser) (core.Status, error) {
				return core.Status{}, r.Auth().Users().Delete(ctx, in.ID)
			},
		},
	)
	return nil
}

func TestADeletedUserIsSignedInNowhereOnEveryStack(t *testing.T) {
	t.Parallel()
	everyStack(t, func(t *testing.T, s stack) {
		auth := s.auth(t, func(c *core.Config) { c.Plugins = []core.Plugin{revolving{}} })
		h := application(auth)
		rounds, issued := 40, 0
		for round := range rounds {
			user, err := auth.Users().Create(t.Context(), core.NewUser{Name: "x", Email: fmt.Sprintf("u%d@b.com", round)})
			if err != nil {
				t.Fatal(err)
			}
			browsers := make([]*browser.Browser, 5)
			statuses := together(len(browsers), func(i int) int {
				browsers[i] = browser.New(t, h)
				if i == 0 {
					return 1000 + browsers[i].Post("/api/auth/revolving/delete", m{"id": user.ID}).Status
				}
				return browsers[i].Post("/api/auth/revolving/in", m{"id": user.ID}).Status
			})
			if statuses[1200] != 1 || statuses[200]+statuses[401] != len(browsers)-1 {
				t.Fatalf("round %d: statuses %v", round, statuses)
			}
			issued += statuses[200]
			for _, b := range browsers {
				if res := b.Get("/api/auth/get-session").Want(200); res.Body != "null" {
					t.Fatalf("round %d: a deleted user is signed in: %s", round, res.Body)
				}
			}
			if left, err := auth.Sessions().List(t.Context(), user.ID); err != nil || len(left) > 0 {
				t.Fatalf("round %d: %d sessions of a deleted user (%v)", round, len(left), err)
			}
		}
		t.Logf("%d sessions were issued before their users were deleted, %d were refused", issued, rounds*4-issued)
	})
}

func TestAHookThatPanicsUndoesTheTransaction(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		var at atomic.Pointer[string]
		hook := func(name string) func(context.Context, store.Record) error {
			return func(context.Context, store.Record) error {
				if p := at.Load(); p != nil && *p == name {
					panic("the secret of the hook")
				}
				return nil
			}
		}
		cfg := config(st, nil)
		for _, table := range []string{core.TableUser, core.TableAccount, core.TableSession} {
			cfg.DatabaseHooks = append(cfg.DatabaseHooks, core.DatabaseHook{
				Table: table, BeforeCreate: hook("before " + table), AfterCreate: hook("after " + table), BeforeDelete: hook("delete " + table),
			})
		}
		auth := newAuth(t, cfg)
		h := serve(auth)
		users := int64(0)
		for name, want := range map[string]struct {
			status int
			user   bool
		}{
			"before user": {500, false}, "before account": {500, false}, "before session": {500, true},
			"after user": {200, true}, "after account": {200, true}, "after session": {200, true},
		} {
			at.Store(&name)
			email := strings.ReplaceAll(name, " ", "-") + "@b.com"
			res := browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"})
			if res.Status != want.status || strings.Contains(res.Body, "secret") || strings.Contains(res.Body, "goroutine") {
				t.Errorf("%s: status %d, body %s", name, res.Status, res.Body)
			}
			if want.user {
				users++
			}
			wantWhole(t, auth, users)
		}
		at.Store(nil)
		b := signUp(t, h, "a@b.com")
		session := "delete session"
		at.Store(&session)
		b.Post("/api/auth/sign-out", m{}).WantCode(500, "INTERNAL_SERVER_ERROR")
		b.Get("/me").Want(200) // it was not ended
		at.Store(nil)
		b.Post("/api/auth/sign-out", m{}).Want(200)
		wantWhole(t, auth, users+1)
	})
}
