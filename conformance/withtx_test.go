package conformance_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

// counted is a secondary storage that counts what is written into it.
type counted struct {
	secondary.Storage
	writes atomic.Int64
}

func (c *counted) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	c.writes.Add(1)
	return c.Storage.Set(ctx, key, value, ttl)
}

func (c *counted) AddMember(ctx context.Context, key, member string, until time.Time) error {
	c.writes.Add(1)
	return c.Storage.AddMember(ctx, key, member, until)
}

// shop is an application with orders of its own beside the engine's tables, on
// a pool of one connection.
type shop struct {
	st     *bunstore.Store
	auth   *core.Auth
	h      http.Handler
	kv     *counted // nil without secondary storage
	hooked atomic.Int64
}

func newShop(t *testing.T, url string, kv secondary.Storage) *shop {
	t.Helper()
	s := &shop{st: open(t, url, bunstore.MaxOpen(1))}
	cfg := config(s.st, nil)
	if kv != nil {
		s.kv = &counted{Storage: kv}
		cfg.Secondary = s.kv
	}
	cfg.DatabaseHooks = []core.DatabaseHook{{Table: core.TableUser, AfterCreate: func(context.Context, store.Record) error {
		s.hooked.Add(1)
		return nil
	}}}
	s.auth = newAuth(t, cfg)
	s.h = application(s.auth)
	must(t, s.st.DB().DB, "CREATE TABLE orders (email VARCHAR(100) NOT NULL)")
	return s
}

func order(ctx context.Context, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, email string,
) error {
	_, err := db.ExecContext(ctx, "INSERT INTO orders (email) VALUES ('"+email+"')")
	return err
}

// wantNothingSaidYet fails the test if anybody has been told of a sign-up.
func (s *shop) wantNothingSaidYet(t *testing.T, when string, reply *core.Reply[*core.SignUpEmailOutput]) {
	t.Helper()
	if cookies := reply.Header["Set-Cookie"]; len(cookies) > 0 {
		t.Errorf("%s: cookies %q", when, cookies)
	}
	if n := s.hooked.Load(); n > 0 {
		t.Errorf("%s: %d hooks have run", when, n)
	}
	if s.kv != nil && s.kv.writes.Load() > 0 {
		t.Errorf("%s: %d writes into the secondary storage", when, s.kv.writes.Load())
	}
}

// wantSignedUp fails the test unless the sign-up and the order are there, and
// whom it concerns has been told.
func (s *shop) wantSignedUp(t *testing.T, email string, reply *core.Reply[*core.SignUpEmailOutput]) {
	t.Helper()
	if n := s.hooked.Swap(0); n != 1 {
		t.Errorf("%d hooks have run", n)
	}
	if s.kv != nil && s.kv.writes.Swap(0) == 0 {
		t.Error("nothing was written into the secondary storage")
	}
	b := browser.New(t, s.h)
	for _, line := range reply.Header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		b.SetCookie(c.Name, c.Value)
	}
	if got := b.Get("/me").Want(200).Text("email"); got != email {
		t.Errorf("the cookie is that of %q", got)
	}
	if n := s.orders(t, email); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// wantNothing fails the test unless no trace of the sign-up is left.
func (s *shop) wantNothing(t *testing.T, email string, reply *core.Reply[*core.SignUpEmailOutput]) {
	t.Helper()
	if reply != nil {
		s.wantNothingSaidYet(t, "after the roll-back", reply)
	}
	if _, err := s.auth.Users().ByEmail(t.Context(), email); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user is there: %v", err)
	}
	if n := s.orders(t, email); n != 0 {
		t.Errorf("%d orders", n)
	}
	wantUsable(t, s.h, email)
	s.hooked.Store(0)
	if s.kv != nil {
		s.kv.writes.Store(0)
	}
}

func (s *shop) orders(t *testing.T, email string) (n int) {
	t.Helper()
	if err := s.st.DB().DB.QueryRowContext(t.Context(), "SELECT count(*) FROM orders WHERE email = '"+email+"'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// everyShop runs a test on every database, with a secondary storage and
// without.
func everyShop(t *testing.T, test func(t *testing.T, s *shop)) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, newShop(t, d.url(t), nil))
		})
		t.Run(d.name+" and secondary", func(t *testing.T) {
			t.Parallel()
			url := d.url(t)
			var kv secondary.Storage
			if d.name == "postgres" {
				kv = patiently(t, testenv.Redis(t), testenv.Prefix(t))
			} else {
				inProcess := secondary.NewMemory(secondary.MemoryOptions{})
				t.Cleanup(func() { _ = inProcess.Close() })
				kv = inProcess
			}
			test(t, newShop(t, url, kv))
		})
	}
}

func person(email string) core.SignUpEmailInput {
	return core.SignUpEmailInput{Name: "Al", Email: email, Password: "password789"}
}

// transaction is one of the application's.
type transaction interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	Commit() error
	Rollback() error
}

func TestASignUpInATransactionOfTheApplication(t *testing.T) {
	t.Parallel()
	everyShop(t, func(t *testing.T, s *shop) {
		for kind, begin := range map[string]func() (transaction, error){
			"bun": func() (transaction, error) { return s.st.DB().BeginTx(t.Context(), nil) },
			"sql": func() (transaction, error) { return s.st.DB().DB.BeginTx(t.Context(), nil) },
		} {
			for _, commits := range []bool{true, false} {
				email := fmt.Sprintf("%s-%v@b.com", kind, commits)
				tx, err := begin()
				if err != nil {
					t.Fatal(err)
				}
				joined, committed, err := s.auth.WithTx(t.Context(), tx)
				if err != nil {
					t.Fatal(err)
				}
				reply, err := s.auth.SignUpEmail(joined, person(email))
				if err != nil {
					t.Fatalf("%s: %v", email, err)
				}
				if _, err := s.auth.SignUpEmail(joined, person(strings.ToUpper(email))); !errors.Is(err, core.ErrUserExists) {
					t.Errorf("%s: a second sign-up: %v", email, err)
				}
				if user, err := s.auth.Users().ByEmail(joined, email); err != nil || user.ID != reply.Value.User.ID {
					t.Errorf("%s: within the transaction the user is %+v, %v", email, user, err)
				}
				if err := order(t.Context(), tx, email); err != nil {
					t.Fatal(err)
				}
				s.wantNothingSaidYet(t, "in the transaction", reply)
				if !commits {
					if err := tx.Rollback(); err != nil {
						t.Fatal(err)
					}
					s.wantNothing(t, email, reply)
					continue
				}
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
				s.wantNothingSaidYet(t, "before committed is called", reply)
				if err := committed(); err != nil {
					t.Fatal(err)
				}
				s.wantSignedUp(t, email, reply)
				if err := committed(); err != nil || s.hooked.Load() > 0 {
					t.Errorf("%s: called twice, committed does it again (%v)", email, err)
				}
				if _, err := s.auth.Users().ByEmail(joined, email); err == nil {
					t.Errorf("%s: the transaction goes on after its end", email)
				}
			}
		}
	})
}

func TestAnOrderInATransactionOfTheEngine(t *testing.T) {
	t.Parallel()
	everyShop(t, func(t *testing.T, s *shop) {
		changedMind := errors.New("changed my mind")
		for name, want := range map[string]error{"commit": nil, "rollback": changedMind} {
			email := name + "@b.com"
			var reply *core.Reply[*core.SignUpEmailOutput]
			err := s.auth.Database().Tx(t.Context(), func(ctx context.Context) (err error) {
				if err := order(ctx, s.st.IDB(ctx), email); err != nil {
					return err
				}
				if reply, err = s.auth.SignUpEmail(ctx, person(email)); err != nil {
					return err
				}
				var n int
				if err := s.st.IDB(ctx).NewSelect().Table("orders").ColumnExpr("count(*)").Where("email = ?", email).Scan(ctx, &n); err != nil || n != 1 {
					t.Errorf("%s: %d orders within the transaction (%v)", email, n, err)
				}
				s.wantNothingSaidYet(t, "in the transaction", reply)
				return want
			})
			if !errors.Is(err, want) {
				t.Fatalf("%s: %v", name, err)
			}
			if want == nil {
				s.wantSignedUp(t, email, reply)
			} else {
				s.wantNothing(t, email, reply)
			}
		}
		// A panic goes on, and nothing of the transaction happened.
		func() {
			defer func() {
				if p := recover(); p != "broken" {
					t.Errorf("the panic is %v", p)
				}
			}()
			_ = s.auth.Database().Tx(t.Context(), func(ctx context.Context) error {
				if err := order(ctx, s.st.IDB(ctx), "panic@b.com"); err != nil {
					return err
				}
				if _, err := s.auth.SignUpEmail(ctx, person("panic@b.com")); err != nil {
					return err
				}
				panic("broken")
			})
		}()
		s.wantNothing(t, "panic@b.com", nil)
	})
}

func TestATransactionThatCannotBeJoinedIsRefused(t *testing.T) {
	t.Parallel()
	st, other := open(t, "sqlite::memory:"), open(t, "sqlite::memory:")
	auth := newAuth(t, config(st, nil))
	foreign, err := other.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = foreign.Rollback() }()
	own, err := st.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	joined, _, err := auth.WithTx(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	inMemory := newAuth(t, config(memory.New(), nil))
	for name, join := range map[string]func() error{
		"no transaction": func() error { _, _, err := auth.WithTx(t.Context(), nil); return err },
		"something else": func() error { _, _, err := auth.WithTx(t.Context(), "tx"); return err },
		"a pool":         func() error { _, _, err := auth.WithTx(t.Context(), st.DB()); return err },
		"another pool's": func() error { _, _, err := auth.WithTx(t.Context(), foreign); return err },
		"twice":          func() error { _, _, err := auth.WithTx(joined, own); return err },
		"of a store that cannot": func() error {
			_, _, err := inMemory.WithTx(t.Context(), own)
			return err
		},
	} {
		if err := join(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := own.Rollback(); err != nil {
		t.Fatal(err)
	}
	err = auth.Database().Tx(t.Context(), func(ctx context.Context) error {
		_, _, err := auth.WithTx(ctx, foreign)
		return err
	})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("inside of a transaction of the engine: error %v", err)
	}
}
