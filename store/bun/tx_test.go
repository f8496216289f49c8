package bunstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// everywhere runs a test on each kind of database. The URL opens the same one
// each time.
func everywhere(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	onServers(t, test)
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); test(t, sqliteFile(t)) })
}

// onServers runs a test on each kind of database that is a server.
func onServers(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); test(t, testenv.Postgres(t)) })
	t.Run("MySQL", func(t *testing.T) { t.Parallel(); test(t, testenv.MySQL(t)) })
}

func TestPoolOfOneConnectionIsEnough(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url), authSchema(t)
		s.DB().SetMaxOpenConns(1)
		migrate(t, s, schema)
		users := schema.Table("user")

		err := s.Tx(t.Context(), func(ctx context.Context) error {
			if _, err := s.Create(ctx, users, store.Record{"id": "1", "email": "a@example.com", "emailVerified": true, "createdAt": noon}); err != nil {
				return err
			}
			if err := s.Ping(ctx); err != nil {
				return err
			}
			return s.Tx(ctx, func(ctx context.Context) error {
				if _, err := s.Update(ctx, users, store.All(), store.Record{"email": "b@example.com"}); err != nil {
					return err
				}
				// A store on the same pool is in the same transaction.
				_, err := bunstore.New(s.DB()).FindOne(ctx, users, store.Query{Where: store.Eq("email", "b@example.com")})
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := s.DB().Stats().InUse; n != 0 {
			t.Errorf("%d connections were not given back", n)
		}
	})
}

func TestTransactionTakesConcurrentCalls(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url), authSchema(t)
		migrate(t, s, schema)
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			return atOnce(16, func(i int) error {
				_, err := s.Create(ctx, schema.Table("user"), store.Record{"id": id(i), "email": id(i), "emailVerified": true, "createdAt": noon})
				if err != nil {
					return err
				}
				_, err = s.FindMany(ctx, schema.Table("user"), store.Query{})
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Count(t.Context(), schema.Table("user"), store.Where{}); n != 16 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

// atOnce calls fn n times at the same time and joins the errors.
func atOnce(n int, fn func(i int) error) error {
	start := make(chan struct{})
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	all.Wait()
	return errors.Join(errs...)
}

func TestContextOfAnEndedTransactionIsRefused(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		s, schema := open(t, url), authSchema(t)
		migrate(t, s, schema)
		var kept context.Context
		if err := s.Tx(t.Context(), func(ctx context.Context) error { kept = ctx; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Count(kept, schema.Table("user"), store.Where{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Count: got error %v", err)
		}
		if err := s.Tx(kept, func(context.Context) error { return nil }); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Tx: got error %v", err)
		}
	})
}

func TestCommitAfterAStatementFailedOnPostgresIsAnError(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.Postgres(t)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")

	err := s.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := s.Delete(ctx, schema.Table("session"), store.All()); err != nil {
			return err
		}
		_, err := s.Create(ctx, schema.Table("user"), store.Record{"id": "1", "email": "x", "emailVerified": true, "createdAt": noon})
		if !errors.Is(err, store.ErrDuplicate) {
			t.Errorf("Create of a taken id: got error %v", err)
		}
		if _, err := s.Count(ctx, schema.Table("user"), store.Where{}); err == nil {
			t.Error("the transaction goes on after a statement failed")
		}
		return nil
	})
	if !errors.Is(err, store.ErrDuplicate) {
		t.Errorf("Tx: got error %v", err)
	}
	if n, err := s.Count(t.Context(), schema.Table("session"), store.Where{}); n != 1 || err != nil {
		t.Errorf("%d sessions are left (%v), want 1", n, err)
	}
}

func TestLostTransactionIsAConflict(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.Postgres(t)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "a")
	signIn(t, s, schema, "b")

	// Each holds one row and wants the other's: the server ends one of them.
	var holding sync.WaitGroup
	holding.Add(2)
	errs := make([]error, 2)
	_ = atOnce(2, func(i int) error {
		mine, theirs := []string{"a", "b"}[i], []string{"b", "a"}[i]
		errs[i] = s.Tx(t.Context(), func(ctx context.Context) error {
			_, err := s.Update(ctx, schema.Table("session"), store.Eq("id", mine), store.Record{"hits": 1})
			holding.Done()
			if err != nil {
				return err
			}
			holding.Wait()
			_, err = s.Update(ctx, schema.Table("session"), store.Eq("id", theirs), store.Record{"hits": 2})
			return err
		})
		return nil
	})
	if won, lost := errs[0], errs[1]; (won == nil) == (lost == nil) || !errors.Is(errors.Join(won, lost), store.ErrConflict) {
		t.Errorf("got errors %v and %v, want one conflict", won, lost)
	}
}

func TestTakeWaitsForARowThatSomebodyHoldsAndKeeps(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.Postgres(t)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")
	sessions := schema.Table("session")

	type outcome struct {
		row store.Record
		err error
	}
	taken := make(chan outcome, 1)
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := s.Update(ctx, sessions, store.Eq("id", "1"), store.Record{"hits": 7}); err != nil {
			return err
		}
		go func() {
			row, err := s.Take(soon(t), sessions, store.Eq("token", "1"))
			taken <- outcome{row, err}
		}()
		return waiting(t, s, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-taken; got.err != nil || got.row["hits"] != int64(7) {
		t.Errorf("Take returned %v, %v: the row was there all the time", got.row, got.err)
	}
}

func TestTakePassesByARowThatSomebodyHolds(t *testing.T) {
	t.Parallel()
	s, schema := open(t, testenv.Postgres(t)), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "1")
	signIn(t, s, schema, "2")
	sessions := schema.Table("session")

	err := s.Tx(t.Context(), func(ctx context.Context) error {
		held, err := s.Take(ctx, sessions, store.All())
		if err != nil {
			return err
		}
		other, err := s.Take(soon(t), sessions, store.All())
		if err != nil {
			return err
		}
		if held["id"] == other["id"] {
			t.Errorf("the row %v was taken twice", held["id"])
		}
		return errors.New("roll back")
	})
	if err == nil || err.Error() != "roll back" {
		t.Fatal(err)
	}
	if n, err := s.Count(t.Context(), sessions, store.Where{}); n != 1 || err != nil {
		t.Errorf("%d sessions are left (%v), want the one whose taker rolled back", n, err)
	}
}

// soon is a context that ends well after everything should have happened, so
// that a test fails where it would otherwise wait for ever.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// waiting returns when n statements of the database wait for a lock.
func waiting(t testing.TB, s *bunstore.Store, n int) error {
	t.Helper()
	ctx := soon(t)
	for {
		var blocked int
		err := s.DB().DB.QueryRowContext(ctx,
			`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&blocked)
		if err != nil {
			return fmt.Errorf("look for waiting statements: %w", err)
		}
		if blocked >= n {
			return nil
		}
	}
}

func TestFiftyWritersOnOneSQLiteFile(t *testing.T) {
	t.Parallel()
	url, schema := sqliteFile(t), authSchema(t)
	// Two stores on one file are as two processes: only the file's own lock is
	// between them.
	stores := []*bunstore.Store{open(t, url), open(t, url)}
	migrate(t, stores[0], schema)
	signIn(t, stores[0], schema, "shared")
	users, sessions := schema.Table("user"), schema.Table("session")

	const writers, rounds = 50, 4
	err := atOnce(writers, func(i int) error {
		s := stores[i%2]
		for round := range rounds {
			name := fmt.Sprintf("%d-%d", i, round)
			// Reading first and writing then is what fails with a plain BEGIN.
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				if _, err := s.FindOne(ctx, users, store.Query{Where: store.Eq("id", "shared")}); err != nil {
					return err
				}
				_, err := s.Create(ctx, users, store.Record{"id": name, "email": name, "emailVerified": true, "createdAt": noon})
				return err
			})
			if err != nil {
				return err
			}
			if _, err := s.Add(t.Context(), sessions, store.Eq("token", "shared"), map[string]int64{"hits": 1}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := stores[1].Count(t.Context(), users, store.Where{})
	if err != nil || n != writers*rounds+1 {
		t.Errorf("%d users (%v), want %d", n, err, writers*rounds+1)
	}
	row, err := stores[1].FindOne(t.Context(), sessions, store.Query{Where: store.Eq("token", "shared")})
	if err != nil || row["hits"] != int64(writers*rounds) {
		t.Errorf("counted %v (%v), want %d", row["hits"], err, writers*rounds)
	}
}

// A pool of the application's, whose BEGIN takes no lock.
func TestTransactionsOfTwoPlainSQLitePoolsDoNotFailEachOther(t *testing.T) {
	t.Parallel()
	url, schema := sqliteFile(t), authSchema(t)
	migrate(t, open(t, url), schema)
	signIn(t, open(t, url), schema, "shared")
	sessions := schema.Table("session")

	var stores []*bunstore.Store
	for range 2 {
		pool, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pool.Close() })
		stores = append(stores, bunstore.New(bun.NewDB(pool, sqlitedialect.New())))
	}
	const writers, rounds = 8, 8
	err := atOnce(writers, func(i int) error {
		s := stores[i%2]
		for range rounds {
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				row, err := s.FindOne(ctx, sessions, sessionByToken("shared"))
				if err != nil {
					return err
				}
				_, err = s.Update(ctx, sessions, store.Eq("id", "shared"), store.Record{"hits": row["hits"].(int64) + 1})
				return err
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
	row, err := stores[0].FindOne(t.Context(), sessions, sessionByToken("shared"))
	if err != nil || row["hits"] != int64(writers*rounds) {
		t.Errorf("counted %v (%v), want %d", row["hits"], err, writers*rounds)
	}
}

func TestInMemoryDatabaseSurvivesCancelledCalls(t *testing.T) {
	t.Parallel()
	s, schema := open(t, "sqlite::memory:"), authSchema(t)
	migrate(t, s, schema)
	signIn(t, s, schema, "kept")

	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Tx(ctx, func(ctx context.Context) error {
				for j := range 20 {
					name := fmt.Sprintf("%d-%d", i, j)
					if _, err := s.Create(ctx, schema.Table("user"), store.Record{"id": name, "email": name, "emailVerified": true, "createdAt": noon}); err != nil {
						return err
					}
				}
				cancel()
				return nil
			})
		}()
		if i%2 == 0 {
			cancel()
		}
		<-done
		cancel()
	}
	n, err := s.Count(t.Context(), schema.Table("user"), store.Where{})
	if err != nil || n != 1 {
		t.Errorf("%d users (%v), want the one from before", n, err)
	}
}
