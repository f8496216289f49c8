package bunstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/uptrace/bun"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// note is a row of a table of the application's own.
type note struct {
	bun.BaseModel `bun:"table:notes"`
	ID            string `bun:"id,pk"`
	UserID        string `bun:"user_id"`
}

// withNotes is a store with users, and a table of the application's own.
func withNotes(t *testing.T, url string, options ...bunstore.Option) (*bunstore.Store, *store.Schema) {
	t.Helper()
	s, schema := open(t, url, options...), authSchema(t)
	migrate(t, s, schema)
	if _, err := s.DB().ExecContext(t.Context(), "CREATE TABLE notes (id varchar(36) PRIMARY KEY, user_id varchar(36) NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	return s, schema
}

func addNote(ctx context.Context, db bun.IDB, id string) error {
	_, err := db.NewInsert().Model(&note{ID: id, UserID: id}).Exec(ctx)
	return err
}

func addUser(ctx context.Context, s *bunstore.Store, schema *store.Schema, id string) error {
	_, err := s.Create(ctx, schema.Table("user"), store.Record{"id": id, "email": id, "emailVerified": true, "createdAt": noon})
	return err
}

// mustHold checks how many users and notes there are.
func mustHold(t *testing.T, s *bunstore.Store, schema *store.Schema, rows int) {
	t.Helper()
	users, err := s.Count(t.Context(), schema.Table("user"), store.Where{})
	if err != nil || users != int64(rows) {
		t.Errorf("%d users (%v), want %d", users, err, rows)
	}
	notes, err := s.DB().NewSelect().Model((*note)(nil)).Count(t.Context())
	if err != nil || int(notes) != rows {
		t.Errorf("%d notes (%v), want %d", notes, err, rows)
	}
	if n := s.DB().Stats().InUse; n != 0 {
		t.Errorf("%d connections were not given back", n)
	}
}

func TestApplicationsQueriesArePartOfTheTransaction(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		// One connection: whatever went beside the transaction would wait in vain.
		s, schema := withNotes(t, url, bunstore.MaxOpen(1))
		if s.IDB(t.Context()) != bun.IDB(s.DB()) {
			t.Error("outside of a transaction the application's queries do not run on the pool")
		}
		undo := errors.New("undo")
		for _, outcome := range []error{undo, nil} {
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				if err := addUser(ctx, s, schema, "1"); err != nil {
					return err
				}
				if err := s.Tx(ctx, func(ctx context.Context) error { return addNote(ctx, s.IDB(ctx), "1") }); err != nil {
					return err
				}
				// The store sees what the application wrote, and the other way round.
				n, err := s.IDB(ctx).NewSelect().Table("users").Where("id = ?", "1").Count(ctx)
				if err != nil || n != 1 {
					return fmt.Errorf("the application finds %d users: %w", n, err)
				}
				return outcome
			})
			if !errors.Is(err, outcome) {
				t.Fatalf("got error %v, want %v", err, outcome)
			}
			if err != nil {
				mustHold(t, s, schema, 0)
			}
		}
		mustHold(t, s, schema, 1)
	})
}

func TestTransactionOfTheApplicationInsideOfTheStoresIsASavepoint(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := withNotes(t, url, bunstore.MaxOpen(1))
		undo := errors.New("undo")
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			if err := addUser(ctx, s, schema, "kept"); err != nil {
				return err
			}
			err := s.IDB(ctx).RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				ctx, err := s.JoinTx(ctx, tx)
				if err != nil {
					return err
				}
				if err := addUser(ctx, s, schema, "kept"); !errors.Is(err, store.ErrDuplicate) {
					return fmt.Errorf("a taken id: %w", err)
				}
				return undo
			})
			if !errors.Is(err, undo) {
				return err
			}
			// Also on PostgreSQL, where the failure would have ended all of it.
			return addNote(ctx, s.IDB(ctx), "kept")
		})
		if err != nil {
			t.Fatal(err)
		}
		mustHold(t, s, schema, 1)
	})
}

// begun are the forms in which an application hands over its transaction.
func begun(t *testing.T, s *bunstore.Store) map[string]func() (tx any, idb bun.IDB, end interface {
	Commit() error
	Rollback() error
}) {
	type ender = interface {
		Commit() error
		Rollback() error
	}
	ofBun := func() bun.Tx {
		tx, err := s.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	return map[string]func() (any, bun.IDB, ender){
		"bun.Tx":  func() (any, bun.IDB, ender) { tx := ofBun(); return tx, tx, tx },
		"*bun.Tx": func() (any, bun.IDB, ender) { tx := ofBun(); return &tx, tx, tx },
		"*sql.Tx": func() (any, bun.IDB, ender) {
			tx, err := s.DB().DB.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return tx, nil, tx
		},
	}
}

func TestStoreJoinsATransactionOfTheApplication(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := withNotes(t, url, bunstore.MaxOpen(1))
		rows := 0
		for form, begin := range begun(t, s) {
			for _, commit := range []bool{false, true} {
				tx, idb, ender := begin()
				ctx, err := s.JoinTx(t.Context(), tx)
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if idb == nil {
					idb = s.IDB(ctx)
				}
				err = errors.Join(
					addNote(ctx, idb, form),
					// Another store on the pool joins as well, and Tx ends nothing.
					bunstore.New(s.DB()).Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, schema, form) }),
					s.Ping(ctx),
				)
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				n, err := s.IDB(ctx).NewSelect().Table("users").Where("id = ?", form).Count(ctx)
				if err != nil || n != 1 {
					t.Errorf("%s: the application finds %d users (%v)", form, n, err)
				}
				end := ender.Rollback
				if commit {
					end = ender.Commit
					rows++
				}
				if err := end(); err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				for name, operation := range operations(s, schema) {
					if err := operation(ctx); !errors.Is(err, store.ErrInvalid) {
						t.Errorf("%s: %s after the end: got error %v", form, name, err)
					}
				}
				mustHold(t, s, schema, rows)
			}
		}
	})
}

func TestEveryQueryOfAJoinedSQLTxIsPartOfIt(t *testing.T) {
	t.Parallel()
	s, _ := withNotes(t, sqliteFile(t), bunstore.MaxOpen(1))
	tx, err := s.DB().DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	ctx, err := s.JoinTx(soon(t), tx)
	if err != nil {
		t.Fatal(err)
	}
	db := s.IDB(ctx)
	exec := func(q interface {
		Exec(ctx context.Context, dest ...any) (sql.Result, error)
	},
	) error {
		_, err := q.Exec(ctx)
		return err
	}
	// The pool has one connection: what is not on it does not come back.
	type extra struct {
		bun.BaseModel `bun:"table:extra"`
		ID            string
	}
	var one int
	for name, err := range map[string]error{
		"NewCreateTable": exec(db.NewCreateTable().Model((*extra)(nil))),
		"NewAddColumn":   exec(db.NewAddColumn().Table("extra").ColumnExpr("n integer")),
		"NewCreateIndex": exec(db.NewCreateIndex().Table("extra").Index("extra_idx").Column("id")),
		"NewInsert":      exec(db.NewInsert().Model(&note{ID: "1", UserID: "1"})),
		"NewUpdate":      exec(db.NewUpdate().Table("notes").Set("user_id = ?", "2").Where("id = ?", "1")),
		"NewSelect":      db.NewSelect().Table("notes").ColumnExpr("1").Scan(ctx, &one),
		"NewRaw":         db.NewRaw("SELECT ?", 1).Scan(ctx, &one),
		"NewDelete":      exec(db.NewDelete().Table("notes").Where("id = ?", "1")),
		"NewDropIndex":   exec(db.NewDropIndex().Index("extra_idx")),
		"NewDropColumn":  exec(db.NewDropColumn().Table("extra").Column("n")),
		"NewDropTable":   exec(db.NewDropTable().Table("extra")),
		"QueryRow":       db.QueryRowContext(ctx, "SELECT ?", 1).Scan(&one),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.BeginTx(ctx, nil); err == nil {
		t.Error("an *sql.Tx has a transaction inside of it")
	}
	if err := db.RunInTx(ctx, nil, func(context.Context, bun.Tx) error { return nil }); err == nil {
		t.Error("an *sql.Tx runs a transaction inside of it")
	}
	if db.Dialect() != s.DB().Dialect() {
		t.Error("it is of another dialect")
	}
}

// What Bun adds to a pool, and some day to the interface, must not reach the pool
// through the transaction.
func TestJoinedSQLTxIsNoMoreThanTheInterface(t *testing.T) {
	t.Parallel()
	s := open(t, sqliteFile(t))
	tx, err := s.DB().DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	ctx, err := s.JoinTx(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	got, want := reflect.TypeOf(s.IDB(ctx)), reflect.TypeFor[bun.IDB]()
	for m := range got.Methods() {
		if _, ok := want.MethodByName(m.Name); !ok {
			t.Errorf("it has the method %s", m.Name)
		}
	}
}

func TestStoreTellsContextsOfTransactions(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, other := open(t, url), open(t, url)
		if s.InTx(t.Context()) {
			t.Error("a context without a transaction belongs to one")
		}
		var ended context.Context
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			ended = ctx
			if !s.InTx(ctx) || !bunstore.New(s.DB()).InTx(ctx) {
				t.Error("the context of Tx does not belong to it")
			}
			if other.InTx(ctx) {
				t.Error("it belongs to a transaction of another pool")
			}
			return s.Tx(ctx, func(ctx context.Context) error {
				if !s.InTx(ctx) {
					t.Error("the context of a Tx inside does not belong to it")
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if !s.InTx(ended) {
			t.Error("the transaction has ended and is not known any more")
		}
		for form, begin := range begun(t, s) {
			tx, _, ender := begin()
			ctx, err := s.JoinTx(t.Context(), tx)
			if err != nil || !s.InTx(ctx) {
				t.Errorf("%s: the context that has joined does not belong to it (%v)", form, err)
			}
			if err := ender.Rollback(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestOnlyATransactionOfThePoolIsJoined(t *testing.T) {
	t.Parallel()
	s, other := open(t, sqliteFile(t)), open(t, sqliteFile(t))
	begin := func(s *bunstore.Store) bun.Tx {
		tx, err := s.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback() })
		return tx
	}
	foreign := begin(other)
	for name, tx := range map[string]any{
		"nothing":               nil,
		"a pool":                s.DB(),
		"a context":             t.Context(),
		"a nil *bun.Tx":         (*bun.Tx)(nil),
		"a nil *sql.Tx":         (*sql.Tx)(nil),
		"a bun.Tx of no pool":   bun.Tx{},
		"one made by hand":      bun.Tx{Tx: foreign.Tx},
		"one of another pool":   foreign,
		"one of another pool *": &foreign,
	} {
		ctx, err := s.JoinTx(t.Context(), tx)
		if !errors.Is(err, store.ErrInvalid) || ctx != nil {
			t.Errorf("%s: got %v, error %v", name, ctx, err)
		}
	}

	// Another *bun.DB on the same pool is fine.
	clone := bunstore.New(s.DB().WithNamedArg("x", 1))
	if _, err := clone.JoinTx(t.Context(), begin(s)); err != nil {
		t.Error(err)
	}
}

func TestContextIsInOneTransaction(t *testing.T) {
	t.Parallel()
	s := open(t, testenv.Postgres(t))
	other, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	err = s.Tx(t.Context(), func(ctx context.Context) error {
		_, err := s.JoinTx(ctx, other)
		return err
	})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("joining a second transaction: got error %v", err)
	}
}

func TestFailedStatementOfAJoinedTransactionStaysItsCause(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.Postgres(t)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")
	tx, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := s.JoinTx(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	if err := addUser(ctx, s, schema, "1"); !errors.Is(err, store.ErrDuplicate) {
		t.Errorf("a taken id: got error %v", err)
	}
	if err := addUser(ctx, s, schema, "2"); !errors.Is(err, store.ErrDuplicate) {
		t.Errorf("afterwards: got error %v, want the cause", err)
	}
	if err := s.Tx(ctx, func(context.Context) error { return nil }); !errors.Is(err, store.ErrDuplicate) {
		t.Errorf("Tx afterwards: got error %v, want the cause", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
}

func TestJoinedTransactionTakesConcurrentCalls(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url), authSchema(t)
		migrate(t, s, schema)
		tx, err := s.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, err := s.JoinTx(t.Context(), tx)
		if err != nil {
			t.Fatal(err)
		}
		err = atOnce(16, func(i int) error {
			if err := addUser(ctx, s, schema, id(i)); err != nil {
				return err
			}
			_, err := s.FindMany(ctx, schema.Table("user"), store.Query{})
			return err
		})
		if err := errors.Join(err, tx.Commit()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Count(t.Context(), schema.Table("user"), store.Where{}); n != 16 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

func TestFailedQueryOfTheApplicationIsNoCommit(t *testing.T) {
	t.Parallel()
	s, schema := withNotes(t, testenv.Postgres(t))
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		if err := addUser(ctx, s, schema, "1"); err != nil {
			return err
		}
		// Not returned, as it should be: the server knows better.
		_, _ = s.IDB(ctx).ExecContext(ctx, "SELECT nonsense")
		return nil
	})
	if err == nil {
		t.Error("a transaction that PostgreSQL has given up counts as committed")
	}
	mustHold(t, s, schema, 0)
}

// One process, many at once, each with its own part of the application's and of
// the store's rows.
func TestManyJoinedTransactionsOnASmallPool(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := withNotes(t, url, bunstore.MaxOpen(2), bunstore.AcquireTimeout(0))
		var committed sync.Map
		err := atOnce(24, func(i int) error {
			name := id(i)
			undo := errors.New("undo")
			err := s.Tx(soon(t), func(ctx context.Context) error {
				if err := errors.Join(addNote(ctx, s.IDB(ctx), name), addUser(ctx, s, schema, name)); err != nil {
					return err
				}
				if i%3 == 0 {
					return undo
				}
				committed.Store(name, true)
				return nil
			})
			if errors.Is(err, undo) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		committed.Range(func(any, any) bool { n++; return true })
		mustHold(t, s, schema, n)
	})
}
